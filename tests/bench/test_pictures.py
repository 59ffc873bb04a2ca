"""Grids of images as a cell's record holds them, as MLflow and the report show them."""

import numpy as np

from bench import mirrored


def test_a_grid_is_tiled_with_separators() -> None:
    import io

    from PIL import Image

    grid = np.zeros((2, 3, 4, 5, 3), np.uint8)
    grid[1, 2] = (10, 20, 30)
    picture = np.asarray(Image.open(io.BytesIO(mirrored.grid_png(grid))))
    assert picture.shape == (2 * (2 * 4 + 2), 2 * (3 * 5 + 2 * 2), 3)
    assert (picture[-8:, -10:] == (10, 20, 30)).all()
    assert (picture[8:12] == 255).all()
    assert (picture[:8, :10] == 0).all()
