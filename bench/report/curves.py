"""The curves of a sweep's figures, as arrays: no plotting here."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from bench.analysis.paper import FIGURE1_CODES
from bench.analysis.runs import Run, Sweep
from bench.analysis.summary import explained_curve, mi_curve, stacked
from bench.spec.experiment import arm_of

MAX_POINTS = 1500  # of a drawn curve; beyond it every k-th iteration is drawn


def ranks(shown: Iterable[str], arms: Sequence[str]) -> dict[str, int]:
    """The rank of every arm, which fixes its look: its place in ``arms``, the file's; other arms come after them."""
    return {arm: place for place, arm in enumerate(dict.fromkeys([*arms, *shown]))}


class SweepCurves:
    """Curves of the groups of one variant (or of all groups where there are none)."""

    def __init__(self, sweep: Sweep, groups: Sequence[str], arms: Sequence[str]) -> None:
        self.sweep, self.groups = sweep, list(groups)
        self.iterations = int(sweep.definition["training"]["iterations"])
        self.stride = max(1, math.ceil(self.iterations / MAX_POINTS))
        self.entropy_nats = sweep.entropy_nats
        self.is_figure1 = sweep.definition["codes"] == FIGURE1_CODES and sweep.definition["data"]["name"] == "mnist"
        self.arm_of = {group: arm_of(group) for group in groups}
        rank = ranks(self.arm_of.values(), arms)
        self.rank_of = {group: rank[arm] for group, arm in self.arm_of.items()}

    def runs(self, group: str) -> list[Run]:
        """Runs with a curve of any length."""
        return [run for run in self.sweep.groups()[group] if run.history is not None and len(run.history)]

    def curve(self, run: Run, column: str | None = None) -> np.ndarray | None:
        """A named column of one run, or Q's knowledge of its codes, (T,): L_I of the categorical ones in nats or,
        without any, the mean share of the continuous ones' variance that Q explains. Their L_I has no meaningful 0:
        with a fixed deviation of 1 it is below -0.2 nats a code however much Q knows.
        """
        if run.history is None:
            return None
        if column is not None:
            return run.history.column(column) if column in run.history.names else None
        if self.entropy_nats:
            return mi_curve(run.cell.config, run.history)
        return explained_curve(run.cell.config, run.history)

    def finished(self, group: str, column: str | None = None) -> np.ndarray | None:
        """Finished seeds' curves, (seeds, T): what Q knows, or a named column."""
        return stacked(self.curve(run, column) for run in self.runs(group) if run.state == "done")

    def times(self) -> dict[str, list[float]]:
        """T80 of every finished or diverged seed, by group; empty where there is no such time."""
        return {g: list(self.sweep.t80(g).values()) for g in self.groups}

    def thin(self, curve: np.ndarray, last: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Iterations and values up to ``last``: every k-th point and the last."""
        curve = curve[:last]
        kept = np.unique(np.append(np.arange(0, len(curve), self.stride), len(curve) - 1))
        return kept + 1, curve[kept]


def spread(wanted: list[float], gap: float) -> list[float]:
    """Heights in rising order, at least ``gap`` apart and near those wanted; those that touch move to a common mean.

    They stay between 0 and 1, the edges of the panel, unless there is no room.
    """
    from scipy.optimize import isotonic_regression

    places = gap * np.arange(len(wanted))
    heights = places + isotonic_regression(np.array(wanted) - places).x
    return np.maximum(np.minimum(heights, 1.0 - places[::-1]), places).tolist()
