"""Estimate how long cells will take, from the cells finished here or else from their arithmetic."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.records.folder import CellFolder
from bench.records.schedule import makespan_s
from bench.records.storage import CorruptRecord
from bench.run.plan import PlannedCell
from bench.spec.cells import Cell
from infogan.architectures import Costs, adapted, iteration_flops, network_costs
from infogan.measures.catalogue import FAMILIES
from infogan.own.networks import architecture_of

BYTES = 4  # of a parameter
ASSUMED_FLOPS_PER_S = 60e9  # of one core, used before any cell was finished here
ASSUMED_CARD_FLOPS_PER_S = 25e12  # of a GPU, shared by its cells; a guess: MNIST's iteration as a graph in 1.6 ms
ASSUMED_CELL_S = 3.0  # per cell, outside training: start, grids, records
ASSUMED_FAMILY_S = {"digits": 15.0, "factors": 60.0, "samples": 30.0}  # by family of measures, on a core of an EPYC
ASSUMED_OTHER_FAMILY_S = 10.0


@dataclass(frozen=True)
class Work:
    """Work of one cell in seconds; ``reached``: share of its training that is already done."""

    train_s: float
    outside_s: float
    measures_s: dict[str, float]  # by family still to be measured, in order
    reached: float = 0.0

    @property
    def total_s(self) -> float:
        """Total seconds, including what is already done."""
        return self.train_s + self.outside_s + sum(self.measures_s.values())

    @property
    def left_s(self) -> float:
        return self.total_s - self.reached * self.train_s


@dataclass(frozen=True)
class Estimate:
    """Seconds and bytes for the remaining cells; ``measured``: based on finished cells, not on arithmetic."""

    works: dict[str, Work]  # by cell key
    seconds: float
    peak_bytes: int
    kept_bytes: int
    measured: bool


def cell_costs(cell: Cell) -> dict[str, Costs]:
    """Costs of a cell's networks."""
    c = cell.config
    widths = [
        code["num_categories"] if code["kind"] == "categorical" else 2 if isinstance(code["std"], str) else 1
        for code in c["codes"]
    ]
    architecture = adapted(architecture_of(c), c["network"])
    return network_costs(architecture, cell.input_width, sum(widths), c["network"]["width"])


def num_parameters(cell: Cell) -> int:
    """Number of parameters of a cell's networks."""
    return sum(costs.parameters for costs in cell_costs(cell).values())


def checkpoint_bytes(cells: Sequence[Cell], jobs: int) -> int:
    """Most bytes of the cells' checkpoints, ``jobs`` at a time: two of each, with weights and two Adam moments."""
    return 2 * 3 * BYTES * sum(sorted(map(num_parameters, cells), reverse=True)[:jobs])


def training_flops(cell: Cell) -> float:
    """Floating-point operations of a whole cell, its weight in the overall progress."""
    return iteration_flops(cell_costs(cell), cell.config["training"]["batch_size"]) * cell.iterations


def estimate(results: Path, planned: Sequence[PlannedCell], jobs: int) -> Estimate:
    """Estimate the remaining training and measures on this machine, ``jobs`` cells at a time."""
    works, measured = _works(results, planned, jobs)
    todo = [item.cell for item in planned if item.to_train]
    kept = 2 * BYTES * sum(map(num_parameters, todo))  # weights in the cell's folder and in the mirror
    seconds = makespan_s((work.left_s for work in works.values()), max(1, jobs))
    return Estimate(works, seconds, kept + checkpoint_bytes(todo, jobs), kept, measured)


def _works(results: Path, planned: Sequence[PlannedCell], jobs: int) -> tuple[dict[str, Work], bool]:
    """Work by cell key, and whether it is based on cells finished here."""
    speed = _measured_speed(results, planned)
    beside = max(1, min(jobs, sum(item.to_train for item in planned)))
    guesses_s = {family: ASSUMED_FAMILY_S.get(family, ASSUMED_OTHER_FAMILY_S) for family in FAMILIES}
    families_s = guesses_s | _measured_families_s(results, planned)
    works = {}
    for item in planned:
        if not item.to_run:
            continue
        folder, cell = CellFolder.of(results, item.cell), item.cell
        families = cell.measures if item.to_train else folder.unmeasured(cell)
        measures_s = {family: families_s[family] for family in families}
        if item.to_train:
            reached = min(1.0, reached_iterations(folder) / cell.iterations)
            flops_per_s, outside_s = speed or (_assumed_flops_per_s(cell, beside), ASSUMED_CELL_S)
            works[cell.key] = Work(training_flops(cell) / flops_per_s, outside_s, measures_s, reached)
        else:
            works[cell.key] = Work(0.0, 0.0, measures_s)
    return works, speed is not None


def _assumed_flops_per_s(cell: Cell, beside: int) -> float:
    """Speed of one cell while ``beside`` cells run: each has its own core, but they share a GPU."""
    return ASSUMED_FLOPS_PER_S if cell.config["device"] == "cpu" else ASSUMED_CARD_FLOPS_PER_S / beside


def reached_iterations(folder: CellFolder) -> int:
    """Iterations up to the last checkpoint of a partial cell; 0 if there is none."""
    try:
        history = folder.history() if folder.has_checkpoint() else None
    except (CorruptRecord, OSError):
        history = None
    return 0 if history is None else len(history)


def _measured_speed(results: Path, planned: Sequence[PlannedCell]) -> tuple[float, float] | None:
    """FLOP/s in training and seconds outside training, from the finished cells; None without any."""
    finished = [
        (item.cell, CellFolder.of(results, item.cell).result()) for item in planned if item.state != "unreadable"
    ]
    seconds = [
        (training_flops(cell) * (result.given_up_at or cell.iterations) / cell.iterations, result.seconds)
        for cell, result in finished
        if result and result.status == "done" and result.seconds
    ]
    if not seconds:
        return None
    train_s = sum(s.train for _, s in seconds)
    outside_s = sum(s.checkpoint + s.evaluate + s.prepare for _, s in seconds) / len(seconds)
    return sum(flops for flops, _ in seconds) / train_s, outside_s


def _measured_families_s(results: Path, planned: Sequence[PlannedCell]) -> dict[str, float]:
    """Median seconds per family of measures, over the cells that have it."""
    found: dict[str, list[float]] = {}
    for item in planned:
        if item.state in ("done", "unsynced", "unmeasured"):
            for family, entry in CellFolder.of(results, item.cell).measures().items():
                if entry.values is not None and entry.seconds is not None:
                    found.setdefault(family, []).append(entry.seconds)
    return {family: statistics.median(seconds) for family, seconds in found.items()}
