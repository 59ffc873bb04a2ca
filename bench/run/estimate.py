"""``plan --estimate``: train and measure short trial cells of every kind, and extrapolate time, disk space and price.

A kind is everything that a step's time depends on: network, width, batch size, codes, device, trained parts; not seeds,
learning rates or initialisation. As many trials run at once as in the real sweep, since neighbours slow each other
down.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bench.records.folder import WEIGHTS, CellFolder
from bench.records.schedule import makespan_s
from bench.records.tasks import STRETCH, CellTask, EventValues
from bench.run.executors.base import Executor, StopRequest
from bench.run.plan import PlannedCell
from bench.run.work import checkpoint_bytes, reached_iterations
from bench.spec.cells import Cell, digest
from bench.spec.config import Config, Training

TRIAL_STRETCHES = {"cpu": 2, "cuda": 10}  # per trial; the first is a warm-up and does not count
POINT_BYTES = 268  # a row with its indexes in SQLite, with the schema of MLflow 3.17; see bench.publish.scaling
ONLY_NUMBERS = {  # settings that do not change the amount of arithmetic
    "learning_rate_discriminator", "learning_rate_generator", "learning_rate_q", "beta1", "beta2", "adam_eps",
    "mi_weight_discriminator", "mi_weight_generator", "iterations", "init", "init_std", "gain_std", "slope",
    "batch_norm_eps",
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """Measurements of one kind of cell."""

    iteration_ms: float
    outside_s: float  # per cell: start, evaluation, measures, records
    fixed_bytes: int  # size of a cell's folder without its history
    mirrored_bytes: int  # size of its artifacts in MLflow
    history_bytes: float  # per iteration, in the folder and in MLflow


@dataclass(frozen=True)
class TrialTimes:
    """Measurements by kind. ``start_s``: how long the first cells wait for the workers' server."""

    kinds: dict[str, Kind]
    start_s: float
    failures: list[str]


@dataclass(frozen=True)
class Left:
    """Cells still to train, of one experiment or of all, and what they will take."""

    num_cells: int
    iteration_ms: tuple[float, float]  # of the fastest and the slowest kind
    outside_s: float  # mean per cell
    seconds: float
    kept_bytes: int
    peak_bytes: int


def kind_of(cell: Cell) -> str:
    """Digest of everything that decides a cell's time, per iteration and outside training."""
    c = cell.config

    def relevant(table: Mapping[str, object]) -> dict[str, object]:
        return {name: value for name, value in table.items() if name not in ONLY_NUMBERS}

    trained = [any(c["training"]["mi_weight_discriminator"]), any(c["training"]["mi_weight_generator"])]
    same = [c["architecture"], c["noise"], c["codes"], c["device"], c["data"]]
    return digest([cell.experiment, relevant(c["network"]), relevant(c["training"]), trained, *same])


def trial_of(cell: Cell, number: int) -> Cell:
    """A copy of the cell with few iterations and another seed, so that several of one kind can run side by side."""
    wanted = STRETCH * TRIAL_STRETCHES[cell.config["device"]]
    training: Training = {**cell.config["training"], "iterations": min(wanted, cell.iterations)}
    config: Config = {**cell.config, "seed": number, "training": training}
    return replace(cell, config=config)


def measure(
    planned: list[PlannedCell],
    task_of: Callable[[Cell, Path], CellTask],
    executor: Executor,
    stop: StopRequest,
    scratch: Path | None = None,
) -> TrialTimes:
    """Run the trials in a temporary folder below ``scratch``.

    The first kind of each experiment runs twice: its first cells render data and train readers into caches, which a
    real sweep would then find there.
    """
    todo = [item.cell for item in planned if item.to_train]
    examples = {kind_of(cell): cell for cell in reversed(todo)}
    trials: list[tuple[str, Cell]] = []
    warmed: set[str] = set()
    for kind, cell in reversed(examples.items()):
        rounds = 1 if cell.experiment in warmed else 2
        warmed.add(cell.experiment)
        trials += [(kind, trial_of(cell, number)) for number in range(rounds * executor.jobs)]
    folder = Path(tempfile.mkdtemp(prefix="infogan-estimate-", dir=scratch))
    try:
        clock = _Clock()
        outcomes = executor.run([task_of(cell, folder) for _, cell in trials], clock.event, stop)
        if stop.requested:
            return TrialTimes({}, 0.0, ["interrupted"])
        failures = [
            f"{cell.experiment}: {cell.name} not measured: {clock.messages.get(cell.key) or 'it did not finish'}"
            for _, cell in trials
            if outcomes.get(cell.key) != "done"
        ]
        by_kind = {
            kind: [cell for own, cell in trials if own == kind and outcomes.get(cell.key) == "done"][-executor.jobs :]
            for kind in examples
        }
        kinds = {kind: _kind(folder, cells, clock) for kind, cells in by_kind.items() if cells}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return TrialTimes(kinds, clock.start_s(trials[0][1].key, trials[-1][1].key), failures)


class _Clock:
    """Times in seconds at which each trial started, sent its first event, and ended."""

    def __init__(self) -> None:
        self.started: dict[str, float] = {}
        self.heard: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        self.messages: dict[str, str] = {}
        self._begun = time.perf_counter()

    def event(self, task: CellTask, kind: str, values: EventValues) -> None:
        now, key = time.perf_counter(), task.cell.key
        if kind == "started":
            self.started[key] = now
        else:
            self.heard.setdefault(key, now)
        if kind in ("done", "failed", "stopped"):
            self.ended[key], self.messages[key] = now, values.get("message", "")

    def start_s(self, first: str, last: str) -> float:
        """How much longer the first cell took to its first event than the last one."""
        if not {first, last} <= self.heard.keys():
            return 0.0
        return max(0.0, self.heard[first] - self._begun - (self.heard[last] - self.started[last]))


def _kind(results: Path, cells: list[Cell], clock: _Clock) -> Kind:
    """Medians over the trials of one kind."""
    steps, outside, folders = [], [], [CellFolder.of(results, cell) for cell in cells]
    for cell, folder in zip(cells, folders, strict=True):
        history, result = folder.history(), folder.result()
        assert history is not None
        assert result is not None
        assert result.seconds is not None
        # without the first stretch, a warm-up
        steps.append(float(history.step_ms[1:].mean() if len(history.step_ms) > 1 else history.step_ms.mean()))
        outside.append(clock.ended[cell.key] - clock.started[cell.key] - result.seconds.train)
    path = folders[-1].path
    sizes = {file.name: file.stat().st_size for file in path.iterdir() if file.is_file()}
    history_size = sizes.pop("history.npz", 0)
    assert history is not None
    row = history_size / len(history) + POINT_BYTES * (len(history.names) + 2)  # plus the sums over codes
    mirrored = sizes.get(WEIGHTS, 0) + 2 * sizes.get("traversals.npz", 0) + 2 * sizes.get("snapshots.npz", 0)
    return Kind(statistics.median(steps), statistics.median(outside), sum(sizes.values()), mirrored, row)


def left(results: Path, planned: list[PlannedCell], measured: TrialTimes, jobs: int) -> Left:
    """Time and disk space of the cells still to train, in order, ``jobs`` at a time. Every kind must be measured."""
    cells = [(item.cell, measured.kinds[kind_of(item.cell)]) for item in planned if item.to_train]
    seconds = []
    for cell, kind in cells:
        remaining = max(0, cell.iterations - reached_iterations(CellFolder.of(results, cell)))
        seconds.append(remaining * kind.iteration_ms / 1e3 + kind.outside_s)
    kept = [kind.fixed_bytes + kind.mirrored_bytes + kind.history_bytes * cell.iterations for cell, kind in cells]
    iteration_ms = [kind.iteration_ms for _, kind in cells]
    return Left(
        len(cells),
        (min(iteration_ms), max(iteration_ms)),
        statistics.fmean(kind.outside_s for _, kind in cells),
        measured.start_s + makespan_s(seconds, jobs),
        round(sum(kept)),
        round(sum(kept)) + checkpoint_bytes([cell for cell, _ in cells], jobs),
    )
