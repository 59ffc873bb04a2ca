"""Cells with their states, asked of each cell's folder: what is to train, to measure, to mirror, and what is done."""

from dataclasses import dataclass
from pathlib import Path

from bench.records.folder import CellFolder
from bench.records.storage import in_words
from bench.spec.cells import Cell
from bench.tracking.store import is_synced


@dataclass(frozen=True)
class PlannedCell:
    """A cell and its state: missing, partial, running, failed, diverged, done, unmeasured, unsynced or unreadable.

    Diverged: a loss stopped being a number, as it would again, so the cell is not trained anew. Unmeasured: trained,
    but measures are missing or outdated. Unsynced: done, but not completely mirrored. Unreadable: its records cannot
    be read now, so it is left alone.
    """

    cell: Cell
    state: str
    detail: str  # for example the error of a failed cell
    lacks_weights: bool = False  # whether its measures are outdated, but it came without the weights to renew them

    @property
    def to_train(self) -> bool:
        return self.state in ("missing", "partial", "running", "failed")

    @property
    def to_run(self) -> bool:
        return self.to_train or self.state == "unmeasured"


def plan(results: Path, cells: list[Cell], uri: str | None) -> list[PlannedCell]:
    """States of the cells, from their records only. Without the address of a store, mirroring is not checked."""
    planned = []
    for cell in cells:
        folder = CellFolder.of(results, cell)
        try:
            state, detail = _state(folder, cell, uri)
            lacks_weights = state in ("done", "unsynced") and bool(_not_measured_again(folder, cell))
        except OSError as error:
            state, detail, lacks_weights = "unreadable", in_words(error), False
        planned.append(PlannedCell(cell, state, detail, lacks_weights))
    return planned


def _state(folder: CellFolder, cell: Cell, uri: str | None) -> tuple[str, str]:
    """State and detail of a cell. Raises OSError."""
    state: str = folder.state()
    if state == "done" and (damage := folder.end_damage(quick=True)):
        return "partial", f"{damage}; it will be trained again"
    if state == "failed":
        result = folder.result()
        if result and result.diverged:
            return "diverged", f"diverged: {result.message}; to train it anew, remove {folder.path}"
        return state, result.message if result else ""
    if state == "done" and (families := folder.unmeasured(cell)):
        errors = [entry.error for entry in folder.measures().values() if entry.error]
        return "unmeasured", errors[0] if errors else ", ".join(families)
    if state == "done":
        is_mirrored = uri is None or is_synced(folder, uri)
        return "done" if is_mirrored else "unsynced", _detail(folder, cell)
    return state, ""


def _detail(folder: CellFolder, cell: Cell) -> str:
    """Remarks on a finished cell."""
    found = []
    if (result := folder.result()) and result.given_up_at:
        found.append(f"given up at iteration {result.given_up_at} by the authors' rule")
    if families := _not_measured_again(folder, cell):
        found.append(f"came without weights: {', '.join(families)} not measured again")
    return "; ".join(found)


def _not_measured_again(folder: CellFolder, cell: Cell) -> list[str]:
    """Families of measures that are missing or outdated and stay so, because the weights are not here."""
    return folder.outdated(cell) if folder.lacks_weights() else []
