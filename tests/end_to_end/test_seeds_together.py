"""``run --together``: seeds of an arm share a process. Each has the same records as alone, and fails by itself."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from bench.records.folder import CellFolder
from tests.bench.run.test_seeds_together import poison
from tests.end_to_end.faults import ITERATIONS, num_checkpoints, running, workers
from tests.end_to_end.harness import PATIENCE_S, Bench, same_bits, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # seconds; long enough for a busy machine
SELECTION = ("tiny", "--arms", "infogan", "--seeds", "0-1", "--no-tracking")
TOGETHER = ("run", *SELECTION, "--checkpoint-every", "3", "--jobs", "2", "--together", "2")


def test_a_process_of_two_seeds_is_killed_resumes_and_loses_one_alone(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    alone, bench = Bench(tmp_path / "alone", ITERATIONS), Bench(tmp_path, ITERATIONS)
    assert "share a process" not in alone("run", *SELECTION)
    with running(bench, *TOGETHER) as process:
        wait_for(lambda: num_checkpoints(bench) == 2)
        (worker,) = workers(process.pid)
        os.kill(worker, signal.SIGKILL)
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, output
    assert output.count("worker died of SIGKILL") >= 2
    names = ("infogan/seed-0", "infogan/seed-1")
    folders, others = ([CellFolder(b.cells()[name]) for name in names] for b in (bench, alone))
    assert [folder.cell().key for folder in folders] == [folder.cell().key for folder in others]

    poison(folders[0].path)
    output = bench(*TOGETHER, code=1)
    assert "up to 2 seeds of an arm share a process" in output
    assert output.count("resumed at iteration") == 2
    assert output.count("non-finite value at iteration") == 1
    assert "1 of 2 cells finished" in output
    failed, done = (bench.records()[name] for name in names)
    assert (failed["status"], failed["error"]) == ("failed", "NonFiniteLoss")
    assert (done["status"], done["resumes"], done["num_together"]) == ("done", 1, 2)

    assert f"to train it anew, remove {folders[0].path}" in " ".join(bench(*TOGETHER, code=1).split())
    shutil.rmtree(folders[0].path)
    bench(*TOGETHER)
    for own, other in zip(folders, others, strict=True):
        assert same_bits(own.path, other.path)


def test_what_was_trained_together_is_measured_apart(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 12)
    text = bench.spec.read_text()
    bench.spec.write_text(text.replace("seeds = [0, 1]", 'seeds = [0, 1]\nmeasures = ["trajectory"]'))
    output = bench(*TOGETHER)
    assert output.count("started") == 2
    assert "2 of 2 cells finished" in output
    for path in bench.cells().values():
        assert CellFolder(path).measures()["trajectory"].series["kid"]
