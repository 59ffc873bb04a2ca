"""Has a training come to something that can be compared? A named status with its reason and its numbers.

Whether the pictures are good is not asked: after the gate's 300 iterations they are grey, and L_I has converged.
Shape suffixes: N images, C channels, H height, W width, D pixels, T iterations.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from infogan.codes import LatentSpec
from infogan.measures.images import generated
from infogan.networks import Generator

NUM_SAMPLES = 1_000
ROUNDING = 1e-12  # of a squared distance over the squared norms
# Basis: docs/REGRESSION.md, "Health of a seed". From iteration 100 on healthy seeds lie at four times the first bound
# and six times the second or higher; a constant generator and one that ignores its noise lie at 0.
COLLAPSED_VARIETY = 0.02
COLLAPSED_DISTINCTNESS = 0.01
SATURATED_NATS = 0.1  # D is right with probability 0.95 on both sides; healthy trainings end at 0.6 to 1.4
STALLED_SHARE = 0.5  # of the last iterations
LAST_SHARE = 0.1  # which iterations are the last ones, as for the final L_I
SILENT_SHARE = 0.01  # of H(c)

Status = Literal["ok", "collapsed", "stalled"]


@dataclass(frozen=True)
class Health:
    """``variety`` and ``distinctness`` are None where samples are not finite."""

    status: Status
    reason: str
    variety: float | None
    distinctness: float | None
    saturation: float
    silent_codes: tuple[str, ...]  # reported; an arm may be meant to have them


def variety(images_NCHW: Tensor, real_NCHW: Tensor) -> float:
    """Root of the total pixel variance over that of real images: 0 for one image, 1 for images as varied as real ones.

    A common factor or shift of both sets changes nothing; contrast of the first alone is what it measures.
    """
    spreads = [x.flatten(1).double().var(dim=0).sum().sqrt() for x in (images_NCHW, real_NCHW)]
    return _over_real(float(spreads[0]), float(spreads[1]))


def distinctness(images_NCHW: Tensor, real_NCHW: Tensor) -> float:
    """Mean distance to the nearest other image, over the same of as many real images.

    0 where images repeat, as with one image per category, which ``variety`` takes for varied. Invariant as that is.
    """
    num = min(len(images_NCHW), len(real_NCHW))  # the distance falls with the number
    distances = [_nearest(x[:num].flatten(1).double()).mean() for x in (images_NCHW, real_NCHW)]
    return _over_real(float(distances[0]), float(distances[1]))


def check_yardstick(real_NCHW: Tensor) -> None:
    """Raises ValueError where these real images cannot be :func:`health`'s yardstick: to be asked before training."""
    for measure in (variety, distinctness):
        measure(real_NCHW, real_NCHW)


def _over_real(generated: float, real: float) -> float:
    """Raises ValueError where real images give no yardstick."""
    if not real > 0:
        raise ValueError("the real images do not differ, or each has a double: no yardstick for the samples")
    return generated / real


def _nearest(x_ND: Tensor) -> Tensor:
    """Distance to the nearest other row, (N,); what is left of equal rows by rounding is 0."""
    distances_NN, norms_N = torch.cdist(x_ND, x_ND), x_ND.square().sum(dim=1)
    is_rounding_NN = distances_NN.square() <= ROUNDING * (norms_N[:, None] + norms_N)
    return distances_NN.masked_fill(is_rounding_NN, 0).fill_diagonal_(math.inf).min(dim=1).values


def saturation(loss_discriminator_T: np.ndarray) -> float:
    """Share of the last tenth of the iterations in which D is sure of both real and fake images."""
    return float((loss_discriminator_T[-_num_last(loss_discriminator_T) :] < SATURATED_NATS).mean())


def _num_last(values_T: np.ndarray) -> int:
    return max(1, round(LAST_SHARE * len(values_T)))


def silent_codes(spec: LatentSpec, bounds_T: Mapping[str, np.ndarray], weights: Sequence[float]) -> tuple[str, ...]:
    """Categorical codes that G is trained on and whose L_I is still at 0 in the last tenth of the iterations."""
    return tuple(
        name
        for name, code, weight in zip(spec.names, spec.codes, weights, strict=True)
        if code.kind == "categorical"
        and weight
        and bounds_T[name][-_num_last(bounds_T[name]) :].mean() < SILENT_SHARE * code.entropy_nats
    )


@torch.no_grad()
def prior_samples(
    generator: Generator, spec: LatentSpec, stream: torch.Generator, num_samples: int = NUM_SAMPLES
) -> Tensor:
    """G's images of fresh prior samples with its frozen batch-norm statistics, (N, C, H, W), as G puts them out."""
    inputs_NZ = spec.sample(num_samples, stream, next(generator.parameters()).dtype).inputs_NZ
    return generated(generator, inputs_NZ)


def health(samples_NCHW: Tensor, real_NCHW: Tensor, saturated: float, silent: tuple[str, ...] = ()) -> Health:
    """Judge samples against real images on the same scale. A collapse outweighs a stall: it is the lasting damage."""
    if not torch.isfinite(samples_NCHW).all():
        return Health("collapsed", "G's samples are not finite", None, None, saturated, silent)
    varied, distinct = variety(samples_NCHW, real_NCHW), distinctness(samples_NCHW, real_NCHW)
    status: Status = "ok"
    if varied < COLLAPSED_VARIETY:
        status, reason = (
            "collapsed",
            f"G makes one image: variety {varied:.2g} of the data's, below {COLLAPSED_VARIETY}",
        )
    elif distinct < COLLAPSED_DISTINCTNESS:
        reason = f"G repeats its images: distinctness {distinct:.2g} of the data's, below {COLLAPSED_DISTINCTNESS}"
        status = "collapsed"
    elif saturated > STALLED_SHARE:
        reason = f"D's loss is below {SATURATED_NATS} nats in {saturated:.0%} of the last iterations"
        status = "stalled"
    else:
        reason = f"variety {varied:.2g} and distinctness {distinct:.2g} of the data's"
    if silent:
        reason += f"; no information in {', '.join(silent)}"
    return Health(status, reason, varied, distinct, saturated, silent)
