"""Numbers that the gate watches in addition to T80: of arms that do not converge, or that have one more code.

Two sets of seeds are compared by the exact rank interval, as for T80. But the hump of a plain GAN's L_I differs by a
tenth between seeds, and not at all if the last bits of the weights change. So if pairs are valid
(:func:`bench.gate.change.why_not_paired`), a seed is compared with the baseline's seed of that number, with a narrower
margin, and two pairs are enough. Another kind of processor changes a run as much as another seed would.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.runs import Run
from bench.analysis.statistics import GateOutcome, ShiftInterval, median_interval, shift_interval
from bench.gate.change import BySeed, values_by_seed, why_not_paired
from bench.gate.rules import MINIMUM_SEEDS
from bench.spec.criteria import GateTable, WatchedTable
from bench.spec.vocabulary import measure

MINIMUM_WATCHED_PAIRS = 2


@dataclass(frozen=True)
class Watched:
    """One number of one arm, in the measure's unit."""

    group: str
    measure: str
    outcome: GateOutcome
    reason: str
    shift: ShiftInterval | None
    margin: float
    is_paired: bool
    base: BySeed
    new: BySeed


def watched_seeds(rule: GateTable, group: str, seeds: tuple[int, ...]) -> tuple[int, ...]:
    """The seeds of ``seeds`` that an arm is run with: a watched arm only with its own, if any of them is there."""
    own = {seed for table in rule.watched if table.arm == group for seed in table.seeds}
    return tuple(seed for seed in seeds if seed in own) or seeds


def watched_arms(rule: GateTable) -> list[str]:
    """Arms that are watched, and not gated by T80."""
    return list(dict.fromkeys(table.arm for table in rule.watched))


def check_watched(rule: GateTable, group: str, base: Sequence[Run], new: Sequence[Run]) -> list[Watched]:
    """The watched numbers of an arm, on runs that have ended."""
    not_paired = why_not_paired(base, new)
    return [_checked(rule, table, base, new, not_paired) for table in rule.watched if table.arm == group]


def _checked(
    rule: GateTable, table: WatchedTable, base: Sequence[Run], new: Sequence[Run], not_paired: list[str]
) -> Watched:
    known, name = measure(table.measure), table.measure
    having = ([run for run in runs if run.diverged or name in run.summary] for runs in (base, new))
    sides = [values_by_seed(runs, name) for runs in having]
    is_paired = table.margin_paired is not None and not not_paired and sides[1].keys() <= sides[0].keys()
    shift, margin, outcome = decide_watched(rule, table, sides[0], sides[1], is_paired)
    if len(sides[0]) < len(base) or len(sides[1]) < len(new):
        outcome = "inconclusive"
    how = "pairs of the same seed" if is_paired else "two samples"
    if table.margin_paired is not None and not_paired:
        how += f" ({not_paired[0]})"
    shown = "not measured" if shift is None else f"shift {shift.shift:+.3g} [{shift.low:+.3g}, {shift.high:+.3g}]"
    said = {"ok": "is where it was", "inconclusive": "may have moved", "regressed": "has moved"}[outcome]
    only = "" if table.worse == "either" else f", worse is {table.worse}"
    reason = f"{known.heading} {said}: {shown}, {how}, margin {margin:g}{only}."
    return Watched(table.arm, table.measure, outcome, reason, shift, margin, is_paired, *sides)


def decide_watched(
    rule: GateTable, table: WatchedTable, base: BySeed, new: BySeed, is_paired: bool
) -> tuple[ShiftInterval | None, float, GateOutcome]:
    """One look at one number, by seed: its shift, the margin, the outcome.

    regressed: a shift of the margin or more, whose interval leaves out 0; ok: an interval within the margin;
    inconclusive: everything else.
    """
    margin = table.margin_paired if is_paired and table.margin_paired else table.margin
    if min(len(base), len(new)) < (MINIMUM_WATCHED_PAIRS if is_paired else MINIMUM_SEEDS):
        return None, margin, "inconclusive"
    if is_paired:
        pairs = median_interval([value - base[seed] for seed, value in new.items()])
        shift = ShiftInterval(pairs.median, pairs.low, pairs.high, pairs.level)
    else:
        shift = shift_interval([*base.values()], [*new.values()], rule.watched_alpha / len(rule.watched))
    upper = margin if table.worse == "either" else math.inf
    if -margin < shift.low and shift.high < upper:
        return shift, margin, "ok"
    has_moved = (shift.high < 0 and shift.shift <= -margin) or (shift.low > 0 and shift.shift >= upper)
    return shift, margin, "regressed" if has_moved else "inconclusive"
