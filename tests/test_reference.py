"""What is committed as a reference recomputes from its curves: claims.json, README's tables, DEVIATIONS' values."""

import json
import math
from pathlib import Path

import pytest

from bench.analysis.runs import read_curves
from bench.context import DEFAULT_SPEC
from bench.publish import answers
from bench.publish.documents import document_of, with_block
from bench.publish.reference import (
    DEVIATIONS,
    QUOTED,
    REFERENCES,
    judged,
    shown_table,
    with_values,
)
from bench.spec.tables import load_spec

FOLDERS = sorted(path.parent for path in REFERENCES.glob("*/curves.json"))


def close(a: object, b: object) -> bool:
    """Equal, numbers up to the curves' rounding."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(close(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-4)
    return a == b


def test_there_is_a_reference() -> None:
    assert FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_the_reference_recomputes_from_its_curves(folder: Path) -> None:
    sweep = read_curves(folder / "curves.json")
    experiment = load_spec(DEFAULT_SPEC).experiments[sweep.experiment]
    committed = json.loads((folder / "claims.json").read_text())
    recomputed = [r.to_json() for r in judged(sweep, folder)]
    assert len(committed) == len(recomputed)
    assert bool(committed) == bool(experiment.claims)
    for old, new in zip(committed, recomputed, strict=True):
        assert close({k: old[k] for k in new}, json.loads(json.dumps(new)))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_a_document_shows_the_reference(folder: Path) -> None:
    text = document_of(folder.name).read_text()
    table = shown_table(read_curves(folder / "curves.json"), folder)
    assert with_block(text, folder.name, table) == text


def test_readme_and_the_page_of_the_paper_show_the_best_evidence() -> None:
    evidence = answers.committed()
    text = answers.README.read_text()
    assert with_block(text, answers.BLOCK, answers.table(evidence)) == text
    assert answers.PAGE.read_text() == answers.page(evidence)
    spec = load_spec(DEFAULT_SPEC)
    claims = {claim.id for experiment in spec.experiments.values() for claim in experiment.claims}
    assert set(answers.best(evidence)) == claims | ({spec.cost.id} if spec.cost else set())


def test_deviations_quote_the_choices_of_their_reference() -> None:
    text = DEVIATIONS.read_text()
    sweep = read_curves(REFERENCES / f"{QUOTED}-cpu" / "curves.json")
    assert with_values(text, sweep) == text
    assert "<!--/-->" in text
    assert "><!--/-->" not in text  # no value is empty


def test_nothing_committed_names_a_path_of_a_machine() -> None:
    for folder in FOLDERS:
        for file in folder.rglob("*"):
            if file.suffix in (".json", ".md", ".html", ".csv"):
                text = file.read_text()
                assert not any(name in text for name in ("/home/", "/root/", "/tmp/", "/Users/")), file
