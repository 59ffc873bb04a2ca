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
from scipy.stats import binom, mannwhitneyu, norm, rankdata

from bench.analysis import null_distributions, statistics
from bench.analysis.statistics import (
    binomial_median_interval,
    fisher_failures,
    mann_whitney,
    median_interval,
    prob_slower,
    proportion_interval,
    sd_log,
    smallest_detectable_ratio,
)
from bench.gate.rules import compare_convergence

INF = math.inf
BASE_10 = [95.0, 96.0, 97.0, 98.0, 99.0, 100.0, 101.0, 102.0, 103.0, 104.0]
BASE_5 = BASE_10[::2]
times = st.integers(10, 400).map(float)  # against a budget of 300: some fail, many tie
few_times = st.lists(times, min_size=3, max_size=5)


def close(*values):
    return pytest.approx(values if len(values) > 1 else values[0], rel=1e-9)


def test_import_leaves_the_heavy_packages_alone():
    code = (
        "import sys, bench.analysis.statistics; print({'scipy', 'torch', 'pandas', 'matplotlib'} & sys.modules.keys())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


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
    low, high = proportion_interval(3, 10)
    assert binom.sf(2, 10, low) == close(0.025)
    assert binom.cdf(3, 10, high) == close(0.025)
    with pytest.raises(ValueError, match=r"k \(6\) must not be greater"):
        proportion_interval(6, 5)


def test_sd_log():
    assert sd_log([1.0, math.e, math.e**2]) == close(1.0)
    assert sd_log([70.0, 70.0]) == 0.0
    assert sd_log([1.0, 2.0, INF]) == INF
    with pytest.raises(ValueError, match="two"):
        sd_log([1.0])


# ranks


def rank_k(num_base, num_new, alpha):
    """Largest k such that the k-th smallest difference new - base is a lower bound with error alpha, or 0."""
    return null_distributions.shift_rank(num_base, num_new, alpha)[0]


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
    for sizes in ((60, 50), (45, 45), (33, 51)):
        exact = rank_k(*sizes, 0.05)
        with patch.object(null_distributions, "EXACT_RANK_WORK", 0):
            approximate, level = null_distributions.shift_rank.__wrapped__(*sizes, 0.05)
        assert (approximate, level) == (exact, close(0.9))
    assert 470_000 < rank_k(1000, 1000, 0.05) < 490_000


@pytest.mark.parametrize(
    ("num_base", "num_new", "alpha"), [(0, 5, 0.05), (5, -1, 0.05), (5, 5, 0.0), (5, 5, 0.5), (5, 5, math.nan)]
)
def test_rank_k_refuses(num_base, num_new, alpha):
    with pytest.raises(ValueError, match=r"positive|alpha"):
        rank_k(num_base, num_new, alpha)


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


@pytest.mark.parametrize("shift", [0.97, 0.99, 1.0, 1.01, 1.03, 1.2])
def test_mann_whitney_is_scipys_exact_p_without_ties(shift):
    rng = np.random.default_rng(5)
    base, new = rng.lognormal(4.6, 0.03, 10), shift * rng.lognormal(4.6, 0.03, 10)
    expected = mannwhitneyu(new, base, alternative="greater", method="exact").pvalue
    assert mann_whitney(base, new) == close(expected)


def test_mann_whitney_with_ties_is_exact_at_ten_against_ten_too():
    """184,756 splits: scipy would draw 9,999 of them at random."""
    base, new = [*BASE_10[:8], INF, INF], [*BASE_10[3:8], 99.5, 100.0, INF, INF, INF]
    ranks = rankdata(new + base)
    splits = np.fromiter(itertools.chain.from_iterable(itertools.combinations(range(20), 10)), int).reshape(-1, 10)
    assert mann_whitney(base, new) == close(np.mean(ranks[splits].sum(axis=1) >= ranks[:10].sum()))


def test_mann_whitney_of_large_sets_takes_the_normal_law():
    rng = np.random.default_rng(6)
    base, new = rng.integers(0, 50, 60), rng.integers(2, 52, 50)
    exact = mann_whitney(base, new)
    with patch.object(statistics, "EXACT_P_WORK", 0):
        assert mann_whitney(base, new) == pytest.approx(exact, rel=0.003)  # 0.006 off without continuity correction


def test_prob_slower():
    assert prob_slower([1, 2], [3, 4]) == 1.0
    assert prob_slower([3, 4], [1, 2]) == 0.0
    assert prob_slower([1, 2, INF], [2, INF]) == close((1 + 0.5 + 0 + 1 + 1 + 0.5) / 6)


def test_fisher_failures():
    assert fisher_failures(0, 10, 3, 5) == close(10 / 455)
    assert fisher_failures(0, 10, 2, 5) == close(10 / 105)
    assert fisher_failures(0, 5, 4, 5) == close(5 / 210)
    assert fisher_failures(0, 5, 3, 5) == close(10 / 120)
    assert fisher_failures(3, 5, 0, 10) == close(1.0)  # fewer failures raise no alarm
    with pytest.raises(ValueError, match="6 of 5"):
        fisher_failures(0, 5, 6, 5)


@pytest.mark.parametrize(
    ("num_base", "num_new", "spread", "tolerance"), [(10, 5, 0.022, 0.1), (10, 5, 0.1, 0.05), (5, 5, 0.2, 0.1)]
)
def test_the_smallest_detectable_ratio_has_the_power_it_states(num_base, num_new, spread, tolerance):
    def sample(num):
        scores = norm.ppf((np.arange(num) + 0.5) / num)
        return 100 * np.exp(spread * scores / np.std(scores, ddof=1))  # sd of the logs is the spread

    ratio = smallest_detectable_ratio(sample(num_base), sample(num_new), tolerance, 0.025)
    rng, found = np.random.default_rng(7), 0
    for _ in range(800):
        base, new = rng.lognormal(4.6, spread, num_base), ratio * rng.lognormal(4.6, spread, num_new)
        found += compare_convergence(base, new, 1e9, tolerance, 9.0, 0.025).outcome == "regressed"
    assert found / 800 == pytest.approx(0.8, abs=0.045)  # three standard errors


def test_smallest_detectable_ratio_without_an_answer():
    assert smallest_detectable_ratio(BASE_10, [90.0, INF], 0.1, 0.05) == INF
    assert smallest_detectable_ratio(BASE_5[:2], [90.0], 0.1, 0.05) == INF  # no interval
    assert smallest_detectable_ratio([100.0] * 5, [100.0] * 5, 0.1, 0.05) == close(1.1)
    with pytest.raises(ValueError, match="three"):
        smallest_detectable_ratio([1.0], [1.0], 0.1, 0.05)
