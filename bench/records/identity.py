"""What cell.json holds: which cell a folder is, its configuration in full, machine, versions and data."""

from typing import Any, cast

from bench.environment import DataRecord, Environment
from bench.records.schema import Identity
from bench.records.storage import CorruptRecord
from bench.spec.cells import Cell, digest

RECORD_FORMAT = 2  # of a cell's files; those of 1 did not say which cell they belong to, and are not read

KINDS: dict[str, Any] = {  # kinds of what cell.json must hold
    **dict.fromkeys(("experiment", "profile", "arm", "key", "definition_key"), str),
    **{"variant": str | None, "seed": int},
    **dict.fromkeys(("config", "definition", "environment", "data"), dict),
}


def identity_of(cell: Cell, environment: Environment, data: DataRecord) -> Identity:
    """Of a cell that is about to train."""
    return {
        "format": RECORD_FORMAT,
        "experiment": cell.experiment,
        "profile": cell.profile,
        "variant": cell.variant,
        "arm": cell.arm,
        "seed": cell.seed,
        "key": cell.key,
        "definition_key": cell.definition_key,
        "config": cell.config,
        "definition": cell.definition,
        "environment": environment,
        "data": data,
    }


def checked_identity(identity: dict[str, Any]) -> Identity:
    """What cell.json holds. Raises CorruptRecord where it is no cell's, of another format, or denies itself."""
    found = identity.get("format")
    if found != RECORD_FORMAT:
        raise CorruptRecord(f"cell.json: record format {found}, this version reads {RECORD_FORMAT}")
    wrong = [n for n, kind in KINDS.items() if n not in identity or not isinstance(identity[n], kind)]
    config = {} if wrong else identity["config"]
    wrong += [n for n in ("experiment", "profile", "variant", "arm", "seed") if config.get(n) != identity.get(n)]
    training = config.get("training")
    if not isinstance(training, dict) or type(training.get("iterations")) is not int:
        wrong.append("iterations")
    if wrong:
        raise CorruptRecord(f"cell.json: no cell's identity: {', '.join(wrong)}")
    if identity["key"] != digest(config) or identity["definition_key"] != digest(identity["definition"]):
        raise CorruptRecord("cell.json: its keys are not those of its configuration")
    return cast(Identity, identity)


def identified_cell(i: Identity) -> Cell:
    """The cell of an identity."""
    return Cell(i["experiment"], i["profile"], i["variant"], i["arm"], i["seed"], i["config"], i["definition"])
