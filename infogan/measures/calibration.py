"""Batch-norm statistics for measures: estimated once over many batches, then frozen.

With batch statistics, an image or a prediction depends on its batch, and L_I bounds I(c; the whole batch).
"""

import torch
from torch import Tensor

from infogan.batch_norm import collecting
from infogan.codes import Latents, LatentSpec
from infogan.measures.images import BATCH, generated
from infogan.networks import Discriminator, Generator

# 40 batches: estimates are unstable below 30. Compared with 10,000 samples in batches of 250, the frozen L_I of a
# finished cell changed by less than 0.003 nats, and its spread over six streams rose from 0.0005 to 0.0009 nats
# (bench/throughput/NOTES.md, "A cell's overhead").
NUM_SAMPLES = 40 * BATCH


@torch.no_grad()
def calibrate_on_prior(
    generator: Generator,
    discriminator: Discriminator,
    spec: LatentSpec,
    stream: torch.Generator,
    num_samples: int = NUM_SAMPLES,
) -> tuple[Latents, Tensor]:
    """Freeze G's statistics on prior samples, then D's and Q's on the images that the frozen G makes of them.

    Returns the samples and their images (num_samples, C, H, W), in the range of G's output.
    """
    latents = calibrate_generator(generator, spec, stream, num_samples)
    images_NCHW = generated(generator, latents.inputs_NZ)
    calibrate_on_images(discriminator, images_NCHW)
    return latents, images_NCHW


@torch.no_grad()
def calibrate_generator(
    generator: Generator, spec: LatentSpec, stream: torch.Generator, num_samples: int = NUM_SAMPLES
) -> Latents:
    """Freeze G's statistics on prior samples; return these samples."""
    latents = spec.sample(num_samples, stream, next(generator.parameters()).dtype)
    with collecting(generator):
        for batch in _batches(latents.inputs_NZ):
            generator(batch)
    return latents


@torch.no_grad()
def calibrate_on_images(discriminator: Discriminator, images_NCHW: Tensor) -> None:
    """Freeze D's and Q's statistics on images, which must be shuffled and scaled as in training."""
    with collecting(discriminator):
        for batch in _batches(images_NCHW):
            discriminator.q_of(batch)


def _batches(rows: Tensor) -> list[Tensor]:
    """Split into batches of BATCH rows.

    A last single row joins the batch before: in a linear layer it has no variance.
    """
    *whole, last = rows.split(BATCH)
    return [*whole[:-1], torch.cat([whole[-1], last])] if whole and len(last) == 1 else [*whole, last]
