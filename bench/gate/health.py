"""The gate's guard against collapsed seeds: neither T80 nor L_I sees a generator that makes one image per category."""

import math
from dataclasses import dataclass
from typing import Literal

from bench.analysis import statistics
from bench.analysis.runs import Run
from bench.analysis.statistics import GateOutcome

NOT_MEASURED: Literal["not measured"] = "not measured"  # decides nothing, but is reported
HealthOutcome = GateOutcome | Literal["not measured"]
DIVERGED = "diverged"  # a failed seed: T80's rule counts it


@dataclass(frozen=True)
class HealthCheck:
    """The guard's answer, and each seed's status by the health rule."""

    outcome: HealthOutcome
    reason: str
    base: dict[int, str]
    new: dict[int, str]


def check_health(base: list[Run], new: list[Run], alpha: float) -> HealthCheck:
    """Not ok if a larger share of seeds collapsed than in the baseline; regressed if Fisher's test shows it.

    The test counts failed seeds, too. If none collapsed, it is the one on T80's failures and takes no share of alpha.
    """
    statuses = [{run.cell.seed: _status(run) for run in runs} for runs in (base, new)]
    outcome, reason = _judge((base, new), statuses, alpha)
    return HealthCheck(outcome, reason, *statuses)


def _judge(
    sides: tuple[list[Run], list[Run]], statuses: list[dict[int, str]], alpha: float
) -> tuple[HealthOutcome, str]:
    num_base, num_new = map(len, sides)
    collapsed_base, collapsed_new = (sum(s == "collapsed" for s in side.values()) for side in statuses)
    named = zip(("the baseline", "a new run"), statuses, strict=True)
    unmeasured = " and ".join(name for name, side in named if NOT_MEASURED in side.values())
    without = f"{unmeasured} was recorded without its health"
    counts = f"{collapsed_new} of {num_new} new seeds collapsed"
    if collapsed_new and NOT_MEASURED in statuses[0].values():
        return "inconclusive", f"{counts}, and {without}"
    counts += f", {collapsed_base} of {num_base} in the baseline"
    bad_base, bad_new = (
        sum(_status(run) in ("collapsed", DIVERGED) or math.isinf(run.summary.get("t80", math.inf)) for run in runs)
        for runs in sides
    )
    p = statistics.fisher_failures(bad_base, num_base, bad_new, num_new)
    if collapsed_new and p <= alpha:
        return "regressed", f"{counts} (Fisher p = {p:.2g}, seeds that failed counted too)"
    if collapsed_new / num_new > collapsed_base / num_base:
        return "inconclusive", counts
    return (NOT_MEASURED, without) if unmeasured else ("ok", counts)


def _status(run: Run) -> str:
    health = run.result and run.result.health
    return DIVERGED if run.diverged else health.status if health else NOT_MEASURED
