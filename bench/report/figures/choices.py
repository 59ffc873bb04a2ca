"""Figures of what a result hinges on: each choice against the reference, in numbers, curves or pictures."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.paper import FIGURE1_GAN, FIGURE1_HUMP_NATS, FIGURE1_INFOGAN
from bench.analysis.pictures import tiled_height
from bench.analysis.runs import Run, Sweep
from bench.analysis.statistics import RatioInterval
from bench.records.storage import CorruptRecord
from bench.report import wording
from bench.report.choices import Choice, Choices
from bench.report.curves import SweepCurves, ranks
from bench.report.figures.style import (
    COLOURS,
    MARKERS,
    PAPER,
    STYLE,
    Drawing,
    draw_paper,
    line_style,
    logarithmic,
    save,
    show_images,
    ticks,
)
from bench.spec.selection import seeds_in_words
from bench.spec.vocabulary import measure
from infogan.measures.catalogue import FAMILIES

WIDTH = 8.4  # inches
WORDS = 2.1  # of them, at the left of pictures
HEADING = 0.24  # of them, above pictures
IMAGE_ROWS, IMAGE_COLUMNS = 1, 10
ARROW = 1.25  # length of an end without a bound, as a factor


def draw_choices(sweep: Sweep, choices: Choices, arms: Sequence[str]) -> list[Drawing]:
    """Pictures, and before them ratios and curves where L_I is compared. ``arms``: all of them, which fixes colours."""
    with rc_context(STYLE):
        drawings = [] if choices.measures else [_ratios(choices, arms), _curves(sweep, choices, arms)]
        drawings.append(_pictures(choices))
    return [drawing for drawing in drawings if drawing is not None]


def _ratios(choices: Choices, arms: Sequence[str]) -> Drawing | None:
    """One choice a row: T80 against the reference at the left, the baselines' peak at the right."""
    listed = choices.listed
    trained, baselines = (choices.arms(is_baseline=is_baseline) for is_baseline in (False, True))
    if len(listed) < 2 or not trained or not choices.has_reference:
        return None
    rank = ranks([*trained, *baselines], arms)
    look = {arm: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for arm, i in rank.items()}
    inches = 1.0 + 0.3 * len(listed)
    figure = Figure(figsize=(8.4, inches))
    bottom, height = 0.55 / inches, 1 - 0.9 / inches
    ratios = figure.add_axes((0.24, bottom, 0.44 if baselines else 0.74, height))
    peaks = figure.add_axes((0.72, bottom, 0.26, height)) if baselines else None
    for y, choice in enumerate(listed):
        for offset, arm in zip(np.linspace(-0.18, 0.18, len(trained)), trained, strict=True):
            row = choice.rows.get(arm)
            if row is not None and row.ratio is not None and not math.isnan(row.ratio.t80.ratio):
                _whisker(ratios, y + offset, row.ratio.t80, *look[arm])
        for arm in baselines:
            row = choice.rows.get(arm)
            if row is not None and peaks is not None:
                values, (colour, marker) = row.values("hump_nats"), look[arm]
                peaks.plot(values, [y] * len(values), marker, color=colour, markersize=5, markeredgewidth=0.4)
    for axes in (ratios, peaks) if peaks is not None else (ratios,):
        axes.set_ylim(len(listed) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", color="#EEEEEE")
        axes.set_axisbelow(True)
    ratios.set_yticks(range(len(listed)), [choice.variant for choice in listed])
    ratios.axvline(1, color="black", linewidth=0.9, zorder=1)
    ratios.set_xscale("log")
    low, high = ratios.get_xlim()
    logarithmic(ratios.xaxis, ticks(high / low))
    ratios.set_xlabel("T80, ratio to the reference (logarithmic)")
    if peaks is not None:
        peaks.axvline(FIGURE1_HUMP_NATS, color="black", linewidth=0.9, dashes=(4, 2), zorder=1)
        peaks.text(FIGURE1_HUMP_NATS, -0.62, "the paper", ha="center", va="bottom", fontsize=8.5)
        peaks.set_yticks(range(len(listed)), [""] * len(listed))
        peaks.set_xlim(left=0)
        peaks.set_xlabel("baseline's peak $L_I$ (nats)", parse_math=True)
    handles = [
        Line2D([], [], color=look[arm][0], marker=look[arm][1], label=arm, linewidth=1.2)
        for arm in (*trained, *baselines)
    ]
    figure.legend(handles=handles, loc="upper center", ncols=len(handles))
    caption = (
        "How much later (right of 1) or earlier L_I reaches 0.8 H(c) than with the reference's choice, with its "
        "exact interval. Arrow: unbounded, because a seed did not reach it within the budget."
    )
    if baselines:
        caption += (
            " Right: the peak of L_I with a plain GAN, every seed. Dashed: the hump of the paper's baseline, 0.55 nats."
        )
    return save(figure, "settings", "Each choice against the reference", caption)


def _curves(sweep: Sweep, choices: Choices, arms: Sequence[str]) -> Drawing | None:
    """L_I against the iteration, an arm a panel and a choice a colour; none where there are too many to tell apart.

    The baselines are the second row. Each panel of Figure 1's setting has the paper's curve too.
    """
    listed, trained = choices.listed, choices.arms(is_baseline=False)
    if not 2 <= len(listed) <= len(COLOURS) or not trained:
        return None
    curves = SweepCurves(sweep, list(sweep.groups()), arms)
    rows = [(trained, FIGURE1_INFOGAN), (choices.arms(is_baseline=True), FIGURE1_GAN)]
    rows = [(row, paper) for row, paper in rows if row]
    figure = Figure(figsize=(8.4, 0.3 + 3.0 * len(rows)), layout="constrained")
    for part, (row, paper) in zip(figure.subfigures(len(rows), squeeze=False)[:, 0], rows, strict=True):
        panels: list[Axes] = list(np.atleast_1d(part.subplots(1, len(row), sharey=True)))
        for axes, arm in zip(panels, row, strict=True):
            _curves_of_arm(axes, curves, listed, arm)
            if curves.is_figure1:
                draw_paper(axes, paper, "o")
                axes.set_xlim(0, curves.iterations)
        panels[0].set_ylabel("$L_I$ (nats)", parse_math=True)
    handles = [Line2D([], [], linewidth=1.6, label=c.variant, **line_style(k)) for k, c in enumerate(listed)]
    if curves.is_figure1:
        handles.append(Line2D([], [], marker="o", label="the paper", **PAPER))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    caption = "Thick line: median of the seeds. Thin lines: every finished seed. Black line: H(c)."
    if curves.is_figure1:
        caption += " Black dashed line with markers: the paper's Figure 1, one run each, digitised to about 0.03 nats."
    return save(figure, "choices", "L_I with each choice", caption)


def _curves_of_arm(axes: Axes, curves: SweepCurves, listed: Sequence[Choice], arm: str) -> None:
    for k, choice in enumerate(listed):
        found = curves.finished(f"{choice.variant}/{arm}") if arm in choice.rows else None
        if found is None:
            continue
        for curve in found:
            axes.plot(*curves.thin(curve), linewidth=0.4, alpha=0.5, color=COLOURS[k])
        axes.plot(*curves.thin(np.median(found, axis=0)), linewidth=1.6, **line_style(k))
    if curves.entropy_nats:
        axes.axhline(curves.entropy_nats, color="black", linewidth=0.9)
        place = ("axes fraction", "data")
        axes.annotate("H(c)", (1, curves.entropy_nats), (0, 2), place, "offset points", ha="right")
    axes.set_title(arm)
    axes.set_xlabel("iteration")


def _pictures(choices: Choices) -> Drawing | None:
    """One row a choice, of its first seed's sweep of a code: of c1 where digits are compared, else of the last one.

    Where L_I is compared, of the first arm alone. None where no cell has pictures.
    """
    if not choices.rows:
        return None
    known = measure(choices.measures[0] if choices.measures else "variety")
    code = "c1" if known.name in FAMILIES["digits"] else f"c{len(choices.rows[0].runs[0].cell.config['codes'])}"
    rows = choices.rows if choices.measures else [row for row in choices.rows if row.arm == choices.rows[0].arm]
    shown = [(row, images) for row in rows if row.runs and (images := _images(row.runs[0], code)) is not None]
    if not shown:
        return None
    height = tiled_height(shown[0][1], WIDTH - WORDS)
    full = HEADING + len(shown) * (height + 0.06)
    figure, arms = Figure(figsize=(WIDTH, full)), {row.arm for row, _ in shown}
    for k, (row, images) in enumerate(shown):
        bottom = full - HEADING - (k + 1) * (height + 0.06)
        axes = figure.add_axes((WORDS / WIDTH, bottom / full, 1 - WORDS / WIDTH, height / full))
        show_images(axes, images, aspect="auto")
        axes.set_axis_off()
        value = wording.measured(known.name, row.runs[0].summary.get(known.name))
        name = row.variant if len(arms) == 1 else f"{row.variant}, {row.arm}"
        words = f"{name}\n{value} {known.unit}".rstrip()
        figure.text(0.005, (bottom + height / 2) / full, words, va="center", fontsize=8.5)
    heading = f"Number: {known.heading}. Columns: {code} varies."
    figure.text(0.005, 1 - HEADING / 2 / full, heading, va="center", fontsize=8.5)
    seeds = sorted({row.runs[0].cell.seed for row, _ in shown})
    caption = f"Seed {seeds_in_words(seeds)}. Each row has other noise and codes."
    return save(figure, "pictures", "Each choice in pictures", caption)


def _images(run: Run, code: str) -> np.ndarray | None:
    """Images of the sweep of a code, (1, columns, H, W, C); None without any."""
    if run.folder is None:
        return None
    try:
        grid = run.folder.traversals().get(code)
    except (CorruptRecord, ValueError, OSError):  # said where the grids are drawn
        return None
    return None if grid is None else np.asarray(grid[:IMAGE_ROWS, :IMAGE_COLUMNS])


def _whisker(axes: Axes, y: float, found: RatioInterval, colour: str, marker: str) -> None:
    """A ratio with its interval; an end without a bound, which is 0 or infinite, gets an arrow."""
    ends = []
    for end, arrow, factor in ((found.low, "<", 1 / ARROW), (found.high, ">", ARROW)):
        is_open = not 0 < end < math.inf
        ends.append(found.ratio * factor if is_open else end)
        if is_open:
            axes.plot([ends[-1]], [y], color=colour, marker=arrow, markersize=5, zorder=3)
    axes.plot(ends, [y, y], color=colour, linewidth=1.4, zorder=2)
    axes.plot([found.ratio], [y], color=colour, marker=marker, markersize=5.5, markeredgewidth=0.4, zorder=3)
