"""Recorded sets: files decoded once into one cached array, described by a sidecar, split into train and held out."""

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
    """``assemble`` of the decoded array, which is kept in ``cached``; its description is remembered under ``key``.

    An array without the remembered digest was damaged, and one of which nothing is remembered could be anything: it is
    decoded anew.
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
    """Rows to train on and rows held out, each shuffled: a tenth of the groups, at least one, is held out whole.

    A group is what must not be on both sides: a person, a chair's model. The same names give the same split, wherever
    the set's ``path``.
    """
    names, group_of_row = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        raise DataError(f"{path}: nothing can be held out of {str(names[0])!r} alone, at least 2 are needed")
    rng = np.random.default_rng(0)
    held_out_groups = rng.permutation(len(names))[: max(1, len(names) // 10)]
    rows = rng.permutation(len(groups))  # shuffled, so that a set cut short keeps all its variety
    is_held_out = np.isin(group_of_row[rows], held_out_groups)
    return rows[~is_held_out], rows[is_held_out]
