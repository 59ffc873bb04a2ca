"""The MLflow mirror against real stores: SQLite, a real server, a closed port, a file that is no database."""

import contextlib
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import mirrored, store_uri, tracking
from bench.cells import Cell
from bench.mirror import Mirror, sync
from bench.records import CellFolder, History
from bench.tracking import default_uri, is_synced, mirror_cell, redacted

ITERATIONS = 60
CATEGORICAL = {"kind": "categorical", "num_categories": 10}
CONTINUOUS = {"kind": "continuous", "std": "learned", "log_std_clamp": [-4.0, 2.0]}


def make_cell(seed: int = 0, codes: tuple[dict[str, Any], ...] = (CATEGORICAL, CONTINUOUS)) -> Cell:
    config = {
        "experiment": "toy",
        "profile": "smoke",
        "data": {"name": "mnist", "source": "embedded", "digest": "ab" * 32, "num_images": 2000},
        "noise": {"size": 62, "prior": "uniform"},
        "codes": list(codes),
        "device": "cpu",
        "variant": None,
        "arm": "infogan",
        "seed": seed,
        "training": {
            "iterations": ITERATIONS,
            "batch_size": 128,
            "learning_rate_discriminator": 2e-4,
            "learning_rate_generator": 1e-3,
            "learning_rate_q": 2e-4,
            "mi_trains_trunk": True,
            "mi_weight_generator": [1.0] * len(codes),
        },
    }
    return Cell("toy", "smoke", None, "infogan", seed, config, {"codes": list(codes)})


def make_history(cell: Cell, num: int = ITERATIONS, *, learns: bool = True) -> History:
    """Losses with one NaN, a categorical curve that rises to H(c) or stays near 0, a continuous one."""
    t = np.arange(1, num + 1)
    columns = {"loss/discriminator": 1.0 + 0.3 * np.sin(t), "loss/generator": 0.7 + 0.1 * np.cos(t)}
    columns["loss/generator"][4] = np.nan
    for i, code in enumerate(cell.config["codes"], 1):
        if code["kind"] == "categorical":
            columns[f"mi/c{i}"] = math.log(10) * (1 - np.exp(-t / 8)) if learns else 0.05 * np.sin(t / 9)
        else:
            columns |= {f"mi/c{i}": 0.5 + t / 100, f"explained/c{i}": t / 200}
    stretches = np.arange(25, num + 1, 25)
    values = np.stack(list(columns.values()), axis=1).astype(np.float32)
    return History(tuple(columns), values, stretches, stretches / 10.0)


def begin(results: Path, cell: Cell, num: int) -> CellFolder:
    """A cell that was interrupted after ``num`` iterations."""
    folder = CellFolder.of(results, cell)
    folder.write_identity(cell, {"git_commit": "0123456789ab", "python": "3.11"}, cell.config["data"])
    folder.write_history(make_history(cell, num))
    return folder


def finish(folder: CellFolder, *, learns: bool = True) -> CellFolder:
    """The same cell, done."""
    cell = folder.cell()
    folder.write_history(make_history(cell, learns=learns))
    grid = np.arange(5 * 10 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(5, 10, 28, 28, 1)
    folder.write_traversals({f"c{i}": grid for i in range(1, len(cell.config["codes"]) + 1)})
    folder.write_weights(b"weights" * 100)
    frozen = {f"c{i}": 2.0 for i in range(1, len(cell.config["codes"]) + 1)}
    folder.write_result({"status": "done", "iterations": ITERATIONS, "mi_frozen_nats": frozen, "notes": []})
    return folder


def done_cell(results: Path, cell: Cell, *, learns: bool = True) -> CellFolder:
    return finish(begin(results, cell, 10), learns=learns)


@pytest.fixture
def results(tmp_path: Path, empty_database: Path) -> Path:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def client(results: Path) -> Any:
    return tracking._connect(default_uri(results))


@pytest.fixture
def refusing_uri() -> str:
    """A port of this machine where nobody listens, with credentials that must not be told."""
    return f"http://someone:s3cret-word@127.0.0.1:{free_port()}"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def the_run(client: Any, name: str = "toy-smoke") -> Any:
    (run,) = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    return run


def stored(client: Any, run_id: str, metric: str) -> list[tuple[int, float]]:
    return sorted((m.step, m.value) for m in client.get_metric_history(run_id, metric))


def assert_holds(client: Any, run_id: str, metric: str, column: np.ndarray) -> None:
    steps, values = zip(*stored(client, run_id, metric), strict=True)
    assert steps == tuple(range(1, len(column) + 1))
    np.testing.assert_array_equal(values, column.astype(np.float64))  # NaN equals NaN


# ---------------------------------------------------------------- one cell
def test_health_is_a_tag_and_points_of_the_cells_that_have_it(results: Path, client: Any) -> None:
    old, new = done_cell(results, make_cell(seed=0)), done_cell(results, make_cell(seed=1))
    health = {"status": "collapsed", "reason": "r", "variety": 0.5, "distinctness": 0.001, "saturation": 0.25}
    new.write_result((new.result() or {}) | {"health": health})
    assert mirror_cell(client, old)
    assert mirror_cell(client, new)
    runs = {
        run.data.params["seed"]: run
        for run in client.search_runs([client.get_experiment_by_name("toy-smoke").experiment_id])
    }
    assert "health" not in runs["0"].data.tags
    assert not {"summary/variety", "summary/collapsed"} & runs["0"].data.metrics.keys()
    assert runs["1"].data.tags["health"] == "collapsed"
    expected = {"variety": 0.5, "distinctness": 0.001, "saturation": 0.25, "collapsed": 1.0}
    assert {f"summary/{name}": value for name, value in expected.items()}.items() <= runs["1"].data.metrics.items()


def test_a_done_cell_is_mirrored_in_full(results: Path, client: Any) -> None:
    folder = done_cell(results, make_cell(seed=3))
    assert not is_synced(folder, default_uri(results))
    assert mirror_cell(client, folder)

    run, history = the_run(client), make_history(folder.cell())
    assert run.info.run_name == "infogan/seed-3"
    assert run.info.status == "FINISHED"
    assert run.info.end_time >= run.info.start_time
    labels = {"experiment": "toy", "variant": "-", "arm": "infogan", "seed": "3", "group": "infogan"}
    assert labels.items() <= run.data.tags.items()
    assert labels.items() <= run.data.params.items()
    tags = {"cell_key": folder.cell().key, "git_commit": "0123456789ab", "data_source": "embedded", "synced": "true"}
    assert tags.items() <= run.data.tags.items()
    assert "2000 images of mnist" in run.data.tags["mlflow.note.content"]
    params = {"training.learning_rate_q": "0.0002", "codes.c2.kind": "continuous", "noise.prior": "uniform"}
    assert params.items() <= run.data.params.items()
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("mnist", "ab" * 16)
    assert "embedded" in dataset.dataset.source

    run_id, categorical = run.info.run_id, history.column("mi/c1").astype(np.float64)
    for name in history.names:
        assert_holds(client, run_id, name, history.column(name))
    assert_holds(client, run_id, "mi/categorical", categorical)
    assert_holds(client, run_id, "mi/continuous", history.column("mi/c2"))
    assert_holds(client, run_id, "mi/fraction", categorical / math.log(10))
    assert stored(client, run_id, "time/step_ms") == [(25, 2.5), (50, 5.0)]
    metrics = run.data.metrics
    assert metrics["summary/t80_reached"] == 1
    assert 8 < metrics["summary/t80"] < 18  # 1 - exp(-t / 8) = 0.8 at 12.9
    assert metrics["summary/mi_final"] == metrics["summary/mi_final_nats"] == pytest.approx(math.log(10), abs=0.01)

    artifacts = {a.path: a.file_size for path in (None, "traversals") for a in client.list_artifacts(run_id, path)}
    assert set(artifacts) == {
        "config.json", "environment.json", "traversals", "traversals/c1.png", "traversals/c2.png", "weights.pt",
    }  # fmt: skip
    assert artifacts["weights.pt"] == 700
    assert (results / "artifacts" / "toy-smoke" / run_id / "artifacts" / "config.json").exists()

    tags = client.get_experiment(run.info.experiment_id).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    arms, seeds = (json.loads(tags[f"mlflow.sharedViewState.{key}"]) for key in ("arms", "seeds"))
    assert [c["metricKey"] for c in arms["compareRunCharts"]] == [
        "mi/categorical", "mi/continuous", "summary/t80", "summary/mi_final", "loss/discriminator", "loss/generator",
    ]  # fmt: skip
    assert arms["groupBy"]["groupByKeys"] == [{"mode": "param", "groupByData": "arm"}]
    assert "groupBy" not in seeds

    record = folder.tracking()
    assert record is not None
    assert (record["run_id"], record["status"]) == (run_id, "synced")
    num_stored = sum(len(client.get_metric_history(run_id, m)) for m in metrics)
    assert record["points"] == num_stored
    assert is_synced(folder, default_uri(results))
    assert not is_synced(folder, "http://127.0.0.1:5000")
    assert not is_synced(begin(results, make_cell(seed=4), 20), default_uri(results))


def test_mirrored_twice_changes_nothing(results: Path, client: Any) -> None:
    folder = done_cell(results, make_cell())
    assert mirror_cell(client, folder)
    before, record = the_run(client), folder.tracking()
    assert mirror_cell(client, folder)
    after = the_run(client)
    assert before.data.metrics.keys() == after.data.metrics.keys()
    assert len(stored(client, after.info.run_id, "mi/c1")) == ITERATIONS
    assert folder.tracking() == record


def test_a_mirror_killed_half_way_is_completed_without_duplicates(results: Path, client: Any) -> None:
    """The store holds the start of each curve, part of the next batch, and points after a gap."""
    from mlflow.entities import Metric

    folder = begin(results, make_cell(), 20)
    assert mirror_cell(client, folder)
    run = the_run(client)
    assert (run.info.status, len(stored(client, run.info.run_id, "mi/c1"))) == ("KILLED", 20)
    finish(folder)
    values = make_history(folder.cell()).column("mi/c1").tolist()
    after_the_kill = [Metric("mi/c1", values[step - 1], 123456, step) for step in (21, 22, 23, 41, 42)]
    client.log_batch(run.info.run_id, metrics=after_the_kill, synchronous=True)
    client.update_run(run.info.run_id, "RUNNING")  # as a SIGKILL leaves it

    assert mirror_cell(client, folder)
    assert the_run(client).info.run_id == run.info.run_id
    assert the_run(client).info.status == "FINISHED"
    assert_holds(client, run.info.run_id, "mi/c1", make_history(folder.cell()).column("mi/c1"))


@pytest.mark.parametrize(
    ("step", "offset"), [(7, 0.0), (7, 0.5), (ITERATIONS + 1, 0.0)], ids=["twice", "other", "extra"]
)
def test_a_run_with_other_points_is_set_aside(results: Path, client: Any, step: int, offset: float) -> None:
    folder = done_cell(results, make_cell())
    assert mirror_cell(client, folder)
    spoiled = the_run(client).info.run_id
    values = make_history(folder.cell()).column("mi/c1").tolist()
    client.log_metric(spoiled, "mi/c1", values[min(step, ITERATIONS) - 1] + offset, timestamp=123456, step=step)

    assert mirror_cell(client, folder)
    assert the_run(client).info.run_id != spoiled
    assert client.get_run(spoiled).info.lifecycle_stage == "deleted"
    assert_holds(client, the_run(client).info.run_id, "mi/c1", make_history(folder.cell()).column("mi/c1"))


def test_a_cell_in_training_is_running_and_memory_sends_only_news(results: Path, client: Any) -> None:
    folder, memory = begin(results, make_cell(), 20), {}
    with folder.lock("worker"):
        assert mirror_cell(client, folder, memory)
        assert the_run(client).info.status == "RUNNING"
        folder.write_history(make_history(folder.cell(), 35))
        assert mirror_cell(client, folder, memory)
    assert_holds(client, the_run(client).info.run_id, "mi/c1", make_history(folder.cell(), 35).column("mi/c1"))
    assert (folder.tracking() or {})["status"] == "incomplete"


def test_a_failed_cell_and_its_repetition_share_one_run(results: Path, client: Any) -> None:
    folder = begin(results, make_cell(), 20)
    folder.write_result({"status": "failed", "error": "NonFiniteLoss", "message": "loss is nan at 23", "notes": []})
    assert mirror_cell(client, folder)
    failed = the_run(client)
    assert (failed.info.status, failed.data.tags["error"]) == ("FAILED", "NonFiniteLoss: loss is nan at 23")
    assert is_synced(folder, default_uri(results))

    folder.remove_result()
    assert mirror_cell(client, folder)
    assert not {"error", "synced"} & the_run(client).data.tags.keys()
    assert mirror_cell(client, finish(folder))
    repeated = the_run(client)
    assert (repeated.info.run_id, repeated.info.status) == (failed.info.run_id, "FINISHED")


def test_a_new_end_is_not_synced_until_it_is_mirrored(results: Path, client: Any) -> None:
    folder = begin(results, make_cell(), 20)
    folder.write_result({"status": "failed", "error": "OSError", "message": "", "notes": []})
    assert mirror_cell(client, folder)
    finish(folder)
    assert not is_synced(folder, default_uri(results))


def test_two_folders_with_the_same_cell_share_a_store(results: Path, client: Any, tmp_path: Path) -> None:
    """Two people, one server: equal curves, other step times. Neither touches the other's run."""
    mine, theirs = (done_cell(tmp_path / who, make_cell()) for who in ("mine", "theirs"))
    history = make_history(theirs.cell())
    history.step_ms[:] *= 2
    theirs.write_history(history)
    for folder in (mine, theirs, mine):
        assert mirror_cell(client, folder)
    run_ids = {(folder.tracking() or {})["run_id"] for folder in (mine, theirs)}
    assert len(run_ids) == 2
    assert {client.get_run(run_id).info.lifecycle_stage for run_id in run_ids} == {"active"}


def test_two_folders_training_the_same_cell_have_a_run_each(results: Path, client: Any, tmp_path: Path) -> None:
    """At the same time, so that neither's points contradict the other's yet."""
    mine, theirs = (begin(tmp_path / who, make_cell(), 20) for who in ("mine", "theirs"))
    for folder in (mine, theirs):
        assert mirror_cell(client, folder)
    run_ids = [(folder.tracking() or {})["run_id"] for folder in (mine, theirs)]
    assert run_ids[0] != run_ids[1]
    history = make_history(finish(theirs).cell())
    history.step_ms[:] *= 2
    theirs.write_history(history)
    for folder in (finish(mine), theirs, mine):
        assert mirror_cell(client, folder)
    assert [(folder.tracking() or {})["run_id"] for folder in (mine, theirs)] == run_ids
    assert {client.get_run(run_id).info.lifecycle_stage for run_id in run_ids} == {"active"}


def test_a_run_made_just_before_a_kill_is_found_again(results: Path, client: Any) -> None:
    """The store has the run, the folder does not name it yet."""
    folder = begin(results, make_cell(), 20)
    assert mirror_cell(client, folder)
    before = the_run(client).info.run_id
    (folder.path / "tracking.json").unlink()
    assert mirror_cell(client, finish(folder))
    assert the_run(client).info.run_id == before


def test_memory_keeps_no_ended_cell(results: Path, client: Any) -> None:
    memory: dict[str, Any] = {}
    running, ended = begin(results, make_cell(0), 20), done_cell(results, make_cell(1))
    for folder in (running, ended):
        assert mirror_cell(client, folder, memory)
    assert list(memory) == [running.cell().key]


def test_a_folder_without_its_record_finds_its_run_again(results: Path, client: Any) -> None:
    folder = done_cell(results, make_cell())
    assert mirror_cell(client, folder)
    before = the_run(client).info.run_id
    (folder.path / "tracking.json").unlink()
    assert mirror_cell(client, folder)
    assert the_run(client).info.run_id == before
    assert is_synced(folder, default_uri(results))


def test_a_t80_that_is_not_reached_is_the_budget(results: Path, client: Any) -> None:
    assert mirror_cell(client, done_cell(results, make_cell(), learns=False))
    metrics = the_run(client).data.metrics
    assert (metrics["summary/t80"], metrics["summary/t80_reached"]) == (ITERATIONS, 0)
    assert all(math.isfinite(value) and abs(value) < 1e6 for name, value in metrics.items() if "summary" in name)


def test_without_a_categorical_code_there_is_no_t80(results: Path, client: Any) -> None:
    folder = done_cell(results, make_cell(codes=(CONTINUOUS, CONTINUOUS)))
    assert mirror_cell(client, folder)
    run, history = the_run(client), make_history(folder.cell())
    assert not {"mi/categorical", "mi/fraction", "summary/t80"} & run.data.metrics.keys()
    total = history.column("mi/c1").astype(np.float64) + history.column("mi/c2")
    assert_holds(client, run.info.run_id, "mi/continuous", total)
    assert run.data.metrics["summary/mi_final"] == pytest.approx(2 * (0.5 + 0.575), abs=1e-5)  # means of 55..60
    view = json.loads(client.get_experiment(run.info.experiment_id).tags["mlflow.sharedViewState.seeds"])
    assert [c["metricKey"] for c in view["compareRunCharts"]][:2] == ["mi/continuous", "summary/mi_final"]


def test_inf_is_left_out_of_the_points() -> None:
    cell = make_cell()
    history = make_history(cell)
    history.values[2, 0] = np.inf
    points = mirrored.recorded_points(cell.config, history)["loss/discriminator"]
    assert points.keys() == set(range(1, ITERATIONS + 1)) - {3}


def test_a_grid_is_tiled_with_separators() -> None:
    import io

    from PIL import Image

    grid = np.zeros((2, 3, 4, 5, 3), np.uint8)
    grid[1, 2] = (10, 20, 30)
    picture = np.asarray(Image.open(io.BytesIO(mirrored.grid_png(grid))))
    assert picture.shape == (2 * (2 * 4 + 2), 2 * (3 * 5 + 2 * 2), 3)
    assert (picture[-8:, -10:] == (10, 20, 30)).all()
    assert (picture[8:12] == 255).all()
    assert (picture[:8, :10] == 0).all()


# ---------------------------------------------------------------- many cells, and stores that fail
def test_the_mirror_follows_cells_as_they_grow(results: Path, client: Any) -> None:
    folders = [begin(results, make_cell(seed), 10) for seed in range(3)]
    mirror = Mirror(results, default_uri(results))
    mirror.start()
    for num in (20, 30, 40):
        for folder in folders:
            folder.write_history(make_history(folder.cell(), num))
            mirror.submit(folder)
    for folder in folders:
        mirror.submit(finish(folder))
    assert mirror.close(60) == []
    assert mirror.status == "tracking: up to date"
    assert all(is_synced(folder, default_uri(results)) for folder in folders)


def test_a_damaged_cell_does_not_hold_up_the_others(results: Path) -> None:
    damaged, sound = done_cell(results, make_cell(0)), done_cell(results, make_cell(1))
    (damaged.path / "history.npz").write_bytes(b"damaged")
    mirror = Mirror(results, default_uri(results))
    mirror.start()
    mirror.submit(damaged)
    mirror.submit(sound)
    (line,) = mirror.close(60)
    assert line.startswith("toy/smoke/infogan/seed-0: history.npz: checksum does not match")
    assert is_synced(sound, default_uri(results))
    assert "1 not mirrored" in mirror.status
    (left,) = sync(results, [damaged, sound], default_uri(results))
    assert str(left) == line


def test_a_refusing_server_stops_nothing(results: Path, refusing_uri: str) -> None:
    folder = done_cell(results, make_cell())
    mirror = Mirror(results, refusing_uri)
    mirror.start()
    started = time.monotonic()
    for _ in range(100):
        mirror.submit(folder)
    assert time.monotonic() - started < 0.5
    assert mirror.status == "tracking: 1 cell waiting"
    started = time.monotonic()
    lines = mirror.close(30)
    assert time.monotonic() - started < 31
    assert lines == ["toy/smoke/infogan/seed-0: tracking server does not answer"]
    assert mirror.status == "tracking: tracking server does not answer, 1 cell waiting"
    assert folder.tracking() is None


def test_close_keeps_its_bound_with_a_server_that_hangs(results: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        mirror = Mirror(results, f"http://127.0.0.1:{silent.getsockname()[1]}")
        mirror.start()
        mirror.submit(done_cell(results, make_cell()))
        started = time.monotonic()
        lines = mirror.close(0.5)
        assert time.monotonic() - started < 1
    assert lines == ["toy/smoke/infogan/seed-0: not mirrored within 0.5 s"]
    assert Mirror(results, "http://127.0.0.1:1").close(1) == []  # never started


def test_sync_with_a_refusing_server_names_every_cell(
    results: Path, refusing_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.mirror.SYNC_DELAYS_S", (0.1,))
    folders = [done_cell(results, make_cell(seed)) for seed in (0, 1)]
    lines = [str(u) for u in sync(results, folders, refusing_uri)]
    assert lines == [f"toy/smoke/infogan/seed-{seed}: tracking server does not answer" for seed in (0, 1)]


def test_a_file_that_is_no_database_is_said_and_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(b"not a database at all" * 50)
    folder = done_cell(tmp_path, make_cell())
    (left,) = sync(tmp_path, [folder], default_uri(tmp_path))
    assert left.reason == "mlflow.db is not a database; move it away and run `python -m bench sync`"
    mirror = Mirror(tmp_path, default_uri(tmp_path))
    mirror.start()
    mirror.submit(folder)
    assert mirror.close(20) == [str(left)]
    assert database.read_bytes() == b"not a database at all" * 50


def test_a_damaged_database_is_said(results: Path) -> None:
    database = results / "mlflow.db"
    content = database.read_bytes()
    database.write_bytes(content[:100] + b"\xff" * 8000 + content[8100:])
    (left,) = sync(results, [done_cell(results, make_cell())], default_uri(results))
    assert left.reason == tracking.NOT_A_DATABASE


def test_a_database_that_was_moved_away_is_filled_again(results: Path, empty_database: Path) -> None:
    folder = done_cell(results, make_cell())
    assert sync(results, [folder], default_uri(results)) == []
    (results / "mlflow.db").unlink()
    assert not is_synced(folder, default_uri(results))
    shutil.copy(empty_database, results / "mlflow.db")  # an empty one in its place: the record alone cannot tell
    assert sync(results, [folder], default_uri(results)) == []
    client = tracking._connect(default_uri(results))
    assert len(stored(client, the_run(client).info.run_id, "mi/c1")) == ITERATIONS


def test_results_that_were_moved_keep_no_artifacts_behind(results: Path, tmp_path: Path) -> None:
    assert sync(results, [done_cell(results, make_cell())], default_uri(results)) == []
    moved = tmp_path / "elsewhere"
    shutil.copytree(results, moved, ignore=shutil.ignore_patterns("elsewhere"))
    folder = CellFolder.of(moved, make_cell())
    assert not is_synced(folder, default_uri(moved))
    (left,) = sync(moved, [folder], default_uri(moved))
    assert "artifacts in another folder" in left.reason


def test_credentials_are_neither_stored_nor_told(results: Path) -> None:
    uri = "postgresql+psycopg2://someone:s3cret%2Fword@db.example:5432/mlflow?password=other"
    assert redacted(uri) == "postgresql+psycopg2://db.example:5432/mlflow"
    text = store_uri.reason(RuntimeError(f"cannot use {uri} with s3cret/word"), uri)
    assert "s3cret" not in text
    assert "other" not in text
    assert redacted(default_uri(results)) == default_uri(results)


def test_importing_the_module_imports_no_mlflow() -> None:
    code = "import sys, bench.tracking; sys.exit(bool({'mlflow', 'torch', 'PIL', 'pandas'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


# ---------------------------------------------------------------- a real server
@contextlib.contextmanager
def server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "art")]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_healthy(port: int, process: subprocess.Popen[bytes], timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
            return
        time.sleep(0.5)
    pytest.fail("the MLflow server did not become healthy")


@pytest.mark.slow
def test_a_server_that_comes_late_gets_everything(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher starts without a server, trains on, and the server that appears later is brought up to date."""
    monkeypatch.setattr("bench.mirror.LAST_DELAY_S", 2.0)
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    results, port = tmp_path / "results", free_port()
    uri = f"http://127.0.0.1:{port}"
    folders = [begin(results, make_cell(seed), 20) for seed in (0, 1)]
    mirror = Mirror(results, uri)
    mirror.start()
    for folder in folders:
        mirror.submit(folder)
    with server(tmp_path, port) as process:
        wait_until_healthy(port, process, 90)
        for folder in folders:
            mirror.submit(finish(folder))
        assert mirror.close(60) == []
        assert all(is_synced(folder, uri) for folder in folders)
        client = tracking._connect(uri)
        run_id = (folders[0].tracking() or {})["run_id"]
        history = make_history(folders[0].cell())
        for name in history.names:
            assert_holds(client, run_id, name, history.column(name))
        assert {a.path for a in client.list_artifacts(run_id)} >= {"weights.pt", "config.json", "traversals"}
        assert sync(results, folders, uri) == []
    assert [u.reason for u in sync(results, folders[:1], uri)] == ["tracking server does not answer"]
