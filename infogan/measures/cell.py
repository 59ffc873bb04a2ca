"""What a family of measures gives."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Measured:
    """Numbers by name, and what stands behind them as plain JSON values.

    ``series``: columns of equal length, of which ``iteration`` is one, of what was measured during training.
    ``pictures``: grids (rows, columns, H, W, C) uint8 for people.
    """

    values: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    series: dict[str, list[float]] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
