"""The clean bound: L_I of single images, with frozen batch-norm statistics."""

import torch
from torch import Tensor

from infogan.batch_norm import frozen
from infogan.codes import LatentSpec
from infogan.measures.calibration import NUM_SAMPLES, calibrate_on_prior
from infogan.measures.images import BATCH
from infogan.networks import Discriminator, Generator


@torch.no_grad()
def frozen_bounds_nats(
    generator: Generator,
    discriminator: Discriminator,
    spec: LatentSpec,
    stream: torch.Generator,
    num_samples: int = NUM_SAMPLES,
) -> Tensor:
    """L_I per code on the prior samples of :func:`calibrate_on_prior`, which it calls; shape (number of codes,).

    During training L_I is computed with batch statistics and bounds I(c; the whole batch); this one bounds I(c; x). The
    calibration samples are reused because fresh ones would cost a third more, and because they have determined only a
    mean and a variance per feature.
    """
    latents, images_NCHW = calibrate_on_prior(generator, discriminator, spec, stream, num_samples)
    with frozen(discriminator):
        parameters = [discriminator.q_of(batch) for batch in images_NCHW.split(BATCH)]
    return spec.bounds_nats(torch.cat(parameters), latents.values)
