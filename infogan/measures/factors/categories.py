"""How much categories tell about a factor: information over the factor's entropy, shares of variance, ordered means.

The information is divided by the factor's entropy only: with a symmetric NMI, a perfect code of ten categories could
not reach 1 for a binary factor. It is adjusted for chance as in the adjusted mutual information (Vinh et al. 2010),
with the exact expectation. Continuous factors are cut into ``NUM_BINS`` bins of equal width.
Shape suffixes: N images, K categories, S states of a factor, M components.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy import stats
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from infogan.measures.factors.kinds import Factor

NUM_BINS = 10
MIN_ENTROPY_NATS = 0.05  # of a factor's readings; below this, nearly all images have the same state


@dataclass(frozen=True)
class CategoryScore:
    """How much the categories of one code tell about one factor. None where the kind of factor does not apply."""

    information: float | None  # over the factor's entropy, adjusted for chance
    omega_squared: float | None = None  # for continuous factors and the probability of binary ones; so are span and tau
    span: float | None = None  # between the lowest and the highest category mean, as a share of the factor's range
    tau: float | None = None  # Kendall's tau of the category means of two halves
    highest: float | None = None  # a binary factor's largest probability over categories
    lowest: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def factor_states(factor: Factor, components_NM: np.ndarray) -> np.ndarray:
    """The state of each image, (N,) int64: a bin, 0 or 1, or a class. Values out of range fall in the outer bins."""
    scalar_N = factor.scalar(components_NM)
    if factor.kind == "classes":
        return scalar_N.astype(np.int64)
    if factor.kind == "binary":
        return (scalar_N > 0.5).astype(np.int64)
    if factor.kind == "periodic":
        scalar_N = scalar_N % factor.high
    places_N = (scalar_N - factor.low) / (factor.high - factor.low) * NUM_BINS
    return np.clip(np.floor(places_N), 0, NUM_BINS - 1).astype(np.int64)


def information(categories_N: np.ndarray, states_N: np.ndarray) -> float | None:
    """Share of the states' entropy that the categories explain: 0 by chance, at most 1; None for constant states."""
    entropy_nats = float(stats.entropy(np.bincount(states_N)))
    if entropy_nats < MIN_ENTROPY_NATS:
        return None
    table = contingency_matrix(categories_N, states_N, sparse=True)
    chance_nats = expected_mutual_information(table, len(states_N))
    told_nats = mutual_info_score(None, None, contingency=table)
    return float((told_nats - chance_nats) / max(entropy_nats - chance_nats, MIN_ENTROPY_NATS))


def omega_squared(categories_N: np.ndarray, values_N: np.ndarray) -> float:
    """Share of the values' variance between categories, adjusted for chance (Hays 1963); 0 for constant values."""
    present, places_N, counts_K = np.unique(categories_N, return_inverse=True, return_counts=True)
    means_K = np.bincount(places_N, values_N) / counts_K
    between = float((counts_K * np.square(means_K - values_N.mean())).sum())
    total = float(np.square(values_N - values_N.mean()).sum())
    if len(values_N) <= len(present) or total <= 1e-12 * float(np.square(values_N).sum()):
        return 0.0
    within_mean = (total - between) / (len(values_N) - len(present))
    return (between - (len(present) - 1) * within_mean) / (total + within_mean)


def category_means(categories_N: np.ndarray, values_N: np.ndarray, num_categories: int) -> np.ndarray:
    """Mean value of each category, (K,); NaN for a category without images."""
    counts_K = np.bincount(categories_N, minlength=num_categories)
    sums_K = np.bincount(categories_N, values_N, minlength=num_categories)
    return np.where(counts_K > 0, sums_K / np.maximum(counts_K, 1), np.nan)


def equal_parts(values_NZ: np.ndarray, num_parts: int) -> np.ndarray:
    """Cut each column into parts with equally many values, (N, Z) int64."""
    ranks_NZ = values_NZ.argsort(axis=0).argsort(axis=0)
    return ranks_NZ * num_parts // len(values_NZ)


def category_order(
    factor: Factor, categories_N: np.ndarray, components_NM: np.ndarray, num_categories: int
) -> list[int]:
    """Categories in ascending order of the factor's reading, with unseen ones last.

    Angles are ordered by their mean direction from 0; classes by the most likely class and then by decreasing
    certainty.
    """
    means_KM = np.stack(
        [category_means(categories_N, column_N, num_categories) for column_N in components_NM.T], axis=1
    )
    seen_K = np.isfinite(means_KM[:, 0])
    means_KM = np.where(seen_K[:, None], means_KM, 0)
    keys_K = factor.scalar(means_KM)
    if factor.kind == "periodic":
        keys_K = keys_K % factor.high
    return np.lexsort((-means_KM.max(axis=1), keys_K, ~seen_K)).tolist()


def score_categories(
    factor: Factor,
    selection: tuple[np.ndarray, np.ndarray],
    scoring: tuple[np.ndarray, np.ndarray],
    num_categories: int,
) -> CategoryScore:
    """Score categories (N,) against a factor's components (N, M) on the second of two samples.

    The first sample orders the categories, so that the selection of the extremes does not bias the score.
    """
    categories_N, components_NM = scoring
    told = information(categories_N, factor_states(factor, components_NM))
    if factor.kind in ("periodic", "classes"):
        return CategoryScore(told)
    ordering_K, means_K = (
        category_means(categories, factor.scalar(components), num_categories)
        for categories, components in (selection, scoring)
    )
    present_K = np.isfinite(ordering_K) & np.isfinite(means_K)
    ordering_K, means_K = ordering_K[present_K], means_K[present_K]
    if len(means_K) < 2:
        return CategoryScore(told)
    lowest, highest = float(means_K[ordering_K.argmin()]), float(means_K[ordering_K.argmax()])
    tau = float(stats.kendalltau(ordering_K, means_K).statistic) if np.ptp(ordering_K) and np.ptp(means_K) else 0.0
    omega = omega_squared(categories_N, factor.scalar(components_NM))
    ordered = CategoryScore(told, omega, (highest - lowest) / (factor.high - factor.low), tau)
    return replace(ordered, highest=highest, lowest=lowest) if factor.kind == "binary" else ordered
