"""The gate's rules with three outcomes: two sets of T80 or of final L_I to ok, regressed or inconclusive.

Seeds that failed, errors and levels are as in :mod:`bench.analysis.statistics`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.analysis.samples import checked_sample, positive_times, require
from bench.analysis.statistics import (
    GateOutcome,
    RatioInterval,
    ShiftInterval,
    fisher_failures,
    hodges_lehmann_ratio,
    mann_whitney,
    prob_slower,
    shift_interval,
)

MINIMUM_SEEDS = 3  # on each side; below it no comparison is decided
LARGEST_BASE_FAILED_SHARE = 0.1  # of a baseline with which anything is decided
LARGEST_OK_FAILED_SHARE = 0.2  # of the new seeds: one of five may fail in a comparison that is "ok"


def percent(share: float) -> str:
    """``97.5 %``: a level or a tolerance, never rounded to whole per cents."""
    return f"{100 * share:.3g} %"


@dataclass(frozen=True)
class Comparison:
    """The answer of `compare_convergence`; the four numbers are None where a side has no seed at all."""

    outcome: GateOutcome
    reason: str  # one sentence
    ratio: RatioInterval | None
    p_slower: float | None  # Mann-Whitney, one-sided
    p_failures: float | None  # Fisher, one-sided
    prob_slower: float | None
    failed_base: int
    num_base: int
    failed_new: int
    num_new: int


def compare_convergence(
    base: ArrayLike, new: ArrayLike, budget: float, tolerance: float, margin: float, alpha: float
) -> Comparison:
    """Do the new seeds need more iterations than the baseline's? A time of `budget` or more failed.

    regressed: the ratio's interval lies above 1 and the ratio is at least 1 + tolerance, or more seeds fail by Fisher's
    test. ok: the upper bound is below 1 + margin (non-inferiority, one half of TOST) and few new seeds failed.
    inconclusive: everything else, and always below three seeds on a side or with too many failures in the baseline.
    """
    require(tolerance >= 0 and margin > 0, f"need tolerance >= 0 and margin > 0, got {tolerance} and {margin}")
    base_times = positive_times(base, "base", budget, empty=True)
    new_times = positive_times(new, "new", budget, empty=True)
    num_base, num_new = len(base_times), len(new_times)
    failed_base, failed_new = int(np.isinf(base_times).sum()), int(np.isinf(new_times).sum())
    counts = (failed_base, num_base, failed_new, num_new)
    few = f"Fewer than {MINIMUM_SEEDS} seeds on a side: {num_base} in the baseline, {num_new} new."
    if not (num_base and num_new):
        return Comparison("inconclusive", few, None, None, None, None, *counts)

    ratio, p_failures = hodges_lehmann_ratio(base_times, new_times, budget, alpha), fisher_failures(*counts)
    upper = f"{ratio.high:.3g}" if math.isfinite(ratio.high) else "unbounded"
    measured = f"ratio {ratio.in_words()}, {percent(ratio.level)} interval [{ratio.low:.3g}, {upper}]"
    if math.isnan(ratio.ratio):
        measured = "ratio not comparable: seeds of both sides failed"
    failures = f"{failed_new} of {num_new} new seeds failed, {failed_base} of {num_base} in the baseline"
    if failed_base or failed_new:
        measured += f"; {failures}"
    outcome: GateOutcome = "inconclusive"
    if min(num_base, num_new) < MINIMUM_SEEDS:
        reason = few
    elif failed_base / num_base > LARGEST_BASE_FAILED_SHARE:
        reason = f"More than {percent(LARGEST_BASE_FAILED_SHARE)} of the baseline failed: {failures}."
    elif ratio.low > 1 and ratio.ratio >= 1 + tolerance:
        outcome, reason = "regressed", f"Slower by the tolerance of {percent(tolerance)} or more: {measured}."
    elif p_failures <= alpha:
        outcome, reason = "regressed", f"More seeds fail: {failures} (Fisher p = {p_failures:.2g})."
    elif ratio.high >= 1 + margin:
        reason = f"Neither a regression nor its absence is shown: {measured}."
    elif failed_new / num_new > LARGEST_OK_FAILED_SHARE:
        reason = f"Too many failures to call it ok: {failures}."
    else:
        outcome = "ok"
        reason = f"A slowdown of {percent(margin)} or more is excluded at {percent(1 - alpha)}: {measured}."
    slower = mann_whitney(base_times, new_times), p_failures, prob_slower(base_times, new_times)
    return Comparison(outcome, reason, ratio, *slower, *counts)


def non_inferior(
    base: ArrayLike, new: ArrayLike, margin: float, alpha: float
) -> tuple[ShiftInterval | None, GateOutcome]:
    """Is new, where higher is better, at most `margin` below base? By the Hodges-Lehmann shift of finite values.

    ok: its lower bound is above -margin. regressed: its upper bound is below -margin, so a larger loss is shown.
    inconclusive: everything else, and always below three seeds on a side; without a seed there is no shift.
    """
    require(margin > 0, f"margin must be positive, got {margin}")
    base_values = checked_sample(base, "base", finite=True, empty=True)
    new_values = checked_sample(new, "new", finite=True, empty=True)
    fewest = min(len(base_values), len(new_values))
    if not fewest:
        return None, "inconclusive"
    shift = shift_interval(base_values, new_values, alpha)
    if fewest < MINIMUM_SEEDS or shift.low <= -margin <= shift.high:
        return shift, "inconclusive"
    return shift, "ok" if shift.low > -margin else "regressed"
