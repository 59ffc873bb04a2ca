"""Contact sheets of a kind of object: random samples, and a sweep of each factor."""

from dataclasses import replace

import numpy as np
from PIL import Image

from infogan.data.rendering import Kind

FRAME_GRAY = 128


def sample_images(kind: Kind, num: int, seed: int) -> np.ndarray:
    """Independent images (num, C, H, W)."""
    rng = np.random.default_rng(seed)
    return np.stack([kind.render(kind.draw(rng)) for _ in range(num)])


def sweep_images(kind: Kind, num_columns: int, seed: int) -> np.ndarray:
    """One object (factors x columns, C, H, W): each row sweeps one factor over its range, with all else fixed."""
    base = kind.draw(np.random.default_rng(seed))
    return np.stack(
        [
            kind.render(replace(base, **{factor: value}))
            for factor in kind.FACTORS
            for value in np.linspace(*kind.RANGES[factor], num_columns).tolist()
        ]
    )


def contact_sheet(images_NCHW: np.ndarray, num_columns: int, scale: int) -> Image.Image:
    """The images row by row, with thin frames; each pixel is enlarged to ``scale`` x ``scale``."""
    num, channels, height, width = images_NCHW.shape
    num_rows = -(-num // num_columns)
    sheet_HWC = np.full((num_rows * (height + 1) + 1, num_columns * (width + 1) + 1, channels), FRAME_GRAY, np.uint8)
    for k, image_CHW in enumerate(images_NCHW):
        top, left = k // num_columns * (height + 1) + 1, k % num_columns * (width + 1) + 1
        sheet_HWC[top : top + height, left : left + width] = image_CHW.transpose(1, 2, 0)
    sheet = Image.fromarray(sheet_HWC[..., 0] if channels == 1 else sheet_HWC)
    return sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.NEAREST)
