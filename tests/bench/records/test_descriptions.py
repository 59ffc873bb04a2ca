"""A cell's records against their descriptions: a record is read back to the byte; one that does not fit is reported."""

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from bench.analysis.results import load
from bench.records.identity import Identity
from bench.records.schema import Measured, Result, fitted, measures_of
from bench.records.seals import NOBODY, read_json, sealed_json, unsealed_json, write_json
from bench.records.storage import CorruptRecord
from tests.builders import ROOT, finished_cell

PACKS = sorted((ROOT / "results" / "reference").rglob("cells*.zip"))


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: f"{pack.parent.name}-{pack.stem}")
def test_records_of_every_committed_cell_are_written_again_as_they_are(pack: Path) -> None:
    with ZipFile(pack) as archive:
        names = set(archive.namelist())
        places = [name.rpartition("/")[0] for name in names if name.endswith("/cell.json")]
        assert places
        for place in places:
            key = json.loads(archive.read(f"{place}/cell.json"))["key"]
            for name in {f"{place}/{name}.json" for name in ("cell", "result", "measures")} & names:
                raw, owner = archive.read(name), NOBODY if name.endswith("/cell.json") else key
                value = unsealed_json(name, raw, owner)
                if name.endswith("/cell.json"):
                    again = Identity.read(value).as_json()
                elif name.endswith("/result.json"):
                    again = fitted(Result, name, value).as_json()
                else:
                    again = {family: entry.as_json() for family, entry in measures_of(value).items()}
                assert sealed_json(again, owner) == raw, name


def test_what_another_version_wrote_beside_the_fields_is_kept() -> None:
    value = {"status": "done", "seconds": {"train": 1, "checkpoint": 0.5, "evaluate": 0, "prepare": 0.0}, "later": [1]}
    assert json.dumps(fitted(Result, "result.json", value).as_json()) == json.dumps(value)  # 1 does not become 1.0


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("result.json", {"status": "dine"}, "result.json: status: Input should be 'done' or 'failed'"),
        ("result.json", {"notes": "a note"}, "result.json: notes: Input should be a valid list"),
        (
            "result.json",
            {"seconds": {"train": "long"}},
            "result.json: seconds.train: Input should be a valid number",
        ),
        ("measures.json", {"digits": 3}, "measures.json: digits: Input should be "),
        ("measures.json", {"digits": {"values": {"x": True}}}, "measures.json: digits: values.x: "),
    ],
)
def test_a_sealed_record_that_does_not_fit_is_one_line(
    tmp_path: Path, name: str, change: dict[str, Any], said: str
) -> None:
    folder = finished_cell(tmp_path)
    write_json(folder.path / name, read_json(folder.path / name, folder.key) | change, folder.key)
    if name == "result.json":
        assert (folder.result(), folder.state()) == (None, "partial")
        found = folder.end_damage()
    else:
        assert folder.measures() == {}
        (line,) = load(tmp_path).damaged
        found = line.partition(": ")[2]
    assert found is not None
    assert found.startswith(said)
    assert "\n" not in found


def test_an_entry_holds_numbers_that_json_has() -> None:
    with pytest.raises(CorruptRecord, match="finite"):
        fitted(Measured, "digits", {"values": {"x": float("nan")}})
