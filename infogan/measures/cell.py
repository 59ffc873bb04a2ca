"""What a family of measures gives."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Measured:
    """Numbers by name, and what stands behind them as plain JSON values.

    ``series``: columns of equal length, of which ``iteration`` is one, of what was measured during training.
    """

    values: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)  # why numbers with this beginning are absent; "": why all are
    grids: dict[str, np.ndarray] = field(default_factory=dict)  # pictures (rows, columns, H, W, C) uint8 by name
    series: dict[str, list[float]] = field(default_factory=dict)
