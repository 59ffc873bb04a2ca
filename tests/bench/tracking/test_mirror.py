"""Many cells, and stores that fail: a closed port, a server that hangs or comes late, a file that is no database."""

import shutil
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from bench.records.folder import CellFolder
from bench.tracking.connection import connect, default_uri
from bench.tracking.mirror import Mirror, sync
from bench.tracking.store import is_synced
from bench.tracking.uri import NOT_A_DATABASE
from tests.bench.tracked_cells import (
    ITERATIONS,
    assert_holds,
    begin,
    done_cell,
    finish,
    make_cell,
    make_history,
    stored,
    the_run,
)
from tests.end_to_end.server import TrackingServer, free_port


@pytest.fixture
def refusing_uri() -> str:
    """A port of this machine where nobody listens, with credentials that must not be told."""
    return f"http://someone:s3cret-word@127.0.0.1:{free_port()}"


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
    monkeypatch.setattr("bench.tracking.mirror.SYNC_DELAYS_S", (0.1,))
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
    assert left.reason == NOT_A_DATABASE


def test_a_database_that_was_moved_away_is_filled_again(results: Path, empty_database: Path) -> None:
    folder = done_cell(results, make_cell())
    assert sync(results, [folder], default_uri(results)) == []
    (results / "mlflow.db").unlink()
    assert not is_synced(folder, default_uri(results))
    shutil.copy(empty_database, results / "mlflow.db")  # an empty one in its place: the record alone cannot tell
    assert sync(results, [folder], default_uri(results)) == []
    client = connect(default_uri(results))
    assert len(stored(client, the_run(client).info.run_id, "mi/c1")) == ITERATIONS


def test_results_that_were_moved_keep_no_artifacts_behind(results: Path, tmp_path: Path) -> None:
    assert sync(results, [done_cell(results, make_cell())], default_uri(results)) == []
    moved = tmp_path / "elsewhere"
    shutil.copytree(results, moved, ignore=shutil.ignore_patterns("elsewhere"))
    folder = CellFolder.of(moved, make_cell())
    assert not is_synced(folder, default_uri(moved))
    (left,) = sync(moved, [folder], default_uri(moved))
    assert "artifacts in another folder" in left.reason


@pytest.mark.slow
def test_a_server_that_comes_late_gets_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launcher starts without a server, trains on, and the server that appears later is brought up to date."""
    monkeypatch.setattr("bench.tracking.mirror.LAST_DELAY_S", 2.0)
    results, server = tmp_path / "results", TrackingServer("--store", "sqlite")
    folders = [begin(results, make_cell(seed), 20) for seed in (0, 1)]
    mirror = Mirror(results, server.uri)
    mirror.start()
    for folder in folders:
        mirror.submit(folder)
    server.start()
    try:
        for folder in folders:
            mirror.submit(finish(folder))
        assert mirror.close(60) == []
        assert all(is_synced(folder, server.uri) for folder in folders)
        client = connect(server.uri)
        run_id = (folders[0].tracking() or {})["run_id"]
        history = make_history(folders[0].cell())
        for name in history.names:
            assert_holds(client, run_id, name, history.column(name))
        assert {a.path for a in client.list_artifacts(run_id)} >= {"weights.safetensors", "config.json", "traversals"}
        assert sync(results, folders, server.uri) == []
    finally:
        server.close()
    assert [u.reason for u in sync(results, folders[:1], server.uri)] == ["tracking server does not answer"]
