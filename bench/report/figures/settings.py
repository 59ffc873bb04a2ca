"""What a result hinges on: one choice a row against the reference."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.paper import FIGURE1_HUMP_NATS
from bench.analysis.runs import Sweep
from bench.analysis.tables import RatioRow
from bench.report.curves import SweepCurves
from bench.report.figures.style import COLOURS, DASHES, MARKERS, STYLE, Drawing, logarithmic, save
from bench.report.settings import Choice, arms_of

NARROW = 2.0  # of the ratios' axis, largest over smallest: below it the ticks are closer


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
        ratios = figure.add_axes((0.24, bottom, 0.44 if baselines else 0.74, height))
        peaks = figure.add_axes((0.72, bottom, 0.26, height)) if baselines else None
        for y, choice in enumerate(listed):
            for offset, arm in zip(np.linspace(-0.18, 0.18, len(trained)), trained, strict=True):
                row = choice.rows.get(arm)
                if row is not None and row.ratio is not None and not math.isnan(row.ratio.t80_ratio):
                    _whisker(ratios, y + offset, row.ratio, colours[arm], MARKERS[arms.index(arm) % len(MARKERS)])
            for arm in baselines:
                row = choice.rows.get(arm)
                if row is not None and peaks is not None:
                    values = row.values["hump_nats"]
                    style: dict[str, Any] = {"color": colours[arm], "markersize": 5, "markeredgewidth": 0.4}
                    marker = MARKERS[arms.index(arm) % len(MARKERS)]
                    peaks.plot(values, [y] * len(values), linestyle="", marker=marker, **style)
        for axes in (ratios, peaks) if peaks is not None else (ratios,):
            axes.set_ylim(len(listed) - 0.4, -0.6)
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="y", color="#EEEEEE", zorder=0)
        ratios.set_yticks(range(len(listed)), [choice.variant for choice in listed])
        ratios.axvline(1, color="black", linewidth=0.9, zorder=1)
        ratios.set_xscale("log")
        low, high = ratios.get_xlim()
        logarithmic(ratios.xaxis, (1, 1.05, 1.1, 1.2, 8, 9, 9.5) if high < NARROW * low else (1, 1.5, 2, 3, 5, 7))
        ratios.set_xlabel("T80, ratio to the reference (logarithmic)")
        if peaks is not None:
            peaks.axvline(FIGURE1_HUMP_NATS, color="black", linewidth=0.9, dashes=(4, 2), zorder=1)
            peaks.set_yticks(range(len(listed)), [""] * len(listed))
            peaks.set_xlim(left=0)
            peaks.set_xlabel("baseline's peak $L_I$ (nats)", parse_math=True)
        handles = [
            Line2D([], [], color=colours[arm], marker=MARKERS[arms.index(arm) % len(MARKERS)], label=arm, linewidth=1.2)
            for arm in (*trained, *baselines)
        ]
        figure.legend(handles=handles, loc="upper center", ncols=len(handles), frameon=False, fontsize=8.5)
        caption = (
            "How much later (right of 1) or earlier L_I reaches 0.8 H(c) than with the reference's choice, with its "
            "exact interval. Arrow: unbounded, because a seed did not reach it within the budget."
        )
        if baselines:
            caption += (
                " Right: the peak of L_I with a plain GAN, every seed. Dashed: the hump of the paper's baseline, "
                "0.55 nats."
            )
        return save(figure, "settings", "Each choice against the reference", caption)


def draw_choice_curves(sweep: Sweep, listed: Sequence[Choice], arms: Sequence[str]) -> Drawing | None:
    """L_I against the iteration, an arm a panel and a choice a colour; none where there are too many to tell apart."""
    trained = arms_of(list(listed), list(arms))[0]
    if not 2 <= len(listed) <= len(COLOURS) or not trained:
        return None
    curves = SweepCurves(sweep, list(sweep.groups()), arms)
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.2), layout="constrained")
        panels: list[Axes] = list(np.atleast_1d(figure.subplots(1, len(trained), sharey=True)))
        for axes, arm in zip(panels, trained, strict=True):
            for k, choice in enumerate(listed):
                found = curves.finished(f"{choice.variant}/{arm}") if arm in choice.rows else None
                if found is None:
                    continue
                style: dict[str, Any] = {"color": COLOURS[k], "dashes": DASHES[k % len(DASHES)]}
                for curve in found:
                    axes.plot(*curves.thin(curve), linewidth=0.4, alpha=0.5, color=COLOURS[k])
                axes.plot(*curves.thin(np.median(found, axis=0)), linewidth=1.6, label=choice.variant, **style)
            if curves.entropy_nats:
                axes.axhline(curves.entropy_nats, color="black", linewidth=0.9)
            axes.set_title(arm)
            axes.set_xlabel("iteration")
        panels[0].set_ylabel("$L_I$ (nats)", parse_math=True)
        panels[-1].legend(frameon=False, fontsize=8.5, loc="lower right")
        caption = "Thick line: median of the seeds. Thin lines: every finished seed. Black line: H(c)."
        return save(figure, "choices", "L_I with each choice", caption)


def _whisker(axes: Axes, y: float, row: RatioRow, colour: str, marker: str) -> None:
    """A ratio with its interval; an end without a bound gets an arrow."""
    low = row.low if 0 < row.low < math.inf else row.t80_ratio
    high = row.high if math.isfinite(row.high) else row.t80_ratio * 1.25
    axes.plot([low, high], [y, y], color=colour, linewidth=1.4, zorder=2)
    axes.plot([row.t80_ratio], [y], color=colour, marker=marker, markersize=5.5, markeredgewidth=0.4, zorder=3)
    if math.isinf(row.high):
        axes.plot([high], [y], color=colour, marker=">", markersize=5, zorder=3)
