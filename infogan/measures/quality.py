"""How good and how varied samples are: KID, precision and recall, coverage, diversity, nearest image.

L_I = H(c) can be reached with one image per category, so these stand beside every claim. All are in features of one's
own choice (those of :mod:`infogan.measures.classifier`, or pixels); every row counts alone, so none depends on a batch.
Shape suffixes: N images, M other images, F features, D digits.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

NEIGHBOURS = 3  # Kynkaanniemi et al. 2019
COVERED_SHARE = 0.01  # of samples, a tenth of a digit's even share
# m images shown over and over have a mean pairwise distance of (1 - 1 / m) of that of endless ones: below one half
# samples are less diverse than two images in turn
LOW_DIVERSITY = 0.5
_ROWS_AT_ONCE = 500  # bounds the memory of distances
_ROUNDING = 1e-12  # of a squared distance: what is left of equal rows


class PrecisionRecall(NamedTuple):
    """Shares of samples within the real images' manifold, and of real images within the samples'."""

    precision: float
    recall: float


class Nearest(NamedTuple):
    """The closest training image of each sample, (N,) each."""

    indices: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class Diversity:
    """Mean pairwise distance of samples over that of real images: 1 as diverse, 0 one image.

    Whether a run has collapsed is for :mod:`infogan.measures.health` to say, in pixels and of every data set.
    """

    overall: float
    within: float  # within a sample's category, against within a real image's class; the mean over groups
    low: bool  # either is below LOW_DIVERSITY; all samples being one digit is a matter for ``coverage``

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _check(samples_NF: Tensor, real_MF: Tensor, at_least: int) -> None:
    for name, rows in (("samples", samples_NF), ("real images", real_MF)):
        if rows.dim() != 2 or len(rows) < at_least:
            raise ValueError(f"at least {at_least} {name} with features (N, F) are needed, got {tuple(rows.shape)}")
        if not torch.isfinite(rows).all():
            raise ValueError(f"features of {name} are not finite")
    if samples_NF.shape[1] != real_MF.shape[1]:
        raise ValueError(f"samples have {samples_NF.shape[1]} features, real images {real_MF.shape[1]}")


def kid(samples_NF: Tensor, real_MF: Tensor) -> float:
    """Kernel inception distance (Binkowski et al. 2018): the unbiased squared MMD with kernel (x.y / F + 1)^3.

    Features are first divided by the real ones' root mean square: a classifier's scale is arbitrary, and the kernel is
    not blind to it. Over all rows at once, which varies less than the usual mean over subsets. 0 for equal
    distributions, and since unbiased it may lie just below; that of held-out against training images says how near 0 a
    perfect generator comes. In float64. Raises ValueError below two rows and where the real features are all 0.
    """
    _check(samples_NF, real_MF, 2)
    scale = real_MF.double().square().mean().sqrt()
    if scale == 0:
        raise ValueError("the features of real images are all 0")
    x_NF, y_MF = samples_NF.double() / scale, real_MF.double() / scale
    return _mean_kernel(x_NF) + _mean_kernel(y_MF) - 2 * _kernel_sum(x_NF, y_MF) / (len(x_NF) * len(y_MF))


def _kernel_sum(x_NF: Tensor, y_MF: Tensor) -> float:
    return sum(float((rows @ y_MF.T / y_MF.shape[1] + 1).pow(3).sum()) for rows in x_NF.split(_ROWS_AT_ONCE))


def _mean_kernel(x_NF: Tensor) -> float:
    """Over pairs of different rows."""
    diagonal = float((x_NF.square().mean(dim=1) + 1).pow(3).sum())
    return (_kernel_sum(x_NF, x_NF) - diagonal) / (len(x_NF) * (len(x_NF) - 1))


def _distances(x_NF: Tensor, y_MF: Tensor) -> Tensor:
    """Euclidean, (N, M) float64; by way of a matrix product, ten times as fast as by differences."""
    x_NF, y_MF = x_NF.double(), y_MF.double()
    norms_NM = x_NF.square().sum(dim=1)[:, None] + y_MF.square().sum(dim=1)
    squares_NM = norms_NM - 2 * x_NF @ y_MF.T
    return squares_NM.where(squares_NM > _ROUNDING * norms_NM, 0.0).sqrt()


def precision_recall(samples_NF: Tensor, real_MF: Tensor, neighbours: int = NEIGHBOURS) -> PrecisionRecall:
    """Improved precision and recall (Kynkaanniemi et al. 2019, arXiv 1904.06991).

    A point is within a manifold if it is no further from one of its members than that member's k-th neighbour. Their
    value depends on the number of rows: compare at equal numbers. Raises ValueError at ``neighbours`` rows or fewer.
    """
    _check(samples_NF, real_MF, neighbours + 1)
    return PrecisionRecall(
        _share_within(samples_NF, real_MF, neighbours), _share_within(real_MF, samples_NF, neighbours)
    )


def _share_within(points_NF: Tensor, members_MF: Tensor, neighbours: int) -> float:
    radii = [  # the nearest member is the member itself
        _distances(rows, members_MF).kthvalue(neighbours + 1, dim=1).values for rows in members_MF.split(_ROWS_AT_ONCE)
    ]
    radius_M = torch.cat(radii)
    within = [(_distances(rows, members_MF) <= radius_M).any(dim=1) for rows in points_NF.split(_ROWS_AT_ONCE)]
    return float(torch.cat(within).float().mean())


def coverage(digits_N: ArrayLike, num_digits: int = 10) -> int:
    """How many digits a classifier finds in at least ``COVERED_SHARE`` of the samples."""
    digits = np.asarray(digits_N)
    if digits.ndim != 1 or len(digits) < 1 / COVERED_SHARE:
        raise ValueError(f"coverage needs one digit for each of at least {1 / COVERED_SHARE:.0f} samples")
    return int((np.bincount(digits, minlength=num_digits) >= COVERED_SHARE * len(digits)).sum())


def mean_distance(rows_NF: Tensor) -> float:
    """Mean distance of two different rows. Raises ValueError below two rows."""
    if rows_NF.dim() != 2 or len(rows_NF) < 2:
        raise ValueError(f"a mean distance needs two rows, got {tuple(rows_NF.shape)}")
    total = sum(float(_distances(part, rows_NF).sum()) for part in rows_NF.split(_ROWS_AT_ONCE))
    return total / (len(rows_NF) * (len(rows_NF) - 1))


def mean_distance_within(rows_NF: Tensor, groups_N: ArrayLike) -> float:
    """The mean over groups of each one's mean distance; a group of one row has none and is left out.

    Raises ValueError where no group has two rows.
    """
    groups = torch.as_tensor(groups_N, device=rows_NF.device)
    if groups.shape != rows_NF.shape[:1]:
        raise ValueError(f"one group per row is needed, got {tuple(groups.shape)} for {len(rows_NF)} rows")
    members = [rows_NF[groups == group] for group in groups.unique()]
    means = [mean_distance(rows) for rows in members if len(rows) > 1]
    if not means:
        raise ValueError("no group has two rows: diversity within groups cannot be measured")
    return sum(means) / len(means)


def diversity(samples_NF: Tensor, categories_N: ArrayLike, real_MF: Tensor, digits_M: ArrayLike) -> Diversity:
    """Diversity of samples as a share of real images', over all and within categories, and whether it is low.

    A few thousand rows on each side will do. Raises ValueError where the real images do not differ.
    """
    _check(samples_NF, real_MF, 2)
    real, real_within = mean_distance(real_MF), mean_distance_within(real_MF, digits_M)
    if real == 0 or real_within == 0:
        raise ValueError("the real images do not differ: no yardstick for diversity")
    overall = mean_distance(samples_NF) / real
    within = mean_distance_within(samples_NF, categories_N) / real_within
    return Diversity(overall, within, min(overall, within) < LOW_DIVERSITY)


def nearest(samples_NF: Tensor, training_MF: Tensor) -> Nearest:
    """The training image closest to each sample: a copy has distance 0. The first of several equally close ones."""
    _check(samples_NF, training_MF, 1)
    distances = torch.full((len(samples_NF),), math.inf, dtype=torch.float64, device=samples_NF.device)
    indices = torch.zeros(len(samples_NF), dtype=torch.int64, device=samples_NF.device)
    for start in range(0, len(training_MF), _ROWS_AT_ONCE):  # a data set in float64 would not fit beside itself
        found = _distances(samples_NF, training_MF[start : start + _ROWS_AT_ONCE]).min(dim=1)
        closer = found.values < distances
        distances, indices = found.values.where(closer, distances), (found.indices + start).where(closer, indices)
    return Nearest(indices.cpu().numpy(), distances.cpu().numpy())
