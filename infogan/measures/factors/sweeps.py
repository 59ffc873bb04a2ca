"""Effect of a sweep of one latent on every factor, relative to the factor's range, and the rotation of an object by it.

Rows are draws of all other latents, columns the swept positions. Changes are from the first to the last column.
Shape suffixes: R rows, K columns, N = R * K images, M components of a factor.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from infogan.measures.factors.kinds import PERIOD, Factor

# 50 rows are too few for the mean angle of a code that turns some rows one way and the rest the other: in a run on
# chairs, it changed from 56 to 3 degrees with other rows. Its standard error is reported with it.
NUM_ROWS = 200
NUM_COLUMNS = 41  # 40 steps: a full turn is 9 degrees per step, so a flip by 180 degrees is distinct
MAX_SLOPE = 2 * PERIOD  # radians per unit of the code: two turns over half the prior's range
NUM_SLOPES = 801


@dataclass(frozen=True)
class FactorChange:
    """Change of one factor between the ends of a sweep; classes have no sign (0)."""

    share: float  # absolute mean change over the factor's range; rows of opposite sign cancel
    moved: float  # mean absolute change over the factor's range; includes noise of the readings
    sign: int
    share_of_sign: float  # share of rows with this sign


@dataclass(frozen=True)
class Turning:
    """How far and how steadily a periodic factor turns in a sweep, with its angle unwrapped along each row."""

    degrees: float  # absolute mean angle covered
    error_degrees: float  # standard error of that mean, over rows
    monotone: float  # share of steps in the direction of the mean change
    resultant: float  # length of the mean of exp(i (angle - slope x position)) over all images, for the best slope
    row_resultant: float  # the same within each row, averaged over rows, so offsets between rows do not matter
    slope_degrees: float  # per unit of the code
    flips: float  # share of rows with a step above 90 degrees

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def sweep_positions() -> np.ndarray:
    """Positions (K,) over the prior's range, for :func:`infogan.measures.sweeps.swept_images`."""
    return np.linspace(-1.0, 1.0, NUM_COLUMNS)


def factor_change(factor: Factor, components_NM: np.ndarray) -> FactorChange:
    """Change of a factor, from readings of a sweep.

    The range of an angle is a full turn; classes change by total variation.
    """
    if factor.kind == "classes":
        grid_RKM = components_NM.reshape(-1, NUM_COLUMNS, components_NM.shape[1])
        change_RM = grid_RKM[:, -1] - grid_RKM[:, 0]
        share, moved = np.abs(change_RM.mean(axis=0)).sum() / 2, np.abs(change_RM).sum(axis=1).mean() / 2
        return FactorChange(float(share), float(moved), 0, 0.0)
    values_RK = factor.scalar(components_NM).reshape(-1, NUM_COLUMNS)
    if factor.kind == "periodic":
        values_RK = np.unwrap(values_RK, axis=1)
    change_R = (values_RK[:, -1] - values_RK[:, 0]) / (factor.high - factor.low)
    mean = float(change_R.mean())
    sign = int(np.sign(mean))
    share_of_sign = float((np.sign(change_R) == sign).mean()) if sign else 0.0
    return FactorChange(abs(mean), float(np.abs(change_R).mean()), sign, share_of_sign)


def turning(factor: Factor, components_NM: np.ndarray) -> Turning:
    """How far and how steadily a sweep turns the object in the images."""
    angles_RK = np.unwrap(factor.scalar(components_NM).reshape(-1, NUM_COLUMNS), axis=1)
    steps_RK = np.diff(angles_RK, axis=1)
    covered_R = angles_RK[:, -1] - angles_RK[:, 0]
    mean, error = float(covered_R.mean()), float(covered_R.std(ddof=1) / math.sqrt(len(covered_R)))
    positions_K, slopes = sweep_positions(), np.linspace(-MAX_SLOPE, MAX_SLOPE, NUM_SLOPES)
    unit_RK = np.exp(1j * angles_RK)
    lengths = np.abs(np.exp(-1j * np.outer(slopes, positions_K)) @ unit_RK.mean(axis=0)) / NUM_COLUMNS
    best = int(lengths.argmax())
    row_lengths_R = np.abs((unit_RK * np.exp(-1j * slopes[best] * positions_K)).mean(axis=1))
    return Turning(
        degrees=math.degrees(abs(mean)),
        error_degrees=math.degrees(error),
        monotone=float((steps_RK * np.sign(mean) > 0).mean()),
        resultant=float(lengths[best]),
        row_resultant=float(row_lengths_R.mean()),
        slope_degrees=math.degrees(slopes[best]),
        flips=float((np.abs(steps_RK) > math.pi / 2).any(axis=1).mean()),
    )
