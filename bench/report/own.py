"""The answer of an experiment that no claim of the paper speaks of: each arm against the first, in one sentence."""

import math
from collections.abc import Sequence
from typing import Any

from bench.analysis import statistics
from bench.analysis.runs import Sweep
from bench.report import wording
from bench.report.tabular import is_neither
from bench.spec.tables import arm_of, variant_of

BASE_ARM = "infogan"  # whose T80 the others are compared with, where it is there
MAX_NAMED = 4  # arms in the sentence; the table of comparisons has all


def base_of(order: Sequence[str]) -> str:
    """The arm that the others are held against."""
    recorded = [arm_of(group) for group in order]
    return BASE_ARM if BASE_ARM in recorded else next(iter(recorded), BASE_ARM)


def headline(sweep: Sweep, order: Sequence[str]) -> str:
    """``infogan-slow: T80 10 % later [7, 13] than infogan.``; of a single arm its own numbers; empty without seeds."""
    finished = [group for group in order if sweep.done(group)]
    said = [sentence for base in _bases(finished, base_of(order)) for sentence in _against(sweep, base, finished)]
    if said:
        rest = f"; {len(said) - MAX_NAMED} more below" if len(said) > MAX_NAMED else ""
        return f"{'; '.join(said[:MAX_NAMED])}{rest}."
    return f"{'; '.join(_alone(sweep, group) for group in finished[:MAX_NAMED])}." if finished else ""


def _bases(groups: Sequence[str], base_arm: str) -> list[str]:
    """The group of each variant that the others are held against."""
    return [group for group in groups if arm_of(group) == base_arm]


def _against(sweep: Sweep, base: str, groups: Sequence[str]) -> list[str]:
    from bench.analysis.tables import comparisons_table

    if not sweep.entropy_nats:
        return []
    records: dict[str, Any] = {record["arm"]: record for record in comparisons_table(sweep, base).to_dict("records")}
    others = [group for group in groups if group in records and variant_of(group) == variant_of(base)]
    return [f"{group}: {_compared(records[group])} than {base}" for group in others]


def _compared(record: dict[str, Any]) -> str:
    """How much later T80 is, in per cent; where the interval holds none, that nothing is shown."""
    if is_neither(record):
        return "neither reaches 0.8 H(c) sooner"
    middle, low, high = (100 * (record[name] - 1) for name in ("t80_ratio", "low", "high"))
    if record["low"] > 1:
        at_least = "at least " if 2 * record["not_reached"] >= record["num_seeds"] else ""
        return f"T80 {at_least}{middle:.0f} % later [{low:.0f}, {_end(high)}]"
    if record["high"] < 1:
        return f"T80 {-middle:.0f} % earlier [{-high:.0f}, {-low:.0f}]"
    return f"T80 not shown to be later or earlier, {middle:+.0f} % [{low:.0f}, {_end(high)}],"


def _end(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "unbounded"


def _alone(sweep: Sweep, group: str) -> str:
    """T80 and the last L_I of one group; how many seeds finished where it has no categorical code."""
    runs = sweep.done(group)
    parts = []
    for measure, words in (("t80", "80 % of H(c) at iteration"), ("mi_final_nats", "at the end L_I is")):
        values = [run.summary[measure] for run in runs if measure in run.summary]
        if values:
            found = statistics.median_interval(values)
            parts.append(f"{words} {wording.with_interval(measure, found.median, found.low, found.high)}")
    parts[1:] = [f"{part} nats" for part in parts[1:]]
    return f"{group}: {', '.join(parts) or wording.plural(len(runs), 'seed') + ' finished'}"
