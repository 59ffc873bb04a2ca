"""What ``plan`` says of cells that are not to run: given up, unreadable, or without weights to measure again."""

from pathlib import Path
from typing import Any

import pytest

from bench.commands import plan as command
from bench.context import Context
from bench.records.folder import CellFolder
from bench.records.seals import write_json
from bench.run.plan import plan
from tests.bench.recorded_sweep import record


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
    (folder.path / "weights.safetensors").unlink()
    write_json(folder.path / "left_out.json", {"files": ["weights.safetensors"]}, without.key)
    command.plan(["mnist"], **options)
    said = " ".join(capsys.readouterr().out.split())
    assert "1 unreadable" in said
    assert [p.lacks_weights for p in plan(tmp_path, [given_up, unreadable, without], None)] == [False, False, True]
    assert "1 of them came without weights, so not all their measures are of this code" in said
