"""Random draws based on uniform numbers only, because numpy keeps that stream stable across versions."""

from typing import Any

import numpy as np


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(rng.random())


def bell(rng: np.random.Generator, deviation: float) -> float:
    """Approximately normal, within three standard deviations; made of uniform draws, which are the same everywhere."""
    return deviation * 2 * (float(rng.random()) + float(rng.random()) + float(rng.random()) - 1.5)


def choice(rng: np.random.Generator, options: tuple[Any, ...]) -> Any:
    return options[int(len(options) * float(rng.random()))]
