"""Tables of a sweep's numbers, in rows that keep the values of every seed. No plotting, no MLflow, no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.analysis import statistics
from bench.analysis.runs import Run, Sweep
from bench.spec.experiment import arm_of

SUMMARY_COLUMNS = (
    *("t80", "mi_final_nats", "mi_final_fraction", "mi_frozen_nats", "area_under_curve"),
    *("hump_nats", "hump_iteration"),
)


@dataclass(frozen=True)
class ArmRow:
    """One group and measure: median over finished seeds with its exact interval, and every seed's value."""

    arm: str
    measure: str
    median: float
    low: float
    high: float
    level: float
    num_seeds: int
    num_failed: int
    values: tuple[float, ...]


@dataclass(frozen=True)
class RatioRow:
    """T80 of one group over another's: Hodges-Lehmann ratio with its exact rank interval, Mann-Whitney p."""

    arm: str
    against: str
    t80: statistics.RatioInterval
    p_slower: float
    not_reached: int
    num_seeds: int


@dataclass(frozen=True)
class SettingRow:
    """One variant and arm: T80 against the same arm of the reference variant, and every seed's value of a measure."""

    variant: str
    arm: str
    runs: list[Run]  # finished
    num_seeds: int  # with those that diverged
    ratio: RatioRow | None  # None: of the reference itself, and where too few seeds ended
    t80: tuple[float, ...]  # of those that diverged too, as later than the budget
    is_baseline: bool

    def values(self, measure: str) -> tuple[float, ...]:
        """Values of the seeds that have one."""
        return self.t80 if measure == "t80" else _measured(self.runs, measure)

    def median(self, measure: str) -> float:
        """Median of the values that are numbers; NaN without any."""
        known = [value for value in self.values(measure) if not math.isnan(value)]
        return median(known) if known else math.nan


def _measured(runs: Sequence[Run], measure: str) -> tuple[float, ...]:
    return tuple(run.summary[measure] for run in runs if measure in run.summary)


def arms_table(sweep: Sweep, groups: Sequence[str], measures: Sequence[str] = SUMMARY_COLUMNS) -> list[ArmRow]:
    """A row for each group and measure that has a value."""
    rows = []
    for group in groups:
        num_failed = sum(run.state == "failed" for run in sweep.groups()[group])
        for measure in measures:
            is_t80 = measure == "t80"  # also of seeds that diverged, as later than the budget
            values = tuple(sweep.t80(group).values()) if is_t80 else _measured(sweep.done(group), measure)
            if values:
                m = statistics.median_interval(values)
                rows.append(ArmRow(group, measure, m.median, m.low, m.high, m.level, len(values), num_failed, values))
    return rows


def comparisons_table(sweep: Sweep, groups: Sequence[str], base: str) -> list[RatioRow]:
    """T80 of each group but that one against ``base``; two seeds are needed on each side.

    A seed that did not reach 0.8 H(c), or diverged, enters as later than the budget, never dropped.
    """
    budget = float(sweep.definition["training"]["iterations"])
    base_times = list(sweep.t80(base).values())
    rows = []
    for group in groups:
        times = list(sweep.t80(group).values())
        if group == base or min(len(times), len(base_times)) < 2:
            continue
        ratio = statistics.hodges_lehmann_ratio(base_times, times, budget)
        p_slower, not_reached = statistics.mann_whitney(base_times, times), sum(map(math.isinf, times))
        rows.append(RatioRow(group, base, ratio, p_slower, not_reached, len(times)))
    return rows


def settings_table(sweep: Sweep, reference: str) -> list[SettingRow]:
    """A row for every variant and arm with a seed that ended."""
    against: dict[str, RatioRow] = {}
    for arm in dict.fromkeys(run.cell.arm for run in sweep.runs):
        same_arm = [group for group in sweep.groups() if arm_of(group) == arm]
        against |= {row.arm: row for row in comparisons_table(sweep, same_arm, f"{reference}/{arm}")}
    rows = []
    for group, runs in sweep.groups().items():
        done, t80 = sweep.done(group), tuple(sweep.t80(group).values())
        num_ended = sum(run.ended for run in runs)
        if num_ended:
            cell = runs[0].cell
            is_baseline = not any(cell.config["training"]["mi_weight_generator"])
            ratio = against.get(group)
            rows.append(SettingRow(cell.variant or "", cell.arm, done, num_ended, ratio, t80, is_baseline))
    return rows
