"""Exact null distributions, by counting: of the sign test, and of Mann and Whitney's ranks with ties and without."""

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from bench.analysis.samples import FloatArray, require

EXACT_RANK_WORK = 5_000_000  # steps; beyond it the ranks of an interval come from the normal law


def median_rank(num: int, alpha: float) -> tuple[int, float]:
    """Rank and level of a median's interval, from the r-th smallest of ``num`` values to the r-th largest.

    r is the largest rank with P(Binomial(num, 1/2) <= r - 1) <= alpha, or 0 if there is none.
    """
    require(0 < alpha < 0.5, f"alpha must be in (0, 0.5), got {alpha}")
    rank, below = 0, 0  # below: 2**num * P(Binomial <= rank - 1)
    while (more := below + math.comb(num, rank)) / 2**num <= alpha:
        rank, below = rank + 1, more
    return rank, 1 - 2 * below / 2**num


@lru_cache(maxsize=64)
def shift_rank(num_base: int, num_new: int, alpha: float) -> tuple[int, float]:
    """Rank and level of a shift's interval, from the k-th smallest of all differences to the k-th largest.

    k is the largest rank with P(U <= k - 1) <= alpha under the null hypothesis, or 0 if there is none. The number of
    arrangements for each U is a coefficient of the Gaussian binomial, the product over i = 1 .. small of
    (1 - q**(large + i)) / (1 - q**i), in whole numbers. Only very large sets use the normal distribution instead.
    """
    require(0 < alpha < 0.5, f"alpha must be in (0, 0.5), got {alpha}")
    require(min(num_base, num_new) > 0, f"num_base and num_new must be positive, got {num_base} and {num_new}")
    small, large = sorted((num_base, num_new))
    if small * small * large > EXACT_RANK_WORK:
        sd = math.sqrt(small * large * (small + large + 1) / 12)
        return math.floor(small * large / 2 + 0.5 + sd * NormalDist().inv_cdf(alpha)), 1 - 2 * alpha
    num = small * large // 2 + 1  # U up to its mean
    arrangements = np.array([1] + [0] * (num - 1), dtype=object)
    for i in range(1, small + 1):
        arrangements[large + i :] -= arrangements[: -(large + i)].copy()
        columns = np.append(arrangements, [0] * (-num % i)).reshape(-1, i)
        arrangements = columns.cumsum(axis=0).ravel()[:num]  # division by 1 - q**i: running sums in steps of i
    below = arrangements.cumsum() / math.comb(small + large, small)
    k = int(np.sum(below <= alpha))
    return k, 1 - 2 * float(below[k - 1]) if k else 1.0


@lru_cache(maxsize=64)
def rank_sum_tail(ranks: tuple[int, ...], num_new: int) -> FloatArray:
    """Share of all choices of ``num_new`` ranks whose sum is s or more, at index s. Without ties it is one table."""
    largest = sum(ranks[-num_new:])
    ways = np.zeros((num_new + 1, largest + 1))  # of choosing so many of the ranks seen so far, by their sum
    ways[0, 0] = 1
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, : largest + 1 - rank].copy()
    tail: FloatArray = ways[num_new, ::-1].cumsum()[::-1]
    return tail / tail[0]
