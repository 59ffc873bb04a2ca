"""Quality and diversity of samples: KID, Frechet distance, precision, recall, density, coverage, diversity.

One image per category can reach L_I = H(c), so these accompany every claim. All work on features of the caller's choice
(those of :mod:`infogan.measures.digits.classifier`, or pixels) and treat rows separately, so none depends on a batch.
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
NUM_SUBSETS, SUBSET_ROWS = 30, 1_000  # for KID's deviation; the usual 100 subsets add no precision that a table shows
COVERED_SHARE = 0.01  # of samples, a tenth of a digit's expected share
# Repeating m images gives (1 - 1 / m) times the mean pairwise distance of a set without repetition. Below one half,
# samples are less diverse than two alternating images.
LOW_DIVERSITY = 0.5
_ROWS_AT_ONCE = 500  # to bound memory
_ROUNDING = 1e-12  # relative rounding error of a squared distance between equal rows


class PrecisionRecall(NamedTuple):
    """Share of samples within the manifold of real images, and share of real images within that of the samples."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Mean number of real neighbourhoods that contain a sample, over k; share of real neighbourhoods with a sample."""

    density: float
    coverage: float


class Nearest(NamedTuple):
    """Index of and distance to the closest training image of each sample, (N,) each."""

    indices: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class Diversity:
    """Mean pairwise distance of samples relative to real images: 1 if as diverse, 0 for a single image.

    Collapse is decided by :mod:`infogan.measures.health`, on pixels and for every data set.
    """

    overall: float
    within: float  # within categories of samples, relative to classes of real images; mean over groups
    low: bool  # whether either is below LOW_DIVERSITY; ``digits_covered`` detects samples of a single digit

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

    Features are first divided by the root mean square of the real ones, since a classifier's scale is arbitrary and the
    kernel depends on it. Computed in float64 over all rows at once, which varies less than the usual mean over subsets.
    The expected value is 0 for equal distributions, so estimates may be slightly negative; the value for held-out
    against training images shows how close to 0 a perfect generator gets. Raises ValueError below two rows or if the
    real features are all 0.
    """
    x_NF, y_MF = _scaled(samples_NF, real_MF)
    return _kid(x_NF, y_MF)


def kid_deviation(samples_NF: Tensor, real_MF: Tensor, rng: np.random.Generator) -> float:
    """Standard deviation of KID over ``NUM_SUBSETS`` random subsets of ``SUBSET_ROWS`` rows (half the rows, if fewer).

    This is what papers report after the plus-minus. It depends on the size of the subsets; KID over all rows varies
    less.
    """
    x_NF, y_MF = _scaled(samples_NF, real_MF)
    num = min(SUBSET_ROWS, len(x_NF) // 2, len(y_MF) // 2)
    if num < 2:
        raise ValueError(f"a deviation over subsets needs four rows, got {len(x_NF)} and {len(y_MF)}")
    found = [_kid(*(rows[rng.permutation(len(rows))[:num]] for rows in (x_NF, y_MF))) for _ in range(NUM_SUBSETS)]
    return float(np.std(found, ddof=1))


def frechet(samples_NF: Tensor, real_MF: Tensor) -> float:
    """Frechet distance of normal distributions with the rows' means and covariances (Heusel et al. 2017), in float64.

    FID's formula on other features, which are divided by the root mean square of the real ones as in :func:`kid`. It is
    biased upwards for few rows, so compare only distances of equal numbers of rows.
    """
    x_NF, y_MF = _scaled(samples_NF, real_MF)
    x_cov_FF, y_cov_FF = (torch.atleast_2d(rows.T.cov()) for rows in (x_NF, y_MF))
    values_F, vectors_FF = torch.linalg.eigh(y_cov_FF)
    root_FF = vectors_FF * values_F.clamp_min(0).sqrt() @ vectors_FF.T
    # trace of the square root of the product, by the eigenvalues of a similar symmetric matrix
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
    """Mean of the kernel over pairs of different rows."""
    diagonal = float((x_NF.square().mean(dim=1) + 1).pow(3).sum())
    return (_kernel_sum(x_NF, x_NF) - diagonal) / (len(x_NF) * (len(x_NF) - 1))


def _distances(x_NF: Tensor, y_MF: Tensor) -> Tensor:
    """Euclidean distances (N, M) float64, by a matrix product, which is ten times as fast as by differences."""
    x_NF, y_MF = x_NF.double(), y_MF.double()
    norms_NM = x_NF.square().sum(dim=1)[:, None] + y_MF.square().sum(dim=1)
    squares_NM = norms_NM - 2 * x_NF @ y_MF.T
    return squares_NM.where(squares_NM > _ROUNDING * norms_NM, 0.0).sqrt()


def precision_recall(samples_NF: Tensor, real_MF: Tensor, neighbours: int = NEIGHBOURS) -> PrecisionRecall:
    """Improved precision and recall (Kynkaanniemi et al. 2019, arXiv 1904.06991).

    A point is within a manifold if it is no further from one of its members than that member's k-th neighbour. The
    values depend on the number of rows, so compare at equal numbers. Raises ValueError for ``neighbours`` rows or
    fewer.
    """
    _check(samples_NF, real_MF, neighbours + 1)
    return PrecisionRecall(
        _share_within(samples_NF, real_MF, neighbours), _share_within(real_MF, samples_NF, neighbours)
    )


def density_coverage(samples_NF: Tensor, real_MF: Tensor, neighbours: int = BALL_NEIGHBOURS) -> DensityCoverage:
    """Density and coverage (Naeem et al. 2020, arXiv 2002.09797), which one outlier among real images cannot inflate.

    A real image's neighbourhood extends to its k-th real neighbour. Density: mean number of neighbourhoods that contain
    a sample, over k; 1 for equal distributions, and it may exceed 1. Coverage: share of neighbourhoods that contain a
    sample; about 1 - 2^-k for as many samples of an equal distribution. Raises ValueError for ``neighbours`` rows or
    fewer.
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
    """Distance of each row to its k-th neighbour, (M,)."""
    radii = [
        _distances(rows, members_MF).kthvalue(neighbours + 1, dim=1).values for rows in members_MF.split(_ROWS_AT_ONCE)
    ]
    return torch.cat(radii)


def _share_within(points_NF: Tensor, members_MF: Tensor, neighbours: int) -> float:
    radius_M = _radii(members_MF, neighbours)
    within = [(_distances(rows, members_MF) <= radius_M).any(dim=1) for rows in points_NF.split(_ROWS_AT_ONCE)]
    return float(torch.cat(within).float().mean())


def digits_covered(digits_N: ArrayLike, num_digits: int = 10) -> int:
    """Number of digits that a classifier finds in at least ``COVERED_SHARE`` of the samples."""
    digits = np.asarray(digits_N)
    if digits.ndim != 1 or len(digits) < 1 / COVERED_SHARE:
        raise ValueError(f"covered digits need one digit for each of at least {1 / COVERED_SHARE:.0f} samples")
    return int((np.bincount(digits, minlength=num_digits) >= COVERED_SHARE * len(digits)).sum())


def mean_distance(rows_NF: Tensor) -> float:
    """Mean distance between two different rows. Raises ValueError below two rows."""
    if rows_NF.dim() != 2 or len(rows_NF) < 2:
        raise ValueError(f"a mean distance needs two rows, got {tuple(rows_NF.shape)}")
    total = sum(float(_distances(part, rows_NF).sum()) for part in rows_NF.split(_ROWS_AT_ONCE))
    return total / (len(rows_NF) * (len(rows_NF) - 1))


def mean_distance_within(rows_NF: Tensor, groups_N: ArrayLike) -> float:
    """Mean over groups of the mean distance within each; groups of one row are ignored.

    Raises ValueError if no group has two rows.
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
    """Diversity of samples relative to real images, overall and within categories, and whether it is low.

    A few thousand rows on each side are enough. Raises ValueError if the real images are all the same.
    """
    _check(samples_NF, real_MF, 2)
    real, real_within = mean_distance(real_MF), mean_distance_within(real_MF, digits_M)
    if real == 0 or real_within == 0:
        raise ValueError("the real images do not differ: no yardstick for diversity")
    overall = mean_distance(samples_NF) / real
    within = mean_distance_within(samples_NF, categories_N) / real_within
    return Diversity(overall, within, min(overall, within) < LOW_DIVERSITY)


def nearest(samples_NF: Tensor, training_MF: Tensor) -> Nearest:
    """The training image closest to each sample (the first in a tie); a copy has distance 0."""
    _check(samples_NF, training_MF, 1)
    distances = torch.full((len(samples_NF),), math.inf, dtype=torch.float64, device=samples_NF.device)
    indices = torch.zeros(len(samples_NF), dtype=torch.int64, device=samples_NF.device)
    for start in range(0, len(training_MF), _ROWS_AT_ONCE):  # the whole data set in float64 would need too much memory
        found = _distances(samples_NF, training_MF[start : start + _ROWS_AT_ONCE]).min(dim=1)
        closer = found.values < distances
        distances, indices = found.values.where(closer, distances), (found.indices + start).where(closer, indices)
    return Nearest(indices.cpu().numpy(), distances.cpu().numpy())
