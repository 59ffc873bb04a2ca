"""A sweep is asked to stop, meets a damaged checkpoint or a second launcher, or its tracking server refuses.

Kills at random times, full disks and the other faults are in test_faults.py.
"""

import os
import random
import signal
import socket
from pathlib import Path

import pytest

from bench.records.folder import LAUNCHES
from bench.records.storage import read_lines
from tests.end_to_end.faults import ITERATIONS, PLAN, RUN, check_same, damage, num_checkpoints, running
from tests.end_to_end.harness import PATIENCE_S, Bench, read_until, rest_of, wait_for

pytestmark = pytest.mark.timeout(900)  # seconds; long enough for a busy machine


SIGNALS = [
    pytest.param(signal.SIGINT, id="Ctrl-C"),
    pytest.param(signal.SIGTERM, id="SIGTERM", marks=pytest.mark.slow),
    pytest.param(signal.SIGHUP, id="a closed terminal", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_polite_stop_writes_checkpoints_and_resumes(
    undisturbed: Bench, tmp_path: Path, empty_database: Path, signum: signal.Signals
) -> None:
    bench = Bench(tmp_path, ITERATIONS).use_database(empty_database)
    with running(bench, *RUN) as process:
        wait_for(lambda: num_checkpoints(bench) >= 1)
        send = os.kill if signum == signal.SIGTERM else os.killpg  # a terminal sends to all processes
        send(process.pid, signum)
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == (130 if signum == signal.SIGINT else 143), output
    assert "stopping" in output
    assert "Traceback" not in output
    states = bench.here(*PLAN)
    assert "failed" not in states
    assert "partial" in states
    assert "resumed at iteration" in bench(*RUN)
    check_same(bench, undisturbed)
    resumed = [cell for cell in read_lines(bench.results / LAUNCHES)[-1]["cells"] if cell["resumed"]]
    assert resumed
    for cell in resumed:  # this launch does not count what the stopped one trained
        assert 0 < cell["train_s"] < bench.records()[cell["name"]]["seconds"]["train"]


@pytest.mark.parametrize("signum", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stop_while_the_first_worker_starts_fails_no_cell(tmp_path: Path, signum: signal.Signals) -> None:
    bench = Bench(tmp_path, ITERATIONS)
    with running(bench, *RUN, "--no-tracking") as process:
        read_until(process, "started")
        os.killpg(process.pid, signum)  # to all processes, as a terminal or Slurm sends it
        output = rest_of(process)
    assert process.returncode == 128 + signum, output
    assert "Traceback" not in output
    assert "failed" not in output
    assert "failed" not in bench.here(*PLAN)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_said_and_the_one_before_used(
    undisturbed: Bench, tmp_path: Path, empty_database: Path
) -> None:
    bench = Bench(tmp_path, ITERATIONS).use_database(empty_database)
    with running(bench, *RUN) as process:
        wait_for(lambda: num_checkpoints(bench) == 2)
        process.terminate()
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert "stopped: run the same command to continue from the checkpoints" in output
    for folder in bench.cells().values():
        damage(folder / "checkpoint.pt", random.Random(1))
    output = bench(*RUN)
    assert "checkpoint.pt: checksum does not match" in output
    assert "using the one before" in output
    check_same(bench, undisturbed)


def test_a_refusing_tracking_server_stops_nothing_and_two_launchers_do_not_share_a_results_folder(
    undisturbed: Bench, tmp_path: Path, empty_database: Path
) -> None:
    """The first launcher waits for its server, so it is certainly still there when the second one starts."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    bench = Bench(tmp_path, ITERATIONS, {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"}).use_database(
        empty_database
    )
    with running(bench, *RUN) as process:
        wait_for(lambda: bool(bench.cells()))
        for command in (RUN, ("sync",)):  # two mirrors of a cell would set aside each other's runs
            refused = bench(*command, code=2)
            assert "in use by process" in refused
            assert refused.count("\n") == 1 or command == RUN
        output = read_until(process, "training has ended")
        os.killpg(process.pid, signal.SIGINT)  # end the wait for the server
        output += rest_of(process)
    assert process.returncode == 4, output
    assert "leaving the rest of the mirror" in output
    assert "Traceback" not in output
    assert "2 of 2 cells finished" in output
    assert "not fully tracked" in output
    assert "2 unsynced" in bench.here(*PLAN)
    del bench.environment["MLFLOW_TRACKING_URI"]
    assert "2 of 2 cells are mirrored in full" in bench.here("sync")
    check_same(bench, undisturbed)
