"""Progress in a log: lines while a data set is prepared, lines of cells, and the time that is left."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from bench.records.tasks import CellTask
from bench.run import progress
from bench.run.time_left import TimeLeft, duration
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


class Clock:
    """The time of the sweep, set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_seconds_in_words() -> None:
    found = [duration(seconds) for seconds in (0.4, 59.4, 59.6, 200, 3599.6, 7500, 360000)]
    assert found == ["0 s", "59 s", "1 min 00 s", "3 min 20 s", "1 h 00 min", "2 h 05 min", "100 h 00 min"]


def sweep_of(folder: Path, *works: Work, jobs: int = 1) -> tuple[TimeLeft, list[CellTask]]:
    tasks = [CellTask(make_cell(seed), folder, None, {}) for seed in range(len(works))]
    of_cells = {task.cell.key: work for task, work in zip(tasks, works, strict=True)}
    return TimeLeft(tasks, of_cells, jobs), tasks


def trained(task: CellTask, share: float) -> tuple[CellTask, str, dict[str, int]]:
    return task, "progress", {"iteration": round(task.cell.iterations * share)}


def test_a_cell_that_is_only_measured_weighs_little_in_the_time_left(tmp_path: Path, clock: Clock) -> None:
    short, long = Work(0.0, 0.0, {"digits": 1.0}), Work(9.0, 1.0, {})
    sweep, tasks = sweep_of(tmp_path, short, short, long)
    clock.now = 20
    for task in tasks[:2]:
        sweep.update(task, "done", {})
    assert sweep.share == pytest.approx(2 / 12)
    assert sweep.eta_s() == pytest.approx(10 * (20 + 60) / (2 + 60))


def test_the_time_left_counts_from_where_a_partial_cell_goes_on(tmp_path: Path, clock: Clock) -> None:
    sweep, (task,) = sweep_of(tmp_path, Work(100.0, 10.0, {"digits": 20.0, "samples": 30.0}, reached=0.5))
    num = task.cell.iterations
    assert sweep.share == pytest.approx(50 / 160)
    sweep.update(task, "started", {})
    sweep.update(task, "resumed", {"iteration": num // 2})
    clock.now = 10
    sweep.update(*trained(task, 0.75))
    # 25 estimated seconds took 10 real ones, which says nothing of the 50 seconds of measures
    assert sweep.eta_s() == pytest.approx((25 + 10) * (10 + 60) / (25 + 60) + 50)
    sweep.update(task, "evaluating", {})
    assert sweep.share == pytest.approx(100 / 160)
    sweep.update(task, "evaluating", {"family": "digits"})
    assert sweep.share == pytest.approx(110 / 160)
    sweep.update(task, "evaluating", {"family": "samples"})
    assert sweep.share == pytest.approx(130 / 160)
    sweep.update(task, "done", {})
    assert sweep.share == 1


def test_a_slow_start_is_not_taken_for_the_pace_of_training(tmp_path: Path, clock: Clock) -> None:
    sweep, (task,) = sweep_of(tmp_path, Work(80.0, 3.0, {"digits": 10.0}))
    sweep.update(task, "started", {})
    clock.now = 300
    assert sweep.eta_s() == pytest.approx(93)  # what plan says
    sweep.update(*trained(task, 0.1))
    assert sweep.eta_s() == pytest.approx(85 * (300 + 60) / (8 + 60))  # 7 min 30 s, where 85 * 300 / 8 is 53 min
    clock.now += 3600
    sweep.update(*trained(task, 0.9))
    assert sweep.eta_s() == pytest.approx(21 * (3900 + 60) / (72 + 60))  # after an hour, the measured pace decides


def test_a_family_that_is_measured_counts_down_and_waiting_for_it_adds_nothing(tmp_path: Path, clock: Clock) -> None:
    sweep, (task,) = sweep_of(tmp_path, Work(60.0, 0.0, {"digits": 30.0, "samples": 30.0}))
    clock.now = 60
    sweep.update(*trained(task, 1.0))
    sweep.update(task, "evaluating", {"family": "digits"})
    found = []
    for clock.now in (60, 80, 90, 200):
        sweep.update(task, "note", {"text": "still measuring"})
        found.append(sweep.eta_s())
    assert found == pytest.approx([60, 40, 30, 30])
    sweep.update(task, "evaluating", {"family": "samples"})
    assert sweep.eta_s() == pytest.approx(30 * (200 + 60) / (90 + 60))  # 90 estimated seconds took 200


def test_a_family_takes_what_it_took_in_this_sweep(tmp_path: Path, clock: Clock) -> None:
    """Digits were expected to take 15 s and took 60."""
    sweep, (first, second) = sweep_of(tmp_path, *[Work(60.0, 0.0, {"digits": 15.0})] * 2)
    clock.now = 60
    sweep.update(*trained(first, 1.0))
    sweep.update(first, "evaluating", {"family": "digits"})
    clock.now = 120
    sweep.update(first, "done", {})
    pace = (120 + 60) / (75 + 60)
    assert sweep.eta_s() == pytest.approx(60 * pace + 60)
    clock.now = 200
    sweep.update(*trained(second, 1.0))
    assert sweep.eta_s() == pytest.approx(60)
    sweep.update(second, "evaluating", {"family": "digits"})
    clock.now = 245
    assert sweep.eta_s() == pytest.approx(15)


def test_of_several_times_that_a_family_took_the_median_counts(tmp_path: Path, clock: Clock) -> None:
    """Digits took 10, 60 and 20 s, each of them known when the cell's next family began."""
    sweep, tasks = sweep_of(tmp_path, *[Work(0.0, 0.0, {"digits": 15.0, "samples": 0.0})] * 4)
    for task, took_s in zip(tasks, (10, 60, 20), strict=False):
        sweep.update(task, "evaluating", {"family": "digits"})
        clock.now += took_s
        sweep.update(task, "evaluating", {"family": "samples"})
        sweep.update(task, "done", {})
    assert sweep.eta_s() == pytest.approx(20)


def test_a_cell_that_fails_while_it_is_measured_leaves_the_rest_undone(tmp_path: Path, clock: Clock) -> None:
    sweep, (first, second) = sweep_of(tmp_path, *[Work(100.0, 0.0, {"digits": 1000.0})] * 2)
    clock.now = 100
    sweep.update(*trained(first, 1.0))
    sweep.update(first, "evaluating", {"family": "digits"})
    clock.now = 160
    sweep.update(first, "failed", {})
    assert sweep.eta_s() == pytest.approx(1100 * (160 + 60) / (100 + 60))
    sweep.update(second, "failed", {})
    assert sweep.line() == "0/2 cells, 2 failed, 100%, about 0 s left"


def test_a_cell_that_starts_again_is_trained_and_measured_from_the_beginning(tmp_path: Path, clock: Clock) -> None:
    sweep, (task,) = sweep_of(tmp_path, Work(60.0, 0.0, {"digits": 30.0}))
    clock.now = 60
    sweep.update(*trained(task, 1.0))
    sweep.update(task, "evaluating", {"family": "digits"})
    sweep.update(task, "started", {})
    assert sweep.eta_s() == pytest.approx(60 + 30)


def test_a_last_measure_that_takes_longer_than_expected_is_said_and_not_no_time(tmp_path: Path, clock: Clock) -> None:
    sweep, (task,) = sweep_of(tmp_path, Work(60.0, 0.0, {"digits": 15.0}))
    clock.now = 6  # ten times as fast as expected
    sweep.update(*trained(task, 1.0))
    assert sweep.words() == "about 15 s left"
    sweep.update(task, "evaluating", {"family": "digits"})
    said = []
    for clock.now in (6, 16, 21, 40):
        said.append(sweep.line().removeprefix("0/1 cells, 80%, "))
    late = "still measuring, longer than expected"
    assert said == ["about 15 s left", "about 5 s left", late, late]
    sweep.update(task, "done", {})
    assert sweep.line() == "1/1 cells, 100%, about 0 s left"


def test_the_bar_of_a_cell_that_is_measured_shows_the_measures_time(tmp_path: Path, clock: Clock) -> None:
    """Its training is at its end, so that its own speed says that no time is left."""
    task = CellTask(make_cell(0), tmp_path, None, {})
    work = {task.cell.key: Work(60.0, 0.0, {"digits": 15.0, "samples": 30.0})}
    page = io.StringIO()
    display = progress.BarDisplay([task], Console(file=page, width=200, force_terminal=True), work)
    display.event(task, "started", {})
    display.event(task, "progress", {"iteration": task.cell.iterations, "metrics": {}})
    display.event(task, "evaluating", {"family": "digits"})
    clock.now = 5
    display.progress.console.print(display.progress.get_renderable())
    rows = page.getvalue().splitlines()
    assert ["about 40 s left" in row for row in rows] == [True, True]
    assert "measuring digits" in rows[1]


def rows_of(display: progress.BarDisplay) -> list[str]:
    """What the bars show now, one row each."""
    page = io.StringIO()
    Console(file=page, width=200).print(display.progress.get_renderable())
    return page.getvalue().splitlines()


def test_the_bars_follow_the_cells_from_start_to_end(tmp_path: Path, clock: Clock) -> None:
    page = io.StringIO()
    first, second = tasks = [CellTask(make_cell(seed), tmp_path, None, {}) for seed in (0, 1)]
    works = {task.cell.key: Work(60.0, 0.0, {}) for task in tasks}
    display = progress.BarDisplay(tasks, Console(file=page, width=200), works)
    assert "0/2" in rows_of(display)[0]
    display.event(first, "started", {})
    display.event(first, "resumed", {"iteration": 15})
    (_, row) = rows_of(display)
    assert "toy infogan/seed-0" in row
    assert "15/60" in row
    assert row.rstrip().endswith("resumed")
    display.event(first, "progress", {"iteration": 30, "metrics": {"mi/c1": 1.5}})
    (_, row) = rows_of(display)
    assert "30/60" in row
    assert row.rstrip().endswith("L_I (nats) c1 1.50")
    display.event(first, "started", {"node": "n2"})  # from its checkpoint, in place of the bar that it had
    (_, row) = rows_of(display)
    assert "0/60" in row
    display.event(first, "note", {"text": "a remark"})
    display.event(first, "failed", {"message": "disk full"})
    display.event(second, "failed", {"message": "it did not start"})
    display.tick("tracking: 1 cell waiting")
    (row,) = rows_of(display)
    assert "2/2" in row
    assert row.rstrip().endswith("tracking: 1 cell waiting")
    assert page.getvalue().splitlines() == [
        "toy infogan/seed-0 started again on n2: its worker died",
        "toy infogan/seed-0: a remark",
        "toy infogan/seed-0 failed: disk full",
        "toy infogan/seed-1 failed: it did not start",
    ]


def test_the_bar_of_a_cell_that_trains_shows_the_time_by_its_own_speed(tmp_path: Path, clock: Clock) -> None:
    """Ten iterations took a second each, so that 50 more take 50 s, where the sweep goes by its estimate as well."""
    task = CellTask(make_cell(0), tmp_path, None, {})
    display = progress.BarDisplay([task], Console(file=io.StringIO()), {task.cell.key: Work(600.0, 0.0, {})})
    display.progress.get_time = lambda: clock.now
    display.event(task, "started", {})
    for clock.now in range(11):
        display.event(task, "progress", {"iteration": clock.now, "metrics": {}})
    overall, row = rows_of(display)
    assert "about 3 min 39 s left" in overall  # 500 * (10 + 60) / (100 + 60)
    assert "0:00:50" in row


def test_the_time_left_of_several_cells_at_a_time(tmp_path: Path, clock: Clock) -> None:
    sweep, (first, second) = sweep_of(tmp_path, Work(100.0, 0.0, {}), Work(100.0, 0.0, {}), jobs=4)
    assert sweep.eta_s() == pytest.approx(100)  # each in a slot of its own
    clock.now = 50
    sweep.update(*trained(first, 0.5))
    sweep.update(*trained(second, 0.5))
    assert sweep.eta_s() == pytest.approx(50)
    clock.now = 100
    sweep.update(*trained(first, 1.0))
    sweep.update(first, "done", {})
    assert sweep.eta_s() == pytest.approx(2 * 50 * (100 + 60) / (150 + 2 * 60))  # the other slot cannot help


def test_a_cell_that_starts_last_runs_alone(tmp_path: Path, clock: Clock) -> None:
    """Three equal cells in two slots take twice as long as one; another cell's slot cannot take half of the third."""
    sweep, tasks = sweep_of(tmp_path, *[Work(100.0, 0.0, {})] * 3, jobs=2)
    assert sweep.eta_s() == pytest.approx(200)
    for task in tasks[1:]:  # in whatever order they come
        sweep.update(task, "started", {})
    clock.now = 50
    for task in tasks[1:]:
        sweep.update(*trained(task, 0.5))
    assert sweep.eta_s() == pytest.approx(150)  # 50 for two of them, then 100 for the first alone
    for task in tasks[1:]:
        sweep.update(task, "done", {})
    assert sweep.eta_s() == pytest.approx(100 * sweep.pace * 2)


def test_a_cell_that_fails_makes_the_others_no_faster(tmp_path: Path, clock: Clock) -> None:
    """Neither does one that diverges, which is done with its training cut short."""
    for end in ("failed", "done"):
        clock.now = 0
        sweep, tasks = sweep_of(tmp_path, Work(1000.0, 0.0, {}), Work(1000.0, 0.0, {}))
        clock.now = 100
        sweep.update(*trained(tasks[0], 0.1))
        sweep.update(tasks[0], end, {})
        assert sweep.eta_s() == pytest.approx(1000)


def test_a_cell_that_resumes_further_on_than_planned_is_not_taken_for_a_fast_one(tmp_path: Path, clock: Clock) -> None:
    sweep, (task,) = sweep_of(tmp_path, Work(100.0, 0.0, {}))
    sweep.update(task, "started", {})
    sweep.update(task, "resumed", {"iteration": task.cell.iterations // 2})
    clock.now = 50
    sweep.update(*trained(task, 0.75))
    assert sweep.eta_s() == pytest.approx(25 * (50 + 60) / (25 + 60))


def test_a_checkpoint_that_was_lost_after_planning_leaves_a_time(tmp_path: Path, clock: Clock) -> None:
    sweep, (task,) = sweep_of(tmp_path, Work(1000.0, 0.0, {}, reached=0.9))
    sweep.update(task, "started", {})
    clock.now = 60
    sweep.update(*trained(task, 0.1))
    assert sweep.eta_s() == pytest.approx(900 * (60 + 60) / 60)


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


def test_a_log_tells_each_event_of_a_cell_in_a_line(tmp_path: Path, clock: Clock) -> None:
    page = io.StringIO()
    task = CellTask(make_cell(0), tmp_path, None, {})
    display = progress.LineDisplay([task], Console(file=page, width=200), {task.cell.key: Work(60.0, 0.0, {})})
    display.event(task, "started", {"attempt": 1, "node": "n1"})
    display.event(task, "resumed", {"iteration": 30})
    display.event(task, "started", {"attempt": 2})
    display.event(task, "note", {"text": "a remark"})
    display.event(task, "progress", {"iteration": 40, "metrics": {"mi/c1": 1.5}})
    display.event(task, "failed", {"message": "disk full"})
    assert page.getvalue().splitlines() == [
        "toy infogan/seed-0 started on n1",
        "toy infogan/seed-0 resumed at iteration 30",
        "toy infogan/seed-0 started again: its worker died",
        "toy infogan/seed-0: a remark",
        "toy infogan/seed-0 failed: disk full (0/1 cells, 1 failed, 100%, about 0 s left)",
    ]


def test_a_log_tells_how_far_the_sweep_is_20_seconds_after_the_last_line(tmp_path: Path, clock: Clock) -> None:
    page = io.StringIO()
    task = CellTask(make_cell(0), tmp_path, None, {})
    display = progress.LineDisplay([task], Console(file=page, width=200), {task.cell.key: Work(60.0, 0.0, {})})
    display.event(task, "progress", {"iteration": 30, "metrics": {"mi/c1": 1.5}})
    clock.now = 19
    display.tick("tracking: up to date")
    clock.now = 20
    display.tick("tracking: up to date")
    clock.now = 30
    display.message("a remark")
    for clock.now in (40, 49, 50, 69):
        display.tick("")
    state = "0/1 cells, 50%, about 20 s left; toy infogan/seed-0 30/60 L_I (nats) c1 1.50"
    assert page.getvalue().splitlines() == [f"{state}; tracking: up to date", "a remark", state]


@pytest.mark.parametrize(
    ("is_terminal", "is_watched", "kind"),
    [
        (True, True, progress.BarDisplay),
        (True, False, progress.LineDisplay),  # output to a file, with colours asked for
        (False, True, progress.LineDisplay),
    ],
)
def test_bars_are_for_terminals_alone(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, is_watched: bool, kind: type
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_watched)
    console = Console(file=io.StringIO(), force_terminal=is_terminal)
    assert type(progress.display_for([], console, {}, 1)) is kind
