"""Figures of what MNIST's codes mean: error and quality against the iteration, usable information, confusion."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.analysis.pictures import digit_of_categories
from bench.analysis.runs import Sweep
from bench.report.codes import best_run, confusion
from bench.report.curves import ranks
from bench.report.figures.style import STYLE, Drawing, line_style, logarithmic, save
from bench.spec.experiment import arm_of

_PANELS = (
    ("digit_error", "one-to-one error of Q's category (of images)"),
    ("kid", "KID to real digits (logarithmic above 0.001)"),
)
_LINEAR_KID = 1e-3  # below it the axis is linear: an estimate of a KID may be negative


def draw_digits(sweep: Sweep, groups: Sequence[str], arms: Sequence[str]) -> list[Drawing]:
    """The figures for which the finished cells have something."""
    with rc_context(STYLE):
        drawings = [_trajectory(sweep, groups, arms), _usable(sweep, groups), _confusion(sweep, groups)]
    return [drawing for drawing in drawings if drawing is not None]


def _series(sweep: Sweep, groups: Sequence[str], family: str) -> dict[str, list[dict[str, list[float]]]]:
    """Series of a family, of each finished cell that has one, by group; only of groups with such a cell."""
    found = {g: [run.measured(family).series for run in sweep.done(g)] for g in groups}
    having = {g: [series for series in own if series.get("iteration")] for g, own in found.items()}
    return {g: own for g, own in having.items() if own}


def _trajectory(sweep: Sweep, groups: Sequence[str], arms: Sequence[str]) -> Drawing | None:
    held = _series(sweep, groups, "trajectory")
    if not held:
        return None
    figure, rank = Figure(figsize=(8.4, 3.6)), ranks(map(arm_of, groups), arms)
    for panel, (name, words) in enumerate(_PANELS):
        axes = figure.add_axes((0.08 + 0.49 * panel, 0.14, 0.41, 0.74))
        for group, columns in held.items():
            style = line_style(rank[arm_of(group)])
            for series in columns:
                axes.plot(series["iteration"], series[name], color=style["color"], linewidth=0.5, alpha=0.4)
            same = [series for series in columns if series["iteration"] == columns[0]["iteration"]]
            median = np.median([series[name] for series in same], axis=0)
            axes.plot(same[0]["iteration"], median, label=f"{group} ({len(same)})", **style)
        axes.set_xscale("log")
        logarithmic(axes.xaxis, (1,))
        axes.set_xlabel("iteration (logarithmic)")
        axes.set_title(words, fontsize=9.5)
        if name == "kid":
            axes.set_yscale("symlog", linthresh=_LINEAR_KID, linscale=0.3)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        else:
            axes.legend()
        axes.set_ylim(
            bottom=min(0.0, *(value for columns in held.values() for series in columns for value in series[name]))
        )
    caption = (
        "Each probe uses 1,000 samples, 1,000 training images and 2,000 held-out images. Thin lines: every finished "
        "seed. Thick line: their median. Batch-norm statistics are estimated anew at each probe and frozen."
    )
    return save(figure, "trajectory", "Error and sample quality against the iteration", caption)


def _usable(sweep: Sweep, groups: Sequence[str]) -> Drawing | None:
    """A baseline's usable information over Q's capacity, at three iterations: median over seeds, dots each seed."""
    held = _series(sweep, groups, "usable")
    if not held:
        return None
    figure = Figure(figsize=(8.4, 3.2))
    for panel, (group, columns) in enumerate(held.items()):
        share = 0.9 / len(held)
        axes = figure.add_axes((0.08 + panel * share, 0.14, share - 0.07, 0.74))
        names = [name for name in columns[0] if name != "iteration"]
        for k, iteration in enumerate(columns[0]["iteration"]):
            same = [s for s in columns if s["iteration"] == columns[0]["iteration"]]
            values = np.array([[s[name][k] for name in names] for s in same])
            style = line_style(k)
            axes.plot(range(len(names)), np.median(values, axis=0), label=f"iteration {iteration:,.0f}", **style)
            for row in values:
                axes.plot(range(len(names)), row, ".", color=style["color"], markersize=3)
        axes.axhline(sweep.entropy_nats, color="black", linewidth=0.9)
        axes.set_xticks(range(len(names)), [name.split("_")[1] for name in names])
        axes.set_title(f"{group}: nats of c1 that a fresh Q reads; line: H(c)", fontsize=9.5)
        axes.legend()
    caption = (
        "Usable information: L_I of new Q networks, trained on samples of the frozen generator with the same small "
        "budget. It says what such a Q reads, not what I(c; x) is. InfoGAN is not shown: H(c) - L_I already bounds "
        "what is left to read."
    )
    return save(figure, "usable", "Usable information of the baselines over Q's capacity", caption)


def _confusion(sweep: Sweep, groups: Sequence[str]) -> Drawing | None:
    """Held-out images by category and digit, for each arm's best seed; categories in the order of their digit."""
    best = {group: best_run(sweep.done(group)) for group in groups}
    found = {g: (run, confusion(run), digit_of_categories(run.measures)) for g, run in best.items() if run is not None}
    found = {g: parts for g, parts in found.items() if parts[1] is not None and parts[2] is not None}
    if not found:
        return None
    figure = Figure(figsize=(8.4, 3.9))
    share = 1 / max(2, len(found))
    for panel, (group, (run, counts_KD, digits)) in enumerate(found.items()):
        assert counts_KD is not None
        assert digits is not None
        order = sorted(range(len(digits)), key=lambda k: (digits[k] < 0, digits[k]))
        shares_KD = counts_KD[order] / np.maximum(counts_KD.sum(axis=0), 1)
        axes = figure.add_axes((0.08 + panel * share, 0.13, share - 0.095, 0.75))
        axes.imshow(shares_KD, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        for k, row in enumerate(counts_KD[order]):
            for digit, count in enumerate(row):
                colour, text = "white" if shares_KD[k, digit] > 0.5 else "black", str(count) if count else ""
                axes.text(digit, k, text, ha="center", va="center", fontsize=6, color=colour)
        axes.set_xticks(range(shares_KD.shape[1]))
        axes.set_yticks(range(len(order)), [f"{k} as {digits[k]}" if digits[k] >= 0 else f"{k}, none" for k in order])
        axes.tick_params(length=0, labelsize=7)
        axes.set_title(f"{group}, seed {run.cell.seed}", fontsize=9.5)
        axes.set_xlabel("digit")
        axes.set_ylabel("category, as its digit")
    caption = (
        "Held-out images by Q's category and by digit. The digit of a category is fitted on the training images. Shown "
        "is the best seed of each arm: the one with the fewest errors on the training images."
    )
    return save(figure, "confusion", "Which digits a category holds", caption)
