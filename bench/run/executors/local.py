"""Cells on this machine: one process per cell, forked from a warm server that has imported torch once.

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
from collections.abc import Callable, Iterator
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
SERVER_DEATH = "the server that starts workers died as it began, perhaps of a limit of memory (ulimit -v)"


@dataclass
class _Worker:
    task: CellTask
    process: BaseProcess
    connection: Connection
    outcome: str | None = None
    message: str = ""


class LocalExecutor:
    """Runs tasks in order, ``jobs`` at a time. Raises ExecutorError where so many files cannot be open."""

    def __init__(self, jobs: int) -> None:
        if jobs < 1:
            raise ValueError(f"jobs must be at least 1, got {jobs}")
        self.jobs = jobs
        _allow_files(NUM_FILES + NUM_FILES_PER_CELL * jobs)
        self._context = multiprocessing.get_context("forkserver")

    def run(
        self, tasks: list[CellTask], on_event: OnEvent, stop: StopRequest, tick: Callable[[], None] = lambda: None
    ) -> dict[str, str]:
        """Outcome by cell key: ``done``, ``failed``, ``stopped``, or absent for a cell that was not started."""
        to_measure = [PRELOAD_TO_MEASURE] if any(task.cell.measures for task in tasks) else []
        self._context.set_forkserver_preload([*PRELOAD, *to_measure])
        _start_server()
        waiting, running, outcomes = deque(tasks), list[_Worker](), dict[str, str]()
        told_to_stop = killed = False
        while running or (waiting and not stop.requested):
            while waiting and len(running) < self.jobs and not stop.requested:
                task = waiting.popleft()
                on_event(task, "started", {})
                try:
                    running.append(self._start(task))
                except (EOFError, ConnectionError):
                    outcome, message = conclude(task, SERVER_DEATH, stopping=False)
                    on_event(task, outcome, {"message": message})
                    outcomes[task.cell.key] = outcome
            if stop.requested and not told_to_stop:
                told_to_stop = True
                _signal_all(running, signal.SIGTERM)
            if stop.urgent and not killed:
                killed = True
                _signal_all(running, signal.SIGKILL)
            wait([w.connection for w in running] + [w.process.sentinel for w in running], timeout=0.2)
            for worker in list(running):
                self._receive(worker, on_event)
                if not worker.process.is_alive():
                    self._receive(worker, on_event)  # what it sent between the read above and its end
                    running.remove(worker)
                    outcomes[worker.task.cell.key] = self._end(worker, on_event, stopping=told_to_stop)
            tick()
        return outcomes

    def _start(self, task: CellTask) -> _Worker:
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(task, sender), name=task.cell.name)
        process.start()
        sender.close()
        return _Worker(task, process, receiver)

    @staticmethod
    def _receive(worker: _Worker, on_event: OnEvent) -> None:
        try:
            while worker.connection.poll():
                kind, values = worker.connection.recv()
                if kind in OUTCOMES:
                    worker.outcome, worker.message = kind, values["message"]
                else:
                    on_event(worker.task, kind, values)
        except (EOFError, OSError):
            return

    @staticmethod
    def _end(worker: _Worker, on_event: OnEvent, *, stopping: bool) -> str:
        worker.process.join()
        worker.connection.close()
        outcome, message = worker.outcome, worker.message
        if outcome is None:
            outcome, message = conclude(worker.task, _describe_exit(worker.process.exitcode), stopping=stopping)
        on_event(worker.task, outcome, {"message": message})
        return outcome


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


def _work(task: CellTask, connection: Connection) -> None:
    """Target of a worker's process."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    terminations: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, _: terminations.append(signum))
    _die_with_parent()
    outcome, message = work(task, lambda *event: connection.send(event), lambda: bool(terminations))
    with contextlib.suppress(OSError):  # the launcher has gone; the record says how the cell ended
        connection.send((outcome, {"message": message}))
