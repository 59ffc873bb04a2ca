"""The gate on real curves: no alarm where nothing changed, an alarm where something did, and never a silent pass."""

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from bench.analysis.runs import Run, Sweep
from bench.analysis.sweep_file import from_json, to_json
from bench.analysis.tables import arms_table, comparisons_table
from bench.commands import gate as gate_commands
from bench.commands.baseline import baseline, read_baseline
from bench.console import BadInput
from bench.gate import files as gate_files
from bench.gate import output as gate_output
from bench.gate.compare import compare, inconclusive
from bench.gate.markdown import to_markdown
from bench.publish.gate_proof import failing, outcomes, stretched
from bench.records.history import History
from bench.records.schema import Result
from bench.report.tabular import NEITHER, sweep_tables
from bench.report.wording import ABSENT
from bench.spec.criteria import GateTable
from tests.bench.gate.baselines import BASELINE, converging
from tests.builders import of_arm

RULE = GateTable(baseline_seeds=list(range(10)), new_seeds=[0, 1, 2, 3, 4], more_seeds=[5, 6, 7, 8, 9])
FIVE = (0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def base() -> Sweep:
    return converging()


def take(sweep: Sweep, seeds: tuple[int, ...], factor: float = 1.0) -> Sweep:
    return replace(sweep, runs=[stretched(run, factor) for run in sweep.runs if run.cell.seed in seeds])


def with_state(run: Run, state: str, error: str) -> Run:
    return replace(run, state=state, result=Result(status="failed", error=error, message="it broke"))


def test_the_committed_baseline_converges_well_within_its_budget(base: Sweep) -> None:
    times = [run.summary["t80"] for run in base.runs]
    assert [run.cell.seed for run in base.runs] == list(range(10))
    assert all(run.cell.config["data"]["source"] == "embedded" for run in base.runs)
    assert max(times) < base.definition["training"]["iterations"] / 2


def test_identical_runs_are_ok_and_nothing_is_under_test(base: Sweep) -> None:
    check = compare(RULE, base, take(base, FIVE), FIVE)
    assert check.outcome == "ok"
    assert check.treatment == []
    assert check.next_seeds == ()
    assert check.arms[0].change.is_paired
    assert check.arms[0].change.t80.estimate == pytest.approx(0, abs=1e-6)
    assert not check.is_worse


@pytest.mark.parametrize(("factor", "outcome"), [(1.3, "regressed"), (2.0, "regressed"), (0.8, "ok"), (1.02, "ok")])
def test_slower_runs_regress_and_faster_ones_do_not(base: Sweep, factor: float, outcome: str) -> None:
    check = compare(RULE, base, take(base, FIVE, factor), FIVE)
    assert check.outcome == outcome
    assert check.arms[0].t80 is not None
    assert check.arms[0].t80.ratio is not None
    assert check.arms[0].t80.ratio.ratio == pytest.approx(factor, rel=0.06)
    assert check.next_seeds == (() if outcome == "ok" else (5, 6, 7, 8, 9))


def test_false_alarms_and_power_over_splits(base: Sweep) -> None:
    """This test takes every 9th of the 252 splits; docs/POWER.md has the results of all."""
    assert outcomes(base, RULE, 1.0, 0, every=9) == {"ok": 28}
    slow = outcomes(base, RULE, 1.5, 0, every=9)
    assert slow == {"regressed": 28}
    assert outcomes(base, RULE, 1.2, 0, every=9)["ok"] == 0
    assert outcomes(base, RULE, 1.0, 3, every=9)["ok"] == 0
    assert outcomes(base, RULE, 1.0, 2, every=9)["ok"] == 0  # two failures of five are never silent


def test_a_late_collapse_is_found_though_t80_does_not_see_it(base: Sweep) -> None:
    def collapsed(run: Run) -> Run:
        assert run.history is not None
        values = run.history.values.copy()
        values[-60:, run.history.names.index("mi/c1")] *= 0.8
        old = run.history
        return replace(run, history=History(old.names, values, old.step_iterations, old.step_ms))

    check = compare(RULE, base, replace(base, runs=[collapsed(r) for r in take(base, FIVE).runs]), FIVE)
    assert check.arms[0].t80 is not None
    assert check.arms[0].t80.outcome == "ok"
    assert check.outcome == "regressed"
    assert "final L_I has fallen" in check.reason


def test_a_diverged_seed_counts_as_failed_and_a_crash_as_unmeasured(base: Sweep) -> None:
    runs = take(base, FIVE).runs
    diverged = [with_state(r, "failed", "NonFiniteLoss") if r.cell.seed < 3 else r for r in runs]
    check = compare(RULE, base, replace(base, runs=diverged), FIVE)
    assert check.outcome == "regressed"
    assert sum(math.isinf(v) for v in check.arms[0].new_t80.values()) == 3
    assert "| ratio at least " in next(gate_output.lines(check, RULE))
    assert "| at least " in to_markdown(check, RULE)
    crashed = [with_state(runs[0], "failed", "WorkerDied"), *runs[1:]]
    check = compare(RULE, base, replace(base, runs=crashed), FIVE)
    assert check.outcome == "inconclusive"
    assert "seed 0 crashed: it broke" in check.reason


def test_a_diverged_seed_of_the_baseline_is_kept(base: Sweep) -> None:
    """One of ten: T80 of 10 seeds, one of them never; with five of ten the baseline itself is in doubt."""

    def with_diverged(num: int, *, is_early: bool) -> Sweep:
        runs = [with_state(r, "failed", "NonFiniteLoss") if r.cell.seed < num else r for r in base.runs]
        return replace(base, runs=[replace(r, history=None) if is_early and r.diverged else r for r in runs])

    for is_early in (False, True):
        check = compare(RULE, with_diverged(1, is_early=is_early), take(base, FIVE), FIVE)
        (arm,) = check.arms
        assert arm.t80 is not None
        assert (arm.t80.failed_base, arm.t80.num_base, arm.t80.failed_new) == (1, 10, 0)
        assert [seed for seed, t80 in arm.base_t80.items() if math.isinf(t80)] == [0]
        assert (arm.base_final_nats[0], arm.change.not_paired) == (0.0, [])
        assert check.outcome == "ok"
        half = compare(RULE, with_diverged(5, is_early=is_early), take(base, FIVE), FIVE)
        said = "infogan: More than 10 % of the baseline failed: 0 of 5 new seeds failed, 5 of 10 in the baseline."
        assert (half.outcome, half.reason) == ("inconclusive", said)


def test_a_diverged_seed_is_later_than_the_budget_in_tables_too(base: Sweep) -> None:
    runs = take(base, FIVE).runs
    diverged = [with_state(r, "failed", "NonFiniteLoss") if r.cell.seed < 2 else r for r in runs]
    ours = [of_arm(r, "other") for r in diverged]
    both = replace(base, runs=[*base.runs, *ours])
    row = comparisons_table(both, list(both.groups()), "infogan")[0]
    assert (row.arm, row.num_seeds, row.not_reached) == ("other", 5, 2)
    t80 = next(r for r in arms_table(both, list(both.groups())) if (r.arm, r.measure) == ("other", "t80"))
    assert (t80.num_seeds, t80.num_failed, t80.high) == (5, 2, math.inf)
    continuous = base.definition | {"codes": []}
    assert replace(both, definition=continuous).t80("other") == {}  # no categorical code, no T80
    assert next(r for r in arms_table(both, list(both.groups())) if r.arm == "other" and r.num_seeds == 3)


def test_arms_of_which_no_seed_converges_are_not_comparable(base: Sweep) -> None:
    """If no seed of two arms converges, neither the table nor its file may show a ratio of 1."""
    both = [failing(run) for run in base.runs]
    sweep = replace(base, runs=[*both, *(of_arm(r, "gan") for r in both)])
    table = next(t for t in sweep_tables(sweep, ["infogan", "gan"], "infogan") if t.name == "comparisons")
    assert table.rows[0][2:5] == [NEITHER, ABSENT, ABSENT]
    (row,) = csv.DictReader(io.StringIO(table.csv.decode()))
    assert row["t80_ratio"] == "not comparable: neither reached"
    assert (row["low"], row["high"], row["not_reached"]) == ("0", "unbounded", "10")


def test_an_arm_that_the_baseline_lacks_is_named(base: Sweep) -> None:
    runs = take(base, FIVE).runs
    new = replace(base, runs=[*runs, *(of_arm(r, "added") for r in runs)])
    check = compare(RULE, base, new, FIVE)
    assert check.not_gated == {"added": "the baseline has no such arm"}
    assert any("added" in line for line in gate_output.lines(check, RULE))


def test_missing_seeds_are_inconclusive(base: Sweep) -> None:
    check = compare(RULE, base, take(base, (0, 1)), FIVE)
    assert check.outcome == "inconclusive"
    assert "no finished run for seeds 2, 3, 4" in check.reason
    assert compare(RULE, base, take(base, ()), FIVE).outcome == "inconclusive"


def changed(sweep: Sweep, **training: object) -> Sweep:
    raw = json.loads(json.dumps(to_json(take(sweep, FIVE))))
    raw["definition"]["training"] |= training
    for run in raw["runs"]:
        run["config"]["training"] = raw["definition"]["training"]
    return from_json(raw)


def test_another_budget_is_not_compared_and_named(base: Sweep) -> None:
    check = compare(RULE, base, changed(base, batch_size=128), FIVE)
    assert check.outcome == "inconclusive"
    assert "batch_size: baseline 64, new 128" in check.reason


def test_everything_else_is_the_treatment(base: Sweep) -> None:
    check = compare(RULE, base, changed(base, learning_rate_q=1e-4), FIVE)
    assert check.outcome == "ok"
    assert check.treatment == ["training.learning_rate_q: 0.0002 -> 0.0001"]


def test_a_baseline_that_does_not_converge_gates_nothing(base: Sweep) -> None:
    low = replace(base, runs=[failing(run) for run in base.runs])
    check = compare(RULE, low, take(base, FIVE), FIVE)
    assert check.outcome == "inconclusive"
    assert check.not_gated == {"infogan": "no seed of the baseline reaches 0.8 H(c)"}
    assert check.next_seeds == ()  # more seeds could not decide


def test_ten_seeds_decide_without_a_third_look(base: Sweep) -> None:
    check = compare(RULE, base, take(base, tuple(range(10)), 1.5), tuple(range(10)))
    assert check.outcome == "regressed"
    assert check.next_seeds == ()


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_outputs_hold_every_seed_and_nothing_that_is_not_a_number(base: Sweep, tmp_path: Path, factor: float) -> None:
    new = take(base, FIVE, factor)
    new = replace(new, runs=[failing(new.runs[0]), *new.runs[1:]])
    check = compare(RULE, base, new, FIVE)
    for _ in range(2):
        gate_files.write(check, RULE, new, tmp_path, [tmp_path / "history.jsonl"])
    written = json.loads((tmp_path / "check" / "mi-gate.json").read_text())
    assert written["outcome"] == check.outcome
    assert written["arms"][0]["new_t80"]["0"] is None
    assert set(written["arms"][0]["base_t80"]) == {str(s) for s in range(10)}
    history = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert len(history) == 2
    assert history[0]["outcome"] == check.outcome
    text = "\n".join(gate_output.lines(check, RULE))
    assert "not reached" in text
    assert not re.search(r"\binf\b|\bnan\b", text)
    assert "smallest ratio detectable" in text


def test_junit_never_reads_passed_unless_ok(base: Sweep) -> None:
    def counts(check) -> tuple[str, str, str]:
        suite = ElementTree.fromstring(gate_files.to_junit(check, RULE))
        return suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]

    assert counts(compare(RULE, base, take(base, FIVE), FIVE)) == ("1", "0", "0")
    assert counts(compare(RULE, base, take(base, FIVE, 1.5), FIVE)) == ("1", "1", "0")
    assert counts(compare(RULE, base, take(base, (0,)), FIVE)) == ("1", "0", "1")
    assert counts(inconclusive("mi-gate", "no <baseline> \x00 & more")) == ("1", "0", "1")


def test_a_baseline_of_another_format_is_named_and_not_read(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps(json.loads(BASELINE.read_text()) | {"format": 99}))
    assert str(read_baseline(other, "mi-gate")).endswith(
        "other.json is not a baseline: record format 99, this version reads 1"
    )
    with pytest.raises(BadInput, match=r"--baseline: .* record format 99"):
        gate_commands.check("mi-gate", other, results=tmp_path / "results")
    assert not (tmp_path / "results").exists()
    with pytest.raises(BadInput, match=r"--json: the folder .* is not a folder"):
        gate_commands.check("mi-gate", json=str(other / "check.json"), results=tmp_path / "results")
    with pytest.raises(BadInput, match=r"--json .* is a folder; name a file in it"):
        gate_commands.check("mi-gate", json=str(tmp_path))
    for place, why in (
        (tmp_path, "is a folder; name a file in it"),
        (other / "new.json", "other.json is not a folder"),
    ):
        with pytest.raises(BadInput, match=f"--to.*{why}"):
            baseline("mi-gate", place, train=True, results=tmp_path / "results")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "check").write_text("")
    with pytest.raises(BadInput, match=r"folder of checks .* is not a folder"):
        gate_commands.check("mi-gate", results=tmp_path / "results")


def test_curves_survive_the_compact_file(base: Sweep) -> None:
    again = from_json(json.loads(json.dumps(to_json(base))))
    assert again.definition_key == base.definition_key
    for a, b in zip(base.runs, again.runs, strict=True):
        assert a.history is not None
        assert b.history is not None
        assert np.array_equal(a.history.values, b.history.values)
        assert a.summary == b.summary
