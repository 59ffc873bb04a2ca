"""Intervals and tests for a handful of seeds: two sets of runs to a ratio, a ratio to an outcome.

Arrays in, frozen results out. numpy is imported with the module, scipy only where it is used. What holds everywhere:
- A seed that never reaches its threshold has the time `math.inf` ("failed"): counted and ranked, never dropped.
- ValueError, naming the argument, on NaN (a broken run, not an observation), on empty or not one-dimensional values, on
  values that are not positive where a ratio is taken, on a setting out of range. `alpha` is one-sided, in (0, 0.5).
- `level` is the coverage an interval's ranks guarantee, the smallest attainable one not below what was asked: exact for
  continuous data, a lower bound under ties and failures. Where none attains it the interval is unbounded, its level 1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
Outcome = Literal["ok", "regressed", "inconclusive"]

MINIMUM_SEEDS = 3  # on each side; below it no comparison is decided
EXACT_RANK_WORK = 5_000_000  # steps; beyond it the ranks of an interval come from the normal law
LARGEST_OK_FAILED_SHARE = 0.2  # of the new seeds: one of five may fail in a comparison that is "ok"


@dataclass(frozen=True)
class MedianInterval:
    """Median of `num` values and the order statistics around it, in the values' unit."""

    median: float
    low: float
    high: float
    level: float
    num: int


@dataclass(frozen=True)
class RatioInterval:
    """new / base: above 1 the new side takes longer. `low` may be 0 and `high` inf."""

    ratio: float
    low: float
    high: float
    level: float
    num_base: int
    num_new: int


@dataclass(frozen=True)
class ShiftInterval:
    """new - base in the values' unit."""

    shift: float
    low: float
    high: float
    level: float


@dataclass(frozen=True)
class Comparison:
    """What `compare_convergence` found; the four numbers are None where a side has no seed at all."""

    outcome: Outcome
    reason: str  # one sentence
    ratio: RatioInterval | None
    p_slower: float | None  # Mann-Whitney, one-sided
    p_failures: float | None  # Fisher, one-sided
    prob_slower: float | None
    failed_base: int
    num_base: int
    failed_new: int
    num_new: int


@dataclass(frozen=True)
class SameSeedRatios:
    """new / base of each common seed, in order of the seed, and the interval for their median."""

    ratios: dict[int, float]
    interval: MedianInterval
    num_slower: int


# One set of values, (num,).


def median_interval(values: ArrayLike) -> MedianInterval:
    """Median between the innermost symmetric pair of order statistics with a level of 0.9 or more (sign test).

    Up to seven values that is [min, max], level 1 - 2 * 0.5**num: 93.75 % for five, below 0.9 for four. inf is a value.
    """
    sample = checked_sample(values, "values")
    rank, level = _median_rank(len(sample), 0.05)
    return _order_interval(sample, max(rank, 1), level if rank else 1 - 2 * 0.5 ** len(sample))


def binomial_median_interval(values: ArrayLike, alpha: float = 0.05) -> MedianInterval:
    """Median with one-sided error `alpha` at each end (sign test), for the finite log ratios of interleaved pairs.

    The bounds are the binom.ppf(alpha, num, 0.5)-th smallest and largest, infinite where that is 0 (num < 5 at 0.05).
    """
    sample = checked_sample(values, "values", finite=True)
    return _order_interval(sample, *_median_rank(len(sample), alpha))


def proportion_interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval for k of n."""
    require(n >= 1 and 0 <= k <= n and 0 < level < 1, f"need 0 <= k <= n and 0 < level < 1, got k={k}, n={n}, {level}")
    from scipy.stats import binomtest

    interval = binomtest(k, n).proportion_ci(confidence_level=level, method="exact")
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
    (-inf, log(new / L)] if the base one did, and 0, a tie, if both did. Lower ends give `low`, upper ends `high`; the
    estimate takes failures at L and is a mere bound once they reach the middle. Without a budget all must be finite.
    """
    limit = math.inf if budget is None else budget
    base_times, new_times = _times(base, "base", limit), _times(new, "new", limit)
    new_failed, base_failed = np.isinf(new_times)[:, None], np.isinf(base_times)
    require(limit < math.inf or not (new_failed.any() or base_failed.any()), "base, new: inf needs a finite budget")
    logs = np.log(np.minimum(new_times, limit))[:, None] - np.log(np.minimum(base_times, limit))  # (num_new, num_base)
    lower = np.where(base_failed & ~new_failed, -np.inf, logs)
    upper = np.where(new_failed & ~base_failed, np.inf, logs)
    estimate, low, high, level = _rank_interval(lower, logs, upper, alpha)
    return RatioInterval(math.exp(estimate), math.exp(low), math.exp(high), level, len(base_times), len(new_times))


def mann_whitney(base: ArrayLike, new: ArrayLike) -> float:
    """One-sided Mann-Whitney p-value of "new is slower", by permutation: the tabulated null is wrong under ties.

    All splits up to 9,999 (10 v 5 has 3,003), beyond that 9,999 random ones from a fixed seed. A failed seed is inf.
    """
    base_values, new_values = checked_sample(base, "base"), checked_sample(new, "new")
    pooled = np.concatenate((base_values, new_values))
    if min(len(base_values), len(new_values)) == 1:  # scipy wants two; with one, the p-value is its rank among all
        return float(np.mean(pooled >= new_values[0] if len(new_values) == 1 else pooled <= base_values[0]))
    from scipy.stats import PermutationMethod, mannwhitneyu

    method = PermutationMethod(n_resamples=9999, rng=0)
    return float(mannwhitneyu(new_values, base_values, alternative="greater", method=method).pvalue)


def prob_slower(base: ArrayLike, new: ArrayLike) -> float:
    """Share of the pairs with new above base, a tie counting one half: Mann and Whitney's U / (num_base * num_new)."""
    base_values, new_values = checked_sample(base, "base"), checked_sample(new, "new")[:, None]
    return float(np.mean((new_values > base_values) + 0.5 * (new_values == base_values)))


def fisher_failures(failed_base: int, num_base: int, failed_new: int, num_new: int) -> float:
    """Fisher's exact one-sided p-value of "new fails more often"."""
    for failed, num in ((failed_base, num_base), (failed_new, num_new)):
        require(num >= 1 and 0 <= failed <= num, f"need 0 <= failed <= num and num >= 1, got {failed} of {num}")
    from scipy.stats import fisher_exact

    table = [[failed_new, num_new - failed_new], [failed_base, num_base - failed_base]]
    return float(fisher_exact(table, alternative="greater").pvalue)


def smallest_detectable_ratio(base: ArrayLike, new: ArrayLike, tolerance: float, alpha: float) -> float:
    """Smallest true ratio that `compare_convergence` calls "regressed" with probability 0.8, by the spread of the logs.

    Normal theory with 5 % more standard error for the rank test; inf with a failed seed. Needs three values in all.
    """
    require(tolerance >= 0, f"tolerance must not be negative, got {tolerance}")
    require(0 < alpha < 0.5, f"alpha must be in (0, 0.5), got {alpha}")
    base_times, new_times = checked_sample(base, "base", positive=True), checked_sample(new, "new", positive=True)
    num_base, num_new = len(base_times), len(new_times)
    require(num_base + num_new >= 3, "base and new must hold three values in all for a pooled spread")
    from scipy.stats import t

    degrees = num_base + num_new - 2
    variance = (_log_squares(base_times) + _log_squares(new_times)) / degrees
    error, z_power = math.sqrt(variance * (1 / num_base + 1 / num_new)), NormalDist().inv_cdf(0.8)
    significant = math.exp((float(t.ppf(1 - alpha, degrees)) + z_power) * 1.05 * error)
    return max((1 + tolerance) * math.exp(z_power * error), significant)


def same_seed_ratios(base: Mapping[int, float], new: Mapping[int, float]) -> SameSeedRatios | None:
    """new / base of each seed both have, None without one. A failed new seed gives inf, a base one 0, both 1, a tie."""
    seeds = sorted(base.keys() & new.keys())
    if not seeds:
        return None
    base_times = checked_sample([base[seed] for seed in seeds], "base", positive=True)
    new_times = checked_sample([new[seed] for seed in seeds], "new", positive=True)
    both_failed = np.isinf(base_times) & np.isinf(new_times)
    ratios = np.divide(new_times, base_times, out=np.ones(len(seeds)), where=~both_failed)
    by_seed = dict(zip(seeds, ratios.tolist(), strict=True))
    return SameSeedRatios(by_seed, median_interval(ratios), int(np.sum(ratios > 1)))


# Rules with three outcomes.


def compare_convergence(
    base: ArrayLike,
    new: ArrayLike,
    budget: float,
    tolerance: float = 0.10,
    margin: float = 0.20,
    alpha: float = 0.05,
    max_base_failed: float = 0.10,
) -> Comparison:
    """Do the new seeds need more iterations than the baseline's? A time of `budget` or more failed.

    regressed: the ratio's interval lies above 1 and the ratio is at least 1 + tolerance, or more seeds fail by Fisher's
    test. ok: the upper bound is below 1 + margin (non-inferiority, one half of TOST) and few new seeds failed.
    inconclusive: everything else, and always below three seeds on a side or above `max_base_failed` of the baseline.
    """
    require(tolerance >= 0 and margin > 0, f"need tolerance >= 0 and margin > 0, got {tolerance} and {margin}")
    base_times, new_times = _times(base, "base", budget, empty=True), _times(new, "new", budget, empty=True)
    num_base, num_new = len(base_times), len(new_times)
    failed_base, failed_new = int(np.isinf(base_times).sum()), int(np.isinf(new_times).sum())
    counts = (failed_base, num_base, failed_new, num_new)
    few = f"Fewer than {MINIMUM_SEEDS} seeds on a side: {num_base} in the baseline, {num_new} new."
    if not (num_base and num_new):
        return Comparison("inconclusive", few, None, None, None, None, *counts)

    ratio, p_failures = hodges_lehmann_ratio(base_times, new_times, budget, alpha), fisher_failures(*counts)
    upper = f"{ratio.high:.3g}" if math.isfinite(ratio.high) else "unbounded"
    measured = f"ratio {ratio.ratio:.3g}, {ratio.level:.0%} interval [{ratio.low:.3g}, {upper}]"
    failures = f"{failed_new} of {num_new} new seeds failed, {failed_base} of {num_base} in the baseline"
    if failed_base or failed_new:
        measured += f"; {failures}"
    outcome: Outcome = "inconclusive"
    if min(num_base, num_new) < MINIMUM_SEEDS:
        reason = few
    elif failed_base / num_base > max_base_failed:
        reason = f"More than {max_base_failed:.0%} of the baseline failed: {failures}."
    elif ratio.low > 1 and ratio.ratio >= 1 + tolerance:
        outcome, reason = "regressed", f"Slower by the tolerance of {tolerance:.0%} or more: {measured}."
    elif p_failures <= alpha:
        outcome, reason = "regressed", f"More seeds fail: {failures} (Fisher p = {p_failures:.2g})."
    elif ratio.high >= 1 + margin:
        reason = f"Neither a regression nor its absence is shown: {measured}."
    elif failed_new / num_new > max(failed_base / num_base, LARGEST_OK_FAILED_SHARE):
        reason = f"Too many failures to call it ok: {failures}."
    else:
        outcome, reason = "ok", f"A slowdown of {margin:.0%} or more is excluded at {1 - alpha:.0%}: {measured}."
    slower = mann_whitney(base_times, new_times), p_failures, prob_slower(base_times, new_times)
    return Comparison(outcome, reason, ratio, *slower, *counts)


def non_inferior(
    base: ArrayLike, new: ArrayLike, margin: float, alpha: float = 0.05
) -> tuple[ShiftInterval | None, Outcome]:
    """Is new, where higher is better, at most `margin` below base? By the Hodges-Lehmann shift of finite values.

    ok: its lower bound is above -margin. regressed: its upper bound is below -margin, so a larger loss is shown.
    inconclusive: everything else, and always below three seeds on a side; without a seed there is no shift.
    """
    require(margin > 0, f"margin must be positive, got {margin}")
    base_values = checked_sample(base, "base", finite=True, empty=True)
    differences = checked_sample(new, "new", finite=True, empty=True)[:, None] - base_values  # (num_new, num_base)
    if not differences.size:
        return None, "inconclusive"
    shift = ShiftInterval(*_rank_interval(differences, differences, differences, alpha))
    if min(differences.shape) < MINIMUM_SEEDS or shift.low <= -margin <= shift.high:
        return shift, "inconclusive"
    return shift, "ok" if shift.low > -margin else "regressed"


# Helpers.


def require(condition: bool, message: str) -> None:
    """ValueError with the message unless the condition holds."""
    if not condition:
        raise ValueError(message)


def checked_sample(
    values: ArrayLike, name: str, *, positive: bool = False, finite: bool = False, empty: bool = False
) -> FloatArray:
    """`values` as a one-dimensional float array; +inf passes unless `finite`."""
    sample = np.asarray(values, dtype=np.float64)
    require(
        sample.ndim == 1 and (empty or sample.size > 0), f"{name} must be a filled vector, has shape {sample.shape}"
    )
    valid = (np.isfinite(sample) if finite else sample > -np.inf) & ((sample > 0) | (not positive))  # NaN fails
    wanted = ("positive" if positive else "a number") + (" and finite" if finite else "")
    require(bool(valid.all()), f"{name} must be {wanted}, got {sample[~valid][:1]} at {np.flatnonzero(~valid)[:1]}")
    return sample


def _times(values: ArrayLike, name: str, budget: float, *, empty: bool = False) -> FloatArray:
    """Positive times with those of `budget` or more as inf."""
    require(budget > 0, f"budget must be positive, got {budget}")
    sample = checked_sample(values, name, positive=True, empty=empty)
    return np.where(sample < budget, sample, np.inf)


def _log_squares(sample: FloatArray) -> float:
    """Sum of the squared deviations of the logs from their mean; inf with a failed seed."""
    return math.inf if np.isinf(sample).any() else float(np.var(np.log(sample)) * len(sample))


def _median_rank(num: int, alpha: float) -> tuple[int, float]:
    """Largest r with P(Binomial(num, 1/2) <= r - 1) <= alpha, or 0, and the level between the r-th from either end."""
    require(0 < alpha < 0.5, f"alpha must be in (0, 0.5), got {alpha}")
    rank, below = 0, 0  # below: 2**num * P(Binomial <= rank - 1)
    while (more := below + math.comb(num, rank)) / 2**num <= alpha:
        rank, below = rank + 1, more
    return rank, 1 - 2 * below / 2**num


def _order_interval(sample: FloatArray, rank: int, level: float) -> MedianInterval:
    """The values of `rank` from either end; infinite for rank 0."""
    ordered = np.concatenate(([-np.inf], np.sort(sample), [np.inf]))
    return MedianInterval(float(np.median(sample)), float(ordered[rank]), float(ordered[-1 - rank]), level, len(sample))


@lru_cache(maxsize=64)
def _shift_rank(num_base: int, num_new: int, alpha: float) -> tuple[int, float]:
    """Largest k with P(U <= k - 1) <= alpha under the null, or 0, and the level between the k-th from either end.

    The number of arrangements for each U is a coefficient of the Gaussian binomial, the product over i = 1 .. small of
    (1 - q**(large + i)) / (1 - q**i), in whole numbers. Only very large sets take the normal law instead.
    """
    require(0 < alpha < 0.5, f"alpha must be in (0, 0.5), got {alpha}")
    require(min(num_base, num_new) > 0, f"num_base and num_new must be positive, got {num_base} and {num_new}")
    small, large = sorted((num_base, num_new))
    if small * small * large > EXACT_RANK_WORK:
        sd = math.sqrt(small * large * (small + large + 1) / 12)
        return math.floor(small * large / 2 + 0.5 + sd * NormalDist().inv_cdf(alpha)), 1 - 2 * alpha
    num = small * large // 2 + 1  # U up to its mean
    arrangements = np.array([1] + [0] * (num - 1), dtype=object)
    for i in range(1, small + 1):
        arrangements[large + i :] -= arrangements[: -(large + i)].copy()
        columns = np.append(arrangements, [0] * (-num % i)).reshape(-1, i)
        arrangements = columns.cumsum(axis=0).ravel()[:num]  # division by 1 - q**i: running sums in steps of i
    below = arrangements.cumsum() / math.comb(small + large, small)
    k = int(np.sum(below <= alpha))
    return k, 1 - 2 * float(below[k - 1]) if k else 1.0


def _rank_interval(
    lower: FloatArray, middle: FloatArray, upper: FloatArray, alpha: float
) -> tuple[float, float, float, float]:
    """(estimate, low, high, level) of a shift from all new - base, (num_new, num_base), and bounds on them."""
    num_new, num_base = middle.shape
    k, level = _shift_rank(num_base, num_new, alpha)
    low = float(np.sort(lower, axis=None)[k - 1]) if k else -math.inf
    high = float(np.sort(upper, axis=None)[-k]) if k else math.inf
    return float(np.median(middle)), low, high, level
