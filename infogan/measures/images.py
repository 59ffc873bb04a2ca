"""Shared handling of images: batch size, generation, and conversion between value ranges.

Shape suffixes: N images, Z generator input, C channels, H height, W width.
"""

import numpy as np
import torch
from torch import Tensor

from infogan.batch_norm import frozen
from infogan.networks import Generator

BATCH = 128  # images per forward pass; the batch size of training, so that calibration averages the same statistics


@torch.no_grad()
def generated(generator: Generator, inputs_NZ: Tensor) -> Tensor:
    """Generate images (N, C, H, W) with frozen statistics, in the range of the generator's output."""
    with frozen(generator):
        return torch.cat([generator(batch) for batch in inputs_NZ.split(BATCH)])


def unit(images_NCHW: np.ndarray) -> Tensor:
    """Convert uint8 images to float32 in [0, 1], the input of our own reader networks."""
    return torch.from_numpy(images_NCHW).float().div_(255)


def pixels(images_NCHW: Tensor) -> Tensor:
    """Convert images in [0, 1] to uint8; values outside are clipped."""
    return images_NCHW.clamp(0, 1).mul(255).round().to(torch.uint8)
