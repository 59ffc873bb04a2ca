"""A cell that the authors' rule gives up is done, with the iteration, as plan shows; probes keep theirs."""

from pathlib import Path
from typing import Any

import pytest

from bench.records.folder import CellFolder
from bench.records.tasks import CellTask
from bench.run import plan
from bench.run.train_cell import CellRun
from bench.spec.cells import Cell
from infogan import data
from tests.bench.attempts import attempt
from tests.builders import planned, tiny_file


def cell_of(tmp_path: Path, arm: str = "infogan") -> Cell:
    file = tiny_file(tmp_path, ("[defaults.training]", '[defaults.training]\ngive_up = "authors"'))
    return planned(file, data=data.describe("mnist", "embedded"), versions={}, arms=(arm,), seeds=(0,))[0]


def test_a_cell_that_is_given_up_is_done_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PATIENCE_EPOCHS", 2), ("EPOCH_ITERATIONS", 3), ("FAKE_PROBABILITY", 2.0)):
        monkeypatch.setattr(f"infogan.giving_up.{name}", value)  # every epoch of three iterations is stuck
    monkeypatch.setattr("infogan.training.EPOCH_ITERATIONS", 3)
    cell, events = cell_of(tmp_path), []
    task = CellTask(cell, tmp_path, None, {"git_commit": "0", "packages": {}})
    folder = CellFolder.of(tmp_path, cell)

    def report(kind: str, values: dict[str, Any]) -> None:
        events.append((kind, values))

    with folder.lock("test"):
        assert attempt(CellRun(task, report, lambda: False)) == "done"
    result, history = folder.result(), folder.history()
    assert result is not None
    assert history is not None
    assert result.given_up_at == result.iterations == len(history) == 6
    said = "given up at iteration 6 by the authors' rule"
    assert said in result.notes
    assert ("note", {"text": said}) in events
    (found,) = plan.plan(tmp_path, [cell], "sqlite:///nothing")
    assert found.detail == said
    assert not found.to_train
