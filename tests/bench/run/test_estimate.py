"""``plan --estimate``: what counts as one kind of cell, how times add up, and the command against a real sweep."""

import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.context import Context
from bench.records.folder import CellFolder
from bench.records.schedule import makespan_s
from bench.records.tasks import CellTask
from bench.run import estimate
from bench.run.estimate import Kind, TrialTimes, kind_of, trial_of
from bench.run.executors.base import OnEvent, StopRequest
from bench.run.plan import PlannedCell
from bench.spec.cells import Cell
from tests.builders import SECONDS, begun, ended, history_of
from tests.end_to_end.harness import Bench


@pytest.mark.parametrize(
    ("seconds", "jobs", "end"),
    [([], 2, 0.0), ([3.0], 4, 3.0), ([1, 2, 3, 4], 1, 10.0), ([4, 1, 1, 1, 5], 2, 8.0), ([5, 5, 5], 2, 10.0)],
)
def test_the_makespan_of_known_lists(seconds: list[float], jobs: int, end: float) -> None:
    assert makespan_s(seconds, jobs) == end


@given(st.lists(st.floats(0.1, 100.0), min_size=1, max_size=30), st.integers(1, 8))
def test_the_makespan_lies_between_its_bounds(seconds: list[float], jobs: int) -> None:
    """No schedule is shorter than the longest cell or the mean load; by Graham, a list schedule is below their sum."""
    end = makespan_s(seconds, jobs)
    load, longest = sum(seconds) / jobs, max(seconds)
    assert max(load, longest) <= end * (1 + 1e-12)
    assert end <= (load + longest) * (1 + 1e-12)


def test_seeds_and_rates_are_one_kind_and_what_is_trained_another(tmp_path: Path) -> None:
    cells = Context(["mnist-mi"], results=tmp_path, profile="cpu", device="cpu").cells
    by_arm = {cell.arm: {kind_of(c) for c in cells if c.arm == cell.arm} for cell in cells}
    assert all(len(kinds) == 1 for kinds in by_arm.values())
    assert by_arm["infogan"] == by_arm["infogan-fast-q"]  # another rate of Q
    assert by_arm["gan"] == by_arm["gan-fast-q"]
    assert by_arm["infogan"] != by_arm["gan"] != by_arm["gan-shared"]
    smaller = Context(["mnist-mi"], results=tmp_path, profile="smoke", device="cpu").cells
    assert kind_of(smaller[0]) not in set.union(*by_arm.values())
    known = cells[0].config
    for table in ({"architecture": "svhn"}, {"device": "cuda"}, {"training": {**known["training"], "batch_size": 32}}):
        other = replace(cells[0], config={**known, **table})
        assert kind_of(other) not in set.union(*by_arm.values())
    renamed = replace(cells[0], config={**known, "experiment": "mnist"})  # whose measures take another time
    assert kind_of(renamed) not in set.union(*by_arm.values())


def test_a_trial_is_the_cell_cut_short(tmp_path: Path) -> None:
    cell = Context(["mnist-mi"], results=tmp_path, profile="cpu", device="cpu", seeds="0").cells[0]
    trial = trial_of(cell, 3)
    assert (trial.iterations, trial.seed, trial.config["seed"]) == (50, 3, 3)
    assert trial.measures == cell.measures
    assert kind_of(trial) == kind_of(cell)
    assert trial.key != cell.key
    short = Context(["mnist-mi"], results=tmp_path, profile="smoke", device="cpu", seeds="0").cells[0]
    assert trial_of(short, 0).iterations == short.iterations == 24


def test_hours_and_bytes_of_known_kinds(tmp_path: Path) -> None:
    """Two arms, by hand: 300 iterations of 10 ms plus 5 s, and 300 of 20 ms plus 1 s; two cells at a time."""
    cells = Context(["mnist-mi"], results=tmp_path, profile="cpu", arms="infogan,gan", seeds="0-1", device="cpu").cells
    kinds = {"infogan": Kind(10.0, 5.0, 1000, 100, 2.0), "gan": Kind(20.0, 1.0, 3000, 300, 4.0)}
    measured = TrialTimes({kind_of(cell): kinds[cell.arm] for cell in cells}, 7.0, [])
    planned = [PlannedCell(cell, "missing", "") for cell in cells]
    left = estimate.left(tmp_path, planned, measured, 2)
    assert (left.num_cells, left.iteration_ms, left.outside_s) == (4, (10.0, 20.0), 3.0)
    assert left.seconds == pytest.approx(7 + 15)  # 8 and 7 in parallel, then 8 after the 7
    assert left.kept_bytes == 2 * (1000 + 100 + 2 * 300) + 2 * (3000 + 300 + 4 * 300)
    assert left.peak_bytes > left.kept_bytes
    done = [PlannedCell(cell, "done" if cell.arm == "gan" else "missing", "") for cell in cells]
    assert estimate.left(tmp_path, done, measured, 2).seconds == pytest.approx(7 + 8)


def test_a_partial_cell_is_estimated_from_where_it_will_go_on(tmp_path: Path) -> None:
    """From its last checkpoint; without one, or if its curves are damaged, from the beginning."""
    cell = Context(["mnist-mi"], results=tmp_path, profile="cpu", arms="gan", seeds="0", device="cpu").cells[0]
    measured = TrialTimes({kind_of(cell): Kind(10.0, 0.0, 0, 0, 0.0)}, 0.0, [])
    folder = CellFolder.of(tmp_path, cell)

    def seconds() -> float:
        return estimate.left(tmp_path, [PlannedCell(cell, "partial", "")], measured, 1).seconds

    folder.write_history(history_of({"a": 0.0}, 100))
    assert seconds() == pytest.approx(3)  # a finished cell whose weights are gone
    folder.write_checkpoint(b"state")
    assert seconds() == pytest.approx(2)
    path = folder.path / "history.npz"
    path.write_bytes(path.read_bytes()[:-1])
    assert seconds() == pytest.approx(3)


class Rehearsing:
    """An executor whose trials take 5 s, after 9 s for its server; what the first two of a kind take is a warm-up's.

    ``ends``: how trials end that are not done, by their number, and with which message; None: without a word.
    """

    jobs = 2

    def __init__(self, ends: dict[int, str | None] | None = None) -> None:
        self.now, self.tasks, self.ends = 0.0, list[CellTask](), ends or {}

    def run(self, tasks: list[CellTask], on_event: OnEvent, stop: StopRequest) -> dict[str, str]:
        self.tasks = tasks
        for number, task in enumerate(tasks):
            on_event(task, "started", {})
            self.now += 1 if number else 10
            on_event(task, "progress", {})
            self.now += 4
            if number in self.ends:
                if (message := self.ends[number]) is not None:
                    on_event(task, "failed", {"message": message})
                continue
            steps = np.array([25, 50]), np.array([900.0, 800.0 if number < 2 else 10.0 * number])
            curves = replace(history_of({"a": 0.0}, 50), step_iterations=steps[0], step_ms=steps[1])
            ended(begun(task.results, task.cell, curves), seconds=SECONDS | {"train": 4.0 - number / 2})
            on_event(task, "done", {"message": ""})
        failed = {number: "stopped" if message is None else "failed" for number, message in self.ends.items()}
        return {task.cell.key: failed.get(number, "done") for number, task in enumerate(tasks)}


@pytest.fixture
def trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TrialTimes]:
    """Measures two arms of four seeds with an executor."""

    def measured(executor: Rehearsing, stop: StopRequest | None = None) -> TrialTimes:
        monkeypatch.setattr(estimate, "time", SimpleNamespace(perf_counter=lambda: executor.now))
        planned = [PlannedCell(cell, "missing", "") for cell in two_arms(tmp_path)]
        return estimate.measure(
            planned, lambda cell, folder: CellTask(cell, folder, None, {}), executor, stop or StopRequest(), tmp_path
        )

    return measured


def two_arms(results: Path) -> list[Cell]:
    options = {"profile": "cpu", "arms": "infogan,gan", "seeds": "0-3", "device": "cpu"}
    return Context(["mnist-mi"], results=results, **options).cells


def test_trials_warm_up_and_the_later_ones_are_measured(tmp_path: Path, trials: Callable[..., TrialTimes]) -> None:
    """By hand: of six trials the first two only fill caches, and no trial counts its first stretch."""
    executor = Rehearsing()
    found = trials(executor)
    assert [task.cell.arm for task in executor.tasks] == ["infogan"] * 4 + ["gan"] * 2
    assert (found.failures, found.start_s) == ([], 9.0)
    kinds = {cell.arm: found.kinds[kind_of(cell)] for cell in two_arms(tmp_path)}
    first, second = kinds["infogan"], kinds["gan"]
    assert (first.iteration_ms, first.outside_s) == (25.0, 5 - (3.0 + 2.5) / 2)  # of trials 2 and 3
    assert (second.iteration_ms, second.outside_s) == (45.0, 5 - (2.0 + 1.5) / 2)  # of trials 4 and 5
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_fails_is_named_and_the_others_of_its_kind_are_measured(
    tmp_path: Path, trials: Callable[..., TrialTimes]
) -> None:
    """Trial 3 fails, so the kind's last two are 1, a warm-up, and 2. Of the other kind no trial ends."""
    executor = Rehearsing({3: "disk full", 4: None, 5: "disk full"})
    found = trials(executor)
    names = [task.cell.name for task in executor.tasks]
    assert found.failures == [
        f"mnist-mi: {names[3]} not measured: disk full",
        f"mnist-mi: {names[4]} not measured: it did not finish",
        f"mnist-mi: {names[5]} not measured: disk full",
    ]
    (infogan,) = {kind_of(cell) for cell in two_arms(tmp_path) if cell.arm == "infogan"}
    assert found.kinds.keys() == {infogan}
    assert found.kinds[infogan].iteration_ms == (800 + 20) / 2
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_estimate_has_no_times(tmp_path: Path, trials: Callable[..., TrialTimes]) -> None:
    assert trials(Rehearsing(), StopRequest([signal.SIGINT])) == TrialTimes({}, 0.0, ["interrupted"])
    assert list(tmp_path.iterdir()) == []


def test_the_command_measures_and_changes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 30)
    output = bench(
        "plan", "tiny", "--arms", "infogan", "--seeds", "0-9", "--jobs", "1", "--estimate", "--price-per-hour", "3600"
    )
    (row,) = re.findall(r"^tiny +10 +([\d.]+) +([\d.]+) +(?:(\d+) min )?(\d+) s ", output, re.MULTILINE)
    iteration_ms, outside_s, seconds = float(row[0]), float(row[1]), 60 * int(row[2] or 0) + int(row[3])
    (price,) = re.findall(r", ([\d.]+) at 3600 an hour", output)
    assert iteration_ms > 0
    assert outside_s > 0
    cells_s = 10 * (30 * iteration_ms / 1e3 + outside_s)
    assert cells_s - 3 <= seconds == pytest.approx(float(price), abs=0.51)  # price of a second: a 3600th of an hour's
    assert not bench.results.exists()
    assert "--estimate" in bench("plan", "tiny", "--price-per-hour", "1", code=2)
