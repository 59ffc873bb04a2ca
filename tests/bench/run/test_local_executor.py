"""The executor on this machine: an error of the launcher's own callback is never taken for a closed pipe."""

import errno
import multiprocessing
import signal
import subprocess
import sys
from collections import deque
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from bench.records.folder import CellFolder
from bench.records.tasks import CellTask
from bench.run.executors.base import StopRequest
from bench.run.executors.local import LocalExecutor, _Worker, _Workers
from infogan import data
from tests.builders import planned, tiny_file


def test_an_error_while_a_cell_is_handed_to_the_mirror_is_raised(tmp_path: Path) -> None:
    file = tiny_file(tmp_path, iterations=3)
    cell = planned(file, data=data.describe("mnist", "embedded"), versions={}, arms=("gan",), seeds=(0,))[0]

    def on_event(task: CellTask, kind: str, values: dict[str, Any]) -> None:
        if kind == "done":
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        LocalExecutor(1).run([CellTask(cell, tmp_path, None, {})], on_event, StopRequest())
    assert CellFolder.of(tmp_path, cell).state() == "done"


def test_without_tasks_no_server_of_workers_is_started() -> None:
    """In a process of its own: here another test may have started the server."""
    code = (
        "from multiprocessing.forkserver import _forkserver\n"
        "from bench.run.executors.base import StopRequest\n"
        "from bench.run.executors.local import LocalExecutor\n"
        "print(LocalExecutor(1).run([], print, StopRequest()), _forkserver._forkserver_pid)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "{} None\n"


class JustEnded(BaseProcess):
    """A process that ended after the launcher last asked: its number is free again."""

    @property
    def pid(self) -> int:
        ended = subprocess.Popen(["true"])
        ended.wait()
        return ended.pid

    def is_alive(self) -> bool:
        return True


def test_a_second_signal_may_find_a_worker_that_has_just_ended() -> None:
    receiver, _ = multiprocessing.Pipe(duplex=False)
    stop = StopRequest([signal.SIGINT, signal.SIGINT])
    workers = _Workers(multiprocessing.get_context("forkserver"), 1, deque(), print, stop)
    workers.running.append(_Worker({}, JustEnded(), receiver))
    workers.pass_on_stop()
    assert (workers.told_to_stop, workers.killed) == (True, True)
