"""Cells on this machine: one process per cell, or for some seeds of an arm, forked from a warm server that has
imported torch once.

The launcher decides about signals: workers ignore Ctrl-C and a closed terminal, and stop with a checkpoint at the next
iteration when told.
"""

import contextlib
import ctypes
import multiprocessing
import os
import resource
import signal
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from bench.records.tasks import CellTask
from bench.run.executors.base import ExecutorError, OnEvent, StopRequest
from bench.run.executors.worker import OUTCOMES, conclude, work

# without the second, each worker's first optimizer imports it: 1.4 s, 140 MB
PRELOAD = ["bench.run.train_cell", "torch._dynamo"]
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
MAX_FOLDER_BYTES = 64  # leaves room for multiprocessing's own folder and name
PRELOAD_TO_MEASURE = "infogan.measures.families"
NUM_FILES = 64  # open at a time: the launcher's own, the tracking store's, the data's
NUM_FILES_PER_CELL = 8  # two pipes, what the server passes on, a checkpoint and its folder
End = Callable[[CellTask, str, str], None]  # outcome and message of a cell
SERVER_DEATH = "the server that starts workers died as it began, perhaps of a limit of memory (ulimit -v)"


@dataclass
class _Worker:
    """``tasks``: by key, those whose end it has not told yet."""

    tasks: dict[str, CellTask]
    process: BaseProcess
    connection: Connection


class LocalExecutor:
    """Runs tasks in order, ``jobs`` at a time, of them up to ``together`` seeds of an arm in one process.

    Raises ExecutorError where so many files cannot be open.
    """

    def __init__(self, jobs: int, together: int = 1) -> None:
        if not 1 <= together <= jobs:
            raise ValueError(f"jobs and together must be at least 1 and together at most jobs, got {jobs}, {together}")
        self.jobs, self.together = jobs, together
        _allow_files(NUM_FILES + NUM_FILES_PER_CELL * jobs)
        self._context = multiprocessing.get_context("forkserver")

    def run(
        self, tasks: list[CellTask], on_event: OnEvent, stop: StopRequest, tick: Callable[[], None] = lambda: None
    ) -> dict[str, str]:
        """Outcome by cell key: ``done``, ``failed``, ``stopped``, or absent for a cell that was not started."""
        to_measure = [PRELOAD_TO_MEASURE] if any(task.cell.measures for task in tasks) else []
        self._context.set_forkserver_preload([*PRELOAD, *to_measure])
        _start_server()
        waiting, running, outcomes = deque(_groups(tasks, self.together)), list[_Worker](), dict[str, str]()
        started: set[str] = set()
        told_to_stop = killed = False

        def end(task: CellTask, outcome: str, message: str) -> None:
            if outcome == "trained":
                waiting.appendleft([task])
                return
            outcomes[task.cell.key] = outcome
            on_event(task, outcome, {"message": message})

        def is_room() -> bool:
            return sum(max(1, len(worker.tasks)) for worker in running) + len(waiting[0]) <= self.jobs

        while running or (waiting and not stop.requested):
            while waiting and is_room() and not stop.requested:
                group = waiting.popleft()
                for task in group:
                    if task.cell.key not in started:  # else it was trained in turns with others
                        on_event(task, "started", {})
                started |= {task.cell.key for task in group}
                try:
                    running.append(self._start(group))
                except (EOFError, ConnectionError):
                    for task in group:
                        end(task, *conclude(task, SERVER_DEATH, stopping=False))
            if stop.requested and not told_to_stop:
                told_to_stop = True
                _signal_all(running, signal.SIGTERM)
            if stop.urgent and not killed:
                killed = True
                _signal_all(running, signal.SIGKILL)
            wait([w.connection for w in running] + [w.process.sentinel for w in running], timeout=0.2)
            for worker in list(running):
                _receive(worker, on_event, end)
                if not worker.process.is_alive():
                    _receive(worker, on_event, end)  # what it sent between the read above and its end
                    running.remove(worker)
                    _bury(worker, end, stopping=told_to_stop)
            tick()
        for task in [task for group in waiting for task in group if task.cell.key in started]:
            end(task, "stopped", "")
        return outcomes

    def _start(self, tasks: list[CellTask]) -> _Worker:
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(tasks, sender), name=tasks[0].cell.name)
        process.start()
        sender.close()
        return _Worker({task.cell.key: task for task in tasks}, process, receiver)


def _groups(tasks: Iterable[CellTask], together: int) -> list[list[CellTask]]:
    """Each with up to ``together`` tasks that differ in their seeds alone, at the place of its first."""
    groups: list[list[CellTask]] = []
    open_groups: dict[tuple[str, ...], list[CellTask]] = {}
    for task in tasks:
        cell = task.cell
        kind = cell.experiment, cell.profile, cell.group, str(task.results)
        group = open_groups.get(kind, [])
        if not 0 < len(group) < together:
            groups.append(group := [])
            open_groups[kind] = group
        group.append(task)
    return groups


def _receive(worker: _Worker, on_event: OnEvent, end: End) -> None:
    try:
        while worker.connection.poll():
            key, kind, values = worker.connection.recv()
            if kind in OUTCOMES:
                end(worker.tasks.pop(key), kind, values["message"])
            else:
                on_event(worker.tasks[key], kind, values)
    except (EOFError, OSError):
        return


def _bury(worker: _Worker, end: End, *, stopping: bool) -> None:
    """Tell the ends of those cells of which an ended worker did not."""
    worker.process.join()
    worker.connection.close()
    for task in worker.tasks.values():
        end(task, *conclude(task, _describe_exit(worker.process.exitcode), stopping=stopping))


def _allow_files(wanted: int) -> None:
    """Raise the limit of open files to ``wanted`` where it is lower. Raises ExecutorError where it may not be.

    With too few, the workers' server dies with an assertion of multiprocessing, or a worker never begins.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < wanted:
        if resource.RLIM_INFINITY != hard < wanted:
            raise ExecutorError(
                f"{wanted} open files are needed, {hard} are allowed: raise `ulimit -n`, or lower --jobs"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _start_server() -> None:
    """Start the workers' server with SIGINT and SIGHUP blocked, which it and its workers inherit.

    A terminal's Ctrl-C or end reaches them too, and some of them before they could ignore it; the launcher alone
    decides.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    with _short_temporary_folder():
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """Inside, temporary files lie where a socket's path fits: a system takes 104 or 108 bytes, a TMPDIR may have more.

    Raises ExecutorError where there is no such folder.
    """
    before = tempfile.gettempdir()
    for folder in (before, *SHORT_FOLDERS):
        if len(os.fsencode(folder)) <= MAX_FOLDER_BYTES and os.access(folder, os.W_OK | os.X_OK):
            break
    else:
        raise ExecutorError(f"TMPDIR is too long for a socket ({before}) and {SHORT_FOLDERS[0]} cannot be written")
    tempfile.tempdir = folder
    try:
        yield
    finally:
        tempfile.tempdir = before


def _describe_exit(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = " (killed by the system, perhaps for want of memory)" if name == "SIGKILL" else ""
        return f"worker died of {name}{hint}; the next run continues from its last checkpoint"
    return f"worker ended with exit code {exitcode} and no result; the next run continues from its last checkpoint"


def _signal_all(workers: list[_Worker], signum: int) -> None:
    for worker in workers:
        if worker.process.pid is not None and worker.process.is_alive():
            os.kill(worker.process.pid, signum)


def _die_with_parent() -> None:
    """Have the kernel send SIGTERM when the server goes, as it does when the launcher is killed."""
    with contextlib.suppress(OSError, AttributeError):  # not Linux: a broken pipe tells, a little later
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _work(tasks: list[CellTask], connection: Connection) -> None:
    """Target of a worker's process."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    terminations: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, _: terminations.append(signum))
    _die_with_parent()
    work(tasks, lambda task, *event: connection.send((task.cell.key, *event)), lambda: bool(terminations))
