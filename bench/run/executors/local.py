"""Run cells on this machine: one process per cell, or per group of seeds of an arm, forked from a warm server.

The server has imported torch once. Workers ignore Ctrl-C and a closed terminal, because the launcher decides; when it
tells them to stop, they write a checkpoint after the current iteration.
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
from dataclasses import dataclass, field
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess

from bench.records.tasks import CellTask
from bench.run.executors.base import ExecutorError, OnEvent, StopRequest
from bench.run.executors.worker import OUTCOMES, conclude, work

# torch._dynamo: otherwise the first optimiser of each worker imports it (1.4 s, 140 MB)
PRELOAD = ["bench.run.train_cell", "torch._dynamo"]
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
MAX_FOLDER_BYTES = 64  # leaves room for the names that multiprocessing appends
PRELOAD_TO_MEASURE = "infogan.measures.families"
NUM_FILES = 64  # open at a time, for launcher, tracking store and data
NUM_FILES_PER_CELL = 8  # two pipes, descriptors passed by the server, a checkpoint and its folder
SERVER_DEATH = "the server that starts workers died at its start, perhaps because of a memory limit (ulimit -v)"


@dataclass
class _Worker:
    """A worker process. ``tasks``: by key, those that have not ended yet."""

    tasks: dict[str, CellTask]
    process: BaseProcess
    connection: Connection


class LocalExecutor:
    """Runs tasks in order, ``jobs`` at a time, with up to ``together`` seeds of an arm in one process.

    Raises ExecutorError if not enough files can be open.
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
        """Run the tasks; return the outcome by cell key (see :class:`Executor`)."""
        if not tasks:
            return {}  # no server is started for nothing
        to_measure = [PRELOAD_TO_MEASURE] if any(task.cell.measures for task in tasks) else []
        self._context.set_forkserver_preload([*PRELOAD, *to_measure])
        _start_server()
        workers = _Workers(self._context, self.jobs, deque(_groups(tasks, self.together)), on_event, stop)
        while workers.running or (workers.waiting and not stop.requested):
            while workers.has_room and not stop.requested:
                workers.start_next()
            workers.pass_on_stop()
            workers.receive()
            tick()
        workers.give_up_waiting()
        return workers.outcomes


@dataclass
class _Workers:
    """One launch: groups of tasks that wait, workers that run, and by key what became of each task."""

    context: ForkServerContext
    jobs: int
    waiting: deque[list[CellTask]]
    on_event: OnEvent
    stop: StopRequest
    told_to_stop: bool = False
    killed: bool = False
    running: list[_Worker] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)

    @property
    def has_room(self) -> bool:
        """Whether the next group that waits may start now."""
        num_busy = sum(max(1, len(worker.tasks)) for worker in self.running)
        return bool(self.waiting) and num_busy + len(self.waiting[0]) <= self.jobs

    def start_next(self) -> None:
        """Start a process for the next group."""
        group = self.waiting.popleft()
        for task in group:
            if task.cell.key not in self.started:  # else it was trained with others, now to be measured
                self.on_event(task, "started", {})
        self.started |= {task.cell.key for task in group}
        try:
            receiver, sender = self.context.Pipe(duplex=False)
            process = self.context.Process(target=_work, args=(group, sender), name=group[0].cell.name)
            process.start()
            sender.close()
            self.running.append(_Worker({task.cell.key: task for task in group}, process, receiver))
        except (EOFError, ConnectionError):
            for task in group:
                self._end(task, *conclude(task, SERVER_DEATH, stopping=self.stop.requested))

    def pass_on_stop(self) -> None:
        """Tell the processes to stop, or kill them, once each, if that is asked for."""
        if self.stop.requested and not self.told_to_stop:
            self.told_to_stop = True
            self._signal(signal.SIGTERM)
        if self.stop.urgent and not self.killed:
            self.killed = True
            self._signal(signal.SIGKILL)

    def receive(self) -> None:
        """Wait a moment for events, pass them on, and conclude the cells of workers that ended without a word."""
        wait([w.connection for w in self.running] + [w.process.sentinel for w in self.running], timeout=0.2)
        for worker in list(self.running):
            self._read(worker)
            if not worker.process.is_alive():
                self._read(worker)  # events sent between the read above and its end
                self.running.remove(worker)
                worker.process.join()
                worker.connection.close()
                death = _describe_exit(worker.process.exitcode)
                for task in worker.tasks.values():
                    self._end(task, *conclude(task, death, stopping=self.told_to_stop))

    def give_up_waiting(self) -> None:
        """End tasks that were trained and still wait to be measured."""
        for task in [task for group in self.waiting for task in group if task.cell.key in self.started]:
            self._end(task, "stopped", "")

    def _signal(self, signum: int) -> None:
        for worker in self.running:
            if worker.process.pid is not None and worker.process.is_alive():
                with contextlib.suppress(ProcessLookupError):  # it ended just now, and the server knows before we do
                    os.kill(worker.process.pid, signum)

    def _read(self, worker: _Worker) -> None:
        """Pass on the events that a worker has sent. An error of the launcher's own callbacks is raised."""
        while True:
            try:
                if not worker.connection.poll():
                    return
                key, kind, values = worker.connection.recv()
            except (EOFError, OSError):
                return
            if kind in OUTCOMES:
                self._end(worker.tasks.pop(key), kind, values["message"])
            else:
                self.on_event(worker.tasks[key], kind, values)

    def _end(self, task: CellTask, outcome: str, message: str) -> None:
        if outcome == "trained":
            self.waiting.appendleft([task])
            return
        self.outcomes[task.cell.key] = outcome
        self.on_event(task, outcome, {"message": message})


def _groups(tasks: Iterable[CellTask], together: int) -> list[list[CellTask]]:
    """Groups of up to ``together`` tasks that differ only in their seeds, each at the position of its first task."""
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


def _allow_files(wanted: int) -> None:
    """Raise the limit of open files to ``wanted`` if it is lower. Raises ExecutorError if that is not allowed.

    With too few, the workers' server dies with an assertion of multiprocessing, or a worker never starts.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < wanted:
        if resource.RLIM_INFINITY != hard < wanted:
            raise ExecutorError(
                f"{wanted} open files are needed, {hard} are allowed: raise `ulimit -n`, or lower --jobs"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _start_server() -> None:
    """Start the workers' server with SIGINT and SIGHUP blocked, which its workers inherit.

    A terminal sends these signals to them too, before they could ignore them, but only the launcher decides.
    """
    resource_tracker.ensure_running()  # first, because its start unblocks SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    with _short_temporary_folder():
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """Use a temporary folder with a short path: a socket's path has at most 104 or 108 bytes, TMPDIR may have more.

    Raises ExecutorError if there is no such folder.
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
        hint = " (killed by the system, perhaps for lack of memory)" if name == "SIGKILL" else ""
        return f"worker died of {name}{hint}; the next run continues from its last checkpoint"
    return f"worker ended with exit code {exitcode} and no result; the next run continues from its last checkpoint"


def _die_with_parent() -> None:
    """Ask the kernel to send SIGTERM when the server ends, as it does if the launcher is killed."""
    with contextlib.suppress(OSError, AttributeError):  # not Linux: the worker notices a broken pipe a little later
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _work(tasks: list[CellTask], connection: Connection) -> None:
    """Target of a worker process."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    terminations: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, _: terminations.append(signum))
    _die_with_parent()
    work(tasks, lambda task, *event: connection.send((task.cell.key, *event)), lambda: bool(terminations))
