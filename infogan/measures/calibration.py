"""Batch-norm statistics for measuring: estimated once over many batches, then frozen.

With batch statistics a picture or a prediction depends on its batch, and L_I bounds I(c; the whole batch).
"""

import torch
from torch import Tensor

from infogan.batch_norm import collecting
from infogan.codes import Latents, LatentSpec
from infogan.measures.images import BATCH, generated
from infogan.networks import Discriminator, Generator

# 40 batches: above the 30 below which estimates are unstable. Against 10,000 samples in batches of 250 a finished
# cell's frozen L_I moved by less than 0.003 nats, its spread over six streams from 0.0005 to 0.0009 (NOTES.md there:
# bench/throughput, "A cell's overhead").
NUM_SAMPLES = 40 * BATCH


@torch.no_grad()
def calibrate_on_prior(
    generator: Generator,
    discriminator: Discriminator,
    spec: LatentSpec,
    stream: torch.Generator,
    num_samples: int = NUM_SAMPLES,
) -> tuple[Latents, Tensor]:
    """Freeze G's statistics over prior samples, then D's and Q's over the images that the frozen G makes of them.

    Returns those samples and their images (num_samples, C, H, W), as G puts them out.
    """
    latents = calibrate_generator(generator, spec, stream, num_samples)
    images_NCHW = generated(generator, latents.inputs_NZ)
    calibrate_on_images(discriminator, images_NCHW)
    return latents, images_NCHW


@torch.no_grad()
def calibrate_generator(
    generator: Generator, spec: LatentSpec, stream: torch.Generator, num_samples: int = NUM_SAMPLES
) -> Latents:
    """Freeze G's statistics over prior samples; returns the samples that it saw."""
    latents = spec.sample(num_samples, stream, next(generator.parameters()).dtype)
    with collecting(generator):
        for batch in _batches(latents.inputs_NZ):
            generator(batch)
    return latents


@torch.no_grad()
def calibrate_on_images(discriminator: Discriminator, images_NCHW: Tensor) -> None:
    """Freeze D's and Q's statistics over images, already shuffled and scaled as in training."""
    with collecting(discriminator):
        for batch in _batches(images_NCHW):
            discriminator.q_of(batch)


def _batches(rows: Tensor) -> list[Tensor]:
    """Batches of BATCH rows; a last one of one row, which has no variance in a linear layer, joins the one before."""
    *whole, last = rows.split(BATCH)
    return [*whole[:-1], torch.cat([whole[-1], last])] if whole and len(last) == 1 else [*whole, last]
