"""Images of a rendered set with one factor controlled: constant within a group, or swept over its range.

FactorVAE's score and the ceiling of a sweep need them, and only a renderer can provide them. They are rendered once, on
all cores, into the cache; image n of a factor depends only on the kind, on ``kinds.SEED`` and on n.
"""

import io
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from infogan.cores import usable_cores
from infogan.data.base import cache_dir, read_cached, write_cached
from infogan.data.npz import NpzError, read_npz
from infogan.data.rendering import kinds, pool
from infogan.version import code_digest

FIRST = 1 << 40  # index of the first controlled image, far above all others of the set
GROUP_SIZE = 24  # images that share a value
# Groups per factor, each a vote of FactorVAE. An even number, since half of them fit the majority vote and the others
# test it. From 20,000 training images on, four factors have 256 votes, whose images are a quarter of the set's number.
MIN_GROUPS, MAX_GROUPS = 4, 64
MIN_ROWS, MAX_ROWS = 2, 12  # objects in a sweep


@dataclass(frozen=True)
class ControlledImages:
    """Controlled images of one kind. A small training set gets few of them, since it is for a quick look."""

    kind: str
    num_train: int

    @property
    def num_groups(self) -> int:
        """Number of groups of each factor."""
        return min(max(self.num_train // 256 * 2, MIN_GROUPS), MAX_GROUPS)

    def fixed(self, factor: str) -> np.ndarray:
        """Images (groups, images, C, H, W) uint8: the factor is constant within a group, all else is random."""
        module = kinds.kind_module(self.kind)

        def parameters(group: int, image: int) -> Any:
            value = getattr(module.draw(_rng(group * (GROUP_SIZE + 1))), factor)
            return replace(module.draw(_rng(group * (GROUP_SIZE + 1) + 1 + image)), **{factor: value})

        return self._rendered(f"fixed-{factor}", self.num_groups, GROUP_SIZE, parameters)

    def swept(self, factor: str, num_columns: int) -> np.ndarray:
        """Images (rows, columns, C, H, W) uint8: each row is one object, with the factor swept over its whole range."""
        num_rows = min(max(self.num_train // 512, MIN_ROWS), MAX_ROWS)
        module = kinds.kind_module(self.kind)
        low, high = module.RANGES[factor]
        values = np.linspace(low, high, num_columns).tolist()

        def parameters(row: int, column: int) -> Any:
            return replace(module.draw(_rng(row)), **{factor: values[column]})

        return self._rendered(f"swept-{factor}", num_rows, num_columns, parameters)

    def _rendered(self, name: str, rows: int, columns: int, parameters: Callable[[int, int], Any]) -> np.ndarray:
        module = kinds.kind_module(self.kind)
        shape = (rows, columns, *module.SHAPE_CHW)
        folder = cache_dir() / "rendered" / f"{self.kind}-{kinds.recipe(self.kind)[:16]}"
        file = folder / f"{name}-{rows}x{columns}-{code_digest(('data/rendering/controlled',))[:8]}.npz"
        try:
            images = read_npz(read_cached(file) or b"")["images"]
            if images.shape == shape:
                return images
        except (NpzError, KeyError):
            pass  # missing or damaged
        tasks = {row: (self.kind, [parameters(row, column) for column in range(columns)]) for row in range(rows)}
        images = np.empty(shape, np.uint8)
        with closing(pool.results(_render, tasks, rows * columns, usable_cores())) as results:
            for row, rendered in results:
                images[row] = rendered
        content = io.BytesIO()
        np.savez_compressed(content, images=images)
        write_cached(file, content.getvalue())
        return images


def _render(kind: str, row: list[Any]) -> np.ndarray:
    return np.stack([kinds.kind_module(kind).render(parameters) for parameters in row])


def _rng(index: int) -> np.random.Generator:
    return np.random.default_rng([kinds.SEED, FIRST + index])
