"""What a person sees while a data set is prepared where nobody watches a terminal."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from bench.records.tasks import CellTask
from bench.run import progress
from bench.run.plan import ASSUMED_CELL_S, ASSUMED_FLOPS_PER_S
from tests.bench.tracked_cells import make_cell


def test_a_log_gets_a_line_now_and_then(monkeypatch) -> None:
    seconds = iter((0.0, 1.0, 21.0, 21.0, 22.0, 45.0, 45.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    page = io.StringIO()
    with progress.preparing("faces", Console(file=page, width=200)) as report:
        for done in (100, 300, 400, 1000):
            report(done, 2000)
    assert page.getvalue().splitlines() == [
        "preparing faces: 300 of 2000 images",
        "preparing faces: 1000 of 2000 images",
    ]


def test_a_cell_that_is_only_measured_weighs_little_in_the_time_left(tmp_path: Path, monkeypatch) -> None:
    seconds = iter((0.0, 20.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    beside = ASSUMED_CELL_S * ASSUMED_FLOPS_PER_S
    monkeypatch.setattr(progress, "training_flops", lambda cell: 9 * beside)
    tasks = [CellTask(make_cell(seed), tmp_path, None, {}) for seed in range(3)]
    sweep = progress._Sweep(tasks, {task.cell.key for task in tasks[:2]})
    for task in tasks[:2]:
        sweep.update(task, "done", {})
    assert sweep.share == pytest.approx(2 / 12)
    assert sweep.eta_s() == pytest.approx(20 * 10 / 2)


def test_a_trained_cell_that_is_still_measured_is_not_yet_all(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(progress, "training_flops", lambda cell: 1e12)
    page = io.StringIO()
    task = CellTask(make_cell(0), tmp_path, None, {})
    display = progress.LineDisplay([task], Console(file=page, width=200))
    display.event(task, "started", {})
    display.event(task, "progress", {"iteration": task.cell.iterations, "metrics": {}})
    assert 0 < display.sweep.share < 1
    display.event(task, "evaluating", {"family": "digits"})
    assert list(display.running.values()) == [f"{task.cell.experiment} {task.cell.name} measuring digits"]
    display.event(task, "done", {})
    assert display.sweep.share == 1
