"""How every figure of the report looks, and how it becomes files with the same bytes for the same records."""

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.analysis.paper import PaperCurve
from bench.analysis.pictures import tiled

# Okabe and Ito's colours, each with its own line style: told apart by the colour-blind and in black and white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B88700", "#56B4E9", "#5A5A5A")
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 1.2, 1.2, 1.2), (1.2, 1.1), (3.4, 1.4), (4, 1.1, 1.1, 1.1, 1.1, 1.1))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # beside the colours
PANEL = (0.075, 0.635)  # left edge and width of a panel with labels at its right
# of the paper's own curves, with a marker each
PAPER: dict[str, Any] = {
    "color": "black",
    "linewidth": 1.1,
    "dashes": (4, 2),
    "markersize": 5,
    "markerfacecolor": "white",
    "markeredgewidth": 1.1,
}

# steps within a decade, by the span of the axis that they are for: below it their labels do not touch
TICKS = {1.6: (1, 1.05, 1.1, 1.2, 8, 9, 9.5), 20.0: (1, 1.5, 2, 3, 5, 7), 500.0: (1, 2, 5), math.inf: (1,)}
STYLE: dict[Any, Any] = {
    "figure.dpi": 72,
    "savefig.dpi": 150,
    "svg.hashsalt": "infogan-bench",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.labelcolor": "#222222",
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "path.simplify_threshold": 0.4,
    "text.parse_math": False,  # names are somebody else's text
}


@dataclass(frozen=True)
class Drawing:
    """One figure: what it is called, what it shows, and its two files."""

    name: str
    title: str
    caption: str
    svg: bytes
    png: bytes
    factor: str = ""  # that it shows the runs of


def line_style(rank: int) -> dict[str, Any]:
    """Colour and dashes of a line that is the ``rank``-th of its kind, in every figure."""
    return {"color": COLOURS[rank % len(COLOURS)], "dashes": DASHES[rank % len(DASHES)]}


def draw_paper(axes: Axes, paper: PaperCurve, marker: str) -> None:
    """A curve of the paper's Figure 1."""
    axes.plot(paper.iterations, paper.mi_nats, marker=marker, zorder=5, **PAPER)


def logarithmic(axis: Axis, steps: Sequence[float] = (1, 2, 5)) -> None:
    """Ticks at ``steps`` of every decade in plain numbers: powers of ten are set in mathematics, which is off here."""
    axis.set_major_locator(LogLocator(10, steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def ticks(span: float) -> Sequence[float]:
    """Steps for :func:`logarithmic`. ``span``: the axis's largest value over its smallest."""
    return next(steps for widest, steps in TICKS.items() if span < widest)


def show_images(axes: Axes, grid: np.ndarray, **style: Any) -> None:
    """A grid of images, (rows, columns, H, W, C) uint8, pixel by pixel; grey where it has one channel."""
    page = tiled(grid)
    shown = page[..., 0] if page.shape[-1] == 1 else page
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest", **style)


def save(figure: Figure, name: str, title: str, caption: str, factor: str = "") -> Drawing:
    svg, png = io.BytesIO(), io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")
    figure.savefig(png, format="png", metadata={"Software": None}, facecolor="white")
    shorter = _PATH.sub(lambda path: shortened(path[0]), svg.getvalue())
    return Drawing(name, title, caption, shorter, png.getvalue(), factor)


_PATH = re.compile(rb'(?<= d=")[^"]*')  # its commands, which matplotlib writes with absolute coordinates
_COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")


def shortened(path: bytes) -> bytes:
    """A path of an SVG in tenths of a point, each point from where the last command ended: far fewer bytes.

    Nobody sees the rest of matplotlib's six digits. Points are rounded before they are subtracted, so no error grows.
    """
    at = start = (0, 0)
    text, before = "", ""
    for command, numbers in _COMMAND.findall(path.decode()):
        tenths = [round(float(number) * 10) for number in numbers.split()]
        points = list(zip(tenths[::2], tenths[1::2], strict=True))
        steps = "".join(_spaced(to - origin) for point in points for to, origin in zip(point, at, strict=True))
        text += steps if command == before != "M" else command.lower() + steps.lstrip()
        at = points[-1] if points else start
        start, before = at if command == "M" else start, command
    return text.encode()


def _spaced(tenths: int) -> str:
    """`` .5``, ``-12``: a number of a path, apart from the one before it."""
    sign, whole, rest = "-" if tenths < 0 else " ", abs(tenths) // 10, abs(tenths) % 10
    return sign + (f"{whole or ''}.{rest}" if rest else str(whole))
