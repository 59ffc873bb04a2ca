"""How every figure of the report looks, and how it becomes files with the same bytes for the same records."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.analysis.pictures import tiled

# Okabe and Ito's colours, each with its own line style: told apart by the colour-blind and in black and white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B88700", "#56B4E9", "#5A5A5A")
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 1.2, 1.2, 1.2), (1.2, 1.1), (3.4, 1.4), (4, 1.1, 1.1, 1.1, 1.1, 1.1))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # beside the colours
PANEL = (0.075, 0.635)  # left edge and width of a panel with labels at its right

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


def line_style(rank: int) -> dict[str, Any]:
    """Colour and dashes of a line that is the ``rank``-th of its kind, in every figure."""
    return {"color": COLOURS[rank % len(COLOURS)], "dashes": DASHES[rank % len(DASHES)]}


def logarithmic(axis: Axis, steps: Sequence[float] = (1, 2, 5)) -> None:
    """Ticks at ``steps`` of every decade in plain numbers: powers of ten are set in mathematics, which is off here."""
    axis.set_major_locator(LogLocator(10, steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def show_images(axes: Axes, grid: np.ndarray, **style: Any) -> None:
    """A grid of images, (rows, columns, H, W, C) uint8, pixel by pixel; grey where it has one channel."""
    page = tiled(grid)
    shown = page[..., 0] if page.shape[-1] == 1 else page
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest", **style)


def save(figure: Figure, name: str, title: str, caption: str) -> Drawing:
    svg, png = io.BytesIO(), io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")
    figure.savefig(png, format="png", metadata={"Software": None}, facecolor="white")
    return Drawing(name, title, caption, _PATH.sub(_to_tenths, svg.getvalue()), png.getvalue())


_PATH, _DIGITS = re.compile(rb' d="[^"]*"'), re.compile(rb"(\.\d)\d+")
_SPACES = re.compile(rb" ?\n|(?<=[A-Za-z]) ")  # around a path's commands, where none is needed


def _to_tenths(path: re.Match[bytes]) -> bytes:
    """A path of an SVG with its coordinates cut to tenths of a point, which nobody sees (matplotlib writes six)."""
    attribute, commands = path[0][:4], path[0][4:]
    return attribute + _SPACES.sub(b"", _DIGITS.sub(rb"\1", commands))
