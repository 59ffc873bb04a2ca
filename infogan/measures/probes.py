"""Probes: data that a training keeps at a few iterations, so that measures over time need no second training.

A probe draws from its own stream and does not change weights or optimiser state; it only sets frozen batch-norm
statistics.
Shape suffixes: N images, C channels, H height, W width.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from infogan.codes import Categorical, LatentSpec
from infogan.data.base import Part
from infogan.measures.calibration import calibrate_generator, calibrate_on_images
from infogan.measures.digits import assignment
from infogan.measures.images import generated, pixels
from infogan.networks import Discriminator, Generator

NUM_SAMPLES = 1_000  # prior samples; also training images that calibrate Q and fit the assignment
NUM_HELD_OUT = 2_000
FINEST = 64  # the first probe after iteration 1 is at 1/FINEST of the training
GENERATORS = (1 / 16, 1 / 4, 1.0)  # fractions of the training at which G is kept: the rise of L_I, its middle, the end

Arrays = dict[str, np.ndarray]


def probe_iterations(iterations: int) -> list[int]:
    """Iterations of the probes: 1, then 1/64, 3/128, 1/32, ... 3/4, 1 of the training; even on a logarithmic axis."""
    halves = [2.0**-k for k in range(FINEST.bit_length())]
    parts = [half * share for half in halves for share in (1.0, 0.75) if half * share >= 1 / FINEST]
    return sorted({1, iterations} | {round(iterations * part) for part in parts if round(iterations * part) >= 1})


def generator_iterations(iterations: int) -> list[int]:
    """Iterations of the probes that also keep the generator."""
    wanted = probe_iterations(iterations)
    return sorted({min(wanted, key=lambda i: abs(i - part * iterations)) for part in GENERATORS})


@torch.no_grad()
def take(
    generator: Generator,
    discriminator: Discriminator,
    spec: LatentSpec,
    train: Part,
    test: Part,
    scaled: Callable[[Tensor], Tensor],
    draws: torch.Generator,
    *,
    signed: bool,
) -> Arrays:
    """Take one probe: ``samples`` (N, C, H, W) uint8 and, with labels and a categorical code, Q's categories.

    The latter are ``categories`` of the first categorical code for part of the training and held-out images, with their
    ``labels``. ``scaled`` maps uint8 images to D's input. ``signed``: G's output is in [-1, 1].
    """
    samples_NCHW = generated(generator, calibrate_generator(generator, spec, draws, NUM_SAMPLES).inputs_NZ)
    if signed:
        samples_NCHW = (samples_NCHW + 1) / 2
    found = {"samples": pixels(samples_NCHW).cpu().numpy()}
    index = next((i for i, code in enumerate(spec.codes) if isinstance(code, Categorical)), None)
    if index is None or train.labels is None or test.labels is None:
        return found
    for name, part, num in (("train", train, NUM_SAMPLES), ("test", test, NUM_HELD_OUT)):
        assert part.labels is not None
        chosen = torch.randperm(len(part.images), generator=draws, device=draws.device)[:num].cpu().numpy()
        images_NCHW = scaled(torch.from_numpy(part.images[chosen]).to(draws.device))
        if name == "train":
            calibrate_on_images(discriminator, images_NCHW)
        found[f"{name}-categories"] = assignment.category_of_images(discriminator, spec, index, images_NCHW)
        found[f"{name}-labels"] = part.labels[chosen]
    return found


def by_iteration(probes: Mapping[str, np.ndarray]) -> dict[int, Arrays]:
    """Group arrays named ``NNNNNN-what`` by iteration, in ascending order."""
    found: dict[int, Arrays] = {}
    for name in sorted(probes, key=lambda name: int(name.partition("-")[0])):  # seven digits sort after six
        iteration, _, what = name.partition("-")
        found.setdefault(int(iteration), {})[what] = probes[name]
    return found
