"""Random rows that represent a whole set of images."""

import numpy as np

SEED = 0


def random_rows(num_all: int, num: int, skip: int = 0) -> np.ndarray:
    """``num`` random but fixed row indices (all, if there are fewer), in ascending order.

    Never the first rows of a file: the halves of MNIST's test file have different writers, and the first half is
    farther from the training images than good samples are. ``skip``: rows of the random order to leave out, so that a
    second call can return disjoint rows.
    """
    order = np.random.default_rng(SEED).permutation(num_all)
    return np.sort(order[skip : skip + num])
