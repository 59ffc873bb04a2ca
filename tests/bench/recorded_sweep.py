"""Made cells of Figure 1, with curves as the paper's arms have them: what reports and references are drawn from."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from bench.records.folder import CellFolder
from bench.records.history import History
from bench.spec.cells import Cell, Selection, cells
from bench.spec.tables import Spec
from infogan.data import DataInfo


def planned(
    spec: Spec, seeds: tuple[int, ...] = (0, 1, 2, 3, 4), profile: str = "cpu", digest: str = "ab" * 32
) -> list[Cell]:
    info = DataInfo("mnist", "files", "Real MNIST.", digest, 60000, 10000, True)
    return cells(
        spec, "mnist-mi", profile, Selection(seeds=seeds), info, "cpu", {"torch": "2", "training_code": "c0de"}
    )


def curve(cell: Cell, length: int) -> np.ndarray:
    """L_I of a cell: infogan-fast-q follows the paper's curve, infogan comes later, the baselines stay low."""
    t = np.arange(1, length + 1)
    if cell.arm == "infogan-fast-q":
        mi = np.interp(t, (0, 10, 20, 30, 50, 100), (0.0, 1.05, 1.79, 2.07, 2.17, 2.25))
    elif cell.arm == "infogan":
        mi = 2.25 / (1 + np.exp(-(t - 60) / 15))
    else:
        mi = 0.05 + 0.5 * np.exp(-(((t - 100) / 30) ** 2))
    return mi + 0.001 * cell.seed + np.random.default_rng(cell.seed).normal(0, 0.002, length)


def record(
    results: Path,
    cell: Cell,
    *,
    done: bool = True,
    length: int | None = None,
    result: dict[str, Any] | None = None,
    note: str = "A note.",
) -> CellFolder:
    folder = CellFolder.of(results, cell)
    environment = {
        "python": "3.11",
        "packages": {"torch": "2"},
        "cpu": "a cpu",
        "cores": 2,
        "device": "cpu",
        "gpu": None,
        "git_commit": "0123",
        "host": "secret-host",
    }
    folder.write_identity(cell, environment, cell.config["data"] | {"is_papers": True, "note": note})
    length = cell.iterations if length is None else length
    if length:
        mi = curve(cell, length)
        losses = np.full(length, 2 * math.log(2)), np.full(length, math.log(2))
        folder.write_history(
            History(
                ("loss/discriminator", "loss/generator", "mi/c1"),
                np.stack([*losses, mi], 1),
                np.array([length]),
                np.array([150.5]),
            )
        )
    if done:
        folder.write_weights(b"weights" * 100)
        grid = np.random.default_rng(cell.seed).integers(0, 255, (5, 10, 28, 28, 1), dtype=np.uint8)
        folder.write_traversals({"c1": grid})
        seconds = {"train": 45.0, "checkpoint": 0.5, "evaluate": 3.0, "prepare": 0.1}
        final = {
            "status": "done",
            "iterations": length,
            "mi_frozen_nats": {"c1": 2.2},
            "seconds": seconds,
            "resumes": 0,
            "peak_memory_mb": 900.0,
            "notes": [],
        }
        folder.write_result(final | (result or {}))
    elif result:
        folder.write_result({"status": "failed", "notes": []} | result)
    return folder
