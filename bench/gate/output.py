"""A check in lines for people: every number behind a decision, and the verdict in words."""

import math
from collections import Counter
from collections.abc import Iterator

from bench.analysis import statistics
from bench.analysis.statistics import Bound, GateOutcome
from bench.gate.change import Change, Shift
from bench.gate.compare import ArmCheck, Check
from bench.gate.health import NOT_MEASURED
from bench.gate.rules import percent
from bench.gate.watched import Watched, watched_arms
from bench.spec.criteria import GateTable

OPPOSITE: dict[Bound, Bound] = {"": "", "at least": "at most", "at most": "at least"}


def time_words(t80: float) -> str:
    """``98.2``, or that it was not reached."""
    return f"{t80:.1f}" if math.isfinite(t80) else "not reached"


def _times(values: dict[int, float]) -> str:
    return " ".join(f"{seed}:{time_words(v)}" for seed, v in sorted(values.items()))


def number(value: float, digits: int = 3) -> str:
    """A ratio or a spread as text; failed seeds can make it unbounded."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "unbounded"


def _side(name: str, values: dict[int, float]) -> str:
    interval = statistics.median_interval(list(values.values()))
    failed = sum(math.isinf(v) for v in values.values())
    ends = f"{time_words(interval.low)} to {time_words(interval.high)}"
    return f"{name} {time_words(interval.median)} [{ends}] n={len(values)} failed {failed}"


def median(values: dict[int, float]) -> float:
    """Median over the seeds; infinite if most of them failed."""
    return statistics.median_interval(list(values.values())).median


def _statuses(side: dict[int, str]) -> str:
    """``9 ok, 1 collapsed (seed 3)``: the number of seeds per status; seeds of an unusual status are named."""
    shown = []
    for status, num in Counter(side.values()).most_common():
        seeds = " ".join(str(seed) for seed, s in sorted(side.items()) if s == status)
        usual = status in ("ok", NOT_MEASURED)
        shown.append(f"{num} {status}" if usual else f"{num} {status} ({'seed' if num == 1 else 'seeds'} {seeds})")
    return ", ".join(shown)


def change_line(change: Change) -> str:
    """A line on whether anything changed, with the evidence."""
    p = [f", p {shift.p:.2g}" if shift.p is not None else "" for shift in (change.t80, change.final)]
    return (
        f"changed at all? ({basis(change, why=True)}) T80 {in_percent(change.t80)}{p[0]}: "
        f"{WORDS['t80'][change.t80.direction]}; final {in_nats(change.final)}{p[1]}: "
        f"{WORDS['final'][change.final.direction]}"
    )


def basis(change: Change, *, why: bool = False) -> str:
    """What was compared; with ``why`` also the reason if it was not pairs."""
    if change.is_paired:
        return f"{change.num_pairs} pairs of the same seed"
    return f"two samples, since pairs do not hold: {', '.join(change.not_paired)}" if why else "two samples"


WORDS = {
    "t80": {"none": "no change shown", "worse": "slower", "better": "faster", "not tested": "not tested"},
    "final": {"none": "no change shown", "worse": "lower", "better": "higher", "not tested": "not tested"},
}


def in_nats(shift: Shift) -> str:
    """``L_I +0.010 nats [-0.002, +0.021]``; a bound that is not there is "unbounded"."""
    values = (shift.estimate, shift.low, shift.high)
    middle, low, high = (f"{value:+.3f}" if math.isfinite(value) else "unbounded" for value in values)
    return f"L_I {middle} nats [{low}, {high}]"


def in_percent(shift: Shift, sign: int = 1) -> str:
    """``4 % [2, 6]``, ``at least 4 % [2, 6]`` or ``not comparable``: how much later T80 is; ``sign`` -1: earlier."""
    if math.isnan(shift.estimate):
        return "not comparable"
    bound = shift.bound if sign == 1 else OPPOSITE[shift.bound]
    values = [100 * sign * math.expm1(v) if v < math.inf else math.inf for v in (shift.estimate, shift.low, shift.high)]
    middle, *ends = (f"{v:.1f}".removesuffix(".0") if math.isfinite(v) else "unbounded" for v in values)
    return f"{bound} {middle} % [{', '.join(ends[::sign])}]".lstrip()


def verdict(found: ArmCheck | Check, rule: GateTable) -> str:
    """``ok, but slower: 4 % [2, 6], within the tolerance of 10 %``, with the reason; of an arm or of a whole check."""
    arms = [(f"{arm.group}: ", arm) for arm in found.arms] if isinstance(found, Check) else [("", found)]
    changed = [(name, arm.change) for name, arm in arms]
    said = [f"{name}{words}" for name, change in changed if (words := _change_words(change, rule))]
    if found.outcome != "ok" or not said:
        return f"{found.outcome}: {found.reason}"
    kinds = dict.fromkeys(kind for _, change in changed for kind in _kinds(change))
    joined = "but" if any(change.is_worse for _, change in changed) else "and"
    return f"ok, {joined} {' and '.join(kinds)}: {'; '.join(said)}. {found.reason}"


def _kinds(change: Change) -> list[str]:
    t80, final = change.t80.direction, change.final.direction
    named = [WORDS["t80"][t80]] if t80 in ("worse", "better") else []
    return named + ([f"{WORDS['final'][final]} L_I"] if final in ("worse", "better") else [])


def _change_words(change: Change, rule: GateTable) -> str:
    """Each measure that changed: by how much, and what is tolerated where it is for the worse."""
    of = "on the same seeds" if change.is_paired else "of two samples"
    parts = []
    if change.t80.direction in ("worse", "better"):
        worse = change.t80.direction == "worse"
        within = f", within the tolerance of {percent(rule.tolerance)}" if worse else ""
        parts.append(f"{in_percent(change.t80, 1 if worse else -1)} {of}{within}")
    if change.final.direction in ("worse", "better"):
        within = f", within the margin of {rule.final_margin_nats:g}" if change.final.direction == "worse" else ""
        parts.append(f"{in_nats(change.final)} {of}{within}")
    return "; ".join(parts)


def arm_lines(arm: ArmCheck, rule: GateTable) -> Iterator[str]:
    """Lines with every number behind the decision, every seed included."""
    t80, h = arm.t80, arm.health
    assert t80 is not None
    line = f"T80 {arm.group}: {_side('base', arm.base_t80)} | {_side('new', arm.new_t80)}"
    if t80.ratio is not None:
        r = t80.ratio
        line += f" | ratio {r.in_words()}, {percent(r.level)} CI [{number(r.low)}, {number(r.high)}]"
        line += f", P(slower) {t80.prob_slower:.2f}, MWU p {t80.p_slower:.3f}, Fisher p {t80.p_failures:.3f}"
        excluded = "yes" if r.high < 1 + rule.margin else "no"
        line += f" -> {t80.outcome} (slowdown of {percent(rule.margin)} excluded: {excluded}; "
        line += f"tolerance {percent(rule.tolerance)})"
    yield line
    yield change_line(arm.change)
    spread = " / ".join(number(statistics.sd_log(list(v.values()))) for v in (arm.base_t80, arm.new_t80))
    yield f"sd log T80 {spread} | smallest ratio detectable at 80 %: {number(arm.smallest_detectable, 2)}"
    if arm.final is not None:
        f = arm.final
        yield (
            f"final L_I: base {median(arm.base_final_nats):.3f}, new {median(arm.new_final_nats):.3f} nats, shift "
            f"{f.shift:+.3f}, {percent(f.level)} CI [{f.low:+.3f}, {f.high:+.3f}] -> {arm.final_outcome} "
            f"(margin {rule.final_margin_nats:g})"
        )
    statuses = " | ".join(f"{name} {_statuses(side)}" for name, side in (("base", h.base), ("new", h.new)))
    yield f"health: {statuses} -> {h.outcome} ({h.reason})"
    yield f"mean L_I / H(c): base {median(arm.base_area):.3f}, new {median(arm.new_area):.3f}"
    yield f"T80 by seed, base: {_times(arm.base_t80)}"
    yield f"T80 by seed, new:  {_times(arm.new_t80)}"


def watched_line(one: Watched) -> str:
    """A watched number with its outcome, its shift and every seed."""
    level = "" if one.shift is None or one.is_paired else f", {percent(one.shift.level)} CI"
    sides = (" ".join(f"{seed}:{value:.3g}" for seed, value in sorted(side.items())) for side in (one.base, one.new))
    base, new = sides
    return f"watched {one.group}{level} -> {one.outcome}: {one.reason} By seed, base {base} | new {new}"


def lines(check: Check, rule: GateTable) -> Iterator[str]:
    """The whole check for a terminal."""
    for arm in check.arms:
        yield from arm_lines(arm, rule)
    yield from map(watched_line, check.watched)
    for group, why in check.not_gated.items():
        yield f"not {'watched' if group in watched_arms(rule) else 'gated'}: {group}: {why}"
    if check.treatment:
        yield "under test: " + "; ".join(check.treatment)
    elif check.arms:
        yield "under test: nothing differs from the baseline's definition, versions and machine"
    yield verdict(check, rule)
    if check.next_seeds:
        yield f"to decide, also run seeds {check.next_seeds[0]}-{check.next_seeds[-1]}: the answer is then final"


def outcome_of(found: ArmCheck | Check, strict: bool) -> GateOutcome:
    """An arm's or a check's outcome; with ``strict`` a change for the worse that is tolerated is a regression."""
    is_worse = found.change.is_worse if isinstance(found, ArmCheck) else found.is_worse
    return "regressed" if strict and is_worse and found.outcome == "ok" else found.outcome
