"""The curves of a sweep: L_I, losses, T80."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.paper import FIGURE1_GAN, FIGURE1_INFOGAN, FIGURE1_T80, PaperCurve
from bench.analysis.runs import Sweep
from bench.report.curves import SweepCurves, spread
from bench.report.figures.style import PANEL, STYLE, Drawing, draw_paper, line_style, logarithmic, save
from bench.spec.cells import T80_RULE

FIRST_ITERATIONS = 100  # shown once more, wider


@dataclass(frozen=True)
class _Label:
    """A line's name at the right edge, at the height where the line ends, with a sample of the line."""

    height: float
    text: str
    colour: str
    dashes: tuple[float, ...] = ()
    width: float = 2.0
    marker: str = ""


def draw(sweep: Sweep, groups: Sequence[str], arms: Sequence[str]) -> list[Drawing]:
    """Every figure for which the groups have something. ``arms``: the experiment's, which fixes the colours."""
    return SweepFigures(SweepCurves(sweep, groups, arms)).draw()


class SweepFigures:
    """Draws the curves of one variant."""

    def __init__(self, curves: SweepCurves) -> None:
        self.curves = curves
        self.budget = curves.iterations

    def draw(self) -> list[Drawing]:
        curves, drawings = self.curves, []
        with rc_context(STYLE):
            if any(curves.curve(run) is not None for group in curves.groups for run in curves.runs(group)):
                drawings.append(self._mutual_information(self.budget))
                if self.budget > 1.5 * FIRST_ITERATIONS and self._reaches_t80_early():
                    drawings.append(self._mutual_information(FIRST_ITERATIONS))
            if any(curves.finished(group) is not None for group in curves.groups):
                drawings.append(self._losses())
            if any(math.isfinite(t) for times in curves.times().values() for t in times):
                drawings.append(self._t80())
        return drawings

    def _reaches_t80_early(self) -> bool:
        """Whether a seed has its T80 within the first iterations, which are drawn to tell such arms apart."""
        return any(t <= FIRST_ITERATIONS for times in self.curves.times().values() for t in times)

    def _style(self, group: str) -> dict[str, Any]:
        return line_style(self.curves.rank_of[group])

    # ---- L_I against the iteration
    def _mutual_information(self, last: int) -> Drawing:
        curves, full = self.curves, last == self.budget
        figure = Figure(figsize=(8.4, 4.5 if full else 3.9))
        axes = figure.add_axes((PANEL[0], 0.125, PANEL[1], 0.845))
        axes.set_xlim(0, last)
        labels: list[_Label] = []
        for group in curves.groups:
            labels += self._arm(axes, group, last)
        shown = [np.asarray(line.get_ydata())[:last] for line in axes.get_lines()]
        finite = np.concatenate([y[np.isfinite(y)] for y in shown])
        if curves.is_figure1:
            labels += [_draw_paper(axes, FIGURE1_INFOGAN, "o", last), _draw_paper(axes, FIGURE1_GAN, "s", last)]
        low = max(min([0.0, *finite]), -0.5) - 0.05  # the first iterations may lie far below: they are cut off
        if curves.entropy_nats:
            labels += self._ceiling(axes)
            title, words = "Mutual information against the iteration", "$L_I$ of the categorical codes (nats)"
        else:
            for height, text in ((1.0, "1: every value"), (0.0, "0: nothing")):
                axes.axhline(height, color="black", linewidth=0.9, zorder=1)
                labels.append(_Label(height, text, "black", width=0.9))
            title, words = "What Q knows against the iteration", "explained share of the continuous codes"
        axes.set_ylim(low, max([curves.entropy_nats or 1.0, *finite]) + 0.08)
        axes.set_xlabel("iteration")
        axes.set_ylabel(words, parse_math=True)
        _direct_labels(axes, labels)
        if full:
            return save(figure, "mutual-information", title, self._caption())
        caption = f"The same curves up to iteration {last}."
        return save(figure, "first-iterations", f"The first {last} iterations", caption)

    def _arm(self, axes: Axes, group: str, last: int) -> list[_Label]:
        """Draw every seed thin, the finished ones' median and band. Returns the arm's label."""
        curves, style = self.curves, self._style(group)
        unfinished = []
        for run in curves.runs(group):
            curve = curves.curve(run)
            if curve is None:
                continue
            axes.plot(*curves.thin(curve, last), color=style["color"], linewidth=0.5, alpha=0.4, zorder=2)
            if run.state != "done":
                unfinished.append(float(curve[-1]))
                at, colour = ([len(curve)], [curve[-1]]), style["color"]
                axes.plot(*at, "x", color=colour, markersize=6, markeredgewidth=1.6, zorder=6)
        name, stack = curves.arm_of[group], curves.finished(group)
        if stack is None:
            return [_Label(unfinished[-1], f"{name} (unfinished)", style["color"], width=0.7)] if unfinished else []
        x, median = curves.thin(np.median(stack, axis=0), last)
        low, high = curves.thin(stack.min(axis=0), last)[1], curves.thin(stack.max(axis=0), last)[1]
        axes.fill_between(x, low, high, color=style["color"], alpha=0.16, linewidth=0)
        axes.plot(x, median, linewidth=2.1, zorder=4, **style)
        return [_Label(_end(median, x, last), f"{name} ({len(stack)})", style["color"], style["dashes"])]

    def _ceiling(self, axes: Axes) -> list[_Label]:
        entropy, fraction = self.curves.entropy_nats, T80_RULE["fraction"]
        axes.axhline(entropy, color="black", linewidth=0.9, zorder=1)
        axes.axhline(fraction * entropy, color="#888888", linewidth=0.7, dashes=(2, 3), zorder=1)
        return [
            _Label(entropy, f"H(c) = {entropy:.3f} nats", "black", width=0.9),
            _Label(fraction * entropy, f"{fraction:g} H(c): T80", "#888888", (2, 3), 0.8),
        ]

    def _caption(self) -> str:
        curves = self.curves
        text = "Thin: every seed. Thick: median of the finished seeds (their number in brackets). Band: all of them."
        if not curves.entropy_nats:
            text += " Explained share: 1 - (mean square error of Q's mean) / (variance of the code), mean over codes."
            text += " At 0 Q knows nothing, at 1 every value; below 0 it is worse than the mean of the code."
        if any(run.state != "done" for group in curves.groups for run in curves.runs(group)):
            text += " A cross marks the end of a seed that is not finished or has failed."
        if curves.is_figure1:
            text += (
                " Black dashed lines with markers: the paper's Figure 1, one run each, digitised to about 0.03 nats."
            )
        return text + self._stride_note()

    def _stride_note(self) -> str:
        return f" Only one iteration in {self.curves.stride} is drawn." if self.curves.stride > 1 else ""

    # ---- losses
    def _losses(self) -> Drawing:
        curves = self.curves
        figure = Figure(figsize=(8.4, 5.0))
        panels = (("discriminator", 2 * math.log(2), "2 ln 2", 0.565), ("generator", math.log(2), "ln 2", 0.115))
        for player, reference, words, bottom in panels:
            axes = figure.add_axes((PANEL[0], bottom, PANEL[1], 0.415))
            labels = [_Label(reference, f"{words}: D cannot tell", "black", (2, 2), 0.9)]
            axes.axhline(reference, color="black", linewidth=0.9, dashes=(2, 2), zorder=1)
            for group in curves.groups:
                stack, style = curves.finished(group, f"loss/{player}"), self._style(group)
                if stack is not None:
                    x, median = curves.thin(np.median(stack, axis=0))
                    axes.plot(x, median, linewidth=1.3, **style)
                    ends = style["color"], style["dashes"], 1.5
                    labels.append(_Label(_end(median, x, self.budget), curves.arm_of[group], *ends))
            axes.set_xlim(0, self.budget)
            axes.tick_params(labelbottom=player == "generator")
            axes.set_ylabel(f"{player[0].upper()}'s loss (nats)")
            _direct_labels(axes, labels)
        axes.set_xlabel("iteration")
        caption = "Median of the finished seeds, without the mutual information term." + self._stride_note()
        return save(figure, "losses", "Losses of the two players", caption)

    # ---- T80
    def _t80(self) -> Drawing:
        curves, times = self.curves, self.curves.times()
        figure = Figure(figsize=(8.4, 1.2 + 0.55 * len(times)))
        bottom = 0.68 / figure.get_size_inches()[1]
        axes = figure.add_axes((0.17, bottom, 0.80, 0.93 - bottom))
        finite = [t for values in times.values() for t in values if math.isfinite(t)]
        left = min([*finite, self.budget, *([FIGURE1_T80] if curves.is_figure1 else [])]) / 1.35
        beyond = (self.budget / left) ** 0.02  # a factor: a little to the right of the budget on the logarithmic axis
        for row, (group, values) in enumerate(times.items()):
            colour = self._style(group)["color"]
            for value, height in zip(values, row + np.linspace(-0.3, 0.3, 2 * len(values) + 1)[1::2], strict=True):
                style: dict[str, Any] = {"color": colour, "markeredgewidth": 0.5, "clip_on": False, "zorder": 3}
                if math.isfinite(value):
                    axes.plot([value], [height], marker="o", markersize=5.5, **style)
                else:
                    ends = [self.budget, self.budget * beyond]
                    axes.plot(ends, [height] * 2, marker=">", markevery=[1], markersize=4, linewidth=1.2, **style)
            median = float(np.median(values)) if values else math.inf
            if math.isfinite(median):
                axes.plot([median] * 2, [row - 0.36, row + 0.36], color=colour, linewidth=2.2, zorder=2)
        axes.set_xscale("log")
        axes.set_xlim(left, self.budget * beyond**2.2)
        axes.axvline(self.budget, color="#888888", linewidth=0.9, dashes=(2, 2), zorder=1)
        axes.text(self.budget, -0.55, f"budget {self.budget:,} ", ha="right", va="bottom", color="#555555")
        if curves.is_figure1:
            axes.axvline(FIGURE1_T80, color="black", linewidth=1.1, dashes=(5, 2), zorder=1)
            top = -0.95 if self.budget < 4 * FIGURE1_T80 else -0.55  # above the budget's label where they would touch
            axes.text(FIGURE1_T80, top, f" the paper's curve: {FIGURE1_T80}", ha="left", va="bottom", color="black")
        logarithmic(axes.xaxis)
        axes.set_yticks(range(len(times)), [curves.arm_of[group] for group in times])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(times) - 0.45, -0.75)
        axes.set_xlabel(f"T80: iterations to {T80_RULE['fraction']:g} H(c) (logarithmic)")
        caption = "Dot: one seed. Bar: the median. Arrow at the budget: not reached within the budget."
        return save(figure, "t80", "Iterations to 0.8 H(c), every seed", caption)


def _end(curve: np.ndarray, x: np.ndarray, last: int) -> float:
    """Height at which a curve leaves the panel, smoothed over its last tenth."""
    inside = curve[x <= last]
    return float(inside[-max(1, len(inside) // 10) :].mean())


def _draw_paper(axes: Axes, paper: PaperCurve, marker: str, last: int) -> _Label:
    draw_paper(axes, paper, marker)
    height = float(np.interp(last, paper.iterations, paper.mi_nats))
    return _Label(height, paper.label.replace("Figure 1", "Fig. 1"), "black", (4, 2), 1.1, marker)


def _direct_labels(axes: Axes, labels: list[_Label]) -> None:
    """Name each line at the right edge with a sample of it, pushed apart where lines end together."""
    low, high = axes.get_ylim()
    labels = sorted(labels, key=lambda label: label.height)
    wanted = [(min(max(label.height, low), high) - low) / (high - low) for label in labels]
    figure_height = axes.figure.get_size_inches()[1]  # type: ignore[union-attr]
    gap = 12.5 / (72 * figure_height * axes.get_position().height)  # a line of text, as a share of the panel
    style: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
    for label, at, start in zip(labels, spread(wanted, gap), wanted, strict=True):
        axes.plot([1.005, 1.03], [start, at], color="#AAAAAA", linewidth=0.6, **style)
        (line,) = axes.plot([1.035, 1.095], [at, at], color=label.colour, dashes=label.dashes, **style)
        line.set(linewidth=label.width, marker=label.marker, markevery=[0], markerfacecolor="white", markersize=4.5)
        axes.text(1.105, at, label.text, va="center", ha="left", color="#222222", fontsize=9, transform=axes.transAxes)
