"""Values that a statistic takes: one-dimensional arrays of floats, or ValueError with the argument's name."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def require(condition: bool, message: str) -> None:
    """ValueError with the message unless the condition holds."""
    if not condition:
        raise ValueError(message)


def checked_sample(
    values: ArrayLike, name: str, *, positive: bool = False, finite: bool = False, empty: bool = False
) -> FloatArray:
    """`values` as a one-dimensional float array; +inf passes unless `finite`."""
    sample = np.asarray(values, dtype=np.float64)
    require(
        sample.ndim == 1 and (empty or sample.size > 0), f"{name} must be a filled vector, has shape {sample.shape}"
    )
    valid = (np.isfinite(sample) if finite else sample > -np.inf) & ((sample > 0) | (not positive))  # NaN fails
    if not valid.all():
        wanted = ("positive" if positive else "a number") + (" and finite" if finite else "")
        raise ValueError(f"{name} must be {wanted}, got {sample[~valid][:1]} at {np.flatnonzero(~valid)[:1]}")
    return sample


def positive_times(values: ArrayLike, name: str, budget: float, *, empty: bool = False) -> FloatArray:
    """Positive times with those of `budget` or more as inf."""
    require(budget > 0, f"budget must be positive, got {budget}")
    sample = checked_sample(values, name, positive=True, empty=empty)
    return np.where(sample < budget, sample, np.inf)
