"""Whatever happens to a sweep, no finished cell is lost, nothing is told wrongly, and it ends with the same bits."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.paths import on_results
from tests.end_to_end.faults import (
    ITERATIONS,
    KINDS,
    PLAN,
    RUN,
    Volume,
    Witness,
    check_same,
    damage,
    file_digests,
    num_checkpoints,
    round_of,
    running,
    session,
)
from tests.end_to_end.harness import PATIENCE_S, Bench, same_bits, wait_for

pytestmark = pytest.mark.timeout(900)  # seconds; long enough for a busy machine
ONE = ("run", "tiny", "--arms", "infogan", "--seeds", "0", "--checkpoint-every", "3")


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    volume = Volume(tmp_path / "volume", "3m")
    yield volume
    volume.close()


@pytest.mark.parametrize("num_rounds", [2, pytest.param(30, marks=[pytest.mark.slow, pytest.mark.timeout(3000)])])
def test_random_faults_lose_nothing(undisturbed: Bench, tmp_path: Path, empty_database: Path, num_rounds: int) -> None:
    """Each kind of fault in turn, at random times. A finished sweep is checked, and then another one begins."""
    sweeps = iter(range(num_rounds + 1))
    bench: Bench | None = None
    for k in range(num_rounds):
        if bench is None:
            folder = tmp_path / f"sweep-{next(sweeps)}"
            folder.mkdir()
            bench = Bench(folder, ITERATIONS).use_database(empty_database)
            witness = Witness(bench)
        lost = round_of(bench, witness, KINDS[k % len(KINDS)], 100 * num_rounds + k)
        assert lost == [], lost
        if len(witness.finished) == 2:
            finish(bench, witness, undisturbed)
            bench = None
    if bench is not None:
        finish(bench, witness, undisturbed)


def finish(bench: Bench, witness: Witness, undisturbed: Bench) -> None:
    """Run the sweep to its end without a fault, and check it."""
    bench(*RUN)
    assert witness.losses(ask_plan=False) == []
    assert "2 cells: 2 done" in bench.here(*PLAN)
    check_same(bench, undisturbed)


# ---------------------------------------------------------------- disks
def test_a_full_disk_stops_a_cell_at_its_last_checkpoint(
    undisturbed: Bench, volume: Volume, tmp_path: Path, empty_database: Path
) -> None:
    """The disk of 3 MB has room for the database and two checkpoints, but not for three."""
    bench = volume.bench(ITERATIONS, tmp_path).use_database(empty_database)
    output = bench(*ONE, code=1)
    assert "No space left on device" in output
    assert "0 of 1 cells finished" in output
    assert "1 done" not in bench(*PLAN)
    assert Witness(bench).losses(ask_plan=False) == []
    volume.remount("size=64m")
    assert "resumed at iteration" in bench(*ONE)
    check_same(bench, undisturbed)


@pytest.mark.slow
def test_tracking_on_a_full_disk_costs_only_the_mirror(
    undisturbed: Bench, volume: Volume, tmp_path: Path, empty_database: Path
) -> None:
    volume.remount("size=960k")  # enough for the empty database
    database = volume.folder / "mlflow.db"
    volume.seen(database).write_bytes(empty_database.read_bytes())
    bench = Bench(tmp_path, ITERATIONS, {"MLFLOW_TRACKING_URI": f"sqlite:///{database}"}, volume.prefix())
    output = bench(*ONE, code=4)
    assert "1 of 1 cells finished" in output
    assert "not fully tracked" in output
    assert "1 unsynced" in bench("plan", *ONE[1:6])
    volume.remount("size=64m")
    assert "1 of 1 cells are mirrored in full" in bench("sync")
    (tmp_path / "results" / "mlflow.db").write_bytes(volume.seen(database).read_bytes())
    check_same(bench, undisturbed)


def test_a_read_only_results_folder_is_refused_and_can_be_looked_at(
    undisturbed: Bench, volume: Volume, tmp_path: Path
) -> None:
    volume.remount("size=64m")
    bench = volume.bench(ITERATIONS, tmp_path)
    shutil.copytree(undisturbed.results, bench.seen, ignore=shutil.ignore_patterns("lease", "run.lease"))
    volume.remount("ro")
    for command in (RUN, ("report", "tiny"), ("sync",)):
        output = bench(*command, code=2)
        assert output.count("\n") == 1
        assert "Read-only file system" in output
    assert "2 cells: " in bench(*PLAN)


# ---------------------------------------------------------------- damage
@pytest.mark.parametrize("kind", ["garbage", pytest.param("truncated", marks=pytest.mark.slow)])
def test_a_corrupt_database_is_left_alone(undisturbed: Bench, tmp_path: Path, empty_database: Path, kind: str) -> None:
    bench = Bench(tmp_path, ITERATIONS)
    bench.results.mkdir()
    database = bench.results / "mlflow.db"
    sound = (undisturbed.results / "mlflow.db").read_bytes()
    content = random.Random(1).randbytes(10_000) if kind == "garbage" else sound[: len(sound) // 2]
    database.write_bytes(content)
    output = bench(*ONE, code=4)
    assert "1 of 1 cells finished" in output
    assert "mlflow.db is not a database; move it away, then sync again" in output
    assert f"`{on_results(bench.results, 'sync')}` completes the mirror" in output
    assert database.read_bytes() == content
    output = bench("baseline", *ONE[1:6], "--run", "--to", str(tmp_path / "baseline.json"), code=4)
    assert "baseline of 1 run written" in output
    database.rename(tmp_path / "moved-away.db")
    bench.use_database(empty_database)
    assert "1 of 1 cells are mirrored in full" in bench.here("sync")
    check_same(bench, undisturbed)


@pytest.mark.slow
def test_damaged_records_of_a_finished_cell_are_said(undisturbed: Bench, tmp_path: Path, empty_database: Path) -> None:
    """If result, curves or weights are damaged, the cell is no longer done, and is trained again to the same bits."""
    bench = Bench(tmp_path, ITERATIONS)
    shutil.copytree(undisturbed.results, bench.results)
    bench.use_database(empty_database)  # a copied database names the original's artifacts
    folders = bench.cells()
    damage(folders["infogan/seed-0"] / "result.json", random.Random(2))
    damage(folders["infogan/seed-1"] / "history.npz", random.Random(3))
    assert "2 partial" in bench(*PLAN)
    assert "damaged: cells/tiny/cpu/infogan/seed-1" in " ".join(bench("report", "tiny").split())
    assert "history.npz: checksum does not match" in bench("sync", code=4)
    output = bench(*RUN)
    assert "result.json: " in output
    assert "history.npz: checksum does not match" in output
    assert output.count("the cell is trained again") == 2
    check_same(bench, undisturbed)
    weights = folders["infogan/seed-0"] / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "weights.safetensors: cut off; it will be trained again" in " ".join(bench(*PLAN).split())
    assert "the cell is trained again" in bench(*RUN)
    check_same(bench, undisturbed)


@pytest.mark.slow
def test_two_damaged_checkpoints_start_anew(undisturbed: Bench, tmp_path: Path, empty_database: Path) -> None:
    bench = Bench(tmp_path, ITERATIONS).use_database(empty_database)
    with running(bench, *RUN) as process:
        wait_for(lambda: num_checkpoints(bench) == 2)
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
    for folder in bench.cells().values():
        for name in ("checkpoint.pt", "checkpoint.previous.pt"):
            damage(folder / name, random.Random(4))
    output = bench(*RUN)
    assert "checkpoint.pt: checksum does not match" in output
    assert "using the one before" in output
    assert "neither is used" in output
    assert "no checkpoint can be used; the cell starts again from the beginning" in output
    check_same(bench, undisturbed)


# ---------------------------------------------------------------- another definition
@pytest.mark.slow
def test_a_definition_changed_half_way_mixes_nothing(undisturbed: Bench, tmp_path: Path, empty_database: Path) -> None:
    """After a rate is changed, a half-trained cell stays as it is. It continues once the rate is changed back."""
    bench = Bench(tmp_path, ITERATIONS).use_database(empty_database)
    with running(bench, *ONE) as process:
        wait_for(lambda: num_checkpoints(bench) == 1)
        process.kill()  # so that it cannot finish the cell
        process.communicate(timeout=PATIENCE_S)
        wait_for(lambda: not session(process.pid))
    old = bench.cells()["infogan/seed-0"]
    before, sound = file_digests(old), bench.spec.read_text()
    bench.spec.write_text(sound.replace("learning_rate_generator = 1e-3", "learning_rate_generator = 2e-3"))
    assert "1 missing" in bench("plan", *ONE[1:6])
    assert "resumed" not in bench(*ONE)
    assert file_digests(old) == before
    new = next(path.parent for path in (bench.results / "cells").rglob("result.json"))
    assert new != old
    bench.spec.write_text(sound)
    assert "resumed at iteration" in bench(*ONE)
    assert same_bits(old, undisturbed.cells()["infogan/seed-0"])
    assert not same_bits(new, old)
