"""Places where a series of measurements changed its level: binary segmentation by ranks, with a permutation test.

Of a few dozen checks over commits the errors are unknown and some are wild, so the statistic is one of ranks: the
largest standardised Mann-Whitney difference between what lies before a place and after (Pettitt 1979). Libraries for
change points (ruptures) fit costs to long series and leave the penalty, which is the error rate, to the user.
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
    """Values ``first`` to ``last``, both included, around one median; ``p``: of the change at ``first``, None at 0."""

    first: int
    last: int
    median: float
    p: float | None


def levels(values: ArrayLike) -> list[Level]:
    """The series' levels in order, one where nothing changed. Raises ValueError on what is not finite, or no value."""
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
    """The place at which the second level would start, and its p; None for a series too short to have two."""
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
