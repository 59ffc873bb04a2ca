"""What a family of measures gives."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Measured:
    """Numbers by name, and what stands behind them as plain JSON values."""

    values: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
