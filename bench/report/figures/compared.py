"""What a result hinges on, in pictures: a row of images for each choice."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from bench.analysis.pictures import GAP, tiled
from bench.analysis.runs import Run
from bench.records.storage import CorruptRecord
from bench.report import wording
from bench.report.compared import Compared
from bench.report.figures.style import STYLE, Drawing, save

WIDTH = 8.4  # inches
WORDS = 2.1  # of them, at the left
IMAGE_ROWS, IMAGE_COLUMNS = 1, 10


def draw_compared(found: Sequence[Compared]) -> Drawing | None:
    """One row a choice, of its first seed's sweep of the last code; None where no cell has pictures."""
    rows = [(one, grid) for one in found if (grid := _row(one.runs[0])) is not None]
    if not rows:
        return None
    shape = rows[0][1].shape
    height = (WIDTH - WORDS) * (IMAGE_ROWS * (shape[2] + GAP) - GAP) / (shape[1] * (shape[3] + GAP) - GAP)
    with rc_context(STYLE):
        full = len(rows) * (height + 0.06)
        figure = Figure(figsize=(WIDTH, full))
        for k, (one, grid) in enumerate(rows):
            bottom = full - (k + 1) * (height + 0.06)
            axes = figure.add_axes((WORDS / WIDTH, bottom / full, 1 - WORDS / WIDTH, height / full))
            page = tiled(grid)
            shown = page[..., 0] if page.shape[-1] == 1 else page
            axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
            axes.set_axis_off()
            at = (bottom + height / 2) / full
            figure.text(0.005, at, f"{one.variant}, {one.arm}\n{_first(one)}", va="center", fontsize=8.5)
        seeds = sorted({one.runs[0].cell.seed for one, _ in rows})
        code = f"c{len(rows[0][0].runs[0].cell.config['codes'])}"
        caption = (
            f"Seed {wording.seeds_in_words(seeds)}. The columns vary {code}; each row has other noise and codes. "
            f"The number is: {wording.measure_words(next(iter(found[0].values)))}."
        )
        return save(figure, "pictures", "Each choice in pictures", caption)


def _first(one: Compared) -> str:
    measure = next(iter(one.values))
    return f"{wording.measured(measure, one.values[measure][0])} {wording.measure_unit(measure)}".rstrip()


def _row(run: Run) -> np.ndarray | None:
    """(1, columns, H, W, C) of the sweep of the last code."""
    if run.folder is None:
        return None
    try:
        grid = run.folder.traversals().get(f"c{len(run.cell.config['codes'])}")
    except (CorruptRecord, ValueError, OSError):  # said where the grids are drawn
        return None
    return None if grid is None else np.asarray(grid[:IMAGE_ROWS, :IMAGE_COLUMNS])
