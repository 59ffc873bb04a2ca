"""Traversal grids to PNG files in the paper's layout: columns vary the code and are labelled, rows are other noise."""

import io
from typing import Any

import numpy as np

MAX_WIDTH = 320  # pixels of a grid on the page; larger ones are scaled down
GAP = 1  # pixels between images
HEADER = 13  # pixels above the grid for the labels
SWEEP = 2.0  # ends of a continuous code's sweep, as in infogan.measures.traversals


def column_labels(code: dict[str, Any], num_columns: int, digits: list[int] | None = None) -> list[str]:
    """Categories by number, or by the digit that each was matched to (a dash for none); a continuous code's values."""
    if code["kind"] == "categorical":
        if digits is not None and len(digits) == num_columns:
            return [str(digit) if digit >= 0 else "-" for digit in digits]
        return [str(k) for k in range(num_columns)]
    return [f"{value:.1f}".replace("-0.0", "0.0") for value in np.linspace(-SWEEP, SWEEP, num_columns)]


def grid_png(grid: np.ndarray, labels: list[str]) -> bytes:
    """One PNG of a grid (rows, columns, H, W, C) uint8. ValueError for another shape."""
    from PIL import Image, ImageDraw, ImageFont

    if grid.ndim != 5 or grid.dtype != np.uint8 or grid.shape[-1] not in (1, 3) or 0 in grid.shape:
        raise ValueError(f"a grid is (rows, columns, H, W, 1 or 3) uint8, got {grid.shape} {grid.dtype}")
    rows, columns, height, width, channels = grid.shape
    scale = max(1, -(-columns * width // MAX_WIDTH))  # integer, rounded up
    height, width = max(1, height // scale), max(1, width // scale)
    mode = "L" if channels == 1 else "RGB"
    page = Image.new(mode, (columns * (width + GAP) - GAP, HEADER + rows * (height + GAP) - GAP), "white")
    for row in range(rows):
        for column in range(columns):
            pixels = grid[row, column]
            image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
            if scale > 1:
                image = image.resize((width, height), Image.Resampling.BOX)
            page.paste(image, (column * (width + GAP), HEADER + row * (height + GAP)))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=10)
    for column, label in enumerate(labels):
        centre = column * (width + GAP) + width / 2
        draw.text((centre, HEADER / 2), label, fill="black", font=font, anchor="mm")
    content = io.BytesIO()
    page.save(content, "PNG", optimize=True)
    return content.getvalue()
