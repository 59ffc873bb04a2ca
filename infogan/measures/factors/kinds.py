"""The kind of each known factor, its range, and its numeric representation.

Shape suffixes: N images, F factors, M components of a factor, K values of a discrete one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["continuous", "periodic", "binary", "classes"]

# By name. Another factor is "classes" if it has a few integer values, else continuous; any factor with two values but a
# periodic one is binary.
KINDS: dict[str, Kind] = {
    "azimuth": "continuous",
    "elevation": "continuous",  # but a chair has one of two
    "lighting": "continuous",
    "width": "continuous",
    "rotation": "periodic",
    "glasses": "binary",
    "hair": "continuous",  # style index, from less to more hair, plus an amount
    "emotion": "continuous",
    "digit": "classes",
    "gradient": "continuous",
    "context": "classes",
    "plate_hue": "continuous",
    "light_on_dark": "binary",
}
PERIOD = 2 * math.pi  # of a periodic factor
MAX_CLASSES = 12
RANGE_QUANTILES = (0.005, 0.995)  # of the training values, so that a few outliers do not stretch the range


@dataclass(frozen=True)
class Factor:
    """A known factor with statistics of its training values.

    Correlations and indices use its components, (N, M): the value; cosine and sine for a periodic factor; the
    probability of the upper value for a binary one; the probabilities of all classes.
    """

    name: str
    kind: Kind
    low: float  # end of its range: 0 to the period if periodic, 0 to 1 for a binary factor's probability
    high: float
    mean: float
    std: float
    values: tuple[float, ...] = ()  # of a binary factor or classes, ascending

    @property
    def num_outputs(self) -> int:
        return {"continuous": 1, "periodic": 2, "binary": 2, "classes": len(self.values)}[self.kind]

    @property
    def is_discrete(self) -> bool:
        return self.kind in ("binary", "classes")

    def components(self, values_N: np.ndarray) -> np.ndarray:
        """Components (N, M) of true values."""
        if self.kind == "periodic":
            return np.stack([np.cos(values_N), np.sin(values_N)], axis=1)
        if self.is_discrete:
            one_hot_NK = (values_N[:, None] == np.asarray(self.values)).astype(np.float64)
            return one_hot_NK[:, 1:] if self.kind == "binary" else one_hot_NK
        return values_N[:, None].astype(np.float64)

    def scalar(self, components_NM: np.ndarray) -> np.ndarray:
        """One number per image: the value, angle in radians, probability of the upper value, or index of the class."""
        if self.kind == "periodic":
            return np.arctan2(components_NM[:, 1], components_NM[:, 0])
        return components_NM.argmax(axis=1) if self.kind == "classes" else components_NM[:, 0]


def describe_factors(names: Sequence[str], values_NF: np.ndarray) -> tuple[Factor, ...]:
    """Describe the factors that vary; constant ones cannot be read.

    Raises ValueError for values that are not finite.
    """
    if values_NF.ndim != 2 or values_NF.shape[1] != len(names) or not np.isfinite(values_NF).all():
        raise ValueError(f"a row of {len(names)} finite factors per image is needed, got an array {values_NF.shape}")
    factors = []
    for name, values_N in zip(names, values_NF.T.astype(np.float64), strict=True):
        distinct = np.unique(values_N)
        if len(distinct) < 2:
            continue
        are_classes = len(distinct) <= MAX_CLASSES and bool((distinct == np.rint(distinct)).all())
        kind = KINDS.get(name, "classes" if are_classes else "continuous")
        if len(distinct) == 2 and kind != "periodic":
            kind = "binary"
        elif kind == "binary" or (kind == "classes" and not are_classes):  # a known name with other values
            kind = "classes" if are_classes else "continuous"
        low, high = np.quantile(values_N, RANGE_QUANTILES)
        if high <= low:
            low, high = distinct[0], distinct[-1]
        if kind != "continuous":
            low, high = 0.0, PERIOD if kind == "periodic" else 1.0
        known = tuple(distinct.tolist()) if kind in ("binary", "classes") else ()
        factors.append(
            Factor(name, kind, float(low), float(high), float(values_N.mean()), float(values_N.std()), known)
        )
    return tuple(factors)
