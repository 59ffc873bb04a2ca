"""Two committed baselines of mi-gate, made by one code with two torch releases, compared by the gate both ways."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.runs import Sweep
from bench.analysis.sweep_file import read_curves
from bench.gate import output as gate_output
from bench.gate.compare import compare
from bench.spec.criteria import GateTable
from infogan import data
from infogan.measures.health import COLLAPSED_DISTINCTNESS, COLLAPSED_VARIETY

BASELINES = Path(__file__).parents[3] / "results" / "baseline"
RULE = GateTable(baseline_seeds=list(range(10)), new_seeds=[0, 1, 2, 3, 4], more_seeds=[5, 6, 7, 8, 9])
FIVE = (0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def older() -> Sweep:
    return read_curves(BASELINES / "mi-gate-torch-2.13.json")


@pytest.fixture(scope="module")
def newer() -> Sweep:
    return read_curves(BASELINES / "mi-gate-torch-2.14.json")


def test_the_baselines_are_of_two_releases_and_the_same_cells(older: Sweep, newer: Sweep) -> None:
    releases = [sweep.runs[0].environment["packages"]["torch"] for sweep in (older, newer)]
    assert releases[0].startswith("2.13.")
    assert not releases[1].startswith("2.13.")
    for a, b in zip(older.runs, newer.runs, strict=True):
        assert a.cell.comparison == b.cell.comparison
        assert a.cell.seed == b.cell.seed
        assert a.cell.key != b.cell.key  # so no result is reused for the other release


@pytest.mark.parametrize("upgrade", [True, False])
@pytest.mark.parametrize("num_new", [5, 10])
def test_they_are_compared_and_torch_is_named(older: Sweep, newer: Sweep, upgrade: bool, num_new: int) -> None:
    base, new = (older, newer) if upgrade else (newer, older)
    seeds = tuple(range(num_new))
    check = compare(RULE, base, replace(new, runs=[run for run in new.runs if run.cell.seed in seeds]), seeds)
    assert check.outcome == "ok"
    (arm,) = check.arms
    assert arm.t80 is not None
    assert arm.t80.ratio is not None
    assert arm.t80.ratio.low < 1 < arm.t80.ratio.high < 1.05
    was, now = (sweep.runs[0].environment["packages"]["torch"] for sweep in (base, new))
    assert check.treatment[0] == f"torch: {was} -> {now}"
    assert arm.change.not_paired[0] == f"another torch ({was}, here {now})"
    assert any(line.startswith("under test: ") and now in line for line in gate_output.lines(check, RULE))


def test_healthy_seeds_lie_far_from_the_bounds(older: Sweep) -> None:
    assert [run.result.health.status for run in older.runs if run.result and run.result.health] == ["ok"] * 10
    assert min(run.summary["variety"] for run in older.runs) > 4 * COLLAPSED_VARIETY
    assert min(run.summary["distinctness"] for run in older.runs) > 5 * COLLAPSED_DISTINCTNESS
    assert [run.summary["collapsed"] for run in older.runs] == [0] * 10


def test_the_gates_digits_need_no_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """In an environment with another torch there may be no torchvision."""
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert data.prepare("mnist", "embedded").num_train == len(data.load("mnist", "embedded").train.images) == 4000
