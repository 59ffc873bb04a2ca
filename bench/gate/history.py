"""history.jsonl: a line for each check, with what it found and the throughput measured beside it."""

import contextlib
import time
from pathlib import Path
from typing import Annotated, NotRequired, TypedDict, cast

from pydantic import Field

from bench.analysis.runs import Run, Sweep
from bench.analysis.statistics import Outcome
from bench.analysis.throughput import Ratio, RatioLine, StoredRatio, newest_ratio
from bench.gate.change import Direction
from bench.gate.compare import Check
from bench.records.storage import plain_json, read_lines
from bench.spec.criteria import GateTable
from bench.spec.schema import Label, Number, Recorded


class ArmLine(TypedDict):
    """T80's ratio to the baseline; None: not comparable, or without a bound."""

    ratio: float | None
    low: float | None
    high: float | None
    num_new: int


class ChangeLine(TypedDict, total=False):
    """Whether anything changed."""

    is_paired: bool
    t80: Direction
    final: Direction


class WatchedLine(TypedDict):
    """A watched number's shift in its measure's unit; None: not measured."""

    outcome: Outcome
    shift: float | None


class HistoryLine(TypedDict):
    """A line of history.jsonl; an earlier version's lacks some of it."""

    time_utc: NotRequired[str]
    experiment: str
    commit: NotRequired[str]
    torch: NotRequired[str | None]
    training_code: NotRequired[str | None]
    cpu: NotRequired[str | None]
    outcome: Outcome
    change: NotRequired[dict[str, ChangeLine]]
    watched: NotRequired[dict[str, WatchedLine]]  # by arm and measure, "gan-fast-q.area_under_curve"
    tolerance: NotRequired[float | None]
    margin: NotRequired[float | None]
    arms: dict[str, ArmLine]
    throughput: NotRequired[RatioLine | None]


def history_line(check: Check, rule: GateTable, new: Sweep | None, results: Path) -> HistoryLine:
    """One line of history.jsonl: commit, versions, ratio with interval, outcome, and the throughput measured beside it.

    ``results``: where ``python -m bench throughput`` leaves its records.
    """
    run: Run | None = new.runs[0] if new and new.runs else None
    environment = run.environment if run else {}
    arms = {
        arm.group: {"ratio": r.ratio, "low": r.low, "high": r.high, "num_new": r.num_new}
        for arm in check.arms
        if arm.t80 is not None and (r := arm.t80.ratio) is not None
    }
    return {
        "time_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "experiment": check.experiment,
        "commit": environment.get("git_commit", "unknown"),
        "torch": environment.get("packages", {}).get("torch"),
        "training_code": run.cell.config["versions"].get("training_code") if run else None,
        "cpu": environment.get("cpu"),
        "outcome": check.outcome,
        "change": {
            arm.group: {"is_paired": c.is_paired, "t80": c.t80.direction, "final": c.final.direction}
            for arm in check.arms
            for c in [arm.change]
        },
        "watched": {
            f"{one.group}.{one.measure}": {
                "outcome": one.outcome,
                "shift": None if one.shift is None else one.shift.shift,
            }
            for one in check.watched
        },
        "tolerance": rule.tolerance,
        "margin": rule.margin,
        "arms": plain_json(arms),
        "throughput": plain_json(newest_ratio(results, run)) if run else None,
    }


class _Arm(Recorded):
    ratio: Ratio | None
    low: Ratio | None  # None: without a bound
    high: Ratio | None


class _Change(Recorded):
    is_paired: bool
    t80: Direction
    final: Direction


class _Watched(Recorded):
    outcome: Outcome
    shift: Number | None


class _Line(Recorded):
    experiment: str
    outcome: Outcome
    arms: dict[str, _Arm]
    change: dict[str, _Change] = Field(default_factory=dict)  # empty: of a version that did not ask
    watched: dict[Label, _Watched] = Field(default_factory=dict)  # likewise
    commit: Label = "?"
    tolerance: Annotated[float, Field(gt=0, lt=10)] | None = None  # a line of an earlier version does not say
    margin: Annotated[float, Field(gt=0, lt=10)] | None = None
    throughput: StoredRatio | None = None


def read_history(path: Path) -> list[HistoryLine]:
    """Lines of history.jsonl, oldest first; one that ``history_line`` did not write is passed over."""
    lines = []
    for line in read_lines(path):
        with contextlib.suppress(ValueError):
            _Line.model_validate(line)
            lines.append(cast(HistoryLine, line))
    return lines
