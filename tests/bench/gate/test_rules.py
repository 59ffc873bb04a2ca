"""The gate's rules on T80 and on a level: outcomes by hand, error rates by simulation."""

import math
from functools import partial

import numpy as np
import pytest

from bench.analysis.statistics import fisher_failures, hodges_lehmann_ratio, mann_whitney, prob_slower
from bench.gate import rules
from bench.gate.rules import percent
from tests.bench.analysis.test_statistics import BASE_5, BASE_10, INF, close

compare_convergence = partial(rules.compare_convergence, tolerance=0.10, margin=0.20, alpha=0.05)
non_inferior = partial(rules.non_inferior, alpha=0.05)


def scaled(values, factor, failed=0):
    """The values times ``factor``, of which the slowest ``failed`` fail."""
    return [*(value * factor for value in values[: len(values) - failed]), *[INF] * failed]


@pytest.mark.parametrize(
    ("base", "new", "outcome", "word"),
    [
        (BASE_10, BASE_5, "ok", "excluded"),
        (BASE_10, scaled(BASE_5, 0.5), "ok", "excluded"),
        (BASE_10, scaled(BASE_5, 1.05), "ok", "excluded"),
        (BASE_10, scaled(BASE_5, 1.2), "regressed", "Slower"),
        (BASE_5, scaled(BASE_5, 1.2), "regressed", "Slower"),
        (BASE_10, scaled(BASE_10, 1.2), "regressed", "Slower"),
        (BASE_10, scaled(BASE_5, 1.0, failed=1), "ok", "excluded"),  # 10 infinite ratios, k = 12
        (BASE_10, scaled(BASE_5, 1.0, failed=2), "inconclusive", "Neither"),
        (BASE_10, scaled(BASE_5, 1.0, failed=3), "regressed", "fail"),
        (BASE_5, scaled(BASE_5, 1.0, failed=1), "inconclusive", "Neither"),  # 5 infinite ratios, k = 5
        (BASE_5, scaled(BASE_5, 1.0, failed=3), "inconclusive", "Neither"),
        (BASE_5, scaled(BASE_5, 1.0, failed=4), "regressed", "fail"),
        (BASE_10, scaled(BASE_10, 1.0, failed=2), "ok", "excluded"),  # 20 infinite ratios, k = 28
        (BASE_10, scaled(BASE_10, 1.0, failed=3), "inconclusive", "Neither"),
        (scaled(BASE_10, 1.0, failed=1), scaled(BASE_5, 1.2), "regressed", "Slower"),  # 5 unknown ratios, k = 12
        (scaled(BASE_10, 1.0, failed=1), BASE_5, "ok", "excluded"),
        (scaled(BASE_10, 1.0, failed=2), scaled(BASE_5, 2.0), "inconclusive", "baseline"),
        (scaled(BASE_5, 1.0, failed=1), scaled(BASE_5, 2.0), "inconclusive", "baseline"),
        (scaled(BASE_10 * 2, 1.0, failed=2), scaled(BASE_10 * 2, 1.0, failed=5), "inconclusive", "Too many"),
        ([60.0, 80, 100, 120, 140], [70.0, 90, 110, 130, 150], "inconclusive", "Neither"),  # too much spread
        (BASE_10, scaled(BASE_5[:2], 2.0), "inconclusive", "Fewer"),
        (BASE_5[:2], BASE_5, "inconclusive", "Fewer"),
        (BASE_10, [104.0], "inconclusive", "Fewer"),
        (BASE_10, [INF, INF], "inconclusive", "Fewer"),
    ],
)
def test_outcomes(base, new, outcome, word):
    found = compare_convergence(base, new, budget=300)
    assert (found.outcome, found.num_base, found.num_new) == (outcome, len(base), len(new))
    assert word in found.reason
    assert found.reason.endswith(".")
    assert (found.failed_base, found.failed_new) == (base.count(INF), new.count(INF))
    assert found.ratio == hodges_lehmann_ratio(base, new, 300)
    assert found.p_slower == mann_whitney(base, new)
    assert found.p_failures == fisher_failures(base.count(INF), len(base), new.count(INF), len(new))
    assert found.prob_slower == prob_slower(base, new)


def test_levels_are_not_rounded_to_whole_percents():
    """Alpha is split between two tests: each uses a level of 97.5 %, not of 98 %."""
    assert percent(0.975) == "97.5 %"
    assert percent(0.1) == "10 %"
    assert "excluded at 97.5 %" in compare_convergence(BASE_10, BASE_5, 300, alpha=0.025).reason


def test_budget_or_more_is_failed():
    late = [300.0, 301.0, 5000.0, 96.0, 97.0]
    assert compare_convergence(BASE_10, late, 300) == compare_convergence(BASE_10, [INF, INF, INF, 96.0, 97.0], 300)


@pytest.mark.parametrize(("base", "new"), [([], []), ([], BASE_5), (BASE_10, [])])
def test_no_seed_is_inconclusive(base, new):
    found = compare_convergence(base, new, budget=300)
    assert (found.outcome, found.ratio, found.p_slower, found.p_failures, found.prob_slower) == (
        "inconclusive",
        *[None] * 4,
    )
    assert non_inferior(base, new, 0.05) == (None, "inconclusive")


def test_a_tie_counts_against_a_regression():
    tied = [105.0, 105.0, 105.0, 105.0, 105.0]
    assert hodges_lehmann_ratio(tied, tied, 300).low == 1.0
    one_tie = compare_convergence([80.0, 82, 100], [100.0, 118, 120], 300)  # k = 1: the one tie is the lower bound
    assert (one_tie.ratio.low, one_tie.outcome) == (1.0, "inconclusive")
    assert compare_convergence([80.0, 82, 99], [100.0, 118, 120], 300).outcome == "regressed"


def test_settings_of_the_rule_move_it():
    new = scaled(BASE_5, 1.15)
    assert compare_convergence(BASE_10, new, 300).outcome == "regressed"
    assert compare_convergence(BASE_10, new, 300, tolerance=0.3, margin=0.5).outcome == "ok"
    assert compare_convergence(BASE_10, new, 300, tolerance=0.3, margin=0.1).outcome == "inconclusive"
    assert compare_convergence(BASE_10, new, 300, alpha=0.0003, margin=0.01).outcome == "inconclusive"  # below 1 / 3003
    failed = scaled(BASE_10, 1.0, failed=2)
    assert compare_convergence(failed, BASE_5, 300).outcome == "inconclusive"
    for bad in ({"tolerance": -0.1}, {"margin": 0.0}, {"alpha": 0.5}, {"budget": 0.0}, {"budget": math.nan}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            compare_convergence(BASE_10, new, **{"budget": 300.0, **bad})


@pytest.mark.parametrize(
    ("slowdown", "regressed", "ok"),
    [(1.0, (0.0, 0.05), (0.84, 0.96)), (1.2, (0.80, 0.93), (0.01, 0.08)), (1.5, (0.98, 1.0), (0.0, 0.005))],
)
def test_error_rates_by_simulation(slowdown, regressed, ok):
    """Ten seeds against five, spread 0.1: 2 and 90 % without a slowdown, 87 and 4 % at 1.2, 100 and 0 % at 1.5."""
    rng = np.random.default_rng(1)
    outcomes = [
        compare_convergence(rng.lognormal(4.6, 0.1, 10), slowdown * rng.lognormal(4.6, 0.1, 5), 1000.0).outcome
        for _ in range(400)
    ]
    assert regressed[0] <= outcomes.count("regressed") / 400 <= regressed[1]
    assert ok[0] <= outcomes.count("ok") / 400 <= ok[1]


# the guard on a level, where higher is better


def test_non_inferior_by_hand():
    base, new = [2.20, 2.22, 2.25], [2.18, 2.21, 2.22]
    shift, outcome = non_inferior(base, new, margin=0.08)
    # new - base: -.02 -.04 -.07 | .01 -.01 -.04 | .02 0 -.03; k = 1
    assert (shift.low, shift.shift, shift.high) == pytest.approx((-0.07, -0.02, 0.02))
    assert (shift.level, outcome) == (close(0.9), "ok")
    assert non_inferior(base, new, margin=0.06)[1] == "inconclusive"
    assert non_inferior(base, np.subtract(new, 0.2), margin=0.06)[1] == "regressed"
    assert non_inferior(base, np.add(new, 0.2), margin=0.06)[1] == "ok"
    two, outcome = non_inferior(np.linspace(2.2, 2.3, 10), new[:2], margin=10.0)
    assert (math.isfinite(two.low), outcome) == (True, "inconclusive")  # an interval, but two seeds decide nothing


def test_non_inferior_shares_the_ranks_of_the_ratio():
    rng = np.random.default_rng(2)
    base, new = rng.lognormal(0, 0.3, 10), rng.lognormal(0.1, 0.3, 5)
    ratio = hodges_lehmann_ratio(base, new)
    shift, _ = non_inferior(np.log(base), np.log(new), margin=0.05)
    assert np.exp((shift.low, shift.shift, shift.high)) == close(ratio.low, ratio.ratio, ratio.high)
    assert shift.level == ratio.level


def test_non_inferior_error_rates_by_simulation():
    rng = np.random.default_rng(3)
    outcomes = [non_inferior(rng.normal(0, 1, 5), rng.normal(-2, 1, 5), margin=2.0)[1] for _ in range(2000)]
    for wrong in ("ok", "regressed"):  # a true loss of exactly the margin: 12 / 252 each
        assert 0.033 < outcomes.count(wrong) / 2000 < 0.063


def test_non_inferior_refuses():
    for bad in (math.nan, INF):
        with pytest.raises(ValueError, match="new must be a number and finite"):
            non_inferior([1.0, 2.0, 3.0], [1.0, bad, 3.0], 0.05)
    with pytest.raises(ValueError, match="margin"):
        non_inferior([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 0.0)
