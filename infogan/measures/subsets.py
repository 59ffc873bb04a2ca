"""Rows that stand for a whole set of images."""

import numpy as np

SEED = 0


def random_rows(num_all: int, num: int, skip: int = 0) -> np.ndarray:
    """``num`` of so many rows, or as many as there are, at random but always the same ones, rising.

    Never the first rows of a file: MNIST's test file has two halves by different writers, of which the first
    is farther from the training images than good samples are. ``skip``: rows of the random order to leave out, so that
    a second call has none of the first one's.
    """
    order = np.random.default_rng(SEED).permutation(num_all)
    return np.sort(order[skip : skip + num])
