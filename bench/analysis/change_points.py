"""Places where a series of measurements changed its level: binary segmentation by ranks, with a permutation test.

A series of checks over commits is short, its errors have an unknown distribution and some are outliers. So the
statistic uses ranks: the largest standardised Mann-Whitney difference between the values before a place and those after
it (Pettitt 1979). Libraries for change points (ruptures) fit costs to long series and leave the error rate to the user.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from bench.analysis.samples import FloatArray, checked_sample

SMALLEST_SEGMENT = 3
NUM_PERMUTATIONS = 4_999
ALPHA = 0.01  # of each test: the chance to split a series that has one level


@dataclass(frozen=True)
class Level:
    """Values from index ``first`` to ``last``, both included. ``p``: of the change at ``first``; None at the start."""

    first: int
    last: int
    median: float
    p: float | None


def levels(values: ArrayLike) -> list[Level]:
    """The levels of a series, in order; one if nothing changed. Raises ValueError for no values or infinite ones."""
    series = checked_sample(values, "values", finite=True)
    starts: dict[int, float | None] = {0: None}
    waiting = [(0, len(series))]
    while waiting:
        first, end = waiting.pop()
        found = _change(series[first:end])
        if found is not None and found[1] <= ALPHA:
            starts[first + found[0]] = found[1]
            waiting += [(first, first + found[0]), (first + found[0], end)]
    edges = [*sorted(starts), len(series)]
    spans = pairwise(edges)
    return [Level(first, end - 1, float(np.median(series[first:end])), starts[first]) for first, end in spans]


def _change(series: FloatArray) -> tuple[int, float] | None:
    """Index at which a second level would start, and its p; None if the series is constant or too short for two."""
    num = len(series)
    if num < 2 * SMALLEST_SEGMENT or np.ptp(series) == 0:
        return None
    from scipy.stats import rankdata

    ranks = rankdata(series)
    orders = np.random.default_rng(0).permuted(np.tile(ranks, (NUM_PERMUTATIONS, 1)), axis=1)
    sizes = np.arange(SMALLEST_SEGMENT, num - SMALLEST_SEGMENT + 1)
    sd = np.sqrt(sizes * (num - sizes) / 12 * (num + 1))

    def statistic(rows: FloatArray) -> FloatArray:
        """The standardised rank sums before each place, (rows, places)."""
        return np.abs(rows.cumsum(axis=1)[:, sizes - 1] - sizes * (num + 1) / 2) / sd

    own = statistic(ranks[None])[0]
    as_large = np.sum(statistic(orders).max(axis=1) >= own.max() - 1e-12)
    return int(sizes[own.argmax()]), float((1 + as_large) / (1 + NUM_PERMUTATIONS))
