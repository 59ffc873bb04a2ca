"""Finished cells of Figure 2, each with an atlas of a painting generator, to build explorers from."""

from pathlib import Path

from bench.records.folder import CellFolder
from bench.records.schema import Measured
from bench.spec.cells import Cell
from infogan.atlas import draw_atlas
from infogan.codes import LatentSpec
from tests import builders
from tests.infogan.painted import SPEC, Painted

ERRORS = {0: 0.31, 1: 0.10, 2: 0.20}  # on training images: seed 1 is the best, 2 the median
DIGITS = [3, -1, 0, 1, 2, 4, 5, 6, 7, 8]  # of each category


def planned(arms: tuple[str, ...], seeds: tuple[int, ...]) -> list[Cell]:
    found = builders.planned(builders.SHIPPED, "mnist", data=builders.PAPERS_DATA, arms=arms, seeds=seeds)
    return [cell for cell in found if cell.seed in seeds]


def record(results: Path, cell: Cell, *, drawn: bool = True, spec: LatentSpec = SPEC) -> CellFolder:
    """Record a finished, measured cell; its pictures are those of :class:`Painted`, whatever its arm and codes."""
    names = ("loss/discriminator", "loss/generator", "mi/c1", "mi/c2", "mi/c3", "explained/c2", "explained/c3")
    folder = builders.begun(results, cell, dict.fromkeys(names, 1.0), is_papers=False)
    error = ERRORS[cell.seed] if cell.arm != "gan" else 0.9
    values, details = {"digit_error_train": error}, {"errors": {"one_to_one_digits": DIGITS}}
    folder.write_measures("digits", Measured(key="k", values=values, details=details, seconds=1.0))
    if drawn:
        folder.write_atlas(draw_atlas(Painted(), spec, cell.seed, signed=False).to_arrays())
    return builders.ended(folder)
