"""Killed at any time, a sweep resumes to the same bits and to the same number of MLflow points."""

import os
import random
import signal
import socket
from pathlib import Path

import pytest

from tests.end_to_end.harness import Bench, same_bits, wait_for

RUN = ("run", "tiny", "--arms", "infogan", "--seeds", "0-1", "--checkpoint-every", "3")
ITERATIONS = 60


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("undisturbed"), ITERATIONS).use_database(empty_database)
    bench(*RUN)
    return bench


def workers(launcher: int) -> list[int]:
    """Processes of the launcher's session that train a cell: grandchildren, forked from the warm server."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                parent, session = int(stat[1]), int(stat[3])
                if session == launcher and parent not in (launcher, 1) and int(entry.name) != launcher:
                    found.append(int(entry.name))
            except (OSError, ValueError, IndexError):
                continue
    return found


def checkpoints(bench: Bench) -> int:
    return sum((folder / "checkpoint.previous.pt").exists() for folder in bench.cells().values())


def check_same(bench: Bench, undisturbed: Bench) -> None:
    from mlflow import MlflowClient

    assert set(bench.cells()) == set(undisturbed.cells())
    for name, folder in bench.cells().items():
        assert same_bits(folder, undisturbed.cells()[name]), name
    counts = []
    for each in (bench, undisturbed):
        client = MlflowClient(f"sqlite:///{each.results}/mlflow.db")
        runs = client.search_runs([client.get_experiment_by_name("tiny-cpu").experiment_id])
        counts.append({r.info.run_name: len(client.get_metric_history(r.info.run_id, "mi/c1")) for r in runs})
    assert counts[0] == counts[1] == dict.fromkeys(bench.cells(), ITERATIONS)


def kill_rounds(bench: Bench, num_rounds: int, rng: random.Random, *, of_launcher: bool) -> int:
    """SIGKILL at random times, also inside a checkpoint's write; returns how many kills hit a running sweep."""
    hits = 0
    for _ in range(num_rounds):
        process = bench.start(*RUN)
        try:
            seen = checkpoints(bench)
            wait_for(
                lambda p=process, s=seen: p.poll() is not None or checkpoints(bench) > s or len(workers(p.pid)) == 2
            )
            pause = rng.uniform(0, 1.5)
            wait_for(lambda p=process: p.poll() is not None or checkpoints(bench) == 2)
            try:
                process.wait(pause)
            except Exception:
                targets = [process.pid] if of_launcher else workers(process.pid)[:1]
                for target in targets:
                    os.kill(target, signal.SIGKILL)
                    hits += 1
            process.communicate(timeout=120)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            if process.stdout:
                process.stdout.close()
    return hits


@pytest.mark.parametrize("of_launcher", [False, True], ids=["worker", "launcher"])
def test_killed_sweeps_resume_to_the_same_bits(
    undisturbed: Bench, tmp_path: Path, empty_database: Path, of_launcher: bool
) -> None:
    bench = Bench(tmp_path, ITERATIONS).use_database(empty_database)
    assert kill_rounds(bench, 2, random.Random(1), of_launcher=of_launcher) >= 1
    bench(*RUN)
    check_same(bench, undisturbed)
    assert "2 cells: 2 done" in bench("plan", *RUN[1:6])


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_polite_stop_writes_checkpoints_and_resumes(
    undisturbed: Bench, tmp_path: Path, empty_database: Path, signum: signal.Signals
) -> None:
    bench = Bench(tmp_path, ITERATIONS).use_database(empty_database)
    process = bench.start(*RUN)
    wait_for(lambda: checkpoints(bench) >= 1)
    os.killpg(process.pid, signum) if signum == signal.SIGINT else process.send_signal(
        signum
    )  # a terminal's Ctrl-C reaches all
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signum, output
    assert "stopping" in output
    assert "Traceback" not in output
    states = bench("plan", *RUN[1:6])
    assert "failed" not in states
    assert "partial" in states
    assert "resumed at iteration" in bench(*RUN)
    check_same(bench, undisturbed)


def test_a_damaged_checkpoint_is_said_and_the_one_before_used(
    undisturbed: Bench, tmp_path: Path, empty_database: Path
) -> None:
    bench = Bench(tmp_path, ITERATIONS).use_database(empty_database)
    process = bench.start(*RUN)
    wait_for(lambda: checkpoints(bench) == 2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    for folder in bench.cells().values():
        content = bytearray((folder / "checkpoint.pt").read_bytes())
        content[len(content) // 2] ^= 1
        (folder / "checkpoint.pt").write_bytes(content)
    output = bench(*RUN)
    assert "checkpoint.pt: checksum does not match" in output
    assert "using the one before" in output
    check_same(bench, undisturbed)


def test_two_launchers_do_not_share_a_results_folder(tmp_path: Path, empty_database: Path) -> None:
    bench = Bench(tmp_path, ITERATIONS).use_database(empty_database)
    process = bench.start(*RUN)
    wait_for(lambda: bool(bench.cells()))
    assert "in use by process" in bench(*RUN, code=2)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output


def test_a_refusing_tracking_server_stops_nothing(undisturbed: Bench, tmp_path: Path, empty_database: Path) -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    bench = Bench(tmp_path, ITERATIONS, {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"}).use_database(
        empty_database
    )
    output = bench(*RUN, code=4)
    assert "2 of 2 cells finished" in output
    assert "not fully tracked" in output
    assert "2 unsynced" in bench("plan", *RUN[1:6])
    del bench.environment["MLFLOW_TRACKING_URI"]
    assert "2 of 2 cells are mirrored in full" in bench("sync")
    check_same(bench, undisturbed)
