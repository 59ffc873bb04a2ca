"""Compute a cell's numbers from its curves: the only place that defines T80, the final L_I and the hump of a cell."""

import math
from collections.abc import Iterable

import numpy as np

from bench.analysis import curves
from bench.analysis.paper import FIGURE1_CODES, FIGURE1_INFOGAN, FIGURE1_ITERATIONS
from bench.records.history import History
from bench.records.schema import Measures, Result
from bench.spec.cells import T80_RULE
from bench.spec.config import ContinuousCode, Definition


def code_names(config: Definition, kind: str) -> list[str]:
    """Names of one kind of code: ``c1``, ``c2``, ..., numbered over all codes."""
    return [f"c{i}" for i, code in enumerate(config["codes"], 1) if code["kind"] == kind]


def categorical_entropy_nats(config: Definition) -> float:
    """Sum of H(c) over the categorical codes; 0 where there are none."""
    return sum(math.log(code["num_categories"]) for code in config["codes"] if code["kind"] == "categorical")


def continuous_ceiling_nats(config: Definition) -> float:
    """Largest possible L_I of all continuous codes: every mean is right, at the smallest deviation that Q may have.

    For a code from Unif(-1, 1), as all in experiments.toml are, and a fixed standard deviation of 1 it is -0.226 nats:
    L_I is then always negative, and ``explained`` says what Q knows. 0 without continuous codes; infinite if the
    deviation has no lower bound.
    """
    log_stds = [_least_log_std(code) for code in config["codes"] if code["kind"] == "continuous"]
    return sum(math.log(2) - log_std - 0.5 * math.log(2 * math.pi) for log_std in log_stds)


def _least_log_std(code: ContinuousCode) -> float:
    if code["std"] == "learned":
        return code["log_std_clamp"][0]
    if code["std"] == "sqrt-exp":
        return math.log(code["std_clip"][0]) if "std_clip" in code else -math.inf
    return math.log(code["std"])


def mi_curve(config: Definition, history: History, kind: str = "categorical") -> np.ndarray | None:
    """L_I summed over the codes of one kind, per iteration, (T,) nats; None where there is no such code."""
    names = code_names(config, kind)
    if not names:
        return None
    return np.stack([history.column(f"mi/{name}") for name in names]).sum(axis=0, dtype=np.float64)


def explained_curve(config: Definition, history: History) -> np.ndarray | None:
    """Mean share of the continuous codes' variance that Q explains, per iteration, (T,): 0 nothing, 1 every value."""
    names = code_names(config, "continuous")
    if not names:
        return None
    return np.stack([history.column(f"explained/{name}") for name in names]).mean(axis=0, dtype=np.float64)


def stacked(curves: Iterable[np.ndarray | None]) -> np.ndarray | None:
    """Curves in one array, (curves, T), cut to the shortest, since a run may have been given up; None without any."""
    known = [curve for curve in curves if curve is not None]
    length = min(map(len, known), default=0)
    return np.stack([curve[:length] for curve in known]) if length else None


def figure1_distance_nats(mi_nats: np.ndarray) -> float:
    """Largest distance to the paper's InfoGAN curve at FIGURE1_ITERATIONS within the budget; NaN without any."""
    distances = [abs(mi_nats[i - 1] - FIGURE1_INFOGAN.at(i)) for i in FIGURE1_ITERATIONS if i <= len(mi_nats)]
    return float(max(distances)) if distances else math.nan


def curve_measures(config: Definition, mi_nats: np.ndarray) -> dict[str, float]:
    """Measures of one categorical L_I curve, of a seed or the median over seeds."""
    entropy = categorical_entropy_nats(config)
    final = curves.final_value(mi_nats)
    window = int(T80_RULE["window"])
    t80 = curves.iterations_to_threshold(mi_nats, entropy, T80_RULE["fraction"], window)
    measures = {
        "mi_final_nats": final,
        "mi_final_fraction": final / entropy,
        "t80": t80,
        "t80_reached": float(math.isfinite(t80)),
        "area_under_curve": curves.area_under_curve(mi_nats, entropy),
    }
    if len(mi_nats) >= window:  # a cell that has just begun has no hump yet
        hump_nats, hump_iteration = curves.hump(mi_nats, window)
        measures |= {"hump_nats": hump_nats, "hump_iteration": float(hump_iteration)}
    if config["codes"] == FIGURE1_CODES:
        measures["figure1_distance_nats"] = figure1_distance_nats(mi_nats)
    return measures


def health_measures(result: Result | None) -> dict[str, float]:
    """``collapsed`` (0 or 1) and the numbers behind it; empty for a cell that was recorded without its health."""
    health = result and result.health
    if not health:
        return {}
    numbers = health.model_dump(include={"variety", "distinctness", "saturation"}, exclude_none=True)
    measured = {name: float(value) for name, value in numbers.items()}
    return measured | {"collapsed": float(health.status == "collapsed")}


def measured_values(measures: Measures) -> dict[str, float]:
    """Numbers of every family that was measured."""
    return {name: float(v) for entry in measures.values() for name, v in (entry.values or {}).items()}


def summarise(config: Definition, history: History, result: Result | None) -> dict[str, float]:
    """Every measure of a cell. ``t80`` is inf where 0.8 H(c) was not reached; what does not apply is absent."""
    summary: dict[str, float] = {}
    curve = mi_curve(config, history)
    if curve is not None and len(curve) and np.isfinite(curve).all():
        summary |= curve_measures(config, curve)
    for name in code_names(config, "continuous"):
        summary[f"mi_final_{name}_nats"] = curves.final_value(history.column(f"mi/{name}"))
        summary[f"explained_final_{name}"] = curves.final_value(history.column(f"explained/{name}"))
    if len(history.step_ms):
        summary["step_ms"] = float(np.median(history.step_ms))
    summary |= health_measures(result)
    frozen = result and result.mi_frozen_nats
    categorical = code_names(config, "categorical")
    if frozen and categorical:
        summary["mi_frozen_nats"] = sum(frozen[name] for name in categorical)
        summary["mi_frozen_fraction"] = summary["mi_frozen_nats"] / categorical_entropy_nats(config)
    return summary
