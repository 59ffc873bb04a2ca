"""Many cells, and stores that fail: a closed port, a server that hangs or comes late, a file that is no database."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.records.folder import CellFolder
from bench.tracking.connection import connect, default_uri
from bench.tracking.mirror import Mirror, Unsynced, in_lines, sync
from bench.tracking.store import Store, is_synced
from bench.tracking.uri import NO_ACCESS, NOT_A_DATABASE, NOT_MLFLOW, OTHER_VERSION
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
from tests.end_to_end.harness import PATIENCE_S, ROOT, wait_for
from tests.end_to_end.server import TrackingServer, free_port


@pytest.fixture
def refusing_uri() -> str:
    """Address of a local port where nobody listens, with credentials that must not be printed."""
    return f"http://someone:s3cret-word@127.0.0.1:{free_port()}"


def closed(mirror: Mirror, patience_s: float, give_up: Callable[[], bool] = lambda: False) -> list[str]:
    return [str(left) for left in mirror.close(patience_s, give_up)]


@contextmanager
def taken_away(results: Path) -> Iterator[Callable[[], None]]:
    """Make the database unavailable until the returned function is called, as on a file server that is down."""
    database, aside = results / "mlflow.db", results / "aside.db"
    database.rename(aside)
    database.mkdir()

    def bring_back() -> None:
        database.rmdir()
        aside.rename(database)

    yield bring_back


class CountedStore(Store):
    """A store that counts its calls, and calls a function after each."""

    num_calls = 0

    def mirror(self, folder: CellFolder) -> str | None:
        type(self).num_calls += 1
        try:
            return super().mirror(folder)
        finally:
            self.after()

    @staticmethod
    def after() -> None: ...


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[CountedStore]:
    monkeypatch.setattr("bench.tracking.mirror.Store", CountedStore)
    monkeypatch.setattr(CountedStore, "num_calls", 0)
    return CountedStore


def test_the_mirror_follows_cells_as_they_grow(results: Path) -> None:
    folders = [begin(results, make_cell(seed), 10) for seed in range(3)]
    mirror = Mirror(results, default_uri(results))
    mirror.start()
    for num in (20, 30, 40):
        for folder in folders:
            folder.write_history(make_history(folder.cell(), num))
            mirror.submit(folder)
    for folder in folders:
        mirror.submit(finish(folder))
    assert closed(mirror, 60) == []
    assert mirror.status == "tracking: up to date"
    assert all(is_synced(folder, default_uri(results)) for folder in folders)


def test_a_damaged_cell_does_not_hold_up_the_others(results: Path) -> None:
    damaged, sound = done_cell(results, make_cell(0)), done_cell(results, make_cell(1))
    (damaged.path / "history.npz").write_bytes(b"damaged")
    mirror = Mirror(results, default_uri(results))
    mirror.start()
    mirror.submit(damaged)
    mirror.submit(sound)
    (line,) = closed(mirror, 60)
    assert line.startswith("toy/smoke/infogan/seed-0: history.npz: checksum does not match")
    assert is_synced(sound, default_uri(results))
    assert "1 not mirrored" in mirror.status
    (left,) = sync(results, [damaged, sound], default_uri(results))
    assert str(left) == line


def test_a_refusing_server_stops_nothing(results: Path, refusing_uri: str) -> None:
    folder = done_cell(results, make_cell())
    mirror = Mirror(results, refusing_uri)
    mirror.start()
    mirror.submit(folder)
    wait_for(lambda: "does not answer" in mirror.status)
    assert closed(mirror, 0.1) == ["toy/smoke/infogan/seed-0: tracking server does not answer"]
    assert mirror.status == "tracking: tracking server does not answer, 1 cell waiting"
    assert folder.tracking() is None


def test_a_server_that_hangs_is_not_awaited(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first request is still open, which the status would show, after many submissions and after the end."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "200")
    folder = done_cell(results, make_cell())
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        mirror = Mirror(results, f"http://127.0.0.1:{silent.getsockname()[1]}")
        mirror.start()
        for _ in range(100):
            mirror.submit(folder)
        connection, _ = silent.accept()
        with connection:
            assert mirror.status == "tracking: 1 cell waiting"
            for give_up in (lambda: False, lambda: True):
                lines = closed(mirror, 600.0 if give_up() else 0.1, give_up)
                assert lines == ["toy/smoke/infogan/seed-0: the store did not accept it in time"]
            assert mirror.status == "tracking: 1 cell waiting"
    assert closed(Mirror(results, "http://127.0.0.1:1"), 1) == []  # never started


def test_a_store_that_comes_back_after_training_gets_everything(
    results: Path, counted: type[CountedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be unavailable for many attempts."""
    monkeypatch.setattr("bench.tracking.mirror.CLOSING_DELAY_S", 0.02)
    folders = [done_cell(results, make_cell(seed)) for seed in (0, 1)]
    with taken_away(results) as bring_back:
        mirror = Mirror(results, default_uri(results))
        mirror.start()
        for folder in folders:
            mirror.submit(folder)
        back = list[bool]()

        def give_up() -> bool:
            if counted.num_calls > 10 and not back:
                bring_back()
                back.append(True)
            return False

        assert closed(mirror, 200, give_up) == []
    assert all(is_synced(folder, default_uri(results)) for folder in folders)


def test_the_end_is_awaited_while_cells_go_through(
    results: Path, counted: type[CountedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes 90 s of a simulated clock, and the patience is 100 s: together the five take longer."""
    clock = SimpleNamespace(now_s=0.0, monotonic=lambda: clock.now_s, sleep=time.sleep)

    def after() -> None:
        clock.now_s += 90

    monkeypatch.setattr(counted, "after", staticmethod(after))
    monkeypatch.setattr("bench.tracking.mirror.time", clock)
    mirror = Mirror(results, default_uri(results))
    for seed in range(5):
        mirror.submit(done_cell(results, make_cell(seed)))
    mirror.start()
    assert closed(mirror, 100) == []
    assert clock.now_s == 450


def test_many_cells_of_one_reason_are_one_line() -> None:
    left = [Unsynced("a", "gone"), Unsynced("b", "damaged"), Unsynced("c", "gone")]
    assert in_lines(left) == ["2 cells: gone", "b: damaged"]


def test_sync_with_a_refusing_server_names_every_cell(
    results: Path, refusing_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.tracking.mirror.SYNC_DELAYS_S", (0.1,))
    folders = [done_cell(results, make_cell(seed)) for seed in (0, 1)]
    lines = [str(u) for u in sync(results, folders, refusing_uri)]
    assert lines == [f"toy/smoke/infogan/seed-{seed}: tracking server does not answer" for seed in (0, 1)]


def test_a_file_that_is_not_a_database_is_reported_and_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(b"not a database at all" * 50)
    folder = done_cell(tmp_path, make_cell())
    (left,) = sync(tmp_path, [folder], default_uri(tmp_path))
    assert left.reason == "mlflow.db is not a database; move it away, then sync again"
    mirror = Mirror(tmp_path, default_uri(tmp_path))
    mirror.start()
    mirror.submit(folder)
    assert closed(mirror, 3600) == [str(left)]  # at once
    assert database.read_bytes() == b"not a database at all" * 50


def test_a_database_of_another_version_is_reported_and_not_awaited(results: Path) -> None:
    """Neither ``sync`` nor the end of a sweep waits for it, since somebody has to act first."""
    with closing(sqlite3.connect(results / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0123456789ab'")
    folders = [done_cell(results, make_cell(seed)) for seed in (0, 1)]
    before = (results / "mlflow.db").read_bytes()
    assert in_lines(sync(results, folders, default_uri(results))) == [f"2 cells: {OTHER_VERSION}"]
    mirror = Mirror(results, default_uri(results))
    mirror.start()
    mirror.submit(folders[0])
    assert closed(mirror, 3600) == [f"toy/smoke/infogan/seed-0: {OTHER_VERSION}"]
    assert (results / "mlflow.db").read_bytes() == before


@pytest.mark.parametrize(("status", "line"), [(200, NOT_MLFLOW), (404, NOT_MLFLOW), (403, NO_ACCESS)])
def test_another_program_at_the_address_is_reported_and_not_awaited(results: Path, status: int, line: str) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>A page</html>")

        do_POST = do_GET

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mirror = Mirror(results, f"http://127.0.0.1:{server.server_port}")
        mirror.start()
        mirror.submit(done_cell(results, make_cell()))
        assert closed(mirror, 3600) == [f"toy/smoke/infogan/seed-0: {line}"]
        server.shutdown()


def test_ctrl_c_ends_sync_with_its_code(results: Path) -> None:
    done_cell(results, make_cell())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench", "sync", "--results", str(results)],
            env=os.environ | {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{silent.getsockname()[1]}"},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, output) == (130, "stopped: run the same command to continue; nothing is sent twice\n")


def test_artifacts_that_cannot_be_written_are_reported(results: Path) -> None:
    folder = done_cell(results, make_cell())
    (results / "artifacts").write_text("a file is in their place")
    (line,) = in_lines(sync(results, [folder], default_uri(results)))
    assert line.startswith("toy/smoke/infogan/seed-0: ")
    assert str(results / "artifacts") in line
    assert not is_synced(folder, default_uri(results))
    (results / "artifacts").unlink()
    assert sync(results, [folder], default_uri(results)) == []


def test_a_damaged_database_is_reported(results: Path) -> None:
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
    shutil.copy(empty_database, results / "mlflow.db")  # an empty one in its place: the record alone cannot show that
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
    """The launcher starts without a server and trains; a server that appears later is brought up to date."""
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
        assert closed(mirror, 60) == []
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
