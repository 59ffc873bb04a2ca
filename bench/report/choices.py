"""Experiments whose variants are single choices: each choice is compared with the reference, arm by arm.

They are compared by T80 and L_I, or by the measures that the experiment names (``compared``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis import tables
from bench.analysis.runs import Sweep
from bench.analysis.tables import SettingRow
from bench.console import plural
from bench.report import wording
from bench.report.tabular import NEITHER, RATIO_COLUMNS, Table, ratio_value
from bench.spec.experiment import ExperimentTable, arm_of
from bench.spec.vocabulary import measure

TITLE = "What each choice does"
LARGE = 1.25  # a ratio of T80, or its inverse, that is worth a place in the headline
MIN_PAIRS = 3  # of equal seeds; fewer are not worth counting
UNWELL = ("stalled", "collapsed")
FACTOR = 2.0  # between a choice and the reference, in the first measure, for the headline to name it
COLUMNS = (
    *("variant", "arm", "num_seeds", "t80", "t80_seeds", *RATIO_COLUMNS, "not_reached"),
    *(f"{name}{end}" for name in ("mi_final_nats", "hump_nats", "hump_iteration") for end in ("", "_seeds")),
)


@dataclass(frozen=True)
class Choice:
    """One variant's rows by arm."""

    variant: str
    note: str
    rows: dict[str, SettingRow]


@dataclass(frozen=True)
class Choices:
    """Choices with a finished cell, the reference first; none of an experiment without a reference variant."""

    listed: Sequence[Choice] = ()
    measures: Sequence[str] = ()  # that tell them apart; none: T80 and L_I
    reference: str = ""  # the variant that the others differ from

    @property
    def has_reference(self) -> bool:
        """Whether a cell of the reference has ended: without it nothing is compared."""
        return any(choice.variant == self.reference for choice in self.listed)

    @property
    def rows(self) -> list[SettingRow]:
        """Rows of all choices, choice by choice."""
        return [row for choice in self.listed for row in choice.rows.values()]

    def arms(self, *, is_baseline: bool) -> list[str]:
        """Arms whose generator maximises L_I, or the baselines."""
        return list(dict.fromkeys(row.arm for row in self.rows if row.is_baseline == is_baseline))


def choices_of(sweep: Sweep, experiment: ExperimentTable | None) -> Choices:
    """The choices of a sweep in the order of experiments.toml, those that it no longer has last."""
    if experiment is None or experiment.reference_variant is None:
        return Choices()
    rows = tables.settings_table(sweep, experiment.reference_variant)
    rows = [row for row in rows if row.runs or not experiment.compared]
    rows.sort(key=lambda row: [*experiment.arms, row.arm].index(row.arm))
    recorded = sorted({row.variant for row in rows})
    names = dict.fromkeys([experiment.reference_variant, *experiment.variants, *recorded])
    notes = {name: table.note for name, table in experiment.variants.items()}
    listed = [
        Choice(name, notes.get(name, ""), {row.arm: row for row in rows if row.variant == name})
        for name in names
        if name in recorded
    ]
    return Choices(listed, experiment.compared, experiment.reference_variant)


def headline(choices: Choices) -> str:
    """The choices that matter, in a few sentences; empty where there is nothing to compare."""
    if not choices.listed:
        return ""
    if not choices.has_reference:
        return f"Nothing is compared: no cell of the reference variant {choices.reference} has ended."
    said = _headline_of_measure(choices, choices.measures[0]) if choices.measures else _headline_of_t80(choices)
    return f"{said} {_unwell(choices)}".strip()


def _unwell(choices: Choices) -> str:
    """A sentence on the choices with which most runs stalled or collapsed, whatever their T80; empty without one."""
    named = []
    for choice in choices.listed:
        results = [run.result for row in choice.rows.values() for run in row.runs if run.result]
        unwell = [result for result in results if result.health and result.health.status in UNWELL]
        if 2 * len(unwell) > len(results):
            named.append(choice.variant)
    return f"Most runs stalled or collapsed with {wording.listed(named)}." if named else ""


def _headline_of_t80(choices: Choices) -> str:
    """The choices that surely move T80 by a quarter or more, the largest effect first, and how many surely do not."""
    rows = [row for arm in choices.arms(is_baseline=False) for row in choices.rows if row.arm == arm]
    compared = [(row.variant, row.ratio) for row in rows if row.ratio and not math.isnan(row.ratio.t80.ratio)]
    if not compared:
        return ""
    moved = [(v, r) for v, r in compared if r.t80.low > LARGE or r.t80.high < 1 / LARGE]
    still = [r for _, r in compared if r.t80.low > 1 / LARGE and r.t80.high < LARGE]
    moved.sort(key=lambda item: -abs(math.log(item[1].t80.ratio)))
    named = [f"{v} ({arm_of(r.arm)}, {r.t80.in_words(2, 'x')})" for v, r in moved]
    first = (
        f"T80 moves by a quarter or more with {wording.listed(named)}."
        if named
        else "No choice moves T80 by a quarter."
    )
    return f"{first} {len(still)} of {len(compared)} comparisons exclude so large a change."


def _headline_of_measure(choices: Choices, name: str) -> str:
    """The reference's value, and the variants of the same arm that have less than half of it or more than twice."""
    first, known = choices.rows[0], measure(name)
    value = first.median(name)
    if math.isnan(value):
        return ""
    others = [(row.variant, row.median(name)) for row in choices.rows if row.arm == first.arm]
    found = {
        "less than half of": [variant for variant, other in others if other < value / FACTOR],
        "more than twice": [variant for variant, other in others if other > value * FACTOR],
    }
    named = [f"; {how} that with {wording.listed(variants)}" for how, variants in found.items() if variants]
    text = f"{known.words} with {first.variant}: {wording.measured(name, value)} {known.unit}".rstrip()
    return f"{text[0].upper()}{text[1:]}{''.join(named) or '; no choice halves or doubles that'}."


def choices_table(choices: Choices) -> Table:
    """The table of the choices, of which there must be one, with its file."""
    return _table_of_measures(choices) if choices.measures else _table_of_t80(choices)


def _table_of_t80(choices: Choices) -> Table:
    """A row a choice, columns for each arm."""
    trained, baselines = (choices.arms(is_baseline=is_baseline) for is_baseline in (False, True))
    headings = ["choice", "what it is"]
    headings += [f"{arm}: {words}" for arm in trained for words in ("T80 ratio [interval]", "final L_I (nats)")]
    headings += [f"{arm}: peak L_I (nats)" for arm in baselines]
    rows = []
    for choice in choices.listed:
        shown = [[ratio_words(choice.rows.get(arm)), _median(choice.rows.get(arm), "mi_final_nats")] for arm in trained]
        plain = [choice.rows.get(arm) for arm in baselines]
        peaks = [
            f"{_median(row, 'hump_nats')} at {_median(row, 'hump_iteration')}" if row else wording.ABSENT
            for row in plain
        ]
        rows.append([choice.variant, choice.note, *(cell for cells in shown for cell in cells), *peaks])
    held = [choice.rows[arm] for choice in choices.listed for arm in sorted(choice.rows)]
    level = min((row.ratio.t80.level for row in held if row.ratio and not row.is_baseline), default=math.nan)
    ratios = (
        "T80 ratio (Hodges and Lehmann): above 1 is slower than the same arm of the reference, with the exact rank "
        f"interval at {wording.percent(level)} %. The reference's row gives T80 itself."
        if choices.has_reference
        else "T80 itself stands in place of its ratio."
    )
    seeds = plural(max(row.num_seeds for row in held), "seed")
    caption = f"{_opening(choices)}, with {seeds}. {ratios} Final and peak L_I are medians."
    values = [[_value(row, column) for column in COLUMNS] for row in held]
    return Table("settings", TITLE, caption, headings, rows, COLUMNS, values, num_text=2)


def _table_of_measures(choices: Choices) -> Table:
    """A row a choice and arm: medians, and in the file every seed."""
    notes = {choice.variant: choice.note for choice in choices.listed}
    headings = ["choice", "arm", "what it is", *(measure(name).heading for name in choices.measures)]
    rows = [
        [row.variant, row.arm, notes[row.variant], *(_with_pairs(choices, row, name) for name in choices.measures)]
        for row in choices.rows
    ]
    values = [
        [row.variant, row.arm, run.cell.seed, *(run.summary.get(name) for name in choices.measures)]
        for row in choices.rows
        for run in row.runs
    ]
    seeds = max(len(row.runs) for row in choices.rows)
    caption = (
        f"{_opening(choices)}. Medians of {plural(seeds, 'seed')}. A dash: the factor readers do not agree on "
        "these images, or the arm has no such measure."
    )
    if any("pairs" in cell for cells in rows for cell in cells[3:]):
        caption += f" A pair is a seed with {choices.reference} and with the choice."
    keys = ["variant", "arm", "seed", *choices.measures]
    return Table("settings", TITLE, caption, headings, rows, keys, values, num_text=3)


def _with_pairs(choices: Choices, row: SettingRow, name: str) -> str:
    """``0.21, higher in 2 of 5 pairs``: a median, and how often a seed exceeds the same seed of the reference."""
    references = [other for other in choices.rows if (other.variant, other.arm) == (choices.reference, row.arm)]
    first = {run.cell.seed: run.summary.get(name, math.nan) for other in references for run in other.runs}
    pairs = [(run.summary.get(name, math.nan), first.get(run.cell.seed, math.nan)) for run in row.runs]
    pairs = [pair for pair in pairs if not any(map(math.isnan, pair))]
    text = _median(row, name)
    if row.variant == choices.reference or len(pairs) < MIN_PAIRS:
        return text
    return f"{text}, higher in {sum(value > other for value, other in pairs)} of {len(pairs)} pairs"


def _opening(choices: Choices) -> str:
    missing = "" if choices.has_reference else f" (no cell of {choices.reference} has ended, so nothing is compared)"
    return (
        f"Each choice is held against {choices.reference}{missing}; the list of arms has every setting that it changes"
    )


def _value(row: SettingRow, column: str) -> object:
    """A value of T80's table for its file."""
    if column in (*RATIO_COLUMNS, "not_reached"):
        return ratio_value(row.ratio, column)
    if column in ("variant", "arm", "num_seeds"):
        return getattr(row, column)
    name = column.removesuffix("_seeds")
    return row.median(name) if name == column else " ".join(f"{value:.4g}" for value in row.values(name))


def ratio_words(row: SettingRow | None) -> str:
    """``1.23 [1.10, 1.40]``; the reference's own T80; a bound where failed seeds leave the middle of the pairs open."""
    if row is None or row.ratio is None:
        return wording.ABSENT if row is None else f"T80 = {_median(row, 't80')}"
    t80 = row.ratio.t80
    if math.isnan(t80.ratio):
        return NEITHER
    return f"{t80.in_words(2)} [{wording.number(t80.low, 2)}, {wording.number(t80.high, 2, 'unbounded')}]"


def _median(row: SettingRow | None, name: str) -> str:
    return wording.ABSENT if row is None else wording.measured(name, row.median(name))
