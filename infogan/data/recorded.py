"""Recorded sets: files decoded once into a cached array, described by a sidecar, split into training and held out."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from infogan.data.base import DataError, Dataset, recall, remember
from infogan.data.folders import cached_images, kept_images


def recorded_dataset(
    key: str,
    cached: Path,
    shape: tuple[int, ...],
    decode: Callable[[], np.ndarray],
    assemble: Callable[[np.ndarray], Dataset],
) -> Dataset:
    """Assemble a data set from the decoded array, which is cached in ``cached``; its info is remembered under ``key``.

    A cached array whose digest is not the remembered one, or for which none is remembered, is decoded again.
    """
    remembered = recall(key)
    if remembered is not None:
        dataset = assemble(cached_images(cached, shape, decode))
        if dataset.info == remembered:
            return dataset
    dataset = assemble(kept_images(cached, decode()))
    remember(key, dataset.info)
    return dataset


def split_rows(path: Path, groups: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out rows, each shuffled; whole groups are held out, a tenth of them and at least one.

    A group is what must not be on both sides of the split, such as a person or a chair model. The split depends on the
    groups' names only, not on ``path``.
    """
    names, group_of_row = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        raise DataError(f"{path}: nothing can be held out of {str(names[0])!r} alone, at least 2 are needed")
    rng = np.random.default_rng(0)
    held_out_groups = rng.permutation(len(names))[: max(1, len(names) // 10)]
    rows = rng.permutation(len(groups))  # shuffled, so that a truncated set keeps its variety
    is_held_out = np.isin(group_of_row[rows], held_out_groups)
    return rows[~is_held_out], rows[is_held_out]
