"""What a sweep of one latent does to every factor, in units of the factor's range, and how far it turns an object.

Rows are draws of all other latents, columns the swept positions. A change is from the first to the last column.
Shape suffixes: R rows, K columns, N = R * K images, M components of a factor.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from infogan.measures.factors.kinds import PERIOD, Factor

# The mean of an angle that a code turns one way in some rows and the other way in the rest is not to be had from 50
# rows: of one run of the chairs, rows drawn anew made 3 degrees of 56. Its standard error stands beside it.
NUM_ROWS = 200
NUM_COLUMNS = 41  # 40 steps: a full turn is 9 degrees a step, so a flip by 180 stands out
MAX_SLOPE = 2 * PERIOD  # radians per unit of the code: two turns over half the prior's range
NUM_SLOPES = 801


@dataclass(frozen=True)
class FactorChange:
    """Change of one factor from one end of a sweep to the other; classes have no sign (0)."""

    share: float  # of the factor's range: size of the mean change, so rows that go against each other cancel
    moved: float  # the same of each row's size, the mean over rows: what noise in the readings adds is in it
    sign: int
    share_of_sign: float  # rows that go this way


@dataclass(frozen=True)
class Turning:
    """How far and how steadily a periodic factor turns over a sweep, its angle unwrapped along each row."""

    degrees: float  # size of the mean angle covered
    error_degrees: float  # standard error of that mean, over rows
    monotone: float  # share of steps in the direction of the mean change
    resultant: float  # length of the mean of exp(i (angle - slope x position)) over all images, at the best slope
    row_resultant: float  # the same within each row, mean over rows: an offset by row does not count
    slope_degrees: float  # per unit of the code
    flips: float  # share of rows with a step above 90 degrees

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def sweep_positions() -> np.ndarray:
    """The prior's range, (K,), for :func:`infogan.measures.sweeps.swept_images`."""
    return np.linspace(-1.0, 1.0, NUM_COLUMNS)


def factor_change(factor: Factor, components_NM: np.ndarray) -> FactorChange:
    """From readings of a sweep's images. A full turn is the range of an angle; classes change by total variation."""
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
    """How far and how steadily a sweep turns what the images show."""
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
