"""Image grids in the paper's layout: columns vary one code; rows have different noise and other codes."""

import torch
from torch import Tensor

from infogan.codes import Categorical, LatentSpec
from infogan.measures.images import generated, pixels
from infogan.networks import Generator

ROWS, COLUMNS = 5, 10
SWEEP = 2.0  # Figure 2 sweeps codes trained on -1..1 over -2..2
PRIOR_SWEEP = 1.0  # Figures 3 to 5 stay within the prior


@torch.no_grad()
def traversal(
    generator: Generator, spec: LatentSpec, code_index: int, stream: torch.Generator, *, signed: bool
) -> Tensor:
    """Image grid (rows, columns, H, W, C) uint8 of one code's sweep, with frozen batch-norm statistics.

    A categorical code takes all its categories, a continuous one -2 to 2. ``signed``: G's output is in [-1, 1].
    """
    images_NCHW = traversal_images(generator, spec, code_index, stream, SWEEP)
    return as_grid((images_NCHW + 1) / 2 if signed else images_NCHW)


@torch.no_grad()
def traversal_images(
    generator: Generator, spec: LatentSpec, code_index: int, stream: torch.Generator, sweep: float
) -> Tensor:
    """The images of a sweep in the generator's range, (rows * columns, C, H, W).

    A continuous code goes from -sweep to sweep.
    """
    code = spec.codes[code_index]
    dtype = next(generator.parameters()).dtype
    if isinstance(code, Categorical):
        columns = torch.arange(code.num_categories, device=stream.device)
    else:
        columns = torch.linspace(-sweep, sweep, COLUMNS, device=stream.device, dtype=dtype)
    noise_NZ = spec.noise.sample(ROWS, stream, dtype).repeat_interleave(len(columns), dim=0)
    values = [c.sample(ROWS, stream, dtype).repeat_interleave(len(columns)) for c in spec.codes]
    values[code_index] = columns.repeat(ROWS)
    return generated(generator, spec.assemble(noise_NZ, tuple(values)).inputs_NZ)


def as_grid(images_NCHW: Tensor) -> Tensor:
    """Arrange images in [0, 1], given row by row, as (rows, columns, H, W, C) uint8."""
    images_NHWC = pixels(images_NCHW).permute(0, 2, 3, 1)
    return images_NHWC.reshape(ROWS, -1, *images_NHWC.shape[1:])
