"""Renderings with known factors: the default of the experiments whose pictures cannot be fetched.

One file per kind of object (:class:`Kind` says what it has), one tracer, one cache for the rendered sets (``sets``).
``python -m infogan.data.rendering --help`` draws contact sheets and sweeps.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np


class Kind(Protocol):
    """What the file of a kind of object has. Its parameters are a frozen dataclass, so that ``replace`` moves one."""

    FACTORS: tuple[str, ...]  # parameters that the set's factor table holds, in its order
    RANGES: Mapping[str, tuple[float, float]]  # of each factor, in the unit that the file says
    SHAPE_CHW: tuple[int, int, int]
    CODE: tuple[str, ...]  # files of this folder that decide the pixels: the recipe's digest covers them

    def draw(self, rng: np.random.Generator) -> Any:
        """Parameters of one picture; their order of draws is part of the recipe."""

    def render(self, parameters: Any) -> np.ndarray:
        """The picture, uint8 (C, H, W); nothing random is left."""


def factor_values(kind: Kind, parameters: Any) -> list[float]:
    """The factor table's row of one picture."""
    return [float(getattr(parameters, name)) for name in kind.FACTORS]
