"""How the gate shares its alphas, and counts at the edge of a rule: each p is a hand-counted share of all orders."""

import math
from dataclasses import replace

import pytest

from bench.analysis.runs import Sweep
from bench.analysis.statistics import smallest_detectable_ratio
from bench.context import DEFAULT_SPEC
from bench.gate.change import find_change
from bench.gate.compare import compare
from bench.gate.health import check_health
from bench.gate.rules import non_inferior
from bench.gate.watched import decide_watched
from bench.publish.gate_proof import failing
from bench.records.schema import Result
from bench.spec.criteria import GateTable
from bench.spec.tables import load_spec
from tests.bench.gate.baselines import converging
from tests.bench.gate.test_gate_health import FIVE, RULE, sweep

TEN = tuple(range(10))
T80S_SHARE = 0.025  # half of RULE's alpha


@pytest.fixture(scope="module")
def base() -> Sweep:
    return sweep(converging(), TEN)


def five_against_ten(num_inversions: int, unit: float) -> tuple[dict[int, float], dict[int, float]]:
    """Five new values above ten of the baseline, but for pairs of the lowest one.

    Of the 3,003 orders 1, 2, 4, 7, 12, 19 have 0, 1, 2, 3, 4, 5 inverted pairs or fewer.
    """
    old = {seed: unit * (1 + 0.001 * seed) for seed in TEN}
    lowest = unit * (1 + 0.001 * (9.5 - num_inversions))
    return old, {0: lowest, **{seed: unit * (1.9 + 0.01 * seed) for seed in FIVE[1:]}}


def test_t80_and_the_final_information_have_half_of_alpha_each(base: Sweep) -> None:
    """Of the 3,003 orders of five among ten, 60 have 8 inverted pairs or fewer and 83 have 9: 2.0 and 2.8 %."""
    check = compare(RULE, base, sweep(base, FIVE), FIVE)
    (arm,) = check.arms
    assert arm.t80 is not None
    assert arm.t80.ratio is not None
    assert arm.final is not None
    assert (arm.t80.ratio.level, arm.final.level) == pytest.approx([1 - 2 * 60 / 3003] * 2)
    assert "excluded at 97.5 %" in check.reason


@pytest.mark.parametrize(("opposed", "direction"), [(1, "worse"), (3, "none")])
def test_ten_pairs_show_a_change_at_a_quarter_of_its_alpha(opposed: int, direction: str) -> None:
    """Signed ranks 1 to 10, one of them negative: 2 of 1,024 flips are as extreme as rank 1, 5 as rank 3 (0.49 %)."""
    later = {rank: 0.01 * rank * (-1 if rank == opposed else 1) for rank in range(1, 11)}
    t80 = dict.fromkeys(later, 100.0), {rank: 100 * math.exp(log) for rank, log in later.items()}
    nats = dict.fromkeys(later, 2.0)
    found = find_change(RULE, 300.0, t80, (nats, nats), [])
    assert (found.is_paired, found.t80.direction) == (True, direction)


@pytest.mark.parametrize(("num_inversions", "direction"), [(3, "worse"), (4, "none")])
def test_without_pairs_a_change_is_shown_at_a_quarter_of_its_alpha(num_inversions: int, direction: str) -> None:
    """7 of 3,003 orders are 0.23 %, 12 are 0.40 %; two measures in two directions share 1 %."""
    nats = dict.fromkeys(TEN, 2.0), dict.fromkeys(FIVE, 2.0)
    found = find_change(RULE, 300.0, five_against_ten(num_inversions, 100.0), nats, ["another processor"])
    assert found.t80.direction == direction


@pytest.mark.parametrize(("num_inversions", "outcome"), [(4, "regressed"), (5, "inconclusive")])
def test_watched_numbers_share_their_alpha(num_inversions: int, outcome: str) -> None:
    """12 of 3,003 orders are 0.40 %, 19 are 0.63 %; two numbers share 1 %."""
    rule: GateTable = load_spec(DEFAULT_SPEC).experiments["mi-gate"].gate
    assert len(rule.watched) == 2
    assert decide_watched(rule, rule.watched[0], *five_against_ten(num_inversions, 0.1), False)[-1] == outcome


def test_one_pair_of_a_watched_number_decides_nothing() -> None:
    rule: GateTable = load_spec(DEFAULT_SPEC).experiments["mi-gate"].gate
    for seeds, outcome in (((0,), "inconclusive"), ((0, 1), "ok")):
        same = dict.fromkeys(seeds, 0.1)
        assert decide_watched(rule, rule.watched[0], same, same, True)[-1] == outcome


def test_collapse_and_power_have_t80s_share_of_alpha(base: Sweep) -> None:
    """4 of 10 against none of 10 have p = 4.3 %, which is beyond 2.5 %."""
    check = compare(RULE, base, sweep(base, TEN, collapsed=4), TEN)
    assert check.outcome == "inconclusive"
    (arm,) = check.arms
    times = list(arm.base_t80.values())
    assert arm.smallest_detectable == smallest_detectable_ratio(times, times, RULE.tolerance, T80S_SHARE)


def test_seeds_that_failed_without_a_collapse_are_left_to_the_test_on_t80(base: Sweep) -> None:
    """Otherwise one fault would be tested twice at the whole of one share."""
    runs = sweep(base, FIVE).runs
    assert check_health(base.runs, [*(failing(run) for run in runs[:3]), *runs[3:]], T80S_SHARE).outcome == "ok"


def test_a_seed_that_diverged_after_it_had_converged_is_counted_with_the_collapsed_ones(base: Sweep) -> None:
    """One collapsed and two diverged of 5, against none of 10: p = 2.2 %; its T80 was reached before."""
    runs = sweep(base, FIVE, collapsed=1).runs
    failed = Result(status="failed", error="NonFiniteLoss")
    diverged = [replace(run, state="failed", result=failed) for run in runs[1:3]]
    assert all(run.summary["t80"] < 300 for run in diverged)
    assert check_health(base.runs, [runs[0], *diverged, *runs[3:]], T80S_SHARE).outcome == "regressed"
    assert check_health(base.runs, [*runs[:1], *diverged[:1], *runs[2:]], T80S_SHARE).outcome == "inconclusive"


def test_a_crash_of_a_seed_that_nobody_asked_for_decides_nothing(base: Sweep) -> None:
    crashed = replace(base.runs[7], state="failed", result=Result(status="failed", error="WorkerDied"))
    assert compare(RULE, base, replace(base, runs=[*sweep(base, FIVE).runs, crashed]), FIVE).outcome == "ok"
    assert compare(RULE, base, replace(base, runs=[*sweep(base, FIVE).runs, crashed]), (*FIVE, 7)).outcome != "ok"


def test_a_fall_by_exactly_the_margin_is_neither_excluded_nor_shown() -> None:
    assert non_inferior([1.0] * 3, [0.5] * 3, 0.5, 0.05)[1] == "inconclusive"
    assert non_inferior([1.0] * 3, [0.5625] * 3, 0.5, 0.05)[1] == "ok"
    assert non_inferior([1.0] * 3, [0.4375] * 3, 0.5, 0.05)[1] == "regressed"
