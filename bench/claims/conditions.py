"""Test one condition of a claim on the seeds of a group.

A diverged seed counts as the worst value. So does a blank one, whatever readers make of its images. Neither can be the
best seed. The median curve, however, is simply that of the finished seeds. Any other seed without a value may have any
value: if that could change the answer, the condition is undecided (its number is NaN) and not met.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.analysis.runs import Run, Sweep
from bench.analysis.summary import curve_measures
from bench.claims.result import ConditionResult
from bench.spec.criteria import BlankTable, ConditionTable
from bench.spec.experiment import same_variant
from bench.spec.vocabulary import MEASURES


@dataclass(frozen=True)
class Asked:
    """A condition with its bound as it stands for one group."""

    table: ConditionTable
    bound: str  # in words
    meets: Callable[[float], bool]  # NaN meets none
    worst: float
    rivals: tuple[Run, ...] = ()  # runs that must be exceeded
    is_open: bool = False  # a rival has no value, so the true bound may be higher
    limit: float = math.nan  # the bound as a number

    def decide(self, value: float) -> bool | None:
        """Whether ``value`` meets the condition; None if that depends on a missing value."""
        met = self.meets(value)
        return None if math.isnan(value) or (met and self.is_open) else met


def ask(condition: ConditionTable, sweep: Sweep, group: str) -> Asked:
    """The condition as it applies to a group. Its rivals are another arm's runs, of the same variant."""
    if condition.at_least is not None:
        least = condition.at_least
        return Asked(condition, f"at least {least:g}", lambda value: value >= least, -math.inf, limit=least)
    if condition.at_most is not None:
        most = condition.at_most
        return Asked(condition, f"at most {most:g}", lambda value: value <= most, math.inf, limit=most)
    assert condition.above_best_of is not None
    arm = condition.above_best_of
    runs = sweep.done(same_variant(group, arm))
    values = [run.summary.get(condition.measure, math.nan) for run in runs]
    known = [value for value in values if not math.isnan(value)]
    is_open = len(known) < len(runs) or not runs
    best = max(known, default=-math.inf)
    found = f"{best:.3g}" if known else "not measured"
    words = f"above the best of {arm} ({found})"
    return Asked(condition, words, lambda value: value > best, -math.inf, tuple(runs), is_open, best)


def blank_seeds(blank: BlankTable | None, runs: Sequence[Run]) -> frozenset[int]:
    """Seeds whose images show nothing of the data; not those for which that was not measured."""
    if blank is None:
        return frozenset()
    return frozenset(run.cell.seed for run in runs if run.summary.get(blank.measure, math.inf) < blank.below)


@dataclass(frozen=True)
class GroupRuns:
    """The ended runs of a group that a claim is judged on."""

    sweep: Sweep
    group: str
    done: Sequence[Run]
    num_diverged: int  # more seeds, which ended with a loss that is not finite
    blank_rule: BlankTable | None
    blank: frozenset[int]  # seeds

    @classmethod
    def of(cls, sweep: Sweep, group: str, blank_rule: BlankTable | None) -> "GroupRuns":
        done, num_diverged = sweep.done(group), sum(run.diverged for run in sweep.groups().get(group, []))
        return cls(sweep, group, done, num_diverged, blank_rule, blank_seeds(blank_rule, done))

    @property
    def num_seeds(self) -> int:
        return len(self.done) + self.num_diverged

    @property
    def iterations(self) -> int:
        """The budget of each run."""
        return self.sweep.definition["training"]["iterations"]

    @property
    def num_worst(self) -> int:
        """Seeds that count as the worst value."""
        return len(self.blank) + self.num_diverged

    @property
    def able(self) -> list[Run]:
        """The runs whose values count."""
        return [run for run in self.done if run.cell.seed not in self.blank]

    def meeting(self, conditions: Sequence[Asked]) -> list[bool | None]:
        """For each finished run, whether it meets every condition on seeds; None if a missing value decides that.

        A bound on the median curve is not a condition on seeds. A blank seed meets no condition.
        """
        of_seeds = [asked for asked in conditions if asked.table.over != "median curve"]
        return [run.cell.seed not in self.blank and _meets_all(of_seeds, run) for run in self.done]


def _meets_all(conditions: Sequence[Asked], run: Run) -> bool | None:
    found = [asked.decide(run.summary.get(asked.table.measure, math.nan)) for asked in conditions]
    return False if False in found else None if None in found else True


def check(asked: Asked, runs: GroupRuns) -> ConditionResult:
    """Test the condition on the runs of a group."""
    condition, able = asked.table, runs.able
    seeds = {run.cell.seed: math.nan for run in runs.done}
    seeds |= {run.cell.seed: run.summary.get(condition.measure, math.nan) for run in able}
    if condition.over == "median curve":
        value = _of_median_curve(condition.measure, runs)
    elif runs.done and not able:
        value = asked.worst
    elif condition.over == "best seed":
        value = _best(asked, able, seeds)
    else:
        value = _over_all(asked, [seeds[run.cell.seed] for run in able], runs.num_worst)
    holds = asked.decide(value)
    return ConditionResult(
        measure=condition.measure,
        unit=MEASURES[condition.measure].unit,
        over=condition.over,
        bound=asked.bound,
        basis=condition.basis,
        value=math.nan if holds is None else value,
        holds=bool(holds),
        seeds=seeds,
        guard=condition.guard,
        limit=asked.limit,
    )


def _of_median_curve(measure: str, runs: GroupRuns) -> float:
    """The measure of the median curve; NaN unless every finished run has it."""
    curve = runs.sweep.median_curve(runs.group)
    if curve is None or not all(measure in run.summary for run in runs.done):
        return math.nan
    return curve_measures(runs.done[0].cell.config, curve).get(measure, math.nan)


def _over_all(asked: Asked, values: list[float], num_diverged: int) -> float:
    """The worst or the median value; NaN if missing values could change the answer."""
    known = [value for value in values if not math.isnan(value)] + [asked.worst] * num_diverged
    if not known:
        return math.nan

    def number(seeds: list[float]) -> float:
        if asked.table.over == "every seed":
            return min(seeds) if asked.worst < 0 else max(seeds)
        return statistics.median(seeds)

    num_unknown = len(values) + num_diverged - len(known)
    fills = (asked.worst, -asked.worst)
    answers = [number(known + [fill] * num_unknown) for fill in fills] if num_unknown else [number(known)]
    is_decided = len({asked.meets(answer) for answer in answers}) == 1 and not any(map(math.isnan, answers))
    return number(known) if is_decided else math.nan


def _best(asked: Asked, runs: Sequence[Run], seeds: dict[int, float]) -> float:
    """The value of the seed that ``chosen_by`` picks; NaN if a seed without that number might have been picked."""
    by = asked.table.chosen_by or ""
    chosen = {run.cell.seed: run.summary.get(by, math.nan) for run in runs}
    if not chosen or any(map(math.isnan, chosen.values())):
        return math.nan
    return seeds[max(chosen, key=lambda seed: chosen[seed])]
