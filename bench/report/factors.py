"""A sweep's results on known factors: which run is the best by the claim's rule, which the median, what each shows.

"Best of 5 runs" is a rule: the seed with the largest ``chosen_by``, judged by a number from other samples.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.analysis.pictures import labels_of
from bench.analysis.runs import Run, Sweep
from bench.analysis.summary import code_names
from bench.claims.conditions import blank_seeds
from bench.spec import vocabulary
from bench.spec.experiment import ExperimentTable, arm_of, by_variant
from infogan.measures.catalogue import FACTORS

FAMILY = "factors"
MAX_OUTSIDE = 0.05  # share of readings beyond the data's range above which they are flagged


@dataclass(frozen=True)
class FactorRun:
    """One finished run as a factor sees it."""

    run: Run
    value: float  # NaN where it was not measured
    chosen_by: float
    code: str | None  # whose pictures ``grid`` shows; None where the generator does not vary the factor
    reason: str  # why it was not measured
    grid: np.ndarray | None = None  # (rows, columns, H, W, C) uint8
    noise_grid: np.ndarray | None = None  # of the noise dimension found by the same search
    columns: tuple[str, ...] = ()  # of ``grid``


@dataclass(frozen=True)
class FactorRuns:
    """All finished runs of one group on one factor."""

    factor: str
    measure: str
    rule: str  # the measure that chooses the best run
    group: str = ""
    runs: tuple[FactorRun, ...] = ()
    claim: str = ""  # its id, where one asks for this number
    title: str = ""
    arms: tuple[str, ...] = ()  # of which the claim speaks
    is_first: bool = False  # of the claim's numbers
    is_claimed_of: bool = False  # the claim speaks of this group's arm
    is_low_better: bool = False  # the claim's bound is an upper one

    @property
    def measured(self) -> list[FactorRun]:
        return [run for run in self.runs if not math.isnan(run.value)]

    @property
    def best(self) -> FactorRun | None:
        """The best run by the rule; None where no run was measured."""
        known = [run for run in self.measured if not math.isnan(run.chosen_by)]
        return max(known, key=lambda run: run.chosen_by, default=None)

    def of_seeds(self, seeds: Collection[int]) -> "FactorRuns":
        """The runs of these seeds alone."""
        return replace(self, runs=tuple(run for run in self.runs if run.run.cell.seed in seeds))

    @property
    def median(self) -> FactorRun | None:
        """The run in the middle, of an even number the lower one."""
        ordered = sorted(self.measured, key=lambda run: run.value)
        return ordered[(len(ordered) - 1) // 2] if ordered else None


def studied(sweep: Sweep, experiment: ExperimentTable | None, groups: Sequence[str]) -> list[FactorRuns]:
    """Every factor, measure and group, claimed measures first; empty where the family was not measured."""
    found = []
    for variant, members in by_variant(groups).items():
        runs = [run for group in members for run in sweep.done(group)]
        known = [name for name in FACTORS if any(f"{name}_reader_score" in run.summary for run in runs)]
        wanted = [asked for asked in _claimed(experiment, variant) if asked.factor in known]
        wanted += [_default(sweep, f) for f in known if f not in {asked.factor for asked in wanted}]
        for asked in wanted:
            for group in members:
                blank = blank_seeds(experiment.blank if experiment else None, sweep.done(group))
                own = tuple(_factor_run(run, asked, blank) for run in sweep.done(group))
                if own:
                    found.append(replace(asked, group=group, runs=own, is_claimed_of=arm_of(group) in asked.arms))
    return found


def entry(run: Run) -> dict[str, Any]:
    """Details of the family; empty where it was not measured, or the records hold numbers alone."""
    return run.measured(FAMILY).details


def with_grids(found: FactorRuns) -> FactorRuns:
    """``found`` with each run's pictures. Raises CorruptRecord, OSError or ValueError for a damaged file."""
    return replace(found, runs=tuple(_with_grid(run, found) for run in found.runs))


def _with_grid(run: FactorRun, found: FactorRuns) -> FactorRun:
    grids = run.run.folder.measured_grids(FAMILY) if run.run.folder else {}
    kind = "categorical" if vocabulary.measure(found.measure).is_of_categories else "continuous"
    names = [name for name in code_names(run.run.cell.config, kind) if f"{found.factor}-{name}" in grids]
    if not names:
        return run
    name = f"{found.factor}-{names[0]}"
    grid = grids[name]
    columns = tuple(labels_of(name, grid.shape[1], run.run.cell.config["codes"], run.run.measures))
    noise = None if kind == "categorical" else grids.get(f"{found.factor}-noise")
    return replace(run, code=names[0], grid=grid, noise_grid=noise, columns=columns)


def _factor_run(run: Run, asked: FactorRuns, blank: Collection[int]) -> FactorRun:
    reasons = run.measured(FAMILY).reasons
    details = entry(run).get("factors", {}).get(asked.factor, {})
    code = details.get("category_code" if vocabulary.measure(asked.measure).is_of_categories else "code")
    value, chosen_by = (run.summary.get(name, math.nan) for name in (asked.measure, asked.rule))
    if run.cell.seed in blank:
        return FactorRun(run, math.nan, math.nan, code, "shows nothing of the data")
    reason = reasons.get(asked.factor) or reasons.get("", "")
    return FactorRun(run, value, chosen_by, code, reason.removeprefix("not measured: "))


def _claimed(experiment: ExperimentTable | None, variant: str) -> Iterator[FactorRuns]:
    """Numbers on a factor that claims ask of a variant, each number of a claim once."""
    if experiment is None or FAMILY not in experiment.measures:
        return
    for claim in experiment.claims:
        if variant and claim.variants is not None and variant not in claim.variants:
            continue
        for number, condition in enumerate(claim.conditions):
            measure = vocabulary.measure(condition.measure)
            factor = measure.factor
            is_new = condition.measure not in [before.measure for before in claim.conditions[:number]]
            if factor is not None and is_new:
                kind = "category_first_order" if measure.is_of_categories else "first_order"
                yield FactorRuns(
                    factor,
                    condition.measure,
                    condition.chosen_by or f"{factor}_{kind}",
                    claim=claim.id,
                    is_first=number == 0,
                    title=f"{claim.text} {claim.source}",
                    arms=tuple(claim.arms),
                    is_low_better=condition.at_most is not None,
                )


def _default(sweep: Sweep, factor: str) -> FactorRuns:
    """The number that is shown for a factor that no claim speaks of."""
    if code_names(sweep.definition, "continuous"):
        return FactorRuns(factor, f"{factor}_range_share", f"{factor}_first_order")
    return FactorRuns(factor, f"{factor}_information", f"{factor}_category_first_order")
