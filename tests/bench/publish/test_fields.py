"""The committed FIELDS.md and schema are what today's tables generate; the schema agrees with the tables' checks."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from bench.publish.documents import with_block
from bench.publish.fields import BLOCK, DOCUMENT, SCHEMA, listed, schema
from bench.spec.reading import BUILTIN
from bench.spec.vocabulary import CLAIMED, MEASURED

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.toml"))
REMAKE = "python -m bench.publish.fields"


def test_schema_and_list_are_committed_as_the_tables_now_give_them() -> None:
    assert json.loads(SCHEMA.read_text()) == schema(), REMAKE
    assert with_block(DOCUMENT.read_text(), BLOCK, listed()) == DOCUMENT.read_text(), REMAKE


def test_every_field_has_a_meaning_that_the_list_shows() -> None:
    own, shown = schema(), listed()
    for name, table in {"Spec": own, **own["$defs"]}.items():
        for field, described in table["properties"].items():
            assert described.get("description"), f"{name}.{field}: a text below the field says what it means"
            assert f"| `{field}` |" in shown


def test_the_page_of_measures_names_those_of_the_curve_for_claims() -> None:
    page = (DOCUMENT.parent / "MEASURES.md").read_text()
    of_the_curve = [name for name in CLAIMED if name not in MEASURED]
    assert of_the_curve
    assert [name for name in of_the_curve if f"`{name}`" not in page] == []


@pytest.mark.parametrize("file", [BUILTIN, *EXAMPLES], ids=lambda file: file.name)
def test_the_schema_takes_the_shipped_file_and_the_examples(file: Path) -> None:
    assert json.loads(SCHEMA.read_text())["$schema"].endswith("2020-12/schema")
    jsonschema.validate(tomllib.loads(file.read_text()), schema())
    first = file.read_text().partition("\n")[0]
    assert (file.parent / first.removeprefix("#:schema ")).resolve() == SCHEMA


@pytest.mark.parametrize(
    "text",
    [
        "[arms.a]\nbeta3 = 0.9",
        "[arms.a]\nbeta1 = 1.5",
        '[experiments.a]\nseeds = ["x"]',
        '[arms.a]\ngive_up = "soon"',
        "x = 1",
    ],
)
def test_the_schema_refuses_mistakes(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), schema())
