"""The regression gate's history: T80 against the baseline, and the step's time, over commits."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.change_points import Level, levels
from bench.analysis.throughput import RatioLine
from bench.gate.history import ArmLine, HistoryLine, WatchedLine, comparable
from bench.report.figures.style import STYLE, Drawing, save
from bench.spec.vocabulary import measure

OUTCOME_MARKERS = {"ok": ("o", "#009E73"), "regressed": ("X", "#D55E00"), "inconclusive": ("D", "#B88700")}
MAX_LABELS = 12  # commits named below the axis


def draw_history(checks: Sequence[HistoryLine], group: str) -> Drawing | None:
    """T80's ratio to the baseline of each check of one arm, and below it the ratio of step times where measured."""
    own, others = comparable(checks, group)
    shown = [(check, check.arms[group]) for check in own if check.arms[group].ratio is not None]
    if not shown:
        return None
    newest = shown[-1][0]
    timed = {x: found for x, (check, _) in enumerate(shown) if (found := check.throughput)}
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 4.6 if timed else 3.2), layout="constrained")
        panels: list[Axes] = list(figure.subplots(2 if timed else 1, 1, sharex=True, squeeze=False)[:, 0])
        rule = {"tolerance": newest.tolerance, "margin": newest.margin}
        bounds = {name: value for name, value in rule.items() if value is not None}
        for height in (1.0, *(1 + value for value in bounds.values())):
            panels[0].axhline(height, color="#888888", linewidth=0.7, dashes=(1, 2) if height > 1 else (None, None))
        for x, (check, arm) in enumerate(shown):
            _point(panels[0], x, arm, *OUTCOME_MARKERS[check.outcome])
        steps = _steps(panels[0], range(len(shown)), [arm.ratio or math.nan for _, arm in shown])
        panels[0].set_ylabel("T80, ratio to the baseline")
        if timed:
            for x, found in timed.items():
                _point(panels[1], x, found, "s", "#0072B2")
            _steps(panels[1], list(timed), [found.ratio for found in timed.values()])
            panels[1].set_ylabel("step time, fused / reference")
        every = -(-len(shown) // MAX_LABELS)
        named = range((len(shown) - 1) % every, len(shown), every)  # the newest always
        labels = [f"{shown[x][0].commit[:8]}\n{_outcome(shown[x][0], group)}" for x in named]
        panels[-1].set_xticks(list(named), labels, fontsize=7)
        panels[-1].set_xlim(-0.6, max(len(shown) - 0.4, 3.6))
        dotted = " and ".join(f"the {name} of {100 * value:g} %" for name, value in bounds.items())
        dotted = f"Dotted lines: {dotted} in the newest check. " if dotted else ""
        caption = (
            "Each check against the stored baseline, oldest first: ratio of T80 with its interval. Above 1 is slower. "
            f"{others}{' ' if others else ''}{dotted}{_changes(shown, steps)}{_throughput(newest.throughput)}"
            f"{_watched(newest.watched)}"
        )
        return save(figure, "history", f"MI convergence over commits, {group}", caption)


def _point(axes: Axes, x: int, found: ArmLine | RatioLine, marker: str, colour: str) -> None:
    """A ratio with its interval; an end without a bound is left out."""
    if found.ratio is None:
        return
    ends = [found.ratio if v is None else v for v in (found.low, found.high)]
    axes.plot([x, x], ends, color=colour, linewidth=1.4)
    axes.plot([x], [found.ratio], marker=marker, color=colour, markersize=7, markeredgecolor="black")


def _steps(axes: Axes, places: Sequence[int], ratios: list[float]) -> list[Level]:
    """The medians between changes of level, and a line at each change."""
    found = levels(np.log(ratios))
    for level in found if len(found) > 1 else []:
        span = [places[level.first] - 0.4, places[level.last] + 0.4]
        axes.plot(span, [np.exp(level.median)] * 2, color="black", linewidth=1.2)
        if level.p is not None:
            axes.axvline(places[level.first] - 0.5, color="black", linewidth=0.9, dashes=(4, 2))
    return found


def _watched(found: dict[str, WatchedLine]) -> str:
    """The newest check's answer on every number that it watched."""
    said = []
    for name, one in found.items():
        arm, _, number = name.rpartition(".")
        moved = "" if one.shift is None else f" ({one.shift:+.3g})"
        said.append(f"{arm}, {measure(number).heading}: {one.outcome}{moved}")
    return f" Watched by the newest check: {'; '.join(said)}." if said else ""


def _changes(shown: Sequence[tuple[HistoryLine, ArmLine]], steps: Sequence[Level]) -> str:
    """The commits at which the level changed, with the levels before and after."""
    said = [
        f"at {shown[now.first][0].commit[:8]} from {np.exp(was.median):.3f} to {np.exp(now.median):.3f}"
        for was, now in pairwise(steps)
    ]
    return f"Dashed lines: the level changed {', '.join(said)} (rank test, p at most 0.01). " if said else ""


def _outcome(check: HistoryLine, group: str) -> str:
    """``ok``, or ``ok, but slower`` where a change within the tolerance was shown."""
    change = check.change.get(group)
    found = ((change.t80, "slower"), (change.final, "lower L_I")) if change else ()
    words = [word for direction, word in found if direction == "worse"]
    return f"ok, but {' and '.join(words)}" if words and check.outcome == "ok" else str(check.outcome)


def _throughput(measured: RatioLine | None) -> str:
    if not measured:
        return "Throughput was not measured beside the newest check."
    return (
        f"Beside the newest check the fused step took {measured.ratio:.3f} [{measured.low:.3f}, "
        f"{measured.high:.3f}] of the reference step's time ({measured.network}, batch {measured.batch_size})."
    )
