"""Fabricated cells of Figure 1 with curves like those of the paper's arms, to draw reports and references from."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.records.folder import CellFolder
from bench.records.schema import Result
from bench.spec.cells import Cell
from bench.spec.tables import Spec
from tests import builders
from tests.builders import begun, ended, history_of
from tests.small_weights import small_weights

VERSIONS = {"torch": "2", "training_code": "c0de"}


def planned(
    spec: Spec, seeds: tuple[int, ...] = (0, 1, 2, 3, 4), profile: str = "cpu", digest: str = "ab" * 32
) -> list[Cell]:
    data = replace(builders.PAPERS_DATA, digest=digest)
    return builders.planned(spec, "mnist-mi", profile, data=data, versions=VERSIONS, seeds=seeds)


def curve(cell: Cell, length: int) -> np.ndarray:
    """A cell's curve of L_I: infogan-fast-q follows the paper's curve, infogan is slower, the baselines stay low."""
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
    environment: Any = {
        "python": "3.11",
        "packages": {"torch": "2"},
        "cpu": "a cpu",
        "cores": 2,
        "device": "cpu",
        "gpu": None,
        "git_commit": "0123",
        "host": "secret-host",
    }
    length = cell.iterations if length is None else length
    if length:
        losses = {"loss/discriminator": 2 * math.log(2), "loss/generator": math.log(2)}
        curves = history_of({**losses, "mi/c1": curve(cell, length)}, length, step_ms=150.5)
        folder = begun(results, cell, curves, environment=environment, is_papers=True, note=note)
    else:
        folder = CellFolder.of(results, cell)
        said: Any = cell.config["data"] | {"is_papers": True, "note": note}
        folder.write_identity(cell, environment, said)
    if done:
        folder.write_weights(small_weights())
        grid = np.random.default_rng(cell.seed).integers(0, 255, (5, 10, 28, 28, 1), dtype=np.uint8)
        folder.write_traversals({"c1": grid})
        ended(folder, **(result or {}))
    elif result:
        failed: Any = {"status": "failed", "notes": []}
        folder.write_result(Result(**failed | result))
    return folder
