"""One condition of a claim, held against the seeds of a group: the number, and whether it decides.

A diverged seed has the worst of all values, and so has a blank one where it has none; the median curve alone is of the
finished seeds. Any other seed without a value may have any: where it could turn the answer, the condition is undecided
(its number is NaN), and never met.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.criteria import MEASURES, BlankTable, ConditionTable
from bench.runs import Run, Sweep
from bench.summary import curve_measures


@dataclass(frozen=True)
class ConditionResult:
    """One number of a claim against its bound."""

    measure: str
    unit: str
    over: str
    bound: str  # "at least 0.95"
    basis: str
    value: float  # what the bound was held against: the worst seed, the median, or the median curve's; NaN: undecided
    holds: bool
    seeds: dict[int, float]
    guard: bool = False


def bound(condition: ConditionTable) -> tuple[str, Callable[[float], bool]]:
    """In words, and as a rule; NaN meets none."""
    if condition.at_least is not None:
        least = condition.at_least
        return f"at least {least:g}", lambda value: value >= least
    assert condition.at_most is not None
    most = condition.at_most
    return f"at most {most:g}", lambda value: value <= most


def blank_seeds(blank: BlankTable | None, runs: Sequence[Run]) -> frozenset[int]:
    """Seeds whose images show nothing of the data; one where that was not measured is none of them."""
    if blank is None:
        return frozenset()
    return frozenset(run.cell.seed for run in runs if run.summary.get(blank.measure, math.inf) < blank.below)


def check(
    condition: ConditionTable,
    sweep: Sweep,
    group: str,
    runs: Sequence[Run],
    num_diverged: int,
    blank: frozenset[int] = frozenset(),
) -> ConditionResult:
    """``runs`` are the group's finished ones, ``num_diverged`` more ended because a loss stopped being a number."""
    text, holds = bound(condition)
    seeds = {run.cell.seed: run.summary.get(condition.measure, math.nan) for run in runs}
    lost = {seed for seed in blank if math.isnan(seeds[seed])}
    able = [run for run in runs if run.cell.seed not in lost]
    if condition.over == "median curve":
        value = _of_median_curve(condition, sweep, group, runs)
    elif runs and not able:
        value = _worst(condition)
    elif condition.over == "best seed":
        value = _best(condition, able, seeds)
    else:
        value = _over_all(condition, [seeds[run.cell.seed] for run in able], num_diverged + len(lost))
    unit = MEASURES[condition.measure]
    of = (condition.measure, unit, condition.over, text, condition.basis)
    return ConditionResult(*of, value, holds(value), seeds, condition.guard)


def holds_for(conditions: Sequence[ConditionTable], run: Run, blank: frozenset[int] = frozenset()) -> bool | None:
    """Whether one seed meets every condition that speaks of seeds; None where a missing value decides that.

    A bound on the median curve speaks of no seed. A blank seed meets no condition that lacks its value.
    """
    found = [(c, run.summary.get(c.measure, math.nan)) for c in conditions if c.over != "median curve"]
    if any(not math.isnan(value) and not bound(c)[1](value) for c, value in found):
        return False
    if any(math.isnan(value) for _, value in found):
        return False if run.cell.seed in blank else None
    return True


def _worst(condition: ConditionTable) -> float:
    return -math.inf if condition.at_least is not None else math.inf


def _over_all(condition: ConditionTable, values: list[float], num_diverged: int) -> float:
    worst = _worst(condition)
    known = [value for value in values if not math.isnan(value)] + [worst] * num_diverged
    if not known:
        return math.nan
    holds = bound(condition)[1]

    def number(seeds: list[float]) -> float:
        if condition.over == "every seed":
            return min(seeds) if worst < 0 else max(seeds)
        return statistics.median(seeds)

    num_unknown = len(values) + num_diverged - len(known)
    answers = [number(known + [fill] * num_unknown) for fill in (worst, -worst)] if num_unknown else [number(known)]
    is_decided = len({holds(answer) for answer in answers}) == 1 and not any(map(math.isnan, answers))
    return number(known) if is_decided else math.nan


def _best(condition: ConditionTable, runs: Sequence[Run], seeds: dict[int, float]) -> float:
    """Of ``runs``. A best seed that misses says nothing as long as another one could not be measured."""
    by = condition.chosen_by or ""
    chosen = {run.cell.seed: run.summary[by] for run in runs if by in run.summary}
    value = seeds[max(chosen, key=lambda seed: chosen[seed])] if chosen else math.nan
    is_whole = len(chosen) == len(runs) and not any(math.isnan(seeds[run.cell.seed]) for run in runs)
    return value if is_whole or bound(condition)[1](value) else math.nan


def _of_median_curve(condition: ConditionTable, sweep: Sweep, group: str, runs: Sequence[Run]) -> float:
    curve = sweep.median_curve(group)
    if curve is None or any(condition.measure not in run.summary for run in runs):
        return math.nan
    return curve_measures(runs[0].cell.config, curve).get(condition.measure, math.nan)
