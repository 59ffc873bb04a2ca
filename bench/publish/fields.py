"""Writes what is generated of experiments.toml's tables: their JSON schema for editors, and the list of docs/FIELDS.md.

``python -m bench.publish.fields`` after a change of the tables; a test holds both to them.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from bench.environment import ROOT
from bench.publish.documents import markdown_table, parser_of, with_block
from bench.records.storage import write_atomic, write_plain_json
from bench.spec.reading import BUILTIN
from bench.spec.tables import Spec, load_spec

SCHEMA = ROOT / "docs" / "experiments.schema.json"
DOCUMENT, BLOCK = ROOT / "docs" / "FIELDS.md", "every field"
# what a file may leave to the one that it extends
PARTIAL = ("Spec", "Defaults", "ExperimentTable", "ProfileTable")
READ_BEFORE = {  # fields that pydantic never sees, by table
    "Spec": ("extends", 'the file that this one adds to: "builtin" for the shipped experiments.toml, or a path'),
    "NetworkTable": (
        "like",
        "a name of [networks], whose settings hold where this table states none; not in [defaults.network]",
    ),
}
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
# tables in the order of the list, with the heading of each
HEADINGS = {
    "Spec": "the file",
    "TrainingTable": "[defaults.training], [arms.NAME], [experiments.NAME.training], training of a variant",
    "ArmTable": "[arms.NAME], besides",
    "OptimizerTable": "optimizer = { ... }",
    "NetworkTable": "[defaults.network], [networks.NAME], [experiments.NAME.network], network of a variant",
    "ExperimentTable": "[experiments.NAME]",
    "ImagesTable": "data = { ... }",
    "NoiseTable": "noise = { ... }",
    "CategoricalTable": "codes: a categorical one",
    "ContinuousTable": "codes: a continuous one",
    "VariantTable": "[experiments.NAME.variants.NAME]",
    "ProfileTable": "[experiments.NAME.profiles.smoke], .cpu, .paper",
    "ResourcesTable": "resources = { ... }",
    "PaperBudget": "paper = { ... }",
    "ClaimTable": "[[experiments.NAME.claims]]",
    "ConditionTable": "[[experiments.NAME.claims.conditions]]",
    "BesideTable": "[[experiments.NAME.claims.beside]]",
    "BlankTable": "[experiments.NAME.blank]",
    "GateTable": "[experiments.NAME.gate]",
    "WatchedTable": "[[experiments.NAME.gate.watched]]",
    "CostTable": "[cost]",
}


def schema() -> dict[str, Any]:
    """The JSON schema of a file: pydantic's, with every field's meaning, and with what may be absent left open."""
    raw: dict[str, Any] = Spec.model_json_schema()
    tables = {"Spec": raw, **raw["$defs"]}
    for name, (field, meaning) in READ_BEFORE.items():
        own = {field: {"type": "string", "description": meaning}}
        tables[name]["properties"] = own | tables[name]["properties"]
    for name, table in tables.items():
        table.pop("description", None)  # of the class, for who reads the code
        if name in PARTIAL:
            table.pop("required", None)
        for described in table["properties"].values():  # one line each
            described["description"] = " ".join(described["description"].split())
    raw["title"] = "experiments.toml"
    cleaned = _cleaned(raw)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **cleaned}


def _cleaned(value: Any) -> Any:
    """Without titles of fields and without null, which TOML lacks; bounds by JSON schema's names."""
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {BOUNDS.get(k, k): _cleaned(v) for k, v in value.items() if not (k == "default" and v is None)}
    if isinstance(found.get("title"), str) and found["title"] != "experiments.toml":
        del found["title"]
    options = [option for option in found.get("anyOf", []) if option != {"type": "null"}]
    if "anyOf" in found and len(options) == 1:
        del found["anyOf"]
        return found | options[0]
    return found | ({"anyOf": options} if options else {})


def listed() -> str:
    """Every field of every table: values, default (of settings, the shipped file's), meaning."""
    own, raw, shipped = schema(), Spec.model_json_schema(), load_spec(BUILTIN).defaults
    tables = {"Spec": own, **own["$defs"]}
    needed = {name: table.get("required", []) for name, table in {"Spec": raw, **raw["$defs"]}.items()}
    stated = {"TrainingTable": vars(shipped.training), "NetworkTable": vars(shipped.network)}
    lines = []
    for name, heading in HEADINGS.items():
        rows = []
        known = tables["TrainingTable"]["properties"] if name == "ArmTable" else ()
        for field, described in tables[name]["properties"].items():
            if field in known:
                continue
            default = described.get("default", stated.get(name, {}).get(field))
            shown = "" if default is None or isinstance(default, dict) else f"`{json.dumps(default)}`"
            shown = "needed" if field in needed[name] else shown
            row = [f"`{field}`", " or ".join(_words(described)), shown, described["description"]]
            rows.append([cell.replace("|", "\\|") for cell in row])
        lines += [f"**{heading}**", "", markdown_table(["field", "values", "default", "meaning"], rows), ""]
    return "\n".join(lines)


def _words(described: dict[str, Any]) -> Iterator[str]:
    """The values of a field, in words."""
    if "$ref" in described:
        yield "a table"
    elif "enum" in described or "const" in described:
        yield from (f"`{json.dumps(value)}`" for value in described.get("enum", [described.get("const")]))
    elif options := described.get("anyOf") or described.get("oneOf"):
        yield from dict.fromkeys(word for option in options for word in _words(option))
    elif described["type"] == "array":
        inner = " or ".join(_words(described["items"])) if described.get("items") else "two numbers"
        yield "a list of " + re.sub(r"\ba (whole number|number|string|table)", r"\1s", inner)
    elif described["type"] == "object":
        held = {**described, **(described.get("patternProperties") or {})}
        yield "tables by name" if "$ref" in str(held) else "lists by name"
    else:
        kind = {"integer": "a whole number", "number": "a number", "string": "a string", "boolean": "`true` or `false`"}
        bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
        said = [f"{word} {described[bound]:,}" for bound, word in bounds.items() if bound in described]
        yield " ".join([kind[described["type"]], *said])


def main() -> int:
    """Write the schema and the list of fields."""
    parser_of("fields", __doc__).parse_args()
    write_plain_json(SCHEMA, schema())
    write_atomic(DOCUMENT, with_block(DOCUMENT.read_text(), BLOCK, listed()).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
