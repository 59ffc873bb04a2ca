"""Intervals and tests against hand-computed values, enumeration and scipy."""

import itertools
import math
import subprocess
import sys
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, mannwhitneyu

from bench import statistics
from bench.curves import area_under_curve, final_value, hump, iterations_to_threshold, smooth_centred
from bench.statistics import (
    binomial_median_interval,
    compare_convergence,
    fisher_failures,
    hodges_lehmann_ratio,
    mann_whitney,
    median_interval,
    non_inferior,
    prob_slower,
    proportion_interval,
    rank_k,
    same_seed_ratios,
    sd_log,
    smallest_detectable_ratio,
)

INF = math.inf
ENTROPY = math.log(10)
BASE_10 = [95.0, 96.0, 97.0, 98.0, 99.0, 100.0, 101.0, 102.0, 103.0, 104.0]
BASE_5 = BASE_10[::2]
times = st.integers(10, 400).map(float)  # against a budget of 300: some fail, many tie
few_times = st.lists(times, min_size=3, max_size=5)


def close(*values):
    return pytest.approx(values if len(values) > 1 else values[0], rel=1e-9)


def test_import_leaves_the_heavy_packages_alone():
    code = "import sys, bench.statistics; print({'scipy', 'torch', 'pandas', 'matplotlib'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# curves


def test_smooth_centred():
    assert smooth_centred([1, 2, 6, 7, 2], window=3) == close(3, 5, 5)
    assert smooth_centred([3, 1, 2], window=1) == close(3, 1, 2)
    assert len(smooth_centred([1.0] * 10)) == 0
    assert len(smooth_centred([1.0] * 11)) == 1


@pytest.mark.parametrize("window", [0, -1, 2, 10])
def test_smooth_centred_refuses_a_window_without_a_centre(window):
    with pytest.raises(ValueError, match="window"):
        smooth_centred(np.ones(20), window)


@pytest.mark.parametrize(
    ("slope", "window", "fraction"), [(0.02, 11, 0.8), (0.013, 11, 0.5), (0.02, 1, 0.8), (0.05, 21, 0.9)]
)
def test_threshold_of_a_ramp_is_where_the_line_crosses(slope, window, fraction):
    curve = slope * np.arange(1, 401)
    assert iterations_to_threshold(curve, ENTROPY, fraction, window) == close(fraction * ENTROPY / slope)


def test_threshold_of_a_step():
    curve = np.where(np.arange(1, 101) > 50, 1.0, 0.0)  # the window must hold 8.8 of 11 ones: centre 53.8
    assert iterations_to_threshold(curve, 1.0) == close(53.8)
    assert iterations_to_threshold(curve, 1.0, window=1) == close(50.8)


def test_threshold_at_the_ends():
    assert iterations_to_threshold(np.ones(30), 1.0) == 6.0  # the first full window
    assert iterations_to_threshold(np.full(30, 0.79), 1.0) == INF
    assert iterations_to_threshold(np.ones(10), 1.0) == INF  # no full window
    dip = np.concatenate([np.ones(40), np.zeros(40)])
    assert iterations_to_threshold(dip, 1.0) == 6.0  # the first time, whatever comes later


@pytest.mark.parametrize("bad", [math.nan, INF, -INF])
def test_broken_curves_are_errors(bad):
    curve = np.ones(30)
    curve[7] = bad
    for measure in (smooth_centred, final_value, hump):
        with pytest.raises(ValueError, match=r"finite.*7"):
            measure(curve)
    for measure in (iterations_to_threshold, area_under_curve):
        with pytest.raises(ValueError, match=r"finite.*7"):
            measure(curve, 1.0)
        with pytest.raises(ValueError, match="entropy"):
            measure(np.ones(30), 0.0)


def test_area_under_curve_clips_both_ways():
    assert area_under_curve([-1.0, 0.0, 1.0, 2.0, 3.0], 2.0) == close((0 + 0 + 0.5 + 1 + 1) / 5)


def test_final_value():
    assert final_value(np.arange(1.0, 31.0)) == close(29.0)  # the last three of 30
    assert final_value([1.0, 5.0]) == 5.0
    assert final_value(np.arange(100.0), share=0.29) == close(85.0)  # 71 .. 99
    assert final_value([1.0, 2.0, 6.0], share=1.0) == close(3.0)
    with pytest.raises(ValueError, match="share"):
        final_value([1.0], share=0.0)


def test_hump():
    curve = 2.0 - 0.01 * np.abs(np.arange(1, 101) - 40)
    height, iteration = hump(curve)
    assert iteration == 40
    assert height == close(2.0 - 0.01 * 2 * (1 + 2 + 3 + 4 + 5) / 11)
    assert hump([0.0, 3.0, 1.0], window=1) == (3.0, 2)
    with pytest.raises(ValueError, match="window=11"):
        hump(np.ones(10))


# one set of values


@pytest.mark.parametrize(
    ("num", "rank", "level"), [(1, 1, 0.0), (4, 1, 0.875), (5, 1, 0.9375), (7, 1, 63 / 64), (8, 2, 1 - 18 / 256)]
)
def test_median_interval(num, rank, level):
    interval = median_interval(np.arange(num, 0, -1.0))
    assert (interval.low, interval.high, interval.num) == (rank, num + 1 - rank, num)
    assert (interval.median, interval.level) == close((num + 1) / 2, level)


@pytest.mark.parametrize("num", range(5, 60))
def test_median_interval_is_the_narrowest_of_its_level(num):
    interval = median_interval(np.arange(1.0, num + 1))
    rank = int(interval.low)
    assert interval.level == close(1 - 2 * binom.cdf(rank - 1, num, 0.5))
    assert interval.level >= 0.9 > 1 - 2 * binom.cdf(rank, num, 0.5)


def test_median_interval_keeps_failed_seeds():
    interval = median_interval([INF, 3, 1, 2, INF])
    assert (interval.low, interval.median, interval.high, interval.num) == (1, 3, INF, 5)
    assert median_interval([1, INF]).median == INF
    assert median_interval([INF, INF]).low == INF


def test_binomial_median_interval_follows_binom_ppf():
    for num in range(1, 200):
        values, rank = np.arange(1.0, num + 1), int(binom.ppf(0.05, num, 0.5))
        interval = binomial_median_interval(values)
        assert (interval.low, interval.high) == ((rank, num + 1 - rank) if rank else (-INF, INF))
        assert interval.level == close(1 - 2 * binom.cdf(rank - 1, num, 0.5))
    assert binomial_median_interval(np.arange(1.0, 41)).low == 15
    with pytest.raises(ValueError, match="finite"):
        binomial_median_interval([0.1, INF])


def test_clopper_pearson():
    assert proportion_interval(0, 5) == (0.0, close(1 - 0.025**0.2))
    assert proportion_interval(5, 5) == (close(0.025**0.2), 1.0)
    assert proportion_interval(5, 5, level=0.9)[0] == close(0.05**0.2)
    low, high = proportion_interval(3, 10)
    assert binom.sf(2, 10, low) == close(0.025)
    assert binom.cdf(3, 10, high) == close(0.025)
    with pytest.raises(ValueError, match="k=6"):
        proportion_interval(6, 5)


def test_sd_log():
    assert sd_log([1.0, math.e, math.e**2]) == close(1.0)
    assert sd_log([70.0, 70.0]) == 0.0
    assert sd_log([1.0, 2.0, INF]) == INF
    with pytest.raises(ValueError, match="two"):
        sd_log([1.0])


# ranks


@pytest.mark.parametrize(
    ("num_base", "num_new", "k"), [(5, 5, 5), (10, 5, 12), (10, 10, 28), (3, 3, 1), (2, 2, 0), (10, 2, 2), (10, 1, 0)]
)
def test_rank_k_at_five_percent(num_base, num_new, k):
    assert rank_k(num_base, num_new, 0.05) == rank_k(num_new, num_base, 0.05) == k


@pytest.mark.parametrize(("num_base", "num_new"), [(1, 1), (1, 4), (3, 3), (4, 2), (5, 4), (6, 5)])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.25, 0.4])
def test_rank_k_by_enumeration(num_base, num_new, alpha):
    places = range(num_base + num_new)
    u = [sum(new) - num_new * (num_new - 1) // 2 for new in itertools.combinations(places, num_new)]
    expected = sum(np.mean([value <= k for value in u]) <= alpha for k in range(num_base * num_new))
    assert rank_k(num_base, num_new, alpha) == expected


def test_large_sets_take_the_normal_law():
    exact = rank_k(60, 50, 0.05)
    with patch.object(statistics, "EXACT_RANK_WORK", 0):
        approximate, level = statistics._shift_rank.__wrapped__(60, 50, 0.05)
    assert level == close(0.9)
    assert abs(approximate - exact) <= 1
    assert 470_000 < rank_k(1000, 1000, 0.05) < 490_000


@pytest.mark.parametrize(
    ("num_base", "num_new", "alpha"), [(0, 5, 0.05), (5, -1, 0.05), (5, 5, 0.0), (5, 5, 0.5), (5, 5, math.nan)]
)
def test_rank_k_refuses(num_base, num_new, alpha):
    with pytest.raises(ValueError, match=r"positive|alpha"):
        rank_k(num_base, num_new, alpha)


# ratios


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
    )  # the failed base seed: (0, .15], (0, .3], (0, .4]
    assert interval([10, 20, 25], [15, 30, INF]) == close(
        0.6, 1.5, INF
    )  # the failed new seed: [10, inf) [5, inf) [4, inf)
    assert interval([10, 20, INF], [15, 30, INF]) == close(0.0, 1.5, INF)
    assert interval([10, 20, 25], [INF, INF, INF]) == close(4.0, 5.0, INF)
    assert interval([INF, INF, INF], [10, 20, 25]) == close(0.0, 0.2, 0.25)
    assert interval([INF, INF, INF], [INF, INF, INF]) == close(1.0, 1.0, 1.0)  # nothing but ties
    assert interval([10, 20, 100], [15, 30, 500]) == interval([10, 20, INF], [15, 30, INF])  # budget or more = failed


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
    assert (scaled.low, scaled.ratio, scaled.high) == close(original.low, original.ratio, original.high)
    assert (1 / found.ratio, 1 / found.high) == close(inverse.ratio, inverse.low)  # 1 / inf = 0
    assert inverse.high == (close(1 / found.low) if found.low else INF)


@settings(max_examples=100, deadline=None)
@given(base=few_times, new=few_times, slowdown=st.floats(1, 5))
def test_a_slowdown_never_looks_better(base, new, slowdown):
    slower = np.multiply(new, slowdown)
    before, after = hodges_lehmann_ratio(base, new, 300), hodges_lehmann_ratio(base, slower, 300)
    assert before.low <= before.ratio <= before.high
    for name in ("low", "ratio", "high"):
        assert getattr(after, name) >= getattr(before, name) * (1 - 1e-12)
    order = ["ok", "inconclusive", "regressed"]
    with patch.object(statistics, "mann_whitney", return_value=0.5):  # printed only, and slow
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


# p-values


def test_mann_whitney_by_hand():
    assert mann_whitney([1, 2, 3], [4, 5, 6]) == close(1 / 20)
    assert mann_whitney([4, 5, 6], [1, 2, 3]) == close(1.0)
    assert mann_whitney(BASE_5, [200, 201, 202, 203, 204]) == close(1 / 252)
    assert mann_whitney([1, 2, 3], [3, INF, INF]) == close(2 / 20)  # tied threes: either may be the new one
    assert mann_whitney([INF] * 3, [INF] * 3) == close(1.0)


def test_mann_whitney_with_one_value():
    assert mann_whitney([1, 2, 3], [4]) == close(1 / 4)
    assert mann_whitney([2], [1, 2, 3]) == close(3 / 4)
    assert mann_whitney([1], [2]) == close(1 / 2)


@settings(max_examples=15, deadline=None)
@given(base=few_times, new=few_times)
def test_mann_whitney_by_enumeration(base, new):
    base, new = ([INF if value >= 300 else value for value in side] for side in (base, new))
    pooled = np.array(base + new)
    found = prob_slower(base, new)
    shares = []
    for chosen in itertools.combinations(range(len(pooled)), len(new)):
        rest = np.delete(pooled, chosen)
        shares.append(prob_slower(rest, pooled[list(chosen)]))
    assert mann_whitney(base, new) == close(np.mean(np.array(shares) >= found - 1e-9))


def test_mann_whitney_is_reproducible_where_it_samples():
    new = [value * 1.03 for value in BASE_10]
    np.random.seed(1)  # noqa: NPY002  the global state is neither used
    p = mann_whitney(BASE_10, new)
    state = np.random.get_state()[1].copy()  # noqa: NPY002  nor touched
    assert mann_whitney(BASE_10, new) == p
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    assert p == pytest.approx(mannwhitneyu(new, BASE_10, alternative="greater", method="exact").pvalue, abs=0.01)


def test_prob_slower():
    assert prob_slower([1, 2], [3, 4]) == 1.0
    assert prob_slower([3, 4], [1, 2]) == 0.0
    assert prob_slower([1, 2, INF], [2, INF]) == close((1 + 0.5 + 0 + 1 + 1 + 0.5) / 6)


def test_fisher_failures():
    assert fisher_failures(0, 10, 3, 5) == close(10 / 455)
    assert fisher_failures(0, 10, 2, 5) == close(10 / 105)
    assert fisher_failures(0, 5, 4, 5) == close(5 / 210)
    assert fisher_failures(0, 5, 3, 5) == close(10 / 120)
    assert fisher_failures(3, 5, 0, 10) == close(1.0)  # fewer failures are no alarm
    with pytest.raises(ValueError, match="6 of 5"):
        fisher_failures(0, 5, 6, 5)


def test_smallest_detectable_ratio():
    spread = 0.033
    base = np.exp(spread * np.array([-1.0, 0.0, 1.0]) + 4.6)  # sd of the logs is the spread
    error = spread * math.sqrt(2 / 3)
    assert smallest_detectable_ratio(base, base * 3, 0.1, 0.05) == pytest.approx(
        1.1 * math.exp(0.8416 * error), rel=1e-4
    )
    # tolerance 0: t(.95, 4) = 2.1318 decides
    assert smallest_detectable_ratio(base, base, 0.0, 0.05) == pytest.approx(
        math.exp((2.1318 + 0.8416) * 1.05 * error), rel=1e-4
    )
    assert smallest_detectable_ratio(base, [90.0], 0.1, 0.05) > 1.1
    assert smallest_detectable_ratio(base, [90.0, INF], 0.1, 0.05) == INF
    with pytest.raises(ValueError, match="three"):
        smallest_detectable_ratio([1.0], [1.0], 0.1, 0.05)


def test_same_seed_ratios():
    found = same_seed_ratios({4: 100.0, 0: 100.0, 2: 50.0, 1: 10.0}, {0: 103.0, 2: 49.0, 4: 110.0, 7: 1.0})
    assert list(found.ratios) == [0, 2, 4]
    assert tuple(found.ratios.values()) == close(1.03, 0.98, 1.1)
    assert (found.interval.low, found.interval.median, found.interval.high) == close(0.98, 1.03, 1.1)
    assert (found.interval.level, found.num_slower) == (0.75, 2)
    assert same_seed_ratios({0: 1.0}, {1: 1.0}) is None


def test_same_seed_ratios_keep_failed_seeds():
    found = same_seed_ratios(
        {0: 100.0, 1: INF, 2: INF, 3: 100.0, 4: 50.0}, {0: INF, 1: 90.0, 2: INF, 3: 100.0, 4: 60.0}
    )
    assert found.ratios == {0: INF, 1: 0.0, 2: 1.0, 3: 1.0, 4: 1.2}
    assert (found.interval.low, found.interval.median, found.interval.high, found.num_slower) == (0.0, 1.0, INF, 2)


# the regression rule


def scaled(values, factor, failed=0):
    """The slowest `failed` of the values failed, the others times `factor`."""
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
    assert compare_convergence(failed, BASE_5, 300, max_base_failed=0.2).outcome == "ok"
    for bad in ({"tolerance": -0.1}, {"margin": 0.0}, {"alpha": 0.5}, {"budget": 0.0}, {"budget": math.nan}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            compare_convergence(BASE_10, new, **{"budget": 300.0, **bad})


@pytest.mark.parametrize(
    ("slowdown", "regressed", "ok"),
    [(1.0, (0.0, 0.05), (0.84, 0.96)), (1.2, (0.80, 0.93), (0.01, 0.08)), (1.5, (0.98, 1.0), (0.0, 0.005))],
)
def test_error_rates_by_simulation(slowdown, regressed, ok):
    """Ten against five with a spread of 0.1: 2 and 90 % without a slowdown, 87 and 4 % at 1.2, 100 and 0 % at 1.5."""
    rng = np.random.default_rng(1)
    with patch.object(statistics, "mann_whitney", return_value=0.5):  # printed only, and slow
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
