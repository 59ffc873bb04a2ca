"""Ratios of T80 with their intervals: by hand, against scipy, and what seeds that failed leave open."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from bench.analysis.statistics import hodges_lehmann_ratio, sd_log
from bench.gate import rules
from tests.bench.analysis.test_statistics import BASE_5, BASE_10, INF, close, few_times

compare_convergence = partial(rules.compare_convergence, tolerance=0.10, margin=0.20, alpha=0.05)


def test_ratio_by_hand():
    interval = hodges_lehmann_ratio([10, 20, 25], [15, 30, 40])
    # new / base: 1.5 .75 .6 | 3 1.5 1.2 | 4 2 1.6; k = 1
    assert (interval.low, interval.ratio, interval.high) == close(0.6, 1.5, 4.0)
    assert (interval.level, interval.num_base, interval.num_new) == (close(0.9), 3, 3)
    assert hodges_lehmann_ratio([1, 4], [2, 2]).ratio == close(1.0)  # 2 2 .5 .5: the geometric middle
    assert hodges_lehmann_ratio(BASE_5, BASE_5).level == close(1 - 24 / 252)


def test_ratio_by_hand_with_failed_seeds():
    def interval(base, new):
        found = hodges_lehmann_ratio(base, new, budget=100)
        return found.low, found.ratio, found.high

    assert interval([10, 20, INF], [15, 30, 40]) == close(
        0.0, 1.5, 4.0
    )  # ratios of the failed base seed: (0, .15], (0, .3], (0, .4]
    assert interval([10, 20, 25], [15, 30, INF]) == close(
        0.6, 1.5, INF
    )  # ratios of the failed new seed: [10, inf) [5, inf) [4, inf)
    assert interval([10, 20, INF], [15, 30, INF]) == close(0.0, 1.5, INF)
    assert interval([10, 20, 25], [INF, INF, INF]) == close(4.0, 5.0, INF)
    assert interval([INF, INF, INF], [10, 20, 25]) == close(0.0, 0.2, 0.25)
    low, ratio, high = interval([10, INF, INF], [INF, INF, 10])
    assert (low, high, math.isnan(ratio)) == (0.0, INF, True)  # the middle of the pairs has no bound
    assert interval([10, 20, 100], [15, 30, 500]) == interval([10, 20, INF], [15, 30, INF])  # budget or more = failed


def test_a_ratio_that_failures_leave_open_on_one_side_is_a_bound():
    """By hand, of 25 pairs the 13th: upper ends are inf where the new seed failed, lower ones 0 where the base did."""

    def said(base, new):
        found = hodges_lehmann_ratio(base, new, budget=100)
        assert hodges_lehmann_ratio(new, base, budget=100).bound == mirrored[found.bound]
        return found.ratio, found.in_words(2)

    mirrored = {"": "", "at least": "at most", "at most": "at least"}
    # lower ends: 5 of 0, 8 of 65 / 50, 12 of 100 / 50; upper ends: 15 of inf
    assert said([50, 50, 50, 50, INF], [65, 65, INF, INF, INF]) == (close(1.3), "at least 1.30")
    assert said([65, 65, INF, INF, INF], [50, 50, 50, 50, INF]) == (close(1 / 1.3), "at most 0.77")
    # lower ends: 10 of 0, 6 of 40 / 80, 9 of 100 / 80; six pairs that both failed are no sign of equality
    assert said([80, 80, 80, INF, INF], [40, 40, INF, INF, INF]) == (close(0.5), "at least 0.50")
    # upper ends: 10 of inf, 15 of 65 / 50
    assert said([50] * 5, [65, 65, 65, INF, INF]) == (close(1.3), "1.30")
    assert said([INF] * 3 + [50, 50], [INF] * 3 + [65, 65])[1] == "not comparable"


@settings(max_examples=150, deadline=None)
@given(base=few_times, new=few_times)
def test_a_ratio_is_what_every_fate_of_the_failed_seeds_allows(base, new):
    """A failed seed may have any time from the budget on. The two extreme ways to fill them in bound the ratio."""

    def filled(base_time, new_time):
        base_times, new_times = (
            [time if time < 300 else late for time in times] for times, late in ((base, base_time), (new, new_time))
        )
        return hodges_lehmann_ratio(base_times, new_times).ratio

    far = 1e30
    found, least, most = hodges_lehmann_ratio(base, new, 300), filled(far, 300.0), filled(300.0, far)
    if (least < 1e-6, most > 1e6) == (True, True):
        assert math.isnan(found.ratio)
    elif most > 1e6:
        assert (found.ratio, found.bound) == (close(least), "at least")
    elif least < 1e-6:
        assert (found.ratio, found.bound) == (close(most), "at most")
    else:
        assert found.bound == ""
        assert least * (1 - 1e-12) <= found.ratio <= most * (1 + 1e-12)


def test_failures_on_both_sides_say_nothing_of_the_ratio():
    """No seed of either arm converged, which does not show that they are equal."""
    for num_base, num_new in ((2, 2), (5, 5), (10, 5)):
        found = hodges_lehmann_ratio([INF] * num_base, [INF] * num_new, budget=100)
        assert math.isnan(found.ratio)
        assert (found.low, found.high, found.level) == (0.0, INF, 1.0)
    four_of_five = hodges_lehmann_ratio([50.0, *[INF] * 4], [90.0, *[INF] * 4], budget=100)
    assert math.isnan(four_of_five.ratio)
    assert (four_of_five.low, four_of_five.high) == (0.0, INF)
    one_each = hodges_lehmann_ratio([*BASE_10[:9], INF], [*BASE_10[:9], INF], budget=300)  # 19 unknown pairs, k = 28
    assert one_each.ratio == close(1.0)
    assert 0 < one_each.low < 1 < one_each.high < INF


def test_too_few_values_for_an_interval():
    interval = hodges_lehmann_ratio([1, 2], [3, 4])
    assert (interval.low, interval.high, interval.level) == (0.0, INF, 1.0)
    assert interval.ratio == close(math.sqrt(2 * 3))


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(st.integers(1, 10**6), unique=True, min_size=2, max_size=14),
    share=st.floats(0, 1),
    alpha=st.sampled_from([0.025, 0.05, 0.1]),
)
def test_interval_above_one_exactly_when_mann_whitney_rejects(values, share, alpha):
    cut = min(max(1, round(share * len(values))), len(values) - 1)
    base, new = values[:cut], values[cut:]
    p = mannwhitneyu(new, base, alternative="greater", method="exact").pvalue
    assert (hodges_lehmann_ratio(base, new, alpha=alpha).low > 1) == (p <= alpha + 1e-12)
    assert (hodges_lehmann_ratio(new, base, alpha=alpha).high < 1) == (p <= alpha + 1e-12)


@settings(max_examples=100, deadline=None)
@given(base=few_times, new=few_times, factor=st.floats(0.01, 100))
def test_ratio_is_scale_free_and_inverts(base, new, factor):
    found = hodges_lehmann_ratio(base, new, budget=300)
    scaled = hodges_lehmann_ratio(np.multiply(base, factor), np.multiply(new, factor), budget=300.5 * factor)
    inverse = hodges_lehmann_ratio(new, base, budget=300)
    original = hodges_lehmann_ratio(
        base, new, budget=300.5
    )  # no whole time is at 300.5, so rounding moves no seed across
    assert (scaled.low, scaled.high) == close(original.low, original.high)
    assert scaled.ratio == pytest.approx(original.ratio, rel=1e-9, nan_ok=True)
    assert 1 / found.high == close(inverse.low)  # 1 / inf = 0
    assert 1 / found.ratio == pytest.approx(inverse.ratio, rel=1e-9, nan_ok=True)
    assert inverse.high == (close(1 / found.low) if found.low else INF)


@settings(max_examples=100, deadline=None)
@given(base=few_times, new=few_times, slowdown=st.floats(1, 5))
def test_a_slowdown_never_looks_better(base, new, slowdown):
    slower = np.multiply(new, slowdown)
    before, after = hodges_lehmann_ratio(base, new, 300), hodges_lehmann_ratio(base, slower, 300)
    assert math.isnan(before.ratio) or before.low <= before.ratio <= before.high
    bounds = ["at most", "", "at least"]
    is_known = not (math.isnan(before.ratio) or math.isnan(after.ratio))
    assert not is_known or bounds.index(before.bound) <= bounds.index(after.bound)
    comparable = ("low", "ratio", "high") if is_known and before.bound == after.bound else ("low", "high")
    for name in comparable:
        assert getattr(after, name) >= getattr(before, name) * (1 - 1e-12)
    order = ["ok", "inconclusive", "regressed"]
    outcomes = [compare_convergence(base, sample, 300).outcome for sample in (new, slower)]
    assert order.index(outcomes[0]) <= order.index(outcomes[1])


@pytest.mark.parametrize("bad", [math.nan, 0.0, -1.0, -INF])
def test_broken_times_are_errors(bad):
    good, broken = [1.0, 2.0, 3.0], [1.0, bad, 3.0]
    for measure in (hodges_lehmann_ratio, compare_convergence):
        for sides in ((good, broken), (broken, good)):
            with pytest.raises(ValueError, match=r"(base|new) must be positive.* \[1\]"):
                measure(*sides, 10.0)
    with pytest.raises(ValueError, match="positive"):
        sd_log(broken)


def test_ratio_refuses_inf_without_a_budget_and_odd_shapes():
    for budget in (None, INF):
        with pytest.raises(ValueError, match="budget"):
            hodges_lehmann_ratio([1.0, INF], [1.0, 2.0], budget)
    with pytest.raises(ValueError, match="base"):
        hodges_lehmann_ratio([], [1.0])
    with pytest.raises(ValueError, match="new"):
        hodges_lehmann_ratio([1.0], [[1.0]])
    with pytest.raises(ValueError, match="budget"):
        hodges_lehmann_ratio([1.0], [1.0], budget=0.0)


def test_coverage_and_false_alarms_by_simulation():
    rng = np.random.default_rng(0)
    intervals = [
        hodges_lehmann_ratio(rng.lognormal(4.6, 0.1, 5), 1.2 * rng.lognormal(4.6, 0.1, 5)) for _ in range(2500)
    ]
    above = np.mean([interval.low > 1.2 for interval in intervals])
    below = np.mean([interval.high < 1.2 for interval in intervals])
    assert 0.0476 - 0.013 < above < 0.0476 + 0.013  # 12 / 252 each, three standard errors
    assert 0.0476 - 0.013 < below < 0.0476 + 0.013
    assert 1.19 < np.median([interval.ratio for interval in intervals]) < 1.21
