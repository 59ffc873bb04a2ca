"""Records to runs and sweeps: what reports, claims and the gate read.

A sweep shares one definition, and each of its arms one treatment: cells of another are kept apart.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

import numpy as np

from bench.analysis.convergence import improvement
from bench.analysis.summary import categorical_entropy_nats, measured_values, mi_curve, stacked, summarise
from bench.environment import DataRecord, Environment
from bench.records.folder import CellFolder, State
from bench.records.history import History
from bench.records.schema import Launch, Measured, Measures, Result
from bench.records.storage import CorruptRecord, in_words
from bench.spec.cells import Cell
from bench.spec.config import Config, Definition


@dataclass(frozen=True)
class Run:
    """One cell as recorded."""

    cell: Cell
    state: State
    environment: Environment
    data: DataRecord
    history: History | None
    result: Result | None
    folder: CellFolder | None = None
    measures: Measures = field(default_factory=dict)  # as recorded
    measures_damage: str = ""  # why there are none, if their record is damaged

    @cached_property
    def summary(self) -> dict[str, float]:
        """Measures so far; empty before the first checkpoint."""
        if self.history is None or not len(self.history):
            return {}
        config, history = self.cell.config, self.history
        found = summarise(config, history, self.result) | measured_values(self.measures)
        return found | improvement(config, mi_curve(config, history), self.measures)

    def measured(self, family: str) -> Measured:
        """A family's entry; an empty one where it was not measured."""
        return self.measures.get(family, Measured())

    @property
    def diverged(self) -> bool:
        """Failed because a loss stopped being a number: a result about the seed, unlike a crash."""
        return self.state == "failed" and self.result is not None and self.result.diverged

    @property
    def ended(self) -> bool:
        """Done or diverged."""
        return self.state == "done" or self.diverged


@dataclass(frozen=True)
class Sweep:
    """Runs of one experiment at one profile with one definition."""

    experiment: str
    profile: str
    definition: Definition
    definition_key: str
    runs: list[Run]
    launches: list[Launch] = field(default_factory=list)
    is_current: bool = True  # all runs are what experiments.toml now asks for, as far as that is known
    expected: Config | None = None  # if all are of one group: the configuration that it now gives the first

    @property
    def launcher_share(self) -> float | None:
        """Processor time of tracking and progress over training time, of the launches that trained these cells."""
        trained = [launch for launch in self.launches if launch.train_s]
        train_s = sum(launch.train_s for launch in trained)
        return sum(launch.launcher_cpu_s for launch in trained) / train_s if train_s else None

    @property
    def entropy_nats(self) -> float:
        """H(c) of the categorical codes together."""
        return categorical_entropy_nats(self.definition)

    def groups(self) -> dict[str, list[Run]]:
        """Runs by group, ``variant/arm``, each sorted by seed."""
        ordered = sorted(self.runs, key=lambda r: (r.cell.group, r.cell.seed))
        return {group: list(runs) for group, runs in groupby(ordered, key=lambda r: r.cell.group)}

    def done(self, group: str) -> list[Run]:
        """Finished runs of one group, sorted by seed."""
        return [run for run in self.groups().get(group, []) if run.state == "done"]

    def t80(self, group: str) -> dict[int, float]:
        """T80 by seed of the finished runs and of those that diverged, in iterations; empty without a categorical code.

        Infinity: later than the budget, as a seed counts that diverged.
        """
        if not self.entropy_nats:
            return {}
        runs = self.groups().get(group, [])
        finished = {run.cell.seed: run.summary["t80"] for run in runs if run.state == "done" and "t80" in run.summary}
        return finished | {run.cell.seed: math.inf for run in runs if run.diverged}

    def median_curve(self, group: str) -> np.ndarray | None:
        """Median over finished seeds of the categorical L_I at each iteration that all of them have, (T,) nats."""
        curves = stacked(mi_curve(r.cell.config, r.history) for r in self.done(group) if r.history is not None)
        return None if curves is None else np.median(curves, axis=0)


def load_run(folder: CellFolder) -> Run:
    """One cell's records. Raises CorruptRecord, also where sound ones do not fit together; or OSError."""
    identity, state, damage = folder.identity(), folder.state(), ""
    if state == "done":
        folder.require_whole_history()
    try:
        measures = folder.sound_measures()
    except (CorruptRecord, OSError) as error:
        measures, damage = {}, in_words(error)
    recorded = folder.history(), folder.result(), folder, measures, damage
    run = Run(identity.cell(), state, identity.environment, identity.data, *recorded)
    try:
        require_usable(run)
    except ValueError as error:
        raise CorruptRecord(f"its records {error}") from error
    return run


def require_usable(run: Run) -> None:
    """Raises ValueError for a run whose records lack what reports and the gate compute from them."""
    try:
        described = run.cell.comparison, run.summary, run.cell.definition_key
        if run.state == "done" and run.cell.comparison["codes"] and not described[1]:
            raise KeyError("history")
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"do not fit together: {type(error).__name__}: {error}") from error


def ranked(runs: Iterable[Run]) -> list[Run]:
    """Finished runs of an arm, the best first; equal ones stay in the order of their seeds.

    Few errors on the training digits, which no held-out image chooses, make a run good; then information.
    """

    def worth(run: Run) -> tuple[float, float]:
        frozen = (run.result and run.result.mi_frozen_nats) or {}
        information_nats = run.summary.get("mi_frozen_nats", sum(frozen.values()))
        return -run.summary.get("digit_error_train", 1.0), information_nats

    return sorted(runs, key=worth, reverse=True)


def median_of(best_first: list[Run]) -> Run:
    """The lower median of ranked runs. Raises IndexError where there is none."""
    return best_first[len(best_first) // 2]
