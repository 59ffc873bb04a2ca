"""A finished cell on disk, written as the harness writes it but without training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.records.folder import CellFolder
from bench.records.history import History
from bench.spec.cells import Cell, Selection, cells
from bench.spec.tables import load_spec
from infogan.data import DataInfo
from tests.end_to_end.harness import SPEC

DATA = DataInfo("mnist", "embedded", "note", "ab" * 32, 4000, 1000, False)
VERSIONS = {"torch": "2.14.1", "training_code": "0" * 16}


def finished_cell(
    results: Path, *, seed: int = 0, said: str = "digits", settings: Sequence[str] = (), **result: Any
) -> CellFolder:
    """A done cell of the tiny experiment; ``said`` is all its free text, ``result`` changes how it ended."""
    spec_file = results.parent / "sound.toml"
    spec_file.write_text(SPEC.replace("ITERATIONS", "30"))
    selection = Selection(arms=("infogan",), seeds=(seed,))
    cell = cells(load_spec(spec_file, settings), "tiny", "cpu", selection, DATA, "cpu", VERSIONS)[0]
    return finished(results, cell, said=said, **result)


def finished(results: Path, cell: Cell, *, said: str = "digits", **result: Any) -> CellFolder:
    """The same of any cell of that experiment."""
    folder = CellFolder.of(results, cell)
    folder.write_identity(cell, {"cpu": said, "packages": {"torch": "2.14.1"}}, {"note": said, "source": "embedded"})
    names = ("loss/discriminator", "loss/generator", "mi/c1", "mi/c2", "explained/c2")
    values = np.linspace(0.1, 2.0, 30 * len(names), dtype=np.float32).reshape(30, -1)
    folder.write_history(History(names, values, np.array([25, 30]), np.array([9.0, 8.0])))
    folder.write_measures("digits", {"key": "k", "seconds": 1.0, "values": {"measure/x": 0.5}, "details": {}})
    seconds = {"train": 1.0, "checkpoint": 0.1, "evaluate": 0.1, "prepare": 0.1}
    health = {"status": "ok", "reason": said, "variety": 0.5, "distinctness": 0.5, "saturation": None}
    folder.write_result(
        {"status": "done", "iterations": 30, "mi_frozen_nats": {"c1": 1.0, "c2": 0.1}, "notes": [said], "resumes": 0}
        | {"seconds": seconds, "health": health, "peak_memory_mb": 100.0}
        | result
    )
    folder.write_traversals({"c1": np.zeros((2, 3, 28, 28, 1), np.uint8)})
    return folder
