"""Numbers that the gate watches beside T80: one that moves is named, and a missing one is never ok."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.analysis.runs import Run, Sweep
from bench.analysis.sweep_file import read_curves
from bench.context import DEFAULT_SPEC
from bench.gate import files, output
from bench.gate.compare import Check, compare
from bench.gate.history import history_line, read_history
from bench.gate.markdown import to_markdown
from bench.gate.watched import watched_seeds
from bench.records.history import History
from bench.records.schema import Result
from bench.report.figures.history import draw_history
from bench.spec.criteria import GateTable, WatchedTable
from bench.spec.tables import load_spec
from tests.bench.gate.baselines import BASELINE

FIVE = (0, 1, 2, 3, 4)
HUMP, CODE = "gan-fast-q", "infogan-continuous"


@pytest.fixture(scope="module")
def rule() -> GateTable:
    return load_spec(DEFAULT_SPEC).experiments["mi-gate"].gate


@pytest.fixture(scope="module")
def base() -> Sweep:
    return read_curves(BASELINE)


def changed(run: Run, column: str, factor: float, first_loss: float = 0.0) -> Run:
    """The same run with one of its curves scaled, or on other random streams."""
    old = run.history
    assert old is not None
    values = old.values.copy()
    values[:, old.names.index(column)] *= factor
    values[0, old.names.index("loss/discriminator")] += first_loss
    return replace(run, history=History(old.names, values, old.step_iterations, old.step_ms))


def new_runs(rule: GateTable, base: Sweep, seeds: tuple[int, ...] = FIVE) -> list[Run]:
    return [run for run in base.runs if run.cell.seed in watched_seeds(rule, run.cell.group, seeds)]


def checked(rule: GateTable, base: Sweep, arm: str = "", column: str = "mi/c1", factor: float = 1.0) -> Check:
    new = [changed(r, column, factor) if r.cell.arm == arm else r for r in new_runs(rule, base)]
    return compare(rule, base, replace(base, runs=new), FIVE)


def test_t80_is_not_watched(rule: GateTable) -> None:
    """Where no seed gets there on either side it is infinite, and the difference is no number."""
    with pytest.raises(ValueError, match="t80 cannot be watched"):
        WatchedTable.model_validate(rule.watched[0].model_dump() | {"measure": "t80"})


def outcomes(check: Check) -> dict[str, str]:
    return {one.group: one.outcome for one in check.watched}


def test_the_same_curves_are_ok(rule: GateTable, base: Sweep) -> None:
    check = checked(rule, base)
    assert check.outcome == "ok"
    assert outcomes(check) == {HUMP: "ok", CODE: "ok"}
    assert [(one.is_paired, sorted(one.new)) for one in check.watched] == [(True, [0, 1]), (False, [0, 1, 2])]
    assert [arm.group for arm in check.arms] == ["infogan"]
    assert check.not_gated == {}


@pytest.mark.parametrize(
    ("arm", "column", "factor", "said"),
    [
        (HUMP, "mi/c1", 1.4, "mean L_I over the run (of H(c)) has moved: shift +0.03"),
        (HUMP, "mi/c1", 0.6, "mean L_I over the run (of H(c)) has moved: shift -0.03"),
        (CODE, "explained/c2", 0.9, "explained share of c2 has moved: shift -0.09"),
    ],
)
def test_what_moved_is_named_everywhere(
    rule: GateTable, base: Sweep, tmp_path: Path, arm: str, column: str, factor: float, said: str
) -> None:
    check = checked(rule, base, arm, column, factor)
    assert check.outcome == "regressed"
    assert check.arms[0].outcome == "ok"
    assert {group for group, outcome in outcomes(check).items() if outcome == "regressed"} == {arm}
    assert output.verdict(check, rule).startswith(f"regressed: {arm}: {said}")
    (line,) = (line for line in output.lines(check, rule) if line.startswith(f"watched {arm}"))
    assert "-> regressed" in line
    assert said in to_markdown(check, rule).replace("\\", "")
    suite = ElementTree.fromstring(files.to_junit(check, rule))
    failed = [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None]
    assert failed == [f"{arm}.{'explained_final_c2' if arm == CODE else 'area_under_curve'}"]
    found = files.to_json(check, rule)["watched"]
    assert {one["group"]: one["outcome"] for one in found}[arm] == "regressed"
    history = tmp_path / "history.jsonl"
    line = history_line(check, rule, replace(base, runs=new_runs(rule, base)), tmp_path)
    history.write_text(line.model_dump_json() + "\n")
    drawing = draw_history(read_history(history), "infogan")
    assert drawing is not None
    assert f"{arm}, {said.partition(' has moved')[0]}: regressed" in drawing.caption


def test_a_better_explained_share_is_no_regression(rule: GateTable, base: Sweep) -> None:
    assert checked(rule, base, CODE, "explained/c2", 1.06).outcome == "ok"


def test_a_move_of_about_the_margin_wants_more_seeds(rule: GateTable, base: Sweep) -> None:
    check = checked(rule, base, HUMP, "mi/c1", 0.9)
    assert (check.outcome, outcomes(check)[HUMP]) == ("inconclusive", "inconclusive")
    assert check.next_seeds == tuple(rule.more_seeds)
    assert watched_seeds(rule, HUMP, (*FIVE, *check.next_seeds)) == (0, 1, 5, 6)
    assert watched_seeds(rule, HUMP, (10, 11)) == (10, 11)


@pytest.mark.parametrize("why", ["other random streams", "another kind of processor", "other seeds"])
def test_where_there_are_no_pairs_the_margin_is_that_of_two_samples(rule: GateTable, base: Sweep, why: str) -> None:
    looks = (*FIVE, 5, 6, 7, 8, 9)
    older, new = base, new_runs(rule, base, looks)
    if why == "other random streams":
        new = [changed(run, "mi/c1", 1.0, first_loss=0.01) for run in new]
    elif why == "another kind of processor":
        new = [replace(run, environment=run.environment | {"processor": "another"}) for run in new]
    else:
        older = replace(base, runs=[run for run in base.runs if run.cell.arm != HUMP or run.cell.seed > 0])
    hump = compare(rule, older, replace(base, runs=new), looks).watched[0]
    assert (hump.is_paired, hump.margin, hump.outcome) == (False, rule.watched[0].margin, "ok")
    assert "two samples" in hump.reason
    assert "margin 0.04" in hump.reason
    assert (why in hump.reason) == (why != "other seeds")


def test_seeds_that_diverged_have_learned_nothing(rule: GateTable, base: Sweep) -> None:
    failed = Result(status="failed", error="NonFiniteLoss", message="it broke")
    for broken, outcome in (((0, 1), "regressed"), ((1,), "inconclusive")):
        new = [
            replace(r, state="failed", result=failed) if r.cell.arm == HUMP and r.cell.seed in broken else r
            for r in new_runs(rule, base)
        ]
        check = compare(rule, base, replace(base, runs=new), FIVE)
        assert (check.outcome, outcomes(check)[HUMP]) == (outcome, outcome)


def test_a_baseline_without_the_arms_is_compared_without_them(rule: GateTable, base: Sweep) -> None:
    older = replace(base, runs=[run for run in base.runs if run.cell.arm == "infogan"])
    for arms in (("infogan",), ("infogan", HUMP, CODE)):
        new = [run for run in new_runs(rule, base) if run.cell.arm in arms]
        check = compare(rule, older, replace(base, runs=new), FIVE)
        assert (check.outcome, check.watched) == ("ok", [])
        assert f"not watched: {HUMP}: the baseline has no such arm" in list(output.lines(check, rule))


def test_an_arm_that_was_not_run_is_never_ok(rule: GateTable, base: Sweep) -> None:
    new = replace(base, runs=[run for run in new_runs(rule, base) if run.cell.arm != CODE])
    check = compare(rule, base, new, FIVE)
    assert check.outcome == "inconclusive"
    assert f"{CODE}: no finished run for seeds 0, 1, 2" in check.reason


def test_a_number_that_runs_do_not_have_is_never_ok(rule: GateTable, base: Sweep) -> None:
    without = rule.watched[1].model_copy(update={"measure": "explained_final_c3"})
    check = checked(rule.model_copy(update={"watched": [without]}), base)
    assert check.outcome == "inconclusive"
    assert "explained share of c3 may have moved: not measured" in check.reason


def test_two_seeds_decide_only_as_pairs(rule: GateTable, base: Sweep) -> None:
    new = [run for run in base.runs if run.cell.seed in (0, 1)]
    check = compare(rule, base, replace(base, runs=new), (0, 1))
    assert outcomes(check) == {HUMP: "ok", CODE: "inconclusive"}
