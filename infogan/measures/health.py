"""Health of a training: a status that says whether it can be compared, with its reason and numbers.

It does not judge image quality: after the gate's 300 iterations images are grey, but L_I has converged.
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
ROUNDING = 1e-12  # ratio of a squared distance to the squared norms that is only rounding
# Basis: docs/REGRESSION.md, "Health of a seed". From iteration 100 on, healthy seeds have at least four times the first
# bound and six times the second; a constant generator and one that ignores its noise have 0.
COLLAPSED_VARIETY = 0.02
COLLAPSED_DISTINCTNESS = 0.01
SATURATED_NATS = 0.1  # D's loss at probability 0.95 on real and fake; healthy trainings end at 0.6 to 1.4
STALLED_SHARE = 0.5  # of the last iterations with a saturated D
LAST_SHARE = 0.1  # share of iterations that count as the last ones, as for the final L_I
SILENT_SHARE = 0.01  # of H(c)

Status = Literal["ok", "collapsed", "stalled"]


@dataclass(frozen=True)
class Health:
    """Status of a training. ``variety`` and ``distinctness`` are None if the samples are not finite."""

    status: Status
    reason: str
    variety: float | None
    distinctness: float | None
    saturation: float
    silent_codes: tuple[str, ...]  # only reported: an arm may have them on purpose


def variety(images_NCHW: Tensor, real_NCHW: Tensor) -> float:
    """Root of the total pixel variance, relative to that of real images: 0 for a constant generator, 1 for real ones.

    Invariant to a common scale or shift of both sets, but not to the contrast of the generated images alone.
    """
    spreads = [x.flatten(1).double().var(dim=0).sum().sqrt() for x in (images_NCHW, real_NCHW)]
    return _over_real(float(spreads[0]), float(spreads[1]))


def distinctness(images_NCHW: Tensor, real_NCHW: Tensor) -> float:
    """Mean distance to the nearest other image, relative to that of as many real images.

    0 if images repeat, for example one image per category, which ``variety`` does not detect. It has the same
    invariances.
    """
    num = min(len(images_NCHW), len(real_NCHW))  # the distance decreases with the number of images
    distances = [_nearest(x[:num].flatten(1).double()).mean() for x in (images_NCHW, real_NCHW)]
    return _over_real(float(distances[0]), float(distances[1]))


def check_yardstick(real_NCHW: Tensor) -> None:
    """Raise ValueError if these real images cannot serve as the reference of :func:`health`.

    Call it before training.
    """
    for measure in (variety, distinctness):
        measure(real_NCHW, real_NCHW)


def _over_real(generated: float, real: float) -> float:
    """Raises ValueError if the real value is not positive."""
    if not real > 0:
        raise ValueError("the real images do not differ, or each has a double: no yardstick for the samples")
    return generated / real


def _nearest(x_ND: Tensor) -> Tensor:
    """Distance of each row to its nearest other row, (N,); rounding differences between equal rows count as 0."""
    distances_NN, norms_N = torch.cdist(x_ND, x_ND), x_ND.square().sum(dim=1)
    is_rounding_NN = distances_NN.square() <= ROUNDING * (norms_N[:, None] + norms_N)
    return distances_NN.masked_fill(is_rounding_NN, 0).fill_diagonal_(math.inf).min(dim=1).values


def saturation(loss_discriminator_T: np.ndarray) -> float:
    """Share of the last tenth of the iterations in which D is certain about both real and fake images."""
    return float((loss_discriminator_T[-_num_last(loss_discriminator_T) :] < SATURATED_NATS).mean())


def _num_last(values_T: np.ndarray) -> int:
    return max(1, round(LAST_SHARE * len(values_T)))


def silent_codes(spec: LatentSpec, bounds_T: Mapping[str, np.ndarray], weights: Sequence[float]) -> tuple[str, ...]:
    """Categorical codes that G is trained on but whose L_I is still near 0 in the last tenth of the iterations."""
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
    """G's images for fresh prior samples, with frozen statistics, (N, C, H, W), in the range of G's output."""
    inputs_NZ = spec.sample(num_samples, stream, next(generator.parameters()).dtype).inputs_NZ
    return generated(generator, inputs_NZ)


def health(samples_NCHW: Tensor, real_NCHW: Tensor, saturated: float, silent: tuple[str, ...] = ()) -> Health:
    """Judge samples against real images in the same range. A collapse takes precedence over a stall."""
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
