"""Images on their way between a generator, a file and a reader: one place for the batches and the scales.

Shape suffixes: N images, Z generator input, C channels, H height, W width.
"""

import numpy as np
import torch
from torch import Tensor

from infogan.batch_norm import frozen
from infogan.networks import Generator

BATCH = 128  # of images through a network: the size of a training batch, whose statistics a calibration averages


@torch.no_grad()
def generated(generator: Generator, inputs_NZ: Tensor) -> Tensor:
    """Images (N, C, H, W) with the frozen statistics, as the generator puts them out."""
    with frozen(generator):
        return torch.cat([generator(batch) for batch in inputs_NZ.split(BATCH)])


def unit(images_NCHW: np.ndarray) -> Tensor:
    """uint8 images as float32 in [0, 1]: what our own readers take."""
    return torch.from_numpy(images_NCHW).float().div_(255)


def pixels(images_NCHW: Tensor) -> Tensor:
    """Images in [0, 1] as uint8; values beyond are cut off."""
    return images_NCHW.clamp(0, 1).mul(255).round().to(torch.uint8)
