"""Did anything change: tests on pairs if runs are paired, otherwise on two samples, and how each is reported."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import wilcoxon

from bench.analysis.runs import Run, Sweep
from bench.analysis.sweep_file import from_json, read_curves, to_json
from bench.commands import gate as gate_commands
from bench.console import Exit
from bench.gate import change
from bench.gate import files as gate_files
from bench.gate import output as gate_output
from bench.gate.arms import slower_words
from bench.gate.change import find_change, sign_flip_p
from bench.gate.compare import Check, compare
from bench.gate.history import ChangeLine, history_line
from bench.publish.gate_proof import stretched
from bench.records.history import History
from bench.spec.criteria import GateTable
from tests.bench.gate.baselines import BASELINE, converging

FIVE = (0, 1, 2, 3, 4)
RULE = GateTable(baseline_seeds=list(range(10)), new_seeds=list(FIVE), more_seeds=[5, 6, 7, 8, 9])


def on_kernels(run: Run, **network: Any) -> Run:
    config = run.cell.config | {"network": run.cell.config["network"] | network}
    return replace(run, cell=replace(run.cell, config=config))


def of_another_loss(run: Run) -> Run:
    """The same run, trained by a step of one's own whose loss of D is another one."""
    config = run.cell.config | {"training": run.cell.config["training"] | {"step": "mine.py:step"}}
    assert run.history is not None
    values = run.history.values * np.where(np.array(run.history.names) == "loss/discriminator", 0.4, 1.0)
    return replace(run, cell=replace(run.cell, config=config), history=replace(run.history, values=values))


@pytest.fixture(scope="module")
def base() -> Sweep:
    return converging()


def checked(base: Sweep, factor: float = 1.0, lower: float = 1.0, **changed: Any) -> Check:
    """Check five seeds of the baseline, made slower by ``factor``, with the last tenth of L_I times ``lower``."""

    def made(run: Run) -> Run:
        old = stretched(run, factor).history
        assert old is not None
        assert run.history is not None
        values = old.values.copy()
        values[0] = run.history.values[0]  # the losses before the first update stay
        values[-30:, old.names.index("mi/c1")] *= lower
        return replace(run, history=History(old.names, values, old.step_iterations, old.step_ms), **changed)

    return compare(RULE, base, replace(base, runs=[made(run) for run in base.runs[:5]]), FIVE)


def environment(base: Sweep, **changed: Any) -> dict[str, Any]:
    return base.runs[0].environment | changed


@pytest.mark.parametrize("num", [5, 8, 10])
def test_sign_flips_are_counted_exactly(num: int) -> None:
    """For ranks, the p-value is Wilcoxon's."""
    rng = np.random.default_rng(num)
    for _ in range(20):
        values = rng.permutation(np.arange(1, num + 1)) * rng.choice([-1.0, 1.0], num)
        assert sign_flip_p(values) == pytest.approx(wilcoxon(values, alternative="greater", method="exact").pvalue)
        assert sign_flip_p(0.1 * values) == sign_flip_p(values)  # equal sums stay equal where they are rounded
    assert sign_flip_p(np.ones(num)) == 0.5**num
    assert sign_flip_p(np.zeros(num)) == 1.0


def test_signs_of_many_pairs_are_drawn_and_honest() -> None:
    ones = np.ones(20)
    assert sign_flip_p(ones) == 1 / 65_536  # never 0
    assert sign_flip_p(np.where(np.arange(20) < 10, 1.0, -1.0)) == pytest.approx(0.588, abs=0.01)  # P(Bin(20) >= 10)


def test_unchanged_runs_have_not_changed(base: Sweep) -> None:
    check = checked(base)
    (arm,) = check.arms
    assert (arm.change.is_paired, arm.change.not_paired, arm.change.num_pairs) == (True, [], 5)
    assert (arm.change.t80.direction, arm.change.final.direction) == ("none", "none")
    assert gate_output.verdict(check, RULE).startswith("ok: infogan: A slowdown of 20 % or more is excluded")


def test_a_small_slowdown_is_tolerated_and_named(base: Sweep) -> None:
    check = checked(base, 1.05)
    assert (check.outcome, check.is_worse) == ("ok", True)
    said = gate_output.verdict(check, RULE)
    assert said.startswith("ok, but slower: infogan: 5")
    assert "on the same seeds, within the tolerance of 10 %" in said
    assert check.arms[0].change.t80.p == 1 / 32


def test_a_small_fall_of_the_final_information_is_named(base: Sweep) -> None:
    check = checked(base, lower=0.99)
    assert (check.outcome, check.is_worse) == ("ok", True)
    said = gate_output.verdict(check, RULE)
    assert said.startswith("ok, but lower L_I: infogan: L_I -0.02")
    assert "nats" in said
    assert "within the margin of 0.05" in said


def test_faster_is_said_and_no_loss(base: Sweep) -> None:
    check = checked(base, 0.9)
    assert (check.outcome, check.is_worse) == ("ok", False)
    said = gate_output.verdict(check, RULE)
    assert said.startswith("ok, and faster and higher L_I: infogan: 10 % [")
    assert "tolerance" not in said


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"cpu": "another"}, "another processor (AMD EPYC, here another)"),
        ({"packages": {"torch": "9.0"}}, "another torch (2.14.1, here 9.0)"),
        ({"gpu": "one"}, "another device (cpu, here one)"),
    ],
)
def test_pairs_on_another_machine_do_not_hold(base: Sweep, changed: dict[str, Any], why: str) -> None:
    check = checked(base, 1.08, environment=environment(base, **changed))
    (arm,) = check.arms
    assert arm.change.not_paired == [why]
    assert any(f"two samples, since pairs do not hold: {why}" in line for line in gate_output.lines(check, RULE))
    assert arm.change.t80.direction == "worse"  # 8 % is seen without pairs too
    assert "of two samples, within the tolerance" in gate_output.verdict(check, RULE)
    assert checked(base, 1.03, environment=environment(base, **changed)).arms[0].change.t80.direction == "none"
    assert checked(base, 1.03).arms[0].change.t80.direction == "worse"  # pairs show 3 %


def test_other_kernels_and_other_streams_break_pairs(base: Sweep) -> None:
    new = replace(base, runs=[on_kernels(run, fast_layers=["g"]) for run in base.runs[:5]])
    assert compare(RULE, base, new, FIVE).arms[0].change.not_paired == ["other kernels"]
    shifted = [replace(base.runs[i + 1], cell=base.runs[i].cell) for i in FIVE]  # each seed gets the next seed's run
    (why,) = compare(RULE, base, replace(base, runs=shifted), FIVE).arms[0].change.not_paired
    assert why == "other random streams, or settings that change the start: D's first loss differs (seed 0)"
    assert change.why_not_paired(base.runs, [of_another_loss(run) for run in base.runs]) == []
    (why,) = change.why_not_paired(base.runs, [of_another_loss(run) for run in shifted])
    assert why == "other random streams, or settings that change the start: the first L_I of c1 differs (seed 0)"
    unrecorded = read_curves(BASELINE.with_name("mi-gate-torch-2.14.json"))  # made before kernels were recorded
    check = compare(RULE, unrecorded, replace(unrecorded, runs=base.runs[:5]), FIVE)
    assert check.arms[0].change.not_paired == ["the baseline does not say which kernels"]


def test_pairs_are_held_against_each_other_seed_by_seed(base: Sweep) -> None:
    """A baseline and new runs of two machines each: seeds 0 to 2 from one, 3 and 4 from the other, or not."""

    def of_machines(*cpus: str) -> Sweep:
        runs = [replace(run, environment=environment(base, cpu=cpu)) for run, cpu in zip(base.runs, cpus, strict=False)]
        return from_json(json.loads(json.dumps(to_json(replace(base, runs=runs)))))  # as a baseline is stored

    def not_paired(old: Sweep, new: Sweep) -> list[str]:
        return compare(RULE, old, new, FIVE).arms[0].change.not_paired

    mixed = of_machines("a", "a", "a", "b", "b")
    assert not_paired(mixed, mixed) == []
    assert not_paired(mixed, of_machines("a", "a", "a", "c", "c")) == ["another processor (b, here c) (seed 3)"]
    backwards = replace(mixed, runs=[replace(run, environment=mixed.runs[0].environment) for run in mixed.runs[::-1]])
    assert not_paired(mixed, backwards) == ["another processor (b, here a) (seed 3)"]
    of_later_seeds = replace(mixed, runs=[*of_machines("z", "a", "a", "b", "b").runs[1:]])
    assert [r.cell.seed for r in of_later_seeds.runs] == [1, 2, 3, 4]
    assert compare(RULE, mixed, of_later_seeds, FIVE[1:]).arms[0].change.not_paired == [
        "4 seeds in common, pairs need 5"
    ]


def test_too_few_seeds_in_common_are_no_pairs() -> None:
    base = {seed: 100.0 + seed for seed in range(10)}
    nats = dict.fromkeys(base, 2.0)
    new = {seed: 101.0 + seed for seed in range(20, 25)}
    found = find_change(RULE, 300.0, (base, new), (nats, dict.fromkeys(new, 2.0)), [])
    assert (found.is_paired, found.not_paired) == (False, ["0 seeds in common, pairs need 5"])
    two = {0: 130.0, 1: 131.0}
    found = find_change(RULE, 300.0, (base, two), (nats, dict.fromkeys(two, 2.0)), [])
    assert (found.t80.direction, found.final.direction) == ("not tested", "not tested")


def test_failed_seeds_count_as_the_budget() -> None:
    base, nats = dict.fromkeys(range(5), 100.0), dict.fromkeys(range(5), 2.0)
    slow = dict.fromkeys(range(5), math.inf)
    found = find_change(RULE, 300.0, (base, slow), (nats, nats), [])
    assert (found.t80.direction, math.exp(found.t80.estimate)) == ("worse", pytest.approx(3.0))
    found = find_change(RULE, 300.0, (slow, slow), (nats, nats), [])
    assert found.t80.direction == "none"
    found = find_change(RULE, 300.0, (slow, slow), (nats, nats), ["another processor"])
    assert found.t80.direction == "none"
    assert math.isnan(found.t80.estimate)


def test_strict_does_not_let_it_pass(base: Sweep, tmp_path: Path) -> None:
    check = checked(base, 1.05)
    for strict, failures in ((False, "0"), (True, "1")):
        code, text = gate_commands.conclude(check, RULE, None, tmp_path, strict=strict)
        assert code == (Exit.FAILED if strict else Exit.OK)
        assert json.loads(text)["passed"] is not strict
        assert json.loads(text)["outcome"] == "ok"
        suite = ElementTree.parse(tmp_path / "check" / "mi-gate.xml").getroot()
        assert suite.attrib["failures"] == failures
        (note,) = (element.text or "" for element in suite.iter("system-out"))
        assert note.startswith("ok, but slower: 5")
    code, _ = gate_commands.conclude(checked(base, 0.9), RULE, None, tmp_path, strict=True)
    assert code == Exit.OK


def test_history_and_json_hold_the_change(base: Sweep, tmp_path: Path) -> None:
    check = checked(base, 1.05)
    line = history_line(check, RULE, None, tmp_path)
    assert line.change == {"infogan": ChangeLine(is_paired=True, t80="worse", final="none")}
    written = gate_files.to_json(check, RULE)
    assert written["verdict"].startswith("ok, but slower")
    assert written["arms"][0]["change"]["t80"]["direction"] == "worse"
    assert math.exp(written["arms"][0]["change"]["t80"]["low"]) > 1.03


@pytest.mark.parametrize("is_paired", [True, False])
def test_a_change_that_failures_leave_open_is_said_as_a_bound(is_paired: bool) -> None:
    """By hand: 100 against a budget of 200 is 100 % later or, the other way round, 50 % earlier, if not more."""
    reached, failed = dict.fromkeys(range(5), 100.0), dict.fromkeys(range(5), math.inf)
    mostly = failed | {0: 100.0, 1: 100.0}
    nats = dict.fromkeys(range(5), 2.0)

    def words(*t80: dict[int, float]) -> str:
        return slower_words(find_change(RULE, 200.0, t80, (nats, nats), [] if is_paired else ["other machines"]))

    assert words(reached, failed).startswith("at least 100 % slower [")
    assert words(failed, reached).startswith("at least 50 % faster [")
    assert words(reached, reached | {4: math.inf}).startswith("0 % slower [")  # its middle is no bound
    if is_paired:
        assert words(reached, mostly).startswith("at least 100 % slower [")
        assert words(failed, failed).startswith("0 % slower [")
    else:
        assert words(failed, failed) == "not comparable"
