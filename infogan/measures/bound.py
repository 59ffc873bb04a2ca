"""The clean bound: L_I of single images, with frozen batch-norm statistics."""

import torch
from torch import Tensor

from infogan.codes import LatentSpec
from infogan.measures.calibration import BATCH, NUM_SAMPLES, calibrate_on_prior
from infogan.networks import Discriminator, Generator, frozen


@torch.no_grad()
def frozen_bounds_nats(
    generator: Generator,
    discriminator: Discriminator,
    spec: LatentSpec,
    stream: torch.Generator,
    num_samples: int = NUM_SAMPLES,
) -> Tensor:
    """L_I per code on fresh prior samples after :func:`calibrate_on_prior`, which this calls; shape (number of codes,).

    During training L_I is measured with the batch's own statistics and bounds I(c; the whole batch); this one bounds
    I(c; x).
    """
    calibrate_on_prior(generator, discriminator, spec, stream, num_samples)
    latents = spec.sample(num_samples, stream, next(generator.parameters()).dtype)
    with frozen(generator, discriminator):
        parameters = [discriminator.q_of(generator(batch)) for batch in latents.inputs_NZ.split(BATCH)]
    return spec.bounds_nats(torch.cat(parameters), latents.values)
