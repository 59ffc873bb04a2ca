"""Families of measures: each maps a trained cell to quantities of :mod:`infogan.measures.catalogue`."""

from collections.abc import Callable

from infogan.measures.digits.family import measure_digits, measure_strokes
from infogan.measures.factors.family import measure_factors
from infogan.measures.quality.family import measure_samples
from infogan.measures.trained import Measured, Trained
from infogan.measures.trajectory import measure_trajectory
from infogan.measures.usable import measure_usable

FAMILIES: dict[str, Callable[[Trained], Measured]] = {
    "digits": measure_digits,
    "strokes": measure_strokes,
    "samples": measure_samples,
    "factors": measure_factors,
    "trajectory": measure_trajectory,
    "usable": measure_usable,
}
