"""history.jsonl: a line for each check, with what it found and the throughput measured beside it."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from bench.analysis.runs import Sweep
from bench.analysis.statistics import Bound, GateOutcome
from bench.analysis.throughput import MAX_RATIO, Ratio, RatioLine, newest_ratio
from bench.gate.change import Direction
from bench.gate.compare import Check
from bench.records.schema import fitting
from bench.records.storage import read_lines
from bench.spec.criteria import GateTable
from bench.spec.schema import NO_LABEL, Label, Number, Recorded

HISTORY = "history.jsonl"  # in a results folder, and beside the baselines


class ArmLine(Recorded):
    """T80's ratio to the baseline; None: not comparable, or without a bound."""

    ratio: Ratio | None
    low: Ratio | None
    high: Ratio | None
    num_new: int = 0
    bound: Bound = ""  # where failures leave the ratio open on one side


class ChangeLine(Recorded):
    """Whether anything changed."""

    is_paired: bool
    t80: Direction
    final: Direction


class WatchedLine(Recorded):
    """A watched number's shift in its measure's unit; None: not measured."""

    outcome: GateOutcome
    shift: Number | None


class HistoryLine(Recorded):
    """A line of history.jsonl; what has a default, an earlier version's lacks."""

    time_utc: str = "?"
    experiment: str
    commit: Label = "?"
    baseline: Label = "?"  # short digest of its file: ratios to two baselines are not comparable
    torch: Any = None  # this and the next two as the cell recorded them
    training_code: Any = None
    cpu: Any = None
    outcome: GateOutcome
    change: dict[str, ChangeLine] = Field(default_factory=dict)
    watched: dict[Label, WatchedLine] = Field(default_factory=dict)  # by arm and measure, "gan-fast-q.area_under_curve"
    tolerance: Annotated[float, Field(gt=0, lt=10)] | None = None
    margin: Annotated[float, Field(gt=0, lt=10)] | None = None
    arms: dict[str, ArmLine]
    throughput: RatioLine | None = None


def history_line(check: Check, rule: GateTable, new: Sweep | None, results: Path) -> HistoryLine:
    """One line of history.jsonl: commit, versions, ratio with interval, outcome, and the throughput measured beside it.

    ``results``: where ``python -m bench throughput`` leaves its records.
    """
    run = new.runs[0] if new and new.runs else None
    environment = run.environment if run else {}
    return HistoryLine(
        time_utc=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        experiment=check.experiment,
        commit=re.sub(NO_LABEL, "?", str(environment.get("git_commit", "unknown"))),
        baseline=check.baseline,
        torch=environment.get("packages", {}).get("torch"),
        training_code=run.cell.config["versions"].get("training_code") if run else None,
        cpu=environment.get("cpu"),
        outcome=check.outcome,
        change={
            arm.group: ChangeLine(is_paired=c.is_paired, t80=c.t80.direction, final=c.final.direction)
            for arm in check.arms
            for c in [arm.change]
        },
        watched={
            f"{one.group}.{one.measure}": WatchedLine(outcome=one.outcome, shift=one.shift.shift if one.shift else None)
            for one in check.watched
        },
        tolerance=rule.tolerance,
        margin=rule.margin,
        arms={
            arm.group: ArmLine(
                ratio=_bounded(r.ratio), low=_bounded(r.low), high=_bounded(r.high), num_new=r.num_new, bound=r.bound
            )
            for arm in check.arms
            if arm.t80 is not None and (r := arm.t80.ratio) is not None
        },
        throughput=newest_ratio(results, run) if run else None,
    )


def _bounded(ratio: float) -> float | None:
    """The ratio; None if it is 0 or infinite, as an end without a bound, or NaN, as of sides not comparable."""
    return ratio if 0 < ratio < MAX_RATIO else None


def comparable(checks: Sequence[HistoryLine], arm: str) -> tuple[list[HistoryLine], str]:
    """Checks of an arm with the same baseline as its newest one, oldest first, and a sentence on the others, if any."""
    own = [check for check in checks if arm in check.arms]
    kept = [check for check in own if check.baseline == own[-1].baseline]
    num_others = len(own) - len(kept)
    are = (
        "1 check against another baseline is" if num_others == 1 else f"{num_others} checks against other baselines are"
    )
    return kept, f"{are} left out." if num_others else ""


def read_history(path: Path) -> list[HistoryLine]:
    """Lines of history.jsonl, oldest first; one that ``history_line`` did not write is passed over."""
    return fitting(HistoryLine, read_lines(path))
