"""Finished cells of Figure 2 with an atlas of a painting generator: what explorers are built from."""

from pathlib import Path

import numpy as np

from bench.context import DEFAULT_SPEC
from bench.records.folder import CellFolder
from bench.records.history import History
from bench.spec.cells import Cell, Selection, cells
from bench.spec.tables import load_spec
from infogan.atlas import draw_atlas
from infogan.codes import LatentSpec
from infogan.data import DataInfo
from tests.infogan.painted import SPEC, Painted

ERRORS = {0: 0.31, 1: 0.10, 2: 0.20}  # on training images: seed 1 is the best, 2 the median
DIGITS = [3, -1, 0, 1, 2, 4, 5, 6, 7, 8]  # of each category


def planned(arms: tuple[str, ...], seeds: tuple[int, ...]) -> list[Cell]:
    info = DataInfo("mnist", "files", "Real MNIST.", "ab" * 32, 60000, 10000, True)
    chosen = Selection(arms=arms, seeds=seeds)
    found = cells(load_spec(DEFAULT_SPEC), "mnist", "cpu", chosen, info, "cpu", {"torch": "2"})
    return [cell for cell in found if cell.seed in seeds]


def record(results: Path, cell: Cell, *, drawn: bool = True, spec: LatentSpec = SPEC) -> CellFolder:
    """A finished cell that was measured; its pictures are those of :class:`Painted`, whatever its arm and codes."""
    folder = CellFolder.of(results, cell)
    folder.write_identity(cell, {"git_commit": "0", "packages": {}}, cell.config["data"] | {"note": "A note."})
    names = ("loss/discriminator", "loss/generator", "mi/c1", "mi/c2", "mi/c3", "explained/c2", "explained/c3")
    values = np.ones((cell.iterations, len(names)), np.float32)
    folder.write_history(History(names, values, np.array([cell.iterations]), np.array([9.0])))
    error = ERRORS[cell.seed] if cell.arm != "gan" else 0.9
    digits = {"key": "k", "seconds": 1.0, "values": {"digit_error_train": error}, "reasons": {}}
    folder.write_measures("digits", digits | {"details": {"errors": {"one_to_one_digits": DIGITS}}, "series": {}})
    if drawn:
        folder.write_atlas(draw_atlas(Painted(), spec, cell.seed, signed=False).to_arrays())
    seconds = {"train": 45.0, "checkpoint": 0.5, "evaluate": 3.0, "prepare": 0.1}
    result = {"status": "done", "iterations": cell.iterations, "mi_frozen_nats": {"c1": 2.2}, "seconds": seconds}
    folder.write_result(result | {"resumes": 0, "peak_memory_mb": 900.0, "notes": []})
    return folder
