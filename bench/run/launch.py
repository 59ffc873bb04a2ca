"""One launch: run the planned cells and mirror them. Every cell's outcome is awaited and decides the exit code."""

import signal
import time
from dataclasses import dataclass
from pathlib import Path

from bench.console import Exit, received_signals
from bench.records.folder import LAUNCHES, CellFolder
from bench.records.launches import LaunchClock
from bench.records.locks import results_lock
from bench.records.tasks import CellTask, EventValues
from bench.run.executors.base import Executor, StopRequest
from bench.run.plan import PlannedCell
from bench.run.progress import BarDisplay, LineDisplay
from bench.tracking.mirror import Mirror, NoMirror, Unsynced

MIRROR_PATIENCE_S = 120.0  # longest wait for the next mirrored cell after training has ended
MIRROR_AT_STOP_S = 10.0  # total wait after a signal has ended training
STOPPING = "stopping: cells first write a checkpoint, a second signal stops at once; the next run continues from there"


@dataclass(frozen=True)
class Launched:
    """The outcome of a run."""

    exit_code: Exit
    done: int
    failed: list[str]
    untracked: list[Unsynced]
    lost: str = ""  # how this launch lost the results folder; empty if it did not


def launch(
    results: Path,
    planned: list[PlannedCell],
    tasks: list[CellTask],
    executor: Executor,
    display: LineDisplay | BarDisplay,
    uri: str | None,
) -> Launched:
    """Train and measure the cells, and mirror those that are not mirrored; no mirror if ``uri`` is None.

    Raises Locked if another run uses the results.
    """
    with results_lock(results) as lock, received_signals(lambda: display.message(STOPPING)) as signals:
        stop = StopRequest(signals)
        mirror = Mirror(results, uri) if uri is not None else NoMirror()
        mirror.start()
        for item in planned:
            if item.state in ("unsynced", "diverged"):
                mirror.submit(CellFolder.of(results, item.cell))

        clock = LaunchClock()

        def on_event(task: CellTask, kind: str, values: EventValues) -> None:
            clock.event(task, kind, values)
            folder = CellFolder.of(results, task.cell)
            if kind in ("durable", "done", "failed", "stopped") and (folder.path / "cell.json").is_file():
                mirror.submit(folder)  # a cell that failed before its first record cannot be mirrored
            display.event(task, kind, values)

        def tick() -> None:
            if not stop.requested and (loss := lock.loss()):
                display.message(f"stopping: {loss}")
                signals.append(signal.SIGTERM)
            display.tick(mirror.status)

        outcomes = executor.run(tasks, on_event, stop, tick)
        was_stopped = stop.requested
        if loss := lock.loss():  # these paths may now belong to another launch
            mirror.abandon()
            return Launched(Exit.FAILED, 0, [], [], loss)
        untracked = _finished(mirror, display, in_haste=was_stopped)
        try:
            clock.record(results, tasks, outcomes, executor.jobs)
        except OSError as error:
            display.message(f"this run is missing in {LAUNCHES} and so in the report's schedule: {error}")
    names = {task.cell.key: task.cell.name for task in tasks}
    failed = [names[key] for key, outcome in outcomes.items() if outcome == "failed"]
    failed += [f"{item.cell.name}: {item.detail}" for item in planned if item.state in ("unreadable", "diverged")]
    done = sum(outcome == "done" for outcome in outcomes.values())
    if was_stopped:
        code = Exit.of_signal(signals[0])
    elif failed:
        code = Exit.FAILED
    else:
        code = Exit.NOT_TRACKED if untracked else Exit.OK
    return Launched(code, done, failed, untracked)


def _finished(mirror: Mirror | NoMirror, display: LineDisplay | BarDisplay, *, in_haste: bool) -> list[Unsynced]:
    """Wait for the mirror; return what it lacks. A signal during this wait ends only the wait."""
    started = time.monotonic()

    def give_up() -> bool:
        display.tick(mirror.status)
        return bool(signals) or (in_haste and time.monotonic() - started > MIRROR_AT_STOP_S)

    with received_signals(lambda: display.message("leaving the rest of the mirror to `bench sync`")) as signals:
        if isinstance(mirror, Mirror):  # printed only when Ctrl-C has this effect
            display.message(
                "training has ended; finishing the mirror in MLflow (Ctrl-C leaves the rest to `bench sync`)"
            )
        return mirror.close(MIRROR_PATIENCE_S, give_up)
