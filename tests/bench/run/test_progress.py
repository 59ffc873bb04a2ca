"""Progress in a log: lines while a data set is prepared, lines of cells, and the time that is left."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from bench.records.tasks import CellTask
from bench.run import progress
from bench.run.work import Work
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
    tasks = [CellTask(make_cell(seed), tmp_path, None, {}) for seed in range(3)]
    short, long = Work(0.0, 0.0, {"digits": 1.0}), Work(9.0, 1.0, {})
    sweep = progress._Sweep(tasks, dict(zip((task.cell.key for task in tasks), (short, short, long), strict=True)))
    for task in tasks[:2]:
        sweep.update(task, "done", {})
    assert sweep.share == pytest.approx(2 / 12)
    assert sweep.eta_s() == pytest.approx(20 * 10 / 2)


def test_the_time_left_counts_from_where_a_partial_cell_goes_on(tmp_path: Path, monkeypatch) -> None:
    seconds = iter((0.0, 10.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    task = CellTask(make_cell(0), tmp_path, None, {})
    num, work = task.cell.iterations, Work(100.0, 10.0, {"digits": 20.0, "samples": 30.0}, reached=0.5)
    sweep = progress._Sweep([task], {task.cell.key: work})
    assert sweep.share == pytest.approx(50 / 160)
    sweep.update(task, "started", {})
    sweep.update(task, "resumed", {"iteration": num // 2})
    sweep.update(task, "progress", {"iteration": num * 3 // 4})
    assert sweep.eta_s() == pytest.approx(10 * (25 + 60) / 25)  # 25 estimated seconds took 10 real ones
    sweep.update(task, "evaluating", {})
    assert sweep.share == pytest.approx(100 / 160)
    sweep.update(task, "evaluating", {"family": "digits"})
    assert sweep.share == pytest.approx(110 / 160)
    sweep.update(task, "evaluating", {"family": "samples"})
    assert sweep.share == pytest.approx(130 / 160)
    sweep.update(task, "done", {})
    assert sweep.share == 1


def test_a_trained_cell_that_is_still_measured_is_not_yet_all(tmp_path: Path) -> None:
    page = io.StringIO()
    task = CellTask(make_cell(0), tmp_path, None, {})
    display = progress.LineDisplay([task], Console(file=page, width=200), {task.cell.key: Work(10.0, 3.0, {})})
    display.event(task, "started", {})
    display.event(task, "progress", {"iteration": task.cell.iterations, "metrics": {}})
    assert 0 < display.sweep.share < 1
    display.event(task, "evaluating", {"family": "digits"})
    assert list(display.running.values()) == [f"{task.cell.experiment} {task.cell.name} measuring digits"]
    display.event(task, "done", {})
    assert display.sweep.share == 1


def test_a_cell_that_ends_is_told_with_the_information_that_it_reached(tmp_path: Path) -> None:
    page = io.StringIO()
    task = CellTask(make_cell(0), tmp_path, None, {})
    display = progress.LineDisplay([task], Console(file=page, width=200), {task.cell.key: Work(10.0, 3.0, {})})
    num = task.cell.iterations
    display.event(task, "progress", {"iteration": num, "metrics": {"mi/c1": 2.297}})
    display.event(task, "evaluating", {"family": "digits"})
    display.event(task, "done", {})
    told = f"{task.cell.experiment} {task.cell.name} done: {num}/{num} L_I (nats) c1 2.30 (1/1 cells, 100%"
    assert page.getvalue().splitlines()[-1].startswith(told)
    assert not display.running


def test_a_continuous_code_is_told_by_the_share_that_q_explains(tmp_path: Path) -> None:
    page = io.StringIO()
    task = CellTask(make_cell(0), tmp_path, None, {})
    display = progress.LineDisplay([task], Console(file=page, width=200), {task.cell.key: Work(10.0, 3.0, {})})
    metrics = {"loss/generator": 3.0, "mi/c1": 2.297, "mi/c2": -0.24, "explained/c2": 0.914}
    display.event(task, "progress", {"iteration": 7, "metrics": metrics})
    told = "L_I (nats) c1 2.30; explained c2 0.91"
    assert list(display.running.values()) == [
        f"{task.cell.experiment} {task.cell.name} 7/{task.cell.iterations} {told}"
    ]
