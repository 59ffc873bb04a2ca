"""The gate's collapse guard on the real baseline: never a silent pass, and no share of the other tests' alpha."""

import json
from dataclasses import replace

import pytest

from bench.analysis.runs import Run, Sweep
from bench.analysis.summary import health_measures
from bench.gate import files as gate_files
from bench.gate import output as gate_output
from bench.gate.compare import compare
from bench.gate.health import check_health
from bench.publish.gate_proof import failing
from bench.records.schema import HealthRecord, Result
from bench.spec.criteria import GateTable
from tests.bench.gate.baselines import converging

RULE = GateTable(baseline_seeds=list(range(10)), new_seeds=[0, 1, 2, 3, 4], more_seeds=[5, 6, 7, 8, 9])
FIVE = (0, 1, 2, 3, 4)
ALPHA = 0.025


def with_health(run: Run, status: str | None) -> Run:
    assert run.result is not None
    health = HealthRecord(status=status, variety=0.1, distinctness=0.05, saturation=0.0) if status else None
    return replace(run, result=run.result.model_copy(update={"health": health}))


def sweep(base: Sweep, seeds: tuple[int, ...], collapsed: int = 0, status: str | None = "ok") -> Sweep:
    """These seeds of the baseline: the first ``collapsed`` of them are collapsed, the others have ``status``."""
    runs = [run for run in base.runs if run.cell.seed in seeds]
    return replace(base, runs=[with_health(r, "collapsed" if i < collapsed else status) for i, r in enumerate(runs)])


@pytest.fixture(scope="module")
def recorded() -> Sweep:
    return converging()


@pytest.fixture(scope="module")
def base(recorded: Sweep) -> Sweep:
    return sweep(recorded, tuple(range(10)))


@pytest.mark.parametrize(
    ("collapsed", "outcome"), [(0, "ok"), (1, "inconclusive"), (2, "inconclusive"), (3, "regressed"), (5, "regressed")]
)
def test_collapsed_seeds_are_never_ok_and_regress_by_fishers_test(base: Sweep, collapsed: int, outcome: str) -> None:
    """3 of 5 against 0 of 10: p = 0.022; 2 of 5: p = 0.095. T80 is the baseline's own in every case."""
    check = compare(RULE, base, sweep(base, FIVE, collapsed), FIVE)
    assert check.arms[0].t80 is not None
    assert check.arms[0].t80.outcome == "ok"
    assert check.outcome == outcome
    assert (f"{collapsed} of 5 new seeds collapsed, 0 of 10 in the baseline" in check.reason) == (collapsed > 0)
    assert check.next_seeds == (() if outcome == "ok" else (5, 6, 7, 8, 9))


def test_a_baseline_that_collapses_as_often_excuses_it(base: Sweep) -> None:
    assert compare(RULE, sweep(base, tuple(range(10)), 2), sweep(base, FIVE, 1), FIVE).outcome == "ok"
    assert compare(RULE, sweep(base, tuple(range(10)), 1), sweep(base, FIVE, 1), FIVE).outcome == "inconclusive"


def test_failed_and_collapsed_seeds_are_counted_together_and_once(base: Sweep) -> None:
    runs = sweep(base, FIVE, 1).runs
    two_more = [*runs[:1], *(failing(run) for run in runs[1:3]), *runs[3:]]
    assert check_health(base.runs, two_more, ALPHA).outcome == "regressed"
    both = [failing(runs[0]), *runs[1:]]
    assert check_health(base.runs, both, ALPHA).outcome == "inconclusive"


def test_stalled_seeds_are_shown_and_gate_nothing(base: Sweep) -> None:
    check = compare(RULE, base, sweep(base, FIVE, status="stalled"), FIVE)
    assert check.outcome == "ok"
    assert any("5 stalled (seeds 0 1 2 3 4)" in line for line in gate_output.lines(check, RULE))


@pytest.mark.parametrize("side", ["baseline", "new"])
def test_what_was_recorded_without_health_is_said_to_be_unmeasured(base: Sweep, side: str) -> None:
    old = sweep(base, tuple(range(10)), status=None if side == "baseline" else "ok")
    check = compare(RULE, old, sweep(base, FIVE, status=None if side == "new" else "ok"), FIVE)
    assert check.outcome == "ok"
    assert check.arms[0].health.outcome == "not measured"
    who = "the baseline" if side == "baseline" else "a new run"
    assert f"Collapse was not measured: {who} was recorded without its health." in check.reason
    assert any(line.startswith("health: ") and "not measured" in line for line in gate_output.lines(check, RULE))
    assert json.loads(json.dumps(gate_files.to_json(check, RULE)))["arms"][0]["health"]["outcome"] == "not measured"


def test_a_collapse_against_an_unmeasured_baseline_is_no_pass(base: Sweep) -> None:
    check = compare(RULE, sweep(base, tuple(range(10)), status=None), sweep(base, FIVE, 1), FIVE)
    assert check.outcome == "inconclusive"
    assert "1 of 5 new seeds collapsed, and the baseline was recorded without its health" in check.reason


def test_measures_of_a_record() -> None:
    health = HealthRecord(status="collapsed", variety=None, distinctness=0.5, saturation=0.0)
    assert health_measures(Result(status="done", health=health)) == {
        "distinctness": 0.5,
        "saturation": 0.0,
        "collapsed": 1.0,
    }
    assert health_measures(Result(status="done")) == health_measures(None) == {}
