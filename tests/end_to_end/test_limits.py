"""Few open files, little memory, a full or read-only /dev/shm: a cell is trained, or one line says why not."""

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.harness import PATIENCE_S, ROOT, Bench

pytestmark = pytest.mark.timeout(900)  # seconds; long enough for a busy machine
ONE = ("run", "tiny", "--device", "cpu", "--arms", "infogan", "--seeds", "0", "--jobs", "1", "--no-tracking")


def limit(which: int, soft: int, hard: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(which, (soft, hard))


def limited(bench: Bench, preexec: Callable[[], None]) -> tuple[int, str]:
    """Run ``ONE`` under the limit; returns exit code and output. It must end by itself, without a traceback."""
    process = bench.start(*ONE, preexec_fn=preexec)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in output, output
    return process.returncode, output


@pytest.mark.parametrize("num_files", [16, 60])
def test_too_few_open_files_are_refused_before_training(tmp_path: Path, num_files: int) -> None:
    code, output = limited(Bench(tmp_path, 5), limit(resource.RLIMIT_NOFILE, num_files, num_files))
    assert (code, output.count("\n")) == (2, 1), output
    assert f"72 open files are needed, {num_files} are allowed: raise `ulimit -n`" in output
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_a_limit_that_may_be_raised_is_raised(tmp_path: Path) -> None:
    code, output = limited(Bench(tmp_path, 5), limit(resource.RLIMIT_NOFILE, 14, 256))
    assert (code, "1 of 1 cells finished" in output) == (0, True), output


def failure(bench: Bench, code: int, output: str) -> str:
    """The one line that reports the failed cell; its record must have the same message."""
    assert (code, "0 of 1 cells finished" in output) == (1, True), output
    (line,) = (line for line in output.splitlines() if "infogan/seed-0 failed: " in line)
    (result,) = (bench.results / "cells").rglob("result.json")
    assert json.loads(result.read_text())["message"] in line
    return line


@pytest.mark.slow
def test_a_limit_of_memory_fails_the_cell_in_one_line(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 5, {"OPENBLAS_NUM_THREADS": "1"})  # each thread would take memory of its own
    ended = limited(bench, limit(resource.RLIMIT_AS, 400 << 20, 400 << 20))
    assert "a library cannot be loaded: " in failure(bench, *ended)


@pytest.mark.slow
def test_a_server_of_workers_that_dies_fails_the_cell_in_one_line(tmp_path: Path) -> None:
    """It also dies like this if a memory limit is slightly too low for torch's libraries."""
    dies = "import os, sys\nif 'forkserver' in ' '.join(sys.orig_argv):\n    os.kill(os.getpid(), 9)\n"
    (tmp_path / "sitecustomize.py").write_text(dies)
    bench = Bench(tmp_path, 5, {"PYTHONPATH": str(tmp_path)})
    assert "the server that starts workers died at its start" in failure(bench, *limited(bench, lambda: None))


@pytest.mark.parametrize(
    "options", [pytest.param("ro", marks=pytest.mark.slow), "size=4k,nr_inodes=1"], ids=["read-only", "full"]
)
def test_a_shared_memory_that_takes_nothing_stops_no_cell(tmp_path: Path, options: str) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("/dev/shm cannot be covered: unshare (util-linux) is not installed")
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-U", "-r", "-m"]
    script = f'mount -t tmpfs -o {options} none /dev/shm && ! touch /dev/shm/x 2>&1 && cd "$0" && exec "$@"'
    prefix = [*unshare, "sh", "-c", script, str(ROOT)]
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"/dev/shm cannot be covered: {tried.stderr.strip()}")
    output = Bench(tmp_path, 5, prefix=prefix)(*ONE)
    assert "1 of 1 cells finished" in output
