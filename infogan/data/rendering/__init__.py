"""Rendered images with known factors: the default for experiments whose data sets cannot be downloaded.

One file per kind of object (:class:`Kind` is their interface), one tracer, one cache of rendered sets (``sets``).
``python -m infogan.data.rendering --help`` draws contact sheets and sweeps.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np


class Kind(Protocol):
    """Interface of a module that renders one kind of object. Its parameters are a frozen dataclass."""

    FACTORS: tuple[str, ...]  # parameters that are columns of the factor table, in order
    RANGES: Mapping[str, tuple[float, float]]  # range of each factor, in the unit stated in its file
    SHAPE_CHW: tuple[int, int, int]
    CODE: tuple[str, ...]  # files of this folder that decide the pixels, for the recipe's digest

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw the parameters of one image; the order of the draws is part of the recipe."""

    def render(self, parameters: Any) -> np.ndarray:
        """Render the image, uint8 (C, H, W); deterministic."""


def factor_values(kind: Kind, parameters: Any) -> list[float]:
    """Row of the factor table for one image."""
    return [float(getattr(parameters, name)) for name in kind.FACTORS]
