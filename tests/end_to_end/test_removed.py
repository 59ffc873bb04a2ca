"""A sweep must stop if its results are removed, even if another sweep has made them again in the meantime."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.end_to_end.faults import PLAN, RUN, num_checkpoints, running
from tests.end_to_end.harness import PATIENCE_S, Bench, wait_for

pytestmark = pytest.mark.timeout(900)  # seconds; long enough for a busy machine


@pytest.mark.slow
def test_a_stopped_launcher_does_not_come_back_into_results_made_anew(tmp_path: Path, empty_database: Path) -> None:
    """The user presses Ctrl-Z, removes the results, runs a new sweep to its end, and continues the first one."""
    bench = Bench(tmp_path, 60).use_database(empty_database)
    with running(bench, *RUN) as process:
        wait_for(lambda: num_checkpoints(bench) >= 1)
        os.killpg(process.pid, signal.SIGSTOP)
        shutil.rmtree(bench.results)
        bench.use_database(empty_database)
        assert "2 of 2 cells finished" in bench(*RUN)
        made = {path: path.stat().st_mtime_ns for path in bench.results.rglob("*") if path.is_file()}
        os.killpg(process.pid, signal.SIGCONT)
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, output
    assert "taken over by another process" in output
    assert "cells are safe" not in output
    assert "Traceback" not in output
    assert {path: path.stat().st_mtime_ns for path in bench.results.rglob("*") if path.is_file()} == made
    assert "2 cells: 2 done" in bench(*PLAN)


@pytest.mark.slow
def test_results_that_are_removed_while_they_are_made(tmp_path: Path, empty_database: Path) -> None:
    bench = Bench(tmp_path, 60).use_database(empty_database)
    with running(bench, *RUN) as process:
        wait_for(lambda: num_checkpoints(bench) >= 1)
        while bench.results.exists():  # again, where a worker wrote into a folder that was being removed
            shutil.rmtree(bench.results, ignore_errors=True)
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, output
    assert f"{bench.results} was removed" in " ".join(output.split())
    assert "Traceback" not in output
    assert not list(bench.results.rglob("*.json"))
