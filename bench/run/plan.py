"""List cells with their states and run the missing ones. Every cell's outcome is awaited and decides the exit code."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.console import Exit
from bench.records.folder import LAUNCHES, CellFolder
from bench.records.launches import LaunchClock
from bench.records.locks import Lock
from bench.records.storage import in_words
from bench.records.tasks import CellTask, EventValues
from bench.run.executors.base import Executor, StopRequest
from bench.spec.cells import Cell
from bench.tracking.mirror import Mirror, NoMirror, Unsynced
from bench.tracking.store import is_synced
from infogan.architectures import Costs, adapted, iteration_flops, network_costs
from infogan.own.networks import architecture_of

BYTES = 4
MIRROR_PATIENCE_S = 120.0  # longest wait for the next mirrored cell after training has ended
MIRROR_AT_STOP_S = 10.0  # total wait after a signal has ended training
STOPPING = "stopping: cells first write a checkpoint, a second signal stops at once; the next run continues from there"


@dataclass(frozen=True)
class PlannedCell:
    """A cell and its state: missing, partial, running, failed, done, unmeasured, unsynced or unreadable.

    Unmeasured: trained, but measures are missing or outdated. Unsynced: done, but not completely mirrored. Unreadable:
    its records cannot be read now, so it is left alone.
    """

    cell: Cell
    state: str
    detail: str  # for example the error of a failed cell

    @property
    def to_train(self) -> bool:
        return self.state in ("missing", "partial", "running", "failed")

    @property
    def to_run(self) -> bool:
        return self.to_train or self.state == "unmeasured"


def plan(results: Path, cells: list[Cell], uri: str | None) -> list[PlannedCell]:
    """States of the cells, from their records only. Without the address of a store, mirroring is not checked."""
    planned = []
    for cell in cells:
        try:
            state, detail = _state(CellFolder.of(results, cell), cell, uri)
        except OSError as error:
            state, detail = "unreadable", in_words(error)
        planned.append(PlannedCell(cell, state, detail))
    return planned


def _state(folder: CellFolder, cell: Cell, uri: str | None) -> tuple[str, str]:
    """State and detail of a cell. Raises OSError."""
    state: str = folder.state()
    if state == "done" and (damage := folder.end_damage(quick=True)):
        return "partial", f"{damage}; it will be trained again"
    if state == "failed":
        result = folder.result()
        return state, result.message if result else ""
    if state == "done" and (families := folder.unmeasured(cell)):
        errors = [entry.error for entry in folder.measures().values() if entry.error]
        return "unmeasured", errors[0] if errors else ", ".join(families)
    if state == "done":
        is_mirrored = uri is None or is_synced(folder, uri)
        return "done" if is_mirrored else "unsynced", _detail(folder, cell)
    return state, ""


def _detail(folder: CellFolder, cell: Cell) -> str:
    """Remarks on a finished cell."""
    found = []
    if (result := folder.result()) and result.given_up_at:
        found.append(f"given up at iteration {result.given_up_at} by the authors' rule")
    if folder.lacks_weights() and (families := folder.outdated(cell)):
        found.append(f"came without weights: {', '.join(families)} not measured again")
    return "; ".join(found)


def cell_costs(cell: Cell) -> dict[str, Costs]:
    """Costs of a cell's networks."""
    c = cell.config
    widths = [
        code["num_categories"] if code["kind"] == "categorical" else 2 if isinstance(code["std"], str) else 1
        for code in c["codes"]
    ]
    architecture = adapted(architecture_of(c), c["network"])
    return network_costs(architecture, cell.input_width, sum(widths), c["network"]["width"])


def training_flops(cell: Cell) -> float:
    """Floating-point operations of a whole cell, its weight in the overall progress."""
    return iteration_flops(cell_costs(cell), cell.config["training"]["batch_size"]) * cell.iterations


class Display(Protocol):
    """Shows events to the user."""

    def event(self, task: CellTask, kind: str, values: EventValues) -> None: ...
    def tick(self, tracking_status: str) -> None: ...
    def message(self, text: str) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run."""

    exit_code: Exit
    done: int
    failed: list[str]
    untracked: list[Unsynced]
    lost: str = ""  # how this launch lost the results folder; empty if it did not


def stop_signals() -> list[int]:
    """Signals that request a checkpoint and an end; SIGHUP of a closed terminal is one unless nohup ignores it."""
    hangup = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else []
    return [signal.SIGINT, signal.SIGTERM, *hangup]


@contextlib.contextmanager
def _signals(stop: StopRequest, display: Display, answer: str) -> Iterator[None]:
    """Context in which a signal requests a stop; the first one prints a line."""

    def handle(signum: int, _: object) -> None:
        stop.signals.append(signum)
        if len(stop.signals) == 1:
            display.message(answer)

    before = {signum: signal.signal(signum, handle) for signum in stop_signals()}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def run(
    results: Path,
    planned: list[PlannedCell],
    tasks: list[CellTask],
    executor: Executor,
    display: Display,
    uri: str | None,
) -> Outcome:
    """Train and measure the cells, and mirror those that are not mirrored; no mirror if ``uri`` is None.

    Raises Locked if another run uses the results.
    """
    stop = StopRequest()
    with Lock(results / "run.lease", f"process {os.getpid()}") as lock, _signals(stop, display, STOPPING):
        mirror = Mirror(results, uri) if uri is not None else NoMirror()
        mirror.start()
        for item in planned:
            if item.state == "unsynced":
                mirror.submit(CellFolder.of(results, item.cell))

        launch = LaunchClock()

        def on_event(task: CellTask, kind: str, values: EventValues) -> None:
            launch.event(task, kind, values)
            folder = CellFolder.of(results, task.cell)
            if kind in ("durable", "done", "failed", "stopped") and (folder.path / "cell.json").is_file():
                mirror.submit(folder)  # a cell that failed before its first record cannot be mirrored
            display.event(task, kind, values)

        def tick() -> None:
            if not stop.requested and (loss := lock.loss()):
                display.message(f"stopping: {loss}")
                stop.signals.append(signal.SIGTERM)
            display.tick(mirror.status)

        outcomes = executor.run(tasks, on_event, stop, tick)
        was_stopped = stop.requested
        if loss := lock.loss():  # these paths may now belong to another launch
            mirror.abandon()
            return Outcome(Exit.FAILED, 0, [], [], loss)
        untracked = _finished(mirror, display, in_haste=was_stopped)
        try:
            launch.record(results, tasks, outcomes, executor.jobs)
        except OSError as error:
            display.message(f"this run is missing in {LAUNCHES} and so in the report's schedule: {error}")
    names = {task.cell.key: task.cell.name for task in tasks}
    failed = [names[key] for key, outcome in outcomes.items() if outcome == "failed"]
    failed += [f"{item.cell.name}: {item.detail}" for item in planned if item.state == "unreadable"]
    done = sum(outcome == "done" for outcome in outcomes.values())
    if was_stopped:
        code = Exit.of_signal(stop.signals[0])
    elif failed:
        code = Exit.FAILED
    else:
        code = Exit.NOT_TRACKED if untracked else Exit.OK
    return Outcome(code, done, failed, untracked)


def _finished(mirror: Mirror | NoMirror, display: Display, *, in_haste: bool) -> list[Unsynced]:
    """Wait for the mirror; return what it lacks. A signal during this wait ends only the wait."""
    hurry, started = StopRequest(), time.monotonic()

    def give_up() -> bool:
        display.tick(mirror.status)
        return hurry.requested or (in_haste and time.monotonic() - started > MIRROR_AT_STOP_S)

    with _signals(hurry, display, "leaving the rest of the mirror to `bench sync`"):
        if isinstance(mirror, Mirror):  # printed only when Ctrl-C has this effect
            display.message(
                "training has ended; finishing the mirror in MLflow (Ctrl-C leaves the rest to `bench sync`)"
            )
        return mirror.close(MIRROR_PATIENCE_S, give_up)


def free_bytes(results: Path) -> int:
    """Free disk space of the results folder."""
    return shutil.disk_usage(results).free
