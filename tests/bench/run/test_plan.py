"""What ``plan`` says of cells: which are to run and why, and which are not: given up, unreadable, without weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.commands import plan as command
from bench.context import Context
from bench.records.folder import CellFolder
from bench.records.schema import Measured
from bench.records.seals import write_json
from bench.run.plan import plan
from bench.spec.cells import Cell
from tests.bench.recorded_sweep import record


def smoke_cells(results: Path, seeds: str) -> list[Cell]:
    """Cells of one arm."""
    cells = Context(["mnist"], results=results, profile="smoke", seeds=seeds, no_tracking=True).cells
    return [cell for cell in cells if cell.arm == cells[0].arm]


def without_weights(folder: CellFolder, cell: Cell) -> None:
    """Make of a finished cell's folder one that came without weights."""
    (folder.path / "weights.safetensors").unlink()
    write_json(folder.path / "left_out.json", {"files": ["weights.safetensors"]}, cell.key)


def test_only_cells_that_came_without_weights_are_counted_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options: dict[str, Any] = {"results": tmp_path, "profile": "smoke", "seeds": "0-2", "no_tracking": True}
    context = Context(["mnist"], **options)
    given_up, unreadable, without = (cell for cell in context.cells if cell.arm == context.cells[0].arm)
    record(tmp_path, given_up, length=6, result={"given_up_at": 6})
    unreadable_folder = CellFolder.of(tmp_path, unreadable).path
    unreadable_folder.parent.mkdir(parents=True)
    unreadable_folder.write_text("not a folder")
    folder = record(tmp_path, without)
    command.plan(["mnist"], **options)
    assert "of them" not in capsys.readouterr().out
    without_weights(folder, without)
    command.plan(["mnist"], **options)
    said = " ".join(capsys.readouterr().out.split())
    assert "1 unreadable" in said
    for uri in (None, "sqlite:///none.db"):  # mirrored or not
        assert [p.lacks_weights for p in plan(tmp_path, [given_up, unreadable, without], uri)] == [False, False, True]
    assert "1 of them came without weights, so not all their measures are of this code" in said


def test_a_cell_that_did_not_end_well_says_why_and_is_to_train_unless_it_diverged(tmp_path: Path) -> None:
    failed, diverged, running, partial = cells = smoke_cells(tmp_path, "0-3")
    for cell, result in (
        (failed, {"error": "OSError", "message": "disk full"}),
        (diverged, {"error": "NonFiniteLoss", "message": "loss is nan at 6"}),
        (running, None),
        (partial, None),
    ):
        record(tmp_path, cell, length=6, done=False, result=result)
    with CellFolder.of(tmp_path, running).lock("a worker"):
        found = plan(tmp_path, cells, None)
    assert [(item.state, item.to_train) for item in found] == [
        ("failed", True), ("diverged", False), ("running", True), ("partial", True),
    ]  # fmt: skip
    to_remove = CellFolder.of(tmp_path, diverged).path
    remark = f"diverged: loss is nan at 6; to train it anew, remove {to_remove}"
    assert [item.detail for item in found] == ["disk full", remark, "", ""]


def test_a_trained_cell_says_which_measures_it_lacks_and_why_one_failed(tmp_path: Path) -> None:
    (cell,) = smoke_cells(tmp_path, "0")
    folder, cell = record(tmp_path, cell), replace(cell, measures=("digits", "samples"))
    (found,) = plan(tmp_path, [cell], None)
    assert (found.state, found.detail, found.to_train, found.to_run) == ("unmeasured", "digits, samples", False, True)
    folder.write_measures("samples", Measured(error="no samples"))
    (found,) = plan(tmp_path, [cell], None)
    assert (found.state, found.detail) == ("unmeasured", "no samples")


def test_a_cell_with_two_remarks_says_both_and_a_damaged_one_will_be_measured_again(tmp_path: Path) -> None:
    (cell,) = smoke_cells(tmp_path, "0")
    folder = record(tmp_path, cell, length=6, result={"given_up_at": 6})
    without_weights(folder, cell)
    cell = replace(cell, measures=("digits", "samples"))
    assert [plan(tmp_path, [cell], uri)[0].state for uri in (None, "sqlite:///none.db")] == ["done", "unsynced"]
    (found,) = plan(tmp_path, [cell], None)
    assert found.detail == (
        "given up at iteration 6 by the authors' rule; came without weights: digits, samples not measured again"
    )
    (folder.path / "history.npz").unlink()
    (found,) = plan(tmp_path, [cell], None)
    assert (found.state, found.lacks_weights) == ("partial", False)
