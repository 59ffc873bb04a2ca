"""Which kind each known factor of a data set is, its range, and how it is written as numbers.

Shape suffixes: N images, F factors, M components of a factor, K values of a discrete one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["continuous", "periodic", "binary", "classes"]

# of the known names; of another few whole numbers are classes, else it is continuous. Two values are binary in any case
KINDS: dict[str, Kind] = {
    "azimuth": "continuous",
    "elevation": "continuous",  # but a chair's is one of two
    "lighting": "continuous",
    "width": "continuous",
    "rotation": "periodic",
    "glasses": "binary",
    "hair": "continuous",  # the number of the style, from less to more, and its amount
    "emotion": "continuous",
    "digit": "classes",
    "gradient": "continuous",
    "context": "classes",
    "plate_hue": "continuous",
    "light_on_dark": "binary",
}
PERIOD = 2 * math.pi  # of a periodic factor
MAX_CLASSES = 12
RANGE_QUANTILES = (0.005, 0.995)  # of the training values: a few outliers of a real set do not stretch the range


@dataclass(frozen=True)
class Factor:
    """How a factor is read, and what its training values say of it.

    Its components, (N, M), are what correlations and indices use: the value, cosine and sine of a periodic factor, the
    probability of the upper value of a binary one, those of all classes.
    """

    name: str
    kind: Kind
    low: float  # of its range; a periodic factor's is 0 to the period, that of a binary one's probability 0 to 1
    high: float
    mean: float
    std: float
    values: tuple[float, ...] = ()  # of a binary factor or of classes, ascending

    @property
    def num_outputs(self) -> int:
        return {"continuous": 1, "periodic": 2, "binary": 2, "classes": len(self.values)}[self.kind]

    @property
    def is_discrete(self) -> bool:
        return self.kind in ("binary", "classes")

    def components(self, values_N: np.ndarray) -> np.ndarray:
        """Components of true values, (N, M)."""
        if self.kind == "periodic":
            return np.stack([np.cos(values_N), np.sin(values_N)], axis=1)
        if self.is_discrete:
            one_hot_NK = (values_N[:, None] == np.asarray(self.values)).astype(np.float64)
            return one_hot_NK[:, 1:] if self.kind == "binary" else one_hot_NK
        return values_N[:, None].astype(np.float64)

    def scalar(self, components_NM: np.ndarray) -> np.ndarray:
        """One number per image: the value, the angle in radians, the upper value's probability, the class's place."""
        if self.kind == "periodic":
            return np.arctan2(components_NM[:, 1], components_NM[:, 0])
        return components_NM.argmax(axis=1) if self.kind == "classes" else components_NM[:, 0]


def describe_factors(names: Sequence[str], values_NF: np.ndarray) -> tuple[Factor, ...]:
    """The factors that vary, since a constant one cannot be read. Raises ValueError for values that are not finite."""
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
        elif kind == "binary" or (kind == "classes" and not are_classes):  # a known name for something else
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
