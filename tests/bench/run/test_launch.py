"""One launch with an executor that only pretends: exit codes, what is mirrored, and what a lost folder leaves alone."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.console import Exit
from bench.records.folder import LAUNCHES, CellFolder
from bench.records.storage import read_lines
from bench.records.tasks import CellTask
from bench.run import launch as launching
from bench.run.executors.base import StopRequest
from bench.run.launch import Launched, launch
from bench.run.plan import PlannedCell
from bench.tracking.mirror import Unsynced
from tests.bench.tracked_cells import begin, make_cell

Tick = Callable[[], None]


class Pretending:
    """An executor whose cells end as they are told to, after ``during``."""

    jobs = 1

    def __init__(self, outcomes: list[str], during: Callable[[Tick], None] = lambda tick: None) -> None:
        self.outcomes, self.during = outcomes, during

    def run(self, tasks: list[CellTask], on_event: Any, stop: StopRequest, tick: Tick) -> dict[str, str]:
        self.during(tick)
        for task, outcome in zip(tasks, self.outcomes, strict=True):
            on_event(task, "started", {})
            on_event(task, outcome, {"message": ""})
        return {task.cell.key: outcome for task, outcome in zip(tasks, self.outcomes, strict=True)}


class Told:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def event(self, *_: object) -> None: ...
    def tick(self, *_: object) -> None: ...
    def message(self, text: str) -> None:
        self.messages.append(text)


class Mirrored:
    """A mirror that keeps what it is given, and lacks what the test says."""

    status = ""
    lacking: tuple[Unsynced, ...] = ()

    def __init__(self, *_: object) -> None:
        self.given: list[Path] = []
        self.is_abandoned = False
        type(self).last = self

    last: "Mirrored"

    def start(self) -> None: ...
    def submit(self, folder: CellFolder) -> None:
        self.given.append(folder.path)

    def close(self, *_: object) -> list[Unsynced]:
        return list(self.lacking)

    def abandon(self) -> None:
        self.is_abandoned = True


@pytest.fixture(autouse=True)
def mirror(monkeypatch: pytest.MonkeyPatch) -> type[Mirrored]:
    monkeypatch.setattr(launching, "Mirror", Mirrored)
    monkeypatch.setattr(Mirrored, "lacking", ())
    return Mirrored


def launched(
    results: Path, outcomes: list[str], states: tuple[str, ...] = (), during: Callable[[Tick], None] = lambda tick: None
) -> tuple[Launched, Told]:
    """Launch a cell for each outcome, with cells that are not to run in the given states beside them."""
    tasks = [CellTask(make_cell(seed), results, None, {}) for seed in range(len(outcomes))]
    others = [PlannedCell(make_cell(seed), state, "why") for seed, state in enumerate(states, len(outcomes))]
    planned = [*(PlannedCell(task.cell, "missing", "") for task in tasks), *others]
    told = Told()
    return launch(results, planned, tasks, Pretending(outcomes, during), told, "a store"), told  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcomes", "states", "is_tracked", "code", "failed"),
    [
        (["done", "done"], ("done",), True, Exit.OK, []),
        (["done", "failed"], (), True, Exit.FAILED, ["infogan/seed-1"]),
        (["done"], ("diverged",), True, Exit.FAILED, ["infogan/seed-1: why"]),
        ([], ("unreadable",), True, Exit.FAILED, ["infogan/seed-0: why"]),
        (["done"], (), False, Exit.NOT_TRACKED, []),
        (["failed"], (), False, Exit.FAILED, ["infogan/seed-0"]),
    ],
)
def test_what_became_of_the_cells_is_the_exit_code(
    tmp_path: Path,
    mirror: type[Mirrored],
    outcomes: list[str],
    states: tuple[str, ...],
    is_tracked: bool,
    code: Exit,
    failed: list[str],
) -> None:
    mirror.lacking = () if is_tracked else (Unsynced("a cell", "the store is down"),)
    found, _ = launched(tmp_path, outcomes, states)
    assert (found.exit_code, found.failed, found.untracked) == (code, failed, list(mirror.lacking))
    assert found.done == outcomes.count("done")
    (line,) = read_lines(tmp_path / LAUNCHES)
    assert line["num_done"] == found.done


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)])
def test_a_signal_is_the_exit_code_whatever_became_of_the_cells(tmp_path: Path, signum: int, code: Exit) -> None:
    found, told = launched(tmp_path, ["failed"], during=lambda tick: signal.raise_signal(signum))
    assert found.exit_code == code
    assert told.messages[0] == launching.STOPPING


def test_only_cells_with_a_record_and_those_not_yet_mirrored_are_handed_to_the_mirror(
    tmp_path: Path, mirror: type[Mirrored]
) -> None:
    begun = begin(tmp_path, make_cell(0), 10)
    launched(tmp_path, ["done", "failed"], ("unsynced", "diverged", "done", "unreadable"))
    waiting = [CellFolder.of(tmp_path, make_cell(seed)).path for seed in (2, 3)]
    assert mirror.last.given == [*waiting, begun.path]  # the second cell failed before its first record


def test_a_launch_that_lost_its_folder_writes_and_mirrors_nothing_more(tmp_path: Path, mirror: type[Mirrored]) -> None:
    def lose(tick: Tick) -> None:
        shutil.rmtree(tmp_path / "run.lease")
        tick()

    found, told = launched(tmp_path, ["stopped"], during=lose)
    assert (found.exit_code, found.done) == (Exit.FAILED, 0)
    assert found.lost.endswith("was removed")
    assert told.messages == [f"stopping: {found.lost}"]
    assert mirror.last.is_abandoned
    assert not (tmp_path / LAUNCHES).exists()


def test_a_schedule_that_cannot_be_written_is_said_and_fails_no_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(launching.LaunchClock, "record", full)
    found, told = launched(tmp_path, ["done"])
    assert found.exit_code == Exit.OK
    said = f"this run is missing in {LAUNCHES} and so in the report's schedule: No space left on device"
    assert told.messages[-1] == said
