"""The executor on this machine: an error of the launcher's own callback is never taken for a closed pipe."""

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.records.folder import CellFolder
from bench.records.tasks import CellTask
from bench.run.executors.base import StopRequest
from bench.run.executors.local import LocalExecutor
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
