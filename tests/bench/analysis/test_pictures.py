"""Grids of images: as a cell's record holds them, and as MLflow and the report show them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.analysis import pictures
from bench.analysis.pictures import GAP, HEADER, grid_png, labels_of
from bench.records.folder import CellFolder
from bench.records.schema import Measured
from bench.tracking.store import mirror_cell
from tests.bench.tracked_cells import CATEGORICAL, CONTINUOUS, done_cell, make_cell, the_run

CODES = [CONTINUOUS, CATEGORICAL, CATEGORICAL, CONTINUOUS]
NUMBERS = [str(k) for k in range(10)]
DIGITS = [3, -1, *range(8)]
FIVE = ["-1.0", "-0.5", "0.0", "0.5", "1.0"]


def digits_entry(digits: list[int], error: float = 0.25) -> Measured:
    return Measured(key="k", values={"digit_error": error}, details={"errors": {"one_to_one_digits": digits}})


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


# ---- labels
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("c2", ["3", "-", "0", "1", "2", "3", "4", "5", "6", "7"]),
        ("c2-000600", ["3", "-", "0", "1", "2", "3", "4", "5", "6", "7"]),
        ("c3", NUMBERS),  # the assignment is of the first categorical code
        ("azimuth-c3", ["4", "0", "1", "2", "3", "5", "6", "7", "8", "9"]),
        ("width-c2", NUMBERS),
        ("nearest", []),
        ("elsewhere-c2", []),
        ("c9", []),
    ],
)
def test_ten_columns_are_labelled_by_what_they_vary(name: str, expected: list[str]) -> None:
    ordered = {"azimuth": {"category_order": [4, 0, 1, 2, 3, 5, 6, 7, 8, 9]}}
    measures = {"digits": digits_entry(DIGITS), "factors": Measured(details={"factors": ordered})}
    assert labels_of(name, 10, CODES, measures) == expected


def test_a_continuous_code_is_labelled_by_its_values_and_a_category_without_a_digit_by_its_number() -> None:
    from infogan.measures.traversals import PRIOR_SWEEP, SWEEP

    assert (pictures.SWEEP, pictures.PRIOR_SWEEP) == (SWEEP, PRIOR_SWEEP)
    assert labels_of("c4", 3, CODES, {}) == ["-2.0", "0.0", "2.0"]
    assert labels_of("azimuth-c1", 5, CODES, {}) == labels_of("azimuth-noise", 5, CODES, {}) == FIVE
    assert labels_of("c2", 10, CODES, {}) == NUMBERS
    assert labels_of("c2", 10, CODES, {"digits": digits_entry(DIGITS[:7])}) == NUMBERS  # of another number of columns


# ---- pictures
def test_a_grid_is_tiled_with_separators() -> None:
    grid = np.zeros((2, 3, 4, 5, 3), np.uint8)
    grid[1, 2] = (10, 20, 30)
    page = pixels(grid_png(grid, zoom=2))
    assert page.shape == (2 * (2 * 4 + GAP), 2 * (3 * 5 + 2 * GAP), 3)
    assert (page[-8:, -10:] == (10, 20, 30)).all()
    assert (page[8:10] == 255).all()
    assert (page[:8, :10] == 0).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_labels_add_a_header_with_each_label_over_its_own_column(channels: int) -> None:
    grid = np.random.default_rng(0).integers(0, 256, (2, 10, 28, 28, channels), dtype=np.uint8)
    bare, plain = pixels(grid_png(grid)), pixels(grid_png(grid, NUMBERS))
    assert (plain[HEADER:] == bare).all()
    order = [7, 2, 0, 1, 9, 8, 3, 4, 6, 5]
    moved = pixels(grid_png(grid, [str(k) for k in order]))[:HEADER]
    for column, k in enumerate(order):
        left, source = column * (28 + GAP), k * (28 + GAP)
        assert (moved[:, left : left + 28] == plain[:HEADER, source : source + 28]).all()
        assert (moved[:, left : left + 28] < 128).any()
    zoomed = pixels(grid_png(grid, NUMBERS, zoom=2))
    assert (zoomed[2 * HEADER :] == bare.repeat(2, axis=0).repeat(2, axis=1)).all()


def test_a_grid_that_is_too_wide_is_shrunk_by_a_whole_factor() -> None:
    grid = np.kron(np.arange(50, dtype=np.uint8).reshape(1, 10, 5, 1, 1), np.ones((1, 1, 1, 60, 1), np.uint8))
    grid = grid.repeat(12, axis=2)  # (1, 10, 60, 60, 1): bands of 12 rows
    page = pixels(grid_png(grid, max_width=320))  # 600 pixels: by 2
    assert page.shape == (30, 10 * (30 + GAP) - GAP)
    assert (page[:, :30] == np.arange(5).repeat(6)[:, None]).all()
    assert (pixels(grid_png(grid, max_width=600)) == pixels(grid_png(grid))).all()


@pytest.mark.parametrize(
    "grid", [np.zeros((2, 3, 4, 5), np.uint8), np.zeros((2, 3, 4, 5, 2), np.uint8), np.zeros((2, 3, 4, 5, 1))]
)
def test_another_shape_is_refused(grid: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"a grid is \(rows, columns, H, W, 1 or 3\) uint8, got"):
        pictures.png("c1", grid, CODES, {})


# ---- in MLflow
def mirrored(client: Any, tmp_path: Path, name: str) -> bytes:
    run_id = the_run(client).info.run_id
    return Path(client.download_artifacts(run_id, f"traversals/{name}.png", str(tmp_path))).read_bytes()


def measured(folder: CellFolder, digits: list[int], error: float) -> CellFolder:
    folder.write_measures("digits", digits_entry(digits, error))
    return folder


def test_categories_carry_their_digits_in_mlflow_too(results: Path, client: Any, tmp_path: Path) -> None:
    folder = measured(done_cell(results, make_cell()), DIGITS, 0.3)
    folder.write_snapshot(600, {"c1": folder.traversals()["c1"]})
    assert mirror_cell(client, folder)
    expected = grid_png(folder.traversals()["c1"], ["3", "-", *NUMBERS[:8]], zoom=2)
    assert mirrored(client, tmp_path, "c1") == expected
    run_id = the_run(client).info.run_id
    (path,) = (a.path for a in client.list_artifacts(run_id, "images") if "+step+600+" in a.path and ".png" in a.path)
    image = Path(client.download_artifacts(run_id, path, str(tmp_path))).read_bytes()
    assert (pixels(image) == pixels(expected)).all()


def test_a_cell_measured_after_it_was_mirrored_gets_new_pictures_even_of_the_same_size(
    results: Path, client: Any, tmp_path: Path
) -> None:
    """A store lists only sizes, and pictures of equal size may still differ."""
    folder, rng = done_cell(results, make_cell()), np.random.default_rng(0)
    grid = folder.traversals()["c1"]
    by_number, digits, labelled = grid_png(grid, NUMBERS, zoom=2), [], b""
    while len(labelled) != len(by_number) or labelled == by_number:
        digits = rng.permutation(10).tolist()
        labelled = grid_png(grid, [str(d) for d in digits], zoom=2)
    assert mirror_cell(client, folder)
    assert mirrored(client, tmp_path, "c1") == by_number
    assert mirror_cell(client, measured(folder, digits, 0.3))
    assert mirrored(client, tmp_path, "c1") == labelled
