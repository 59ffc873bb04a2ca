"""Fabricated cells for the mirror, with every kind of record, and what a store holds of them."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from bench.records.folder import CellFolder
from bench.records.history import History
from bench.records.schema import Result
from bench.spec.cells import Cell
from tests.small_weights import small_weights

ITERATIONS = 60


CATEGORICAL = {"kind": "categorical", "num_categories": 10}


CONTINUOUS = {"kind": "continuous", "std": "learned", "log_std_clamp": [-4.0, 2.0]}


def make_cell(seed: int = 0, codes: tuple[dict[str, Any], ...] = (CATEGORICAL, CONTINUOUS)) -> Cell:
    config = {
        "experiment": "toy",
        "profile": "smoke",
        "data": {"name": "mnist", "source": "embedded", "digest": "ab" * 32, "num_images": 2000},
        "noise": {"size": 62, "prior": "uniform"},
        "codes": list(codes),
        "device": "cpu",
        "variant": None,
        "arm": "infogan",
        "seed": seed,
        "training": {
            "iterations": ITERATIONS,
            "batch_size": 128,
            "learning_rate_discriminator": 2e-4,
            "learning_rate_generator": 1e-3,
            "learning_rate_q": 2e-4,
            "mi_trains_trunk": True,
            "mi_weight_generator": [1.0] * len(codes),
        },
    }
    return Cell(config, {"codes": list(codes)})


def make_history(cell: Cell, num: int = ITERATIONS, *, learns: bool = True) -> History:
    """A history: losses with one NaN, a categorical curve that rises to H(c) or stays near 0, a continuous curve."""
    t = np.arange(1, num + 1)
    columns = {"loss/discriminator": 1.0 + 0.3 * np.sin(t), "loss/generator": 0.7 + 0.1 * np.cos(t)}
    columns["loss/generator"][4] = np.nan
    for i, code in enumerate(cell.config["codes"], 1):
        if code["kind"] == "categorical":
            columns[f"mi/c{i}"] = math.log(10) * (1 - np.exp(-t / 8)) if learns else 0.05 * np.sin(t / 9)
        else:
            columns |= {f"mi/c{i}": 0.5 + t / 100, f"explained/c{i}": t / 200}
    stretches = np.arange(25, num + 1, 25)
    values = np.stack(list(columns.values()), axis=1).astype(np.float32)
    return History(tuple(columns), values, stretches, stretches / 10.0)


def begin(results: Path, cell: Cell, num: int) -> CellFolder:
    """A cell that was interrupted after ``num`` iterations."""
    folder = CellFolder.of(results, cell)
    folder.write_identity(cell, {"git_commit": "0123456789ab", "python": "3.11"}, cell.config["data"])
    folder.write_history(make_history(cell, num))
    return folder


def finish(folder: CellFolder, *, learns: bool = True) -> CellFolder:
    """Finish the same cell."""
    cell = folder.cell()
    folder.write_history(make_history(cell, cell.iterations, learns=learns))
    grid = np.arange(5 * 10 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(5, 10, 28, 28, 1)
    folder.write_traversals({f"c{i}": grid for i in range(1, len(cell.config["codes"]) + 1)})
    folder.write_weights(small_weights())
    frozen = {f"c{i}": 2.0 for i in range(1, len(cell.config["codes"]) + 1)}
    folder.write_result(Result(status="done", iterations=cell.iterations, mi_frozen_nats=frozen))
    return folder


def done_cell(results: Path, cell: Cell, *, learns: bool = True) -> CellFolder:
    return finish(begin(results, cell, 10), learns=learns)


def the_run(client: Any, name: str = "toy-smoke") -> Any:
    (run,) = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    return run


def stored(client: Any, run_id: str, metric: str) -> list[tuple[int, float]]:
    return sorted((m.step, m.value) for m in client.get_metric_history(run_id, metric))


def assert_holds(client: Any, run_id: str, metric: str, column: np.ndarray) -> None:
    steps, values = zip(*stored(client, run_id, metric), strict=True)
    assert steps == tuple(range(1, len(column) + 1))
    np.testing.assert_array_equal(values, column.astype(np.float64))  # NaN equals NaN
