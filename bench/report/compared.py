"""An experiment whose variants are single choices, told apart by measures that it names, not by T80."""

import math
from dataclasses import dataclass
from statistics import median

from bench.analysis.runs import Run, Sweep
from bench.report import wording
from bench.report.tabular import Table, csv_bytes
from bench.spec import vocabulary
from bench.spec.experiment import ExperimentTable, arm_of, variant_of

FEWER = 0.5  # of the reference's value: what the headline names


@dataclass(frozen=True)
class Compared:
    """One variant's arm: its finished cells, and each measure's value by seed (NaN: not measured)."""

    variant: str
    arm: str
    note: str
    runs: list[Run]
    values: dict[str, list[float]]

    def median(self, measure: str) -> float:
        """Over the seeds that were measured; NaN where none was."""
        known = [value for value in self.values[measure] if not math.isnan(value)]
        return median(known) if known else math.nan


def compared(sweep: Sweep, experiment: ExperimentTable | None) -> list[Compared]:
    """Every variant's arm with a finished cell, the reference first; empty where the experiment names no measures."""
    if experiment is None or not experiment.compared:
        return []
    assert experiment.reference_variant is not None  # as the table's check has it
    order = list(dict.fromkeys([experiment.reference_variant, *experiment.variants]))
    found = []
    for group in sweep.groups():
        variant, arm, runs = variant_of(group), arm_of(group), sweep.done(group)
        if variant in experiment.variants and runs:
            values = {m: [float(run.summary.get(m, math.nan)) for run in runs] for m in experiment.compared}
            found.append(Compared(variant, arm, experiment.variants[variant].note, runs, values))
    return sorted(found, key=lambda one: (order.index(one.variant), experiment.arms.index(one.arm)))


def headline(found: list[Compared]) -> str:
    """The reference's first measure, and the variants of its arm that have less than half of it."""
    if not found or math.isnan(found[0].median(next(iter(found[0].values)))):
        return ""
    measure, first = next(iter(found[0].values)), found[0]
    own = [one for one in found if one.arm == first.arm]
    fewer = [one.variant for one in own if one.median(measure) < FEWER * first.median(measure)]
    words, value = wording.measure_words(measure), wording.measured(measure, first.median(measure))
    unit = wording.measure_unit(measure)
    text = f"{words} with {first.variant}: {value} {unit}".rstrip()
    return (
        f"{text[0].upper()}{text[1:]}; less than half of that with {wording.listed(fewer) if fewer else 'no choice'}."
    )


def compared_table(found: list[Compared]) -> Table:
    """A row a variant and arm: medians, and in the file every seed."""
    measures = list(found[0].values)
    headings = ["choice", "arm", "what it is", *(vocabulary.measure(measure).heading for measure in measures)]
    rows = [
        [one.variant, one.arm, one.note, *(wording.measured(measure, one.median(measure)) for measure in measures)]
        for one in found
    ]
    columns = ["variant", "arm", "seed", *measures]
    values = [
        [one.variant, one.arm, run.cell.seed, *(one.values[measure][k] for measure in measures)]
        for one in found
        for k, run in enumerate(one.runs)
    ]
    seeds = max(len(one.runs) for one in found)
    caption = (
        f"Each choice differs from {found[0].variant} in one respect. Medians of {wording.plural(seeds, 'seed')}. A "
        "dash: the factor readers do not agree on these images, or the arm has no such measure."
    )
    return Table("settings", "What each choice does", caption, headings, rows, csv_bytes(columns, values), 3)
