"""Pictures of a kind of object for people: samples, and each factor moved alone."""

from dataclasses import replace

import numpy as np
from PIL import Image

from infogan.data.rendering import Kind

FRAME_GRAY = 128


def sample_images(kind: Kind, num: int, seed: int) -> np.ndarray:
    """(num, C, H, W): independent pictures."""
    rng = np.random.default_rng(seed)
    return np.stack([kind.render(kind.draw(rng)) for _ in range(num)])


def sweep_images(kind: Kind, num_columns: int, seed: int) -> np.ndarray:
    """(factors x columns, C, H, W): one picture, in each row another factor moved over its range, all else fixed."""
    base = kind.draw(np.random.default_rng(seed))
    return np.stack(
        [
            kind.render(replace(base, **{factor: value}))
            for factor in kind.FACTORS
            for value in np.linspace(*kind.RANGES[factor], num_columns).tolist()
        ]
    )


def contact_sheet(images_NCHW: np.ndarray, num_columns: int, scale: int) -> Image.Image:
    """The pictures row by row, with a thin frame, each pixel enlarged to ``scale`` by ``scale``."""
    num, channels, height, width = images_NCHW.shape
    num_rows = -(-num // num_columns)
    sheet_HWC = np.full((num_rows * (height + 1) + 1, num_columns * (width + 1) + 1, channels), FRAME_GRAY, np.uint8)
    for k, image_CHW in enumerate(images_NCHW):
        top, left = k // num_columns * (height + 1) + 1, k % num_columns * (width + 1) + 1
        sheet_HWC[top : top + height, left : left + width] = image_CHW.transpose(1, 2, 0)
    sheet = Image.fromarray(sheet_HWC[..., 0] if channels == 1 else sheet_HWC)
    return sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.NEAREST)
