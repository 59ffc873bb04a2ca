"""Sweeps to rows of numbers, each with every seed somewhere in it. No plotting, no MLflow, no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.analysis import statistics
from bench.analysis.runs import Run, State, Sweep
from bench.spec.experiment import arm_of

SUMMARY_COLUMNS = (
    "t80",
    "mi_final_nats",
    "mi_final_fraction",
    "mi_frozen_nats",
    "area_under_curve",
    "hump_nats",
    "hump_iteration",
)


@dataclass(frozen=True)
class SeedRow:
    """One cell: its health in words, and every measure."""

    arm: str
    seed: int
    state: State
    health: str
    values: dict[str, float]


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
    t80_ratio: float  # NaN: failures of both leave no ratio
    low: float
    high: float
    level: float
    p_slower: float
    not_reached: int
    num_seeds: int

    @property
    def is_bound(self) -> bool:
        """Whether the ratio is at least what is stated: half of the seeds or more did not reach 0.8 H(c)."""
        return 2 * self.not_reached >= self.num_seeds


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
        """Of the seeds that have one."""
        return self.t80 if measure == "t80" else _measured(self.runs, measure)

    def median(self, measure: str) -> float:
        """Over those values that are a number; NaN without any."""
        known = [value for value in self.values(measure) if not math.isnan(value)]
        return median(known) if known else math.nan


@dataclass(frozen=True)
class TimingRow:
    """Where the seconds of a group's finished cells went; ``overhead_share`` is checkpoints over training."""

    arm: str
    num_cells: int
    step_ms_median: float
    train_s: float
    checkpoint_s: float
    evaluate_s: float
    prepare_s: float
    overhead_share: float
    peak_memory_mb: float


def _measured(runs: Sequence[Run], measure: str) -> tuple[float, ...]:
    return tuple(run.summary[measure] for run in runs if measure in run.summary)


def seeds_table(sweep: Sweep) -> list[SeedRow]:
    rows = []
    for group, runs in sweep.groups().items():
        for run in runs:
            health = run.result and run.result.health
            values = {name: value for name, value in run.summary.items() if name != "collapsed"}
            rows.append(SeedRow(group, run.cell.seed, run.state, health.status if health else "", values))
    return rows


def arms_table(sweep: Sweep, measures: Sequence[str] = SUMMARY_COLUMNS) -> list[ArmRow]:
    """Of every group and measure that has a value."""
    rows = []
    for group, runs in sweep.groups().items():
        num_failed = sum(run.state == "failed" for run in runs)
        for measure in measures:
            is_t80 = measure == "t80"  # also of seeds that diverged, as later than the budget
            values = tuple(sweep.t80(group).values()) if is_t80 else _measured(sweep.done(group), measure)
            if values:
                m = statistics.median_interval(values)
                rows.append(ArmRow(group, measure, m.median, m.low, m.high, m.level, len(values), num_failed, values))
    return rows


def comparisons_table(sweep: Sweep, base: str) -> list[RatioRow]:
    """T80 of each group against ``base``; two seeds are needed on each side.

    A seed that did not reach 0.8 H(c), or diverged, enters as later than the budget, never dropped.
    """
    budget = float(sweep.definition["training"]["iterations"])
    base_times = list(sweep.t80(base).values())
    rows = []
    for group in sweep.groups():
        times = list(sweep.t80(group).values())
        if group == base or min(len(times), len(base_times)) < 2:
            continue
        r = statistics.hodges_lehmann_ratio(base_times, times, budget)
        p_slower, not_reached = statistics.mann_whitney(base_times, times), sum(not math.isfinite(t) for t in times)
        rows.append(RatioRow(group, base, r.ratio, r.low, r.high, r.level, p_slower, not_reached, len(times)))
    return rows


def settings_table(sweep: Sweep, reference: str) -> list[SettingRow]:
    """Of every variant and arm with a seed that ended."""
    against: dict[str, RatioRow] = {}
    for arm in dict.fromkeys(run.cell.arm for run in sweep.runs):
        compared = comparisons_table(sweep, f"{reference}/{arm}")
        against |= {row.arm: row for row in compared if arm_of(row.arm) == arm}
    rows = []
    for group, runs in sweep.groups().items():
        done, t80 = sweep.done(group), tuple(sweep.t80(group).values())
        num_ended = len(done) + sum(run.diverged for run in runs)
        if num_ended:
            cell = runs[0].cell
            is_baseline = not any(cell.config["training"]["mi_weight_generator"])
            ratio = against.get(group)
            rows.append(SettingRow(cell.variant or "", cell.arm, done, num_ended, ratio, t80, is_baseline))
    return rows


def timing_table(sweep: Sweep) -> list[TimingRow]:
    """Of every group with a finished cell."""
    rows = []
    for group in sweep.groups():
        results = [run.result for run in sweep.done(group) if run.result]
        seconds = [result.seconds for result in results if result.seconds]
        if not seconds:
            continue
        steps = [run.summary["step_ms"] for run in sweep.done(group) if "step_ms" in run.summary]
        train_s, checkpoint_s = sum(s.train for s in seconds), sum(s.checkpoint for s in seconds)
        rows.append(
            TimingRow(
                arm=group,
                num_cells=len(seconds),
                step_ms_median=median(steps) if steps else math.nan,
                train_s=train_s,
                checkpoint_s=checkpoint_s,
                evaluate_s=sum(s.evaluate for s in seconds),
                prepare_s=sum(s.prepare for s in seconds),
                overhead_share=checkpoint_s / train_s if train_s else math.nan,
                peak_memory_mb=max((r.peak_memory_mb for r in results if r.peak_memory_mb), default=math.nan),
            )
        )
    return rows
