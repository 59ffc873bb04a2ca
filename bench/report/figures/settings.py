"""What a result hinges on: one choice a row against the reference."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.report.figures.style import COLOURS, MARKERS, STYLE, Drawing, logarithmic, save
from bench.report.settings import Choice, arms_of

PAPER_HUMP_NATS = 0.55  # height of the baseline's hump in the paper's digitised Figure 1


def draw_settings(listed: Sequence[Choice], arms: Sequence[str]) -> Drawing | None:
    """One choice a row: T80 against the reference at the left, the baselines' peak at the right."""
    trained, baselines = arms_of(list(listed), list(arms))
    if len(listed) < 2 or not trained:
        return None
    colours = {arm: COLOURS[i % len(COLOURS)] for i, arm in enumerate(arms)}
    with rc_context(STYLE):
        inches = 1.0 + 0.3 * len(listed)
        figure = Figure(figsize=(8.4, inches))
        bottom, height = 0.55 / inches, 1 - 0.9 / inches
        ratios = figure.add_axes((0.24, bottom, 0.44, height))
        peaks = figure.add_axes((0.72, bottom, 0.26, height))
        for y, choice in enumerate(listed):
            for offset, arm in zip(np.linspace(-0.18, 0.18, len(trained)), trained, strict=True):
                row = choice.rows.get(arm)
                if row is not None and not math.isnan(row["t80_ratio"]):
                    _whisker(ratios, y + offset, row, colours[arm], MARKERS[arms.index(arm) % len(MARKERS)])
            for arm in baselines:
                row = choice.rows.get(arm)
                if row is not None:
                    values = [float(v) for v in row["hump_nats_seeds"].split()]
                    style: dict[str, Any] = {"color": colours[arm], "markersize": 5, "markeredgewidth": 0.4}
                    marker = MARKERS[arms.index(arm) % len(MARKERS)]
                    peaks.plot(values, [y] * len(values), linestyle="", marker=marker, **style)
        for axes in (ratios, peaks):
            axes.set_ylim(len(listed) - 0.4, -0.6)
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="y", color="#EEEEEE", zorder=0)
        ratios.set_yticks(range(len(listed)), [choice.variant for choice in listed])
        ratios.axvline(1, color="black", linewidth=0.9, zorder=1)
        ratios.set_xscale("log")
        logarithmic(ratios.xaxis, (1, 1.5, 2, 3, 5, 7))
        ratios.set_xlabel("T80, ratio to the reference (logarithmic)")
        peaks.axvline(PAPER_HUMP_NATS, color="black", linewidth=0.9, dashes=(4, 2), zorder=1)
        peaks.set_yticks(range(len(listed)), [""] * len(listed))
        peaks.set_xlim(left=0)
        peaks.set_xlabel("baseline's peak $L_I$ (nats)", parse_math=True)
        handles = [
            Line2D([], [], color=colours[arm], marker=MARKERS[arms.index(arm) % len(MARKERS)], label=arm, linewidth=1.2)
            for arm in (*trained, *baselines)
        ]
        figure.legend(handles=handles, loc="upper center", ncols=len(handles), frameon=False, fontsize=8.5)
        caption = (
            "Left: how much later (right of 1) or earlier 0.8 H(c) is reached than with the reference's choice, with "
            "the exact interval; an arrow: unbounded, a seed did not reach it within the budget. Right: the peak of "
            "what Q reads of a plain GAN, every seed; dashed: the hump of the paper's baseline, 0.55 nats."
        )
        return save(figure, "settings", "What Figure 1 hinges on", caption)


def _whisker(axes: Axes, y: float, row: dict[str, Any], colour: str, marker: str) -> None:
    """A ratio with its interval; an end without a bound gets an arrow."""
    low = row["low"] if 0 < row["low"] < math.inf else row["t80_ratio"]
    high = row["high"] if math.isfinite(row["high"]) else row["t80_ratio"] * 1.25
    axes.plot([low, high], [y, y], color=colour, linewidth=1.4, zorder=2)
    axes.plot([row["t80_ratio"]], [y], color=colour, marker=marker, markersize=5.5, markeredgewidth=0.4, zorder=3)
    if math.isinf(row["high"]):
        axes.plot([high], [y], color=colour, marker=">", markersize=5, zorder=3)
