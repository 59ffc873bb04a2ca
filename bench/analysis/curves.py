"""One curve of L_I to a number: T80, its area, its end, its hump.

A curve is (num_iterations,) in nats; its first value belongs to iteration 1. ValueError on NaN and on bad settings.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from bench.analysis.samples import FloatArray, checked_sample, require


def smooth_centred(values: ArrayLike, window: int = 11) -> FloatArray:
    """Moving mean over full, odd windows, (max(0, num - window + 1),); entry 0 is of iteration (window + 1) / 2."""
    require(window >= 1 and window % 2 == 1, f"window must be a positive odd number, got {window}")
    curve = checked_sample(values, "values", finite=True)
    return np.convolve(curve, np.full(window, 1 / window), "valid") if len(curve) >= window else np.empty(0)


def iterations_to_threshold(mi_nats: ArrayLike, entropy_nats: float, fraction: float = 0.8, window: int = 11) -> float:
    """Iteration, from 1, interpolated, where the centred mean first reaches `fraction` of the entropy; inf if never.

    The mean starts at iteration (window + 1) / 2, the smallest result; a curve shorter than the window reached nothing.
    """
    require(0 < entropy_nats < math.inf, f"entropy_nats must be positive, got {entropy_nats}")
    require(0 < fraction <= 1, f"fraction must be in (0, 1], got {fraction}")
    smoothed, target = smooth_centred(mi_nats, window), fraction * entropy_nats
    reached = np.flatnonzero(smoothed >= target)
    if not len(reached):
        return math.inf
    first, centre = int(reached[0]), (window + 1) / 2
    if first == 0:
        return centre
    before, after = smoothed[first - 1], smoothed[first]
    return float(centre + first - 1 + (target - before) / (after - before))


def area_under_curve(mi_nats: ArrayLike, entropy_nats: float) -> float:
    """Mean over iterations of the curve as a fraction of the entropy, each value clipped to 0..1."""
    require(0 < entropy_nats < math.inf, f"entropy_nats must be positive, got {entropy_nats}")
    return float(np.clip(checked_sample(mi_nats, "mi_nats", finite=True) / entropy_nats, 0, 1).mean())


def final_value(mi_nats: ArrayLike) -> float:
    """Mean of the last tenth of the curve (rounded down, at least one value), nats."""
    curve = checked_sample(mi_nats, "mi_nats", finite=True)
    return float(curve[-max(1, len(curve) // 10) :].mean())


def hump(mi_nats: ArrayLike, window: int = 11) -> tuple[float, int]:
    """Height in nats and iteration of the centred mean's first maximum; the curve must fill the window."""
    smoothed = smooth_centred(mi_nats, window)
    require(len(smoothed) > 0, f"mi_nats must hold at least window={window} values")
    top = int(smoothed.argmax())
    return float(smoothed[top]), top + (window + 1) // 2
