"""Verdicts, tables and documents of each reference are what its committed curves or packs give today."""

import csv
import json
import math
import shutil
import zipfile
from pathlib import Path

import pytest

from bench.analysis.results import PACKS
from bench.analysis.sweep_file import CURVES
from bench.claims.result import ClaimResult
from bench.context import DEFAULT_SPEC
from bench.publish import answers
from bench.publish.documents import document_of, with_block
from bench.publish.lean import lean, linked_files
from bench.publish.reference import (
    DEVIATIONS,
    QUOTED,
    REFERENCES,
    judged,
    reference_sweep,
    shown_table,
    with_values,
)
from bench.report.build import collect
from bench.report.evidence import best
from bench.report.files import written
from bench.report.pages import markdown
from bench.spec.tables import load_spec

FOLDERS = sorted({path.parent for pattern in (CURVES, PACKS) for path in REFERENCES.glob(f"*/{pattern}")})
QUICK = {"mnist-mi-paper"}  # quick to draw; the others take seconds each


def close(a: object, b: object) -> bool:
    """Whether the two are equal; numbers may differ by the rounding of committed curves."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(close(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-4)
    return a == b


def numbers(table: Path) -> list[list[float]]:
    """The numbers of a table, row by row. Its words may have changed since it was committed, its numbers must not.

    Older tables have 0 or 1 for a collapsed seed; newer ones have a word in the column health, if it is known.
    """
    found = []
    for row in csv.DictReader(table.read_text().splitlines()):
        if health := row.pop("health", ""):
            row["collapsed"] = str(int(health == "collapsed"))
        values = []
        for field in (row[column] for column in sorted(row)):
            try:
                values.append(float(field))
            except ValueError:
                continue
        found.append(values)
    return found


def test_there_is_a_reference() -> None:
    assert len(FOLDERS) >= 10
    assert {folder.name for folder in FOLDERS} == {path.parent.name for path in REFERENCES.glob("*/claims.json")}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_verdicts_recompute(folder: Path) -> None:
    sweep = reference_sweep(folder)
    experiment = load_spec(DEFAULT_SPEC).experiments[sweep.experiment]
    committed = json.loads((folder / "claims.json").read_text())
    recomputed = [r.to_json() for r in judged(sweep, folder)]
    assert [ClaimResult.from_json(entry).to_json() for entry in committed] == committed  # reading loses nothing
    assert len(committed) == len(recomputed)
    assert bool(committed) == bool(experiment.claims)
    for old, new in zip(committed, recomputed, strict=True):
        assert close({k: old[k] for k in new}, json.loads(json.dumps(new)))


@pytest.mark.parametrize(
    "folder",
    [pytest.param(f, id=f.name, marks=[] if f.name in QUICK else pytest.mark.slow) for f in FOLDERS],
)
def test_the_report_is_drawn_anew_with_the_same_numbers(folder: Path, tmp_path: Path) -> None:
    """From a copy: the same claims, tables and text, and every figure of curves that the report shows."""
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    found = collect(copy, load_spec(DEFAULT_SPEC), [reference_sweep(folder).experiment])
    written(found, copy / "report")
    committed, drawn = json.loads((folder / "claims.json").read_text()), copy / "report"
    again = json.loads((drawn / "claims.json").read_text())
    assert [(c["id"], c["arm"], c["verdict"]) for c in again] == [(c["id"], c["arm"], c["verdict"]) for c in committed]
    tables = sorted((folder / "tables").glob("*.csv"))
    assert len(tables) > 3
    for table in tables:
        if table.name == "memory.csv" and (folder / CURVES).exists():
            continue  # curves do not hold the memory of measuring
        assert close(numbers(table), numbers(drawn / "tables" / table.name)), table.name
    gone = (folder / CURVES).exists()  # only curves are left of the cells
    of_cells = ("-traversal-", "-factor-", "-pictures", *(["-confusion"] if gone else []))  # drawn from cells
    shown = {path.name for path in folder.glob("figures/*.png")}
    of_curves = {name for name in shown if not any(part in name for part in of_cells)}
    assert of_curves <= {path.name for path in (drawn / "figures").iterdir()}
    assert (drawn / "index.html").stat().st_size > 10_000
    today = lean(found, folder, linked_files())
    assert (folder / "report.md").read_bytes() == markdown(today.view)  # else: bench.publish.reference --again
    assert today.files.keys() >= {f"figures/{path.name}" for path in folder.glob("figures/*")}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_a_document_shows_the_reference(folder: Path) -> None:
    text = document_of(folder.name).read_text()
    table = shown_table(reference_sweep(folder), folder)
    assert with_block(text, folder.name, table) == text


def test_readme_and_the_page_of_the_paper_show_the_best_evidence() -> None:
    evidence = answers.committed()
    text = answers.README.read_text()
    assert with_block(text, answers.BLOCK, answers.table(evidence)) == text
    assert answers.PAGE.read_text() == answers.page(evidence)
    spec = load_spec(DEFAULT_SPEC)
    claims = {claim.id for experiment in spec.experiments.values() for claim in experiment.claims}
    assert {found[0].result.id for found in best(evidence)} == claims | ({spec.cost.id} if spec.cost else set())


def test_deviations_quote_the_choices_of_their_reference() -> None:
    text = DEVIATIONS.read_text()
    sweep = reference_sweep(REFERENCES / f"{QUOTED}-cpu")
    assert with_values(text, sweep) == text
    assert "<!--/-->" in text
    assert "><!--/-->" not in text  # no value is empty


def test_nothing_committed_names_a_path_of_a_machine() -> None:
    for folder in FOLDERS:
        texts = {file: file.read_text() for file in folder.rglob("*") if file.suffix in (".json", ".md", ".csv")}
        for file in folder.glob(PACKS):
            with zipfile.ZipFile(file) as archive:
                names = [name for name in archive.namelist() if name.endswith(".json")]
                texts |= {file / name: archive.read(name).decode() for name in names}
        sweep = reference_sweep(folder)
        texts[folder / CURVES] = json.dumps(
            [run.result.as_json() for run in sweep.runs if run.result] + [run.environment for run in sweep.runs]
        )
        for file, text in texts.items():
            assert not any(name in text for name in ("/home/", "/root/", "/tmp/", "/Users/")), file
