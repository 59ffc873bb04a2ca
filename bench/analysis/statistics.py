"""Intervals and tests for a handful of seeds: two sets of runs to a ratio, a ratio to an outcome.

Arrays in, frozen results out. numpy is imported with the module, scipy only where it is used. What holds everywhere:
- A seed that never reaches its threshold has the time `math.inf` ("failed"): counted and ranked, never dropped.
- ValueError, naming the argument, on NaN (a broken run, not an observation), on empty or not one-dimensional values, on
  values that are not positive where a ratio is taken, on a setting out of range. `alpha` is one-sided, in (0, 0.5).
- `level` is the coverage an interval's ranks guarantee, the smallest attainable one not below what was asked: exact for
  continuous data, a lower bound under ties and failures. Where none attains it the interval is unbounded, its level 1.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bench.analysis.null_distributions import median_rank, rank_sum_tail, shift_rank
from bench.analysis.samples import FloatArray, checked_sample, positive_times, require

GateOutcome = Literal["ok", "regressed", "inconclusive"]
OUTCOMES: tuple[GateOutcome, ...] = ("regressed", "inconclusive", "ok")  # the worst first

EXACT_P_WORK = 50_000_000  # table entries; beyond it the Mann-Whitney p comes from the normal law, ties allowed for


@dataclass(frozen=True)
class MedianInterval:
    """Median of `num` values and the order statistics around it, in the values' unit."""

    median: float
    low: float
    high: float
    level: float
    num: int


Bound = Literal["", "at least", "at most"]
NO_BOUND: Bound = ""


@dataclass(frozen=True)
class RatioInterval:
    """new / base: above 1 the new side takes longer. `low` may be 0 and `high` inf.

    If failures leave its middle open on one side, `ratio` is only a bound (`bound` says which); if they do on both, it
    is NaN: the sides are not comparable.
    """

    ratio: float
    low: float
    high: float
    level: float
    num_base: int
    num_new: int
    bound: Bound = ""

    def in_words(self, digits: int = 3, sign: str = "") -> str:
        """``1.230``, ``at least 1.230`` or ``not comparable``."""
        return "not comparable" if math.isnan(self.ratio) else f"{self.bound} {sign}{self.ratio:,.{digits}f}".strip()


@dataclass(frozen=True)
class ShiftInterval:
    """new - base in the values' unit."""

    shift: float
    low: float
    high: float
    level: float


# One set of values, (num,).


def median_interval(values: ArrayLike) -> MedianInterval:
    """Median between the innermost symmetric pair of order statistics with a level of 0.9 or more (sign test).

    Up to seven values that is [min, max], level 1 - 2 * 0.5**num: 93.75 % for five, below 0.9 for four. inf is a value.
    """
    sample = checked_sample(values, "values")
    rank, level = median_rank(len(sample), 0.05)
    return _order_interval(sample, max(rank, 1), level if rank else 1 - 2 * 0.5 ** len(sample))


def binomial_median_interval(values: ArrayLike, alpha: float = 0.05) -> MedianInterval:
    """Median with one-sided error `alpha` at each end (sign test), for the finite log ratios of interleaved pairs.

    The bounds are the binom.ppf(alpha, num, 0.5)-th smallest and largest, infinite where that is 0 (num < 5 at 0.05).
    """
    sample = checked_sample(values, "values", finite=True)
    return _order_interval(sample, *median_rank(len(sample), alpha))


def proportion_interval(k: int, n: int) -> tuple[float, float]:
    """Clopper-Pearson interval for k of n, 95 %."""
    from scipy.stats import binomtest

    interval = binomtest(k, n).proportion_ci(confidence_level=0.95, method="exact")
    return float(interval.low), float(interval.high)


def sd_log(values: ArrayLike) -> float:
    """Standard deviation (num - 1) of the natural logs of two or more values; inf with a failed seed."""
    sample = checked_sample(values, "values", positive=True)
    require(len(sample) >= 2, "values must be two or more for a standard deviation")
    return math.sqrt(_log_squares(sample) / (len(sample) - 1))


# Two sets of values, base (num_base,) and new (num_new,).


def hodges_lehmann_ratio(
    base: ArrayLike, new: ArrayLike, budget: float | None = None, alpha: float = 0.05
) -> RatioInterval:
    """exp of the median of all log(new_j / base_i) (Hodges and Lehmann 1963) with its exact rank interval.

    Without ties low > 1 exactly when the one-sided Mann-Whitney test finds "new is slower" at `alpha`. A seed failed if
    it took the budget L or more. A pair's log ratio is then an interval: [log(L / base), inf) if the new one failed,
    (-inf, log(new / L)] if the base one did, and anything at all if both did. Lower ends give `low`, upper ends `high`.
    Where the median of the upper ends is infinite, that of the lower ones is what the ratio is at least, and the other
    way round. Where both are finite the estimate takes failures at L. Without a budget all must be finite.
    """
    limit = math.inf if budget is None else budget
    base_times, new_times = positive_times(base, "base", limit), positive_times(new, "new", limit)
    new_failed, base_failed = np.isinf(new_times)[:, None], np.isinf(base_times)
    require(limit < math.inf or not (new_failed.any() or base_failed.any()), "base, new: inf needs a finite budget")
    logs = np.log(np.minimum(new_times, limit))[:, None] - np.log(np.minimum(base_times, limit))  # (num_new, num_base)
    lower, upper = np.where(base_failed, -np.inf, logs), np.where(new_failed, np.inf, logs)
    estimate, low, high, level = _rank_interval(lower, logs, upper, alpha)
    at_least, at_most = float(np.median(lower)), float(np.median(upper))
    bound: Bound = ""
    if math.isinf(at_most):
        estimate, bound = (math.nan, "") if math.isinf(at_least) else (at_least, "at least")
    elif math.isinf(at_least):
        estimate, bound = at_most, "at most"
    if math.isinf(low) and math.isinf(high):
        level = 1.0
    ends = math.exp(estimate), math.exp(low), math.exp(high)
    return RatioInterval(*ends, level, len(base_times), len(new_times), bound)


def shift_interval(base: ArrayLike, new: ArrayLike, alpha: float) -> ShiftInterval:
    """Median of all new_j - base_i (Hodges and Lehmann 1963) with its exact rank interval."""
    differences = checked_sample(new, "new")[:, None] - checked_sample(base, "base")
    return ShiftInterval(*_rank_interval(differences, differences, differences, alpha))


def mann_whitney(base: ArrayLike, new: ArrayLike) -> float:
    """One-sided Mann-Whitney p-value of "new is slower", exact with ties and without. A failed seed is inf.

    The sums of the ranks of all splits are counted one value at a time: scipy's tabulated null is wrong under ties, and
    its permutations are random beyond 10 v 5. Only very large sets take the normal law with its correction for ties.
    """
    base_values, new_values = checked_sample(base, "base"), checked_sample(new, "new")
    num_new, num = len(new_values), len(base_values) + len(new_values)
    from scipy.stats import mannwhitneyu, rankdata

    ranks = (2 * rankdata(np.concatenate((new_values, base_values)))).astype(int)  # twice the midranks: whole numbers
    observed, ordered_ranks = int(ranks[:num_new].sum()), tuple(sorted(ranks.tolist()))
    if num * num_new * sum(ordered_ranks[-num_new:]) > EXACT_P_WORK:
        return float(mannwhitneyu(new_values, base_values, alternative="greater", method="asymptotic").pvalue)
    return float(rank_sum_tail(ordered_ranks, num_new)[observed])


def prob_slower(base: ArrayLike, new: ArrayLike) -> float:
    """Share of the pairs with new above base, a tie counting one half: Mann and Whitney's U / (num_base * num_new)."""
    base_values, new_values = checked_sample(base, "base"), checked_sample(new, "new")[:, None]
    return float(np.mean((new_values > base_values) + 0.5 * (new_values == base_values)))


@lru_cache(maxsize=1024)
def fisher_failures(failed_base: int, num_base: int, failed_new: int, num_new: int) -> float:
    """Fisher's exact one-sided p-value of "new fails more often"."""
    for failed, num in ((failed_base, num_base), (failed_new, num_new)):
        require(num >= 1 and 0 <= failed <= num, f"need 0 <= failed <= num and num >= 1, got {failed} of {num}")
    from scipy.stats import fisher_exact

    table = [[failed_new, num_new - failed_new], [failed_base, num_base - failed_base]]
    return float(fisher_exact(table, alternative="greater").pvalue)


def smallest_detectable_ratio(base: ArrayLike, new: ArrayLike, tolerance: float, alpha: float) -> float:
    """Smallest true ratio that one look of so many seeds calls "regressed" with probability 0.8, by the logs' spread.

    By simulation of the rule on 10,000 pairs of normal samples with the pooled spread: a slowdown moves every log ratio
    alike, so each pair of samples has one smallest slowdown that is found, and the answer is their 0.8 quantile. The
    probability is within 0.01 of 0.8. inf with a failed seed, or too few for an interval.
    """
    require(tolerance >= 0, f"tolerance must not be negative, got {tolerance}")
    base_times, new_times = checked_sample(base, "base", positive=True), checked_sample(new, "new", positive=True)
    num_base, num_new = len(base_times), len(new_times)
    require(num_base + num_new >= 3, "base and new must hold three values in all for a pooled spread")
    k, _ = shift_rank(num_base, num_new, alpha)
    spread = math.sqrt((_log_squares(base_times) + _log_squares(new_times)) / (num_base + num_new - 2))
    if not k or math.isinf(spread):
        return math.inf
    rng = np.random.default_rng(0)
    logs = rng.normal(size=(10_000, num_new, 1)) - rng.normal(size=(10_000, 1, num_base))
    logs = spread * np.sort(logs.reshape(10_000, -1))
    needed = np.maximum(-logs[:, k - 1], math.log1p(tolerance) - np.median(logs, axis=1))
    return math.exp(float(np.quantile(needed, 0.8)))


# Helpers.


def _log_squares(sample: FloatArray) -> float:
    """Sum of the squared deviations of the logs from their mean; inf with a failed seed."""
    return math.inf if np.isinf(sample).any() else float(np.var(np.log(sample)) * len(sample))


def _order_interval(sample: FloatArray, rank: int, level: float) -> MedianInterval:
    """The median with the values at `rank` from either end as its interval; infinite for rank 0."""
    ordered = np.concatenate(([-np.inf], np.sort(sample), [np.inf]))
    return MedianInterval(float(np.median(sample)), float(ordered[rank]), float(ordered[-1 - rank]), level, len(sample))


def _rank_interval(
    lower: FloatArray, middle: FloatArray, upper: FloatArray, alpha: float
) -> tuple[float, float, float, float]:
    """(estimate, low, high, level) of a shift, from all new - base, (num_new, num_base), and bounds on each of them."""
    num_new, num_base = middle.shape
    k, level = shift_rank(num_base, num_new, alpha)
    low = float(np.sort(lower, axis=None)[k - 1]) if k else -math.inf
    high = float(np.sort(upper, axis=None)[-k]) if k else math.inf
    return float(np.median(middle)), low, high, level
