"""How good and how varied samples are: KID, Frechet distance, precision, recall, density, coverage, diversity.

L_I = H(c) can be reached with one image per category, so these stand beside every claim. All are in features of one's
own choice (those of :mod:`infogan.measures.digits.classifier`, or pixels); every row counts alone, so none depends on a
batch.
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
BALL_NEIGHBOURS = 5  # Naeem et al. 2020
NUM_SUBSETS, SUBSET_ROWS = 30, 1_000  # of KID's deviation; 100 subsets are usual, and say it no better for a table
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


class DensityCoverage(NamedTuple):
    """Real neighbourhoods that a sample lies in, over their mean; share of real neighbourhoods with a sample."""

    density: float
    coverage: float


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
    low: bool  # either is below LOW_DIVERSITY; all samples being one digit is a matter for ``digits_covered``

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
    x_NF, y_MF = _scaled(samples_NF, real_MF)
    return _kid(x_NF, y_MF)


def kid_deviation(samples_NF: Tensor, real_MF: Tensor, rng: np.random.Generator) -> float:
    """Standard deviation of KID over ``NUM_SUBSETS`` random subsets of ``SUBSET_ROWS`` rows, or of half of fewer rows.

    What is published behind a plus-minus. It is of the subsets' size: KID over all rows varies less.
    """
    x_NF, y_MF = _scaled(samples_NF, real_MF)
    num = min(SUBSET_ROWS, len(x_NF) // 2, len(y_MF) // 2)
    if num < 2:
        raise ValueError(f"a deviation over subsets needs four rows, got {len(x_NF)} and {len(y_MF)}")
    found = [_kid(*(rows[rng.permutation(len(rows))[:num]] for rows in (x_NF, y_MF))) for _ in range(NUM_SUBSETS)]
    return float(np.std(found, ddof=1))


def frechet(samples_NF: Tensor, real_MF: Tensor) -> float:
    """Frechet distance of two normal distributions with the rows' means and covariances (Heusel et al. 2017).

    FID's formula in other features, divided by the real ones' root mean square as in :func:`kid`. Biased upwards by
    few rows, so only distances of equal numbers of rows compare. In float64.
    """
    x_NF, y_MF = _scaled(samples_NF, real_MF)
    x_cov_FF, y_cov_FF = (torch.atleast_2d(rows.T.cov()) for rows in (x_NF, y_MF))
    values_F, vectors_FF = torch.linalg.eigh(y_cov_FF)
    root_FF = vectors_FF * values_F.clamp_min(0).sqrt() @ vectors_FF.T
    # the trace of a root of the product, whose eigenvalues are those of this symmetric matrix
    cross = torch.linalg.eigvalsh(root_FF @ x_cov_FF @ root_FF).clamp_min(0).sqrt().sum()
    shift = (x_NF.mean(dim=0) - y_MF.mean(dim=0)).square().sum()
    return float(shift + x_cov_FF.trace() + y_cov_FF.trace() - 2 * cross)


def _scaled(samples_NF: Tensor, real_MF: Tensor) -> tuple[Tensor, Tensor]:
    _check(samples_NF, real_MF, 2)
    scale = real_MF.double().square().mean().sqrt()
    if scale == 0:
        raise ValueError("the features of real images are all 0")
    return samples_NF.double() / scale, real_MF.double() / scale


def _kid(x_NF: Tensor, y_MF: Tensor) -> float:
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


def density_coverage(samples_NF: Tensor, real_MF: Tensor, neighbours: int = BALL_NEIGHBOURS) -> DensityCoverage:
    """Density and coverage (Naeem et al. 2020, arXiv 2002.09797), which one outlier among real images cannot inflate.

    A real image's neighbourhood reaches to its k-th real neighbour. Density: how many of them a sample lies in, over k;
    it is 1 for equal distributions and may be above. Coverage: the share with a sample inside; for as many samples of
    an equal distribution about 1 - 2^-k. Raises ValueError at ``neighbours`` rows or fewer.
    """
    _check(samples_NF, real_MF, neighbours + 1)
    radius_M = _radii(real_MF, neighbours)
    num_within, covered_M = 0, torch.zeros(len(real_MF), dtype=torch.bool, device=real_MF.device)
    for rows in samples_NF.split(_ROWS_AT_ONCE):
        within_NM = _distances(rows, real_MF) < radius_M
        num_within += int(within_NM.sum())
        covered_M |= within_NM.any(dim=0)
    return DensityCoverage(num_within / (neighbours * len(samples_NF)), float(covered_M.float().mean()))


def _radii(members_MF: Tensor, neighbours: int) -> Tensor:
    """Distance of each row to its k-th neighbour, (M,); the nearest row is the row itself."""
    radii = [
        _distances(rows, members_MF).kthvalue(neighbours + 1, dim=1).values for rows in members_MF.split(_ROWS_AT_ONCE)
    ]
    return torch.cat(radii)


def _share_within(points_NF: Tensor, members_MF: Tensor, neighbours: int) -> float:
    radius_M = _radii(members_MF, neighbours)
    within = [(_distances(rows, members_MF) <= radius_M).any(dim=1) for rows in points_NF.split(_ROWS_AT_ONCE)]
    return float(torch.cat(within).float().mean())


def digits_covered(digits_N: ArrayLike, num_digits: int = 10) -> int:
    """How many digits a classifier finds in at least ``COVERED_SHARE`` of the samples."""
    digits = np.asarray(digits_N)
    if digits.ndim != 1 or len(digits) < 1 / COVERED_SHARE:
        raise ValueError(f"covered digits need one digit for each of at least {1 / COVERED_SHARE:.0f} samples")
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
