"""An experiment whose variants are single choices: one row a choice, each arm against the same arm of the reference."""

import math
from dataclasses import dataclass
from typing import Any

from bench.analysis import tables
from bench.analysis.runs import Sweep
from bench.analysis.tables import SettingRow
from bench.report import wording
from bench.report.tabular import NEITHER, RATIO_COLUMNS, Table, csv_bytes, ratio_value
from bench.spec.experiment import ExperimentTable, arm_of

COLUMNS = (
    *("variant", "arm", "num_seeds", "t80", "t80_seeds", *RATIO_COLUMNS, "not_reached"),
    *(f"{measure}{end}" for measure in ("mi_final_nats", "hump_nats", "hump_iteration") for end in ("", "_seeds")),
)


@dataclass(frozen=True)
class Choice:
    """One variant's rows by arm."""

    variant: str
    note: str
    rows: dict[str, SettingRow]


def choices(sweep: Sweep, reference: str, variants: dict[str, str]) -> list[Choice]:
    """Every variant with a finished cell, the reference first. ``variants``: notes by name, in the file's order."""
    rows = tables.settings_table(sweep, reference)
    recorded = [row.variant for row in rows]
    names = [reference, *(v for v in variants if v != reference), *(v for v in recorded if v not in variants)]
    return [
        Choice(name, variants.get(name, ""), {row.arm: row for row in rows if row.variant == name})
        for name in dict.fromkeys(names)
        if name in recorded
    ]


def listed_choices(sweep: Sweep, experiment: ExperimentTable | None) -> list[Choice]:
    """The choices of an experiment that declares a reference variant and compares T80; empty for any other."""
    if experiment is None or experiment.reference_variant is None or experiment.compared:
        return []
    notes = {name: table.note for name, table in experiment.variants.items()}
    return choices(sweep, experiment.reference_variant, notes)


def arms_of(listed: list[Choice], arms: list[str]) -> tuple[list[str], list[str]]:
    """(arms whose generator maximises L_I, baselines), in the experiment's order."""
    is_baseline = {arm: row.is_baseline for choice in listed for arm, row in choice.rows.items()}
    known = [arm for arm in arms if arm in is_baseline]
    return [arm for arm in known if not is_baseline[arm]], [arm for arm in known if is_baseline[arm]]


LARGE = 1.25  # a ratio of T80, or its inverse, that is worth a place in the headline


def headline(listed: list[Choice], arms: list[str]) -> str:
    """Which choices move T80 by a quarter or more beyond doubt, largest first, and how many were shown not to."""
    trained, _ = arms_of(listed, arms)
    found = [(c.variant, c.rows[arm].ratio) for arm in trained for c in listed if arm in c.rows]
    compared = [(v, r) for v, r in found if r is not None and not math.isnan(r.t80_ratio)]
    if not compared:
        return ""
    moved = [(v, r) for v, r in compared if r.low > LARGE or r.high < 1 / LARGE]
    still = [r for _, r in compared if r.low > 1 / LARGE and r.high < LARGE]
    moved.sort(key=lambda item: -abs(math.log(item[1].t80_ratio)))
    named = [f"{v} ({arm_of(r.arm)}, x{'at least ' if r.is_bound else ''}{r.t80_ratio:.2f})" for v, r in moved]
    first = (
        f"T80 moves by a quarter or more with {wording.listed(named)}."
        if named
        else "No choice moves T80 by a quarter."
    )
    return f"{first} {len(still)} of {len(compared)} comparisons exclude that."


def settings_table(listed: list[Choice], arms: list[str]) -> Table:
    """The table for people and its file."""
    trained, baselines = arms_of(listed, arms)
    headings = ["choice", "what it is"]
    headings += [f"{arm}: {words}" for arm in trained for words in ("T80 ratio [interval]", "final L_I (nats)")]
    headings += [f"{arm}: peak L_I (nats)" for arm in baselines]
    rows = []
    for choice in listed:
        row = [choice.variant, choice.note]
        for arm in trained:
            record = choice.rows.get(arm)
            row += (
                [ratio_words(record), wording.measured("mi_final_nats", record.median("mi_final_nats"))]
                if record
                else [wording.ABSENT] * 2
            )
        row += [_hump(choice.rows.get(arm)) for arm in baselines]
        rows.append(row)
    held = [row for choice in listed for row in choice.rows.values()]
    seeds = max(row.num_seeds for row in held)
    level = max((row.ratio.level for row in held if row.ratio), default=math.nan)
    caption = (
        f"Each choice differs from {listed[0].variant} in one respect, with {wording.plural(seeds, 'seed')}. T80 ratio "
        f"(Hodges and Lehmann): above 1 is slower than the same arm of the reference, with the exact rank interval at "
        f"{wording.number(100 * level, 0)} %. The reference's row gives T80 itself. Final and peak L_I are medians."
    )
    content = csv_bytes(list(COLUMNS), [[_value(row, column) for column in COLUMNS] for row in held])
    return Table("settings", "What each choice does", caption, headings, rows, content, 2)


def _value(row: SettingRow, column: str) -> Any:
    """Of the table's file."""
    if column in (*RATIO_COLUMNS, "not_reached"):
        return ratio_value(row.ratio, column)
    measure = column.removesuffix("_seeds")
    if measure not in row.values:
        return getattr(row, column)
    return row.median(column) if measure == column else " ".join(f"{v:.4g}" for v in row.values[measure])


def ratio_words(row: SettingRow) -> str:
    """``1.23 [1.10, 1.40]``; the reference's own T80; a bound where half of the seeds did not reach 0.8 H(c)."""
    ratio = row.ratio
    if ratio is None:
        return f"T80 = {wording.measured('t80', row.median('t80'))}"
    if math.isnan(ratio.t80_ratio):
        return NEITHER
    interval = f"[{wording.number(ratio.low, 2)}, {wording.number(ratio.high, 2, 'unbounded')}]"
    return f"{'at least ' if ratio.is_bound else ''}{wording.number(ratio.t80_ratio, 2)} {interval}"


def _hump(row: SettingRow | None) -> str:
    if row is None:
        return wording.ABSENT
    at = wording.measured("hump_iteration", row.median("hump_iteration"))
    return f"{wording.measured('hump_nats', row.median('hump_nats'))} at {at}"
