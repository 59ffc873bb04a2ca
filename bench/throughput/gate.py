"""Has the step become slower than in a stored measurement? Compares log ratios measured on the same machine.

The compared number is step_time_ratio, fused over reference, since absolute times are unreliable on a busy machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.analysis.statistics import OUTCOMES, GateOutcome, RatioInterval, hodges_lehmann_ratio
from bench.records.throughput import Fingerprint, Measurement, PairedRecord, precision_of
from bench.throughput.paired import ALPHA, Clock

TOLERANCE = 0.05  # a regression is slower by at least this
MARGIN = 0.10  # ok excludes a slowdown of this
PROTOCOL = 2  # raise it when the measurement changes; other protocols are not compared
SAME_MACHINE = tuple(Fingerprint.__annotations__)
SAME_WORKLOAD = ("network", "batch_size", "width", "kernels", "fast_layers", "device")

LogRatios = Mapping[Clock, Sequence[float]]


@dataclass(frozen=True)
class SpeedVerdict:
    """Outcome of a comparison, with the ratio of ratios on each compared clock."""

    outcome: GateOutcome
    reason: str
    ratios: dict[Clock, RatioInterval]


def compare_log_ratios(
    base: Sequence[float], new: Sequence[float], alpha: float = ALPHA
) -> tuple[GateOutcome, RatioInterval]:
    """regressed: the ratio grew by at least the tolerance and the interval is above 1; ok: the margin is excluded."""
    ratio = hodges_lehmann_ratio(np.exp(base), np.exp(new), alpha=alpha)
    if ratio.low > 1 and ratio.ratio >= 1 + TOLERANCE:
        return "regressed", ratio
    return ("ok" if ratio.high < 1 + MARGIN else "inconclusive"), ratio


def clocks(device: str, threads: int) -> tuple[Clock, ...]:
    """Clocks to compare, the deciding one first. CPU time is meaningful for one thread only."""
    return ("processor", "wall") if device == "cpu" and threads == 1 else ("wall",)


def compare(base: LogRatios, new: LogRatios, used: Sequence[Clock], alpha: float = ALPHA) -> SpeedVerdict:
    """Compare on all used clocks, at an equal share of ``alpha`` each.

    A regression on any clock counts; ok requires the first clock to be ok.
    """
    results = {clock: compare_log_ratios(base[clock], new[clock], alpha / len(used)) for clock in used}
    ratios = {clock: ratio for clock, (_, ratio) in results.items()}
    slower = [clock for clock, (outcome, _) in results.items() if outcome == "regressed"]
    shown = {
        c: f"ratio of ratios {r.ratio:.3f}, {r.level:.1%} interval [{r.low:.3f}, {r.high:.3f}] in {c} time"
        for c, r in ratios.items()
    }
    if slower:
        return SpeedVerdict("regressed", f"slower by {TOLERANCE:.0%} or more: {shown[slower[0]]}", ratios)
    if results[used[0]][0] == "ok":
        return SpeedVerdict("ok", f"slower by {MARGIN:.0%} or more is excluded: {shown[used[0]]}", ratios)
    return SpeedVerdict("inconclusive", f"neither slower nor not slower is shown: {shown[used[0]]}", ratios)


def differences(base: Mapping[str, Any], new: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Differences that rule out a comparison, each as "name: old, now new"."""
    return [f"{n}: {base.get(n)!r}, now {new.get(n)!r}" for n in names if base.get(n) != new.get(n)]


def against(baseline: PairedRecord, fingerprint: Fingerprint, measurement: Measurement) -> SpeedVerdict:
    """Compare a new measurement with that of the same workload in a stored record."""
    other = differences(baseline["fingerprint"], fingerprint, SAME_MACHINE)
    if other:
        return SpeedVerdict("inconclusive", f"the baseline is from another machine: {'; '.join(other)}", {})
    workload = measurement["workload"]
    stored = [
        m
        for m in baseline["measurements"]
        if precision_of(m["workload"]) == precision_of(workload)
        and not differences(m["workload"], workload, SAME_WORKLOAD)
    ]
    if not stored:
        return SpeedVerdict("inconclusive", "the baseline has no measurement of this workload", {})
    old, new = (m["comparisons"]["reference"] for m in (stored[0], measurement))
    used = clocks(fingerprint["device"], fingerprint["threads"])
    return compare(old["log_ratios"], new["log_ratios"], used, new["alpha"])


def worst(outcomes: Sequence[GateOutcome]) -> GateOutcome:
    """The worst outcome: regressed, then inconclusive, then ok."""
    return min(outcomes, key=OUTCOMES.index)
