"""Ceilings of a factor's scores: the same scores if the factor itself is varied, read by the same readers.

For sweeps, the renderer varies the factor; for categories, the true values of held-out images are cut into parts.
Shape suffixes: N images, C channels, H height, W width.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from infogan.data.base import Dataset
from infogan.measures.factors.categories import equal_parts, score_categories
from infogan.measures.factors.kinds import Factor
from infogan.measures.factors.readers import ReaderSet
from infogan.measures.factors.sweeps import NUM_COLUMNS, factor_change, turning
from infogan.measures.images import unit
from infogan.measures.subsets import random_rows

NUM_HELD_OUT = 2_000  # images


@dataclass
class Ceilings:
    """Ceilings for a data set and its readers. ``num_categories``: of the categorical codes; None without one."""

    dataset: Dataset
    readers: ReaderSet
    has_continuous: bool
    num_categories: int | None

    @cached_property
    def _rows(self) -> np.ndarray:
        return random_rows(len(self.dataset.test.images), NUM_HELD_OUT)

    @cached_property
    def _held_out(self) -> dict[str, np.ndarray]:
        return self._read(self.dataset.test.images[self._rows])

    def _read(self, images_NCHW: np.ndarray) -> dict[str, np.ndarray]:
        return self.readers.read(unit(images_NCHW))

    def of(self, factor: Factor) -> dict[str, float]:
        """Ceilings by name, as far as the data set and the codes allow."""
        swept = self._of_sweeps(factor) if self.has_continuous else {}
        return swept | (self._of_categories(factor) if self.num_categories else {})

    def _of_sweeps(self, factor: Factor) -> dict[str, float]:
        if self.dataset.controlled is None:
            return {}
        images = self.dataset.controlled.swept(factor.name, NUM_COLUMNS)
        read_NM = self._read(images.reshape(-1, *images.shape[2:]))[factor.name]
        numbers = {"ceiling_range_share": factor_change(factor, read_NM).share}
        if factor.kind == "periodic":
            turned = turning(factor, read_NM)
            numbers |= {f"ceiling_{what}": getattr(turned, what) for what in ("degrees", "monotone", "resultant")}
        return numbers

    def _of_categories(self, factor: Factor) -> dict[str, float]:
        true_NF, name = self.dataset.test.factors, factor.name
        assert true_NF is not None  # data with readers has factors
        assert self.num_categories
        true_N = true_NF[self._rows, self.dataset.factor_names.index(name)].astype(np.float64)
        cut_N = np.searchsorted(factor.values, true_N) if factor.is_discrete else None
        cut_N = equal_parts(true_N[:, None], self.num_categories)[:, 0] if cut_N is None else cut_N
        halves = [(cut_N[half::2], self._held_out[name][half::2]) for half in (0, 1)]
        num = max(self.num_categories, int(cut_N.max()) + 1)
        score = score_categories(factor, halves[0], halves[1], num)
        return {f"ceiling_{what}": value for what, value in score.to_json().items() if value is not None}
