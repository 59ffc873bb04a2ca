"""Grids of images as a cell records them, to PNG with labelled columns: the same picture in MLflow and in the report.

Columns vary one code, rows are other noise. A grid is (rows, columns, H, W, channels) uint8.
"""

import io
import re
from collections.abc import Sequence

import numpy as np

from bench.records.schema import Measured, Measures
from bench.spec.config import Code
from infogan.measures.catalogue import FACTORS

GAP = 1  # pixels between images
HEADER = 13  # pixels above the grid for the labels
FONT = 10  # pixels
SWEEP = 2.0  # ends of a continuous code's sweep, as in infogan.measures.traversals
PRIOR_SWEEP = 1.0  # the same in the pictures of factors

OF_CODE = re.compile(r"(c\d+)(?:-\d+)?")  # c1; c1-000600, during training
OF_FACTOR = re.compile(r"(.+)-(c\d+|noise)")


def png(
    name: str,
    grid: np.ndarray,
    codes: Sequence[Code],
    measures: Measures,
    *,
    max_width: int | None = None,
    zoom: int = 1,
) -> bytes:
    """A cell's recorded grid of that name, labelled. ``codes`` and ``measures`` are the cell's. Raises ValueError."""
    num_columns = grid.shape[1] if grid.ndim == 5 else 0
    return grid_png(grid, labels_of(name, num_columns, codes, measures), max_width=max_width, zoom=zoom)


def labels_of(name: str, num_columns: int, codes: Sequence[Code], measures: Measures) -> list[str]:
    """Labels of a recorded grid's columns; none for pictures that vary no code.

    A category has one name in all pictures of a cell, also in those during training: the digit that the finished Q's
    category was matched to, or its number where that was not measured.
    """
    named = {f"c{i}": code for i, code in enumerate(codes, 1)}
    if (found := OF_CODE.fullmatch(name)) and found[1] in named:
        code = named[found[1]]
        if code["kind"] != "categorical":
            return _sweep(SWEEP, num_columns)
        first = next(name for name, other in named.items() if other["kind"] == "categorical")
        return category_labels(num_columns, digit_of_categories(measures) if found[1] == first else None)
    found = OF_FACTOR.fullmatch(name)
    if found and found[1] in FACTORS and found[2] in ("noise", *named):
        if found[2] == "noise" or named[found[2]]["kind"] != "categorical":
            return _sweep(PRIOR_SWEEP, num_columns)
        factors = measures.get("factors", Measured()).details.get("factors", {})
        return [str(category) for category in factors.get(found[1], {}).get("category_order", range(num_columns))]
    return []


def category_labels(num_columns: int, digits: Sequence[int] | None) -> list[str]:
    """Categories by the digit that each was matched to, a dash for none; by number without such digits."""
    if digits is not None and len(digits) == num_columns:
        return [str(digit) if digit >= 0 else "-" for digit in digits]
    return [str(k) for k in range(num_columns)]


def digit_of_categories(measures: Measures) -> list[int] | None:
    """The digit of each category of c1, fitted on training images; None where that was not recorded."""
    errors = measures.get("digits", Measured()).details.get("errors", {})
    digits = errors.get("one_to_one_digits")
    return [int(digit) for digit in digits] if digits else None


def _sweep(end: float, num_columns: int) -> list[str]:
    return [f"{value:.1f}".replace("-0.0", "0.0") for value in np.linspace(-end, end, num_columns)]


def grid_png(grid: np.ndarray, labels: Sequence[str] = (), *, max_width: int | None = None, zoom: int = 1) -> bytes:
    """A grid as one PNG. If it is wider than ``max_width`` pixels, its images are shrunk by a whole factor; then
    everything is enlarged ``zoom`` times. Raises ValueError for another shape.
    """
    from PIL import Image, ImageDraw, ImageFont

    if grid.ndim != 5 or grid.dtype != np.uint8 or grid.shape[-1] not in (1, 3) or 0 in grid.shape:
        raise ValueError(f"a grid is (rows, columns, H, W, 1 or 3) uint8, got {grid.shape} {grid.dtype}")
    if max_width is not None:
        grid = _shrunk(grid, -(-grid.shape[1] * grid.shape[3] // max_width))
    pixels = tiled(grid).repeat(zoom, axis=0).repeat(zoom, axis=1)
    header = HEADER * zoom if labels else 0
    page = Image.new("L" if grid.shape[-1] == 1 else "RGB", (pixels.shape[1], header + pixels.shape[0]), "white")
    page.paste(Image.fromarray(pixels[..., 0] if grid.shape[-1] == 1 else pixels), (0, header))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=FONT * zoom)
    for column, label in enumerate(labels):
        centre = zoom * (column * (grid.shape[3] + GAP) + grid.shape[3] / 2)
        draw.text((centre, header / 2), label, fill="black", font=font, anchor="mm")
    content = io.BytesIO()
    page.save(content, "PNG")  # optimize=True: ten times the time for a thousandth of the size
    return content.getvalue()


def tiled(grid: np.ndarray) -> np.ndarray:
    """The images of a grid on one white page, (H, W, channels), with ``GAP`` between them."""
    padded = np.pad(grid, [(0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)], constant_values=255)
    rows, columns, height, width, channels = padded.shape
    return padded.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)[:-GAP, :-GAP]


def tiled_height(grid: np.ndarray, width: float) -> float:
    """Height of the page of :func:`tiled` if it is ``width`` wide."""
    rows, columns, height_px, width_px = grid.shape[:4]
    return width * (rows * (height_px + GAP) - GAP) / (columns * (width_px + GAP) - GAP)


def _shrunk(grid: np.ndarray, factor: int) -> np.ndarray:
    from PIL import Image

    if factor <= 1:
        return grid
    rows, columns, height, width, channels = grid.shape
    size = max(1, width // factor), max(1, height // factor)
    images = [Image.fromarray(image[..., 0] if channels == 1 else image) for image in grid.reshape(-1, *grid.shape[2:])]
    small = [np.asarray(image.resize(size, Image.Resampling.BOX)) for image in images]
    return np.stack(small).reshape(rows, columns, size[1], size[0], channels)
