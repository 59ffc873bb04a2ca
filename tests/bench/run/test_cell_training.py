"""The training of one cell: when it stops, the times of its steps, and the notes that it keeps over interruptions."""

from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.records.checkpoints import NEWEST
from bench.records.folder import CellFolder
from bench.records.tasks import STRETCH, CellTask
from bench.run import cell_training
from bench.run.train_cell import CellRun
from infogan import data
from tests.bench.attempts import attempt
from tests.builders import planned, tiny_file

pytestmark = pytest.mark.usefixtures("few_samples")


def task_of(folder: Path, iterations: int) -> CellTask:
    file = tiny_file(folder, iterations=iterations)
    (cell,) = planned(file, data=data.describe("mnist", "embedded"), versions={}, arms=("gan",), seeds=(0,))
    return CellTask(cell, folder, None, {"git_commit": "0", "packages": {}}, checkpoint_every=1)


def until(task: CellTask, iteration: int) -> tuple[str, list[str]]:
    """Attempt the cell, asked to stop at an iteration; returns its outcome and its notes."""
    reached, notes = [0], []

    def report(kind: str, values: dict[str, Any]) -> None:
        if kind == "progress":
            reached[0] = values["iteration"]
        elif kind == "note":
            notes.append(values["text"])

    with CellFolder.of(task.results, task.cell).lock("test"):
        return attempt(CellRun(task, report, lambda: reached[0] >= iteration)), notes


def test_a_stop_at_the_last_iteration_comes_too_late_and_times_are_per_iteration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock on which every step takes a second; the last stretch has two iterations."""
    seconds = count()
    monkeypatch.setattr(cell_training, "time", SimpleNamespace(perf_counter=lambda: float(next(seconds))))
    task = task_of(tmp_path, STRETCH + 2)
    assert until(task, STRETCH + 2)[0] == "done"
    history = CellFolder.of(tmp_path, task.cell).history()
    assert history is not None
    assert history.step_iterations.tolist() == [STRETCH, STRETCH + 2]
    assert history.step_ms.tolist() == [1000.0, 1000.0]


def test_what_is_noted_of_an_interrupted_training_stands_in_its_result(tmp_path: Path) -> None:
    task = task_of(tmp_path, 5)
    assert until(task, 2) == ("stopped", [])
    newest = CellFolder.of(tmp_path, task.cell).path / NEWEST
    newest.write_bytes(newest.read_bytes()[:-1])
    outcome, notes = until(task, 3)
    assert outcome == "stopped"
    assert [note.partition(" does")[0] for note in notes] == ["checkpoint.pt: checksum"]
    assert until(task, 9)[0] == "done"
    result = CellFolder.of(tmp_path, task.cell).result()
    assert result is not None
    assert (result.notes[:1], result.resumes) == (notes, 2)
