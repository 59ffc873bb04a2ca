"""Sweeps with a real tracking server, MLflow over PostgreSQL.

Whatever happens to the server, training continues, and nothing is lost or stored twice.
"""

import os
import resource
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from bench.records.folder import CellFolder
from bench.serve import postgres
from tests.end_to_end.attacks import (
    Request,
    ask,
    ask_as_nobody,
    check_artifacts_stay_inside,
    check_hosts_and_origins,
    check_refused_routes,
    needs_root,
    post,
)
from tests.end_to_end.faults import running
from tests.end_to_end.harness import PATIENCE_S, Bench, read_until, rest_of, same_bits, wait_for
from tests.end_to_end.server import Proxy, TrackingServer, free_port

RUN = ("run", "tiny", "--arms", "infogan", "--seeds", "0-1", "--checkpoint-every", "10")
ITERATIONS = 20
UNREACHABLE_PROXY = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9") | {
    "no_proxy": "",
    "NO_PROXY": "",
}
needs_postgres = pytest.mark.skipif(postgres.programs() is None, reason="no PostgreSQL: `make system-deps`")
pytestmark = [needs_postgres, pytest.mark.timeout(900)]  # seconds; long enough for a busy machine


@pytest.fixture(scope="module")
def server() -> Iterator[TrackingServer]:
    server = TrackingServer().start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, server: TrackingServer) -> Bench:
    """A sweep that nothing disturbs, mirrored to the server."""
    bench = bench_at(tmp_path_factory.mktemp("undisturbed"), server.uri)
    bench(*RUN)
    return bench


def bench_at(folder: Path, uri: str, iterations: int = ITERATIONS) -> Bench:
    return Bench(folder, iterations, {"MLFLOW_TRACKING_URI": uri})


def run_ids(bench: Bench) -> dict[str, str]:
    """The id of each cell's run, as the cell's record names it."""
    return {name: (CellFolder(path).tracking() or {})["run_id"] for name, path in bench.cells().items()}


def check_in_full(server: TrackingServer, bench: Bench, num_cells: int = 2) -> None:
    """Check with MLflow's client and with SQL that each run holds every recorded value once, and nothing else."""
    from mlflow import MlflowClient

    client, ids = MlflowClient(server.uri), run_ids(bench)
    assert len(set(ids.values())) == len(bench.cells()) == num_cells
    rows = server.rows(list(ids.values()))
    for name, path in bench.cells().items():
        folder, run = CellFolder(path), client.get_run(ids[name])
        history, tracking = folder.history(), folder.tracking() or {}
        assert history is not None
        assert (run.info.lifecycle_stage, run.info.status, run.data.tags["synced"]) == ("active", "FINISHED", "true")
        for metric in history.names:
            stored = client.get_metric_history(ids[name], metric)
            assert [m.step for m in stored] == list(range(1, len(history) + 1)), (name, metric)
            np.testing.assert_array_equal([m.value for m in stored], history.column(metric).astype(float))
        points, different = rows[ids[name]]
        assert points == different == tracking["points"] > len(history) * len(history.names)
        held = {a.path: a.file_size for a in client.list_artifacts(ids[name])}
        assert held["weights.safetensors"] == len(folder.weights())


# ---------------------------------------------------------------- a server that is there
def test_a_sweep_is_mirrored_in_full(server: TrackingServer, undisturbed: Bench) -> None:
    check_in_full(server, undisturbed)
    behind_proxy = Bench(undisturbed.folder, ITERATIONS, {"MLFLOW_TRACKING_URI": server.uri} | UNREACHABLE_PROXY)
    assert "2 of 2 cells are mirrored in full" in behind_proxy.here("sync")
    check_in_full(server, undisturbed)


@pytest.mark.slow
def test_two_sweeps_of_the_same_cells_at_once(server: TrackingServer, undisturbed: Bench, tmp_path: Path) -> None:
    """Two people train an experiment that is new to their server. Each gets separate runs, and all are complete."""
    both = []
    for who in ("mine", "theirs"):
        (tmp_path / who).mkdir()
        bench = bench_at(tmp_path / who, server.uri)
        bench.spec.write_text(bench.spec.read_text().replace("experiments.tiny", "experiments.rush"))
        both.append(bench)
    processes = [bench.start("run", "rush", *RUN[2:]) for bench in both]
    for process in processes:
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, output
    for bench in both:
        check_in_full(server, bench)
    assert not set(run_ids(both[0]).values()) & set(run_ids(both[1]).values())
    for bench in both:
        bench("sync")
        check_in_full(server, bench)


# ---------------------------------------------------------------- a server that fails
@pytest.mark.slow
def test_training_does_not_wait_for_a_slow_server(server: TrackingServer, undisturbed: Bench, tmp_path: Path) -> None:
    """The server answers nothing until every cell has ended, and no request times out before.

    The cells end nevertheless, and then everything is mirrored.
    """
    with Proxy(server.port, lambda number, path: "held") as proxy:
        bench = bench_at(tmp_path, proxy.uri)
        bench.environment["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "3600"
        with running(bench, *RUN) as process:
            output = read_until(process, "training has ended")
            assert len(list(bench.results.glob("cells/**/result.json"))) == 2
            wait_for(lambda: proxy.num_requests >= 1)
            assert proxy.num_answers == 0
            proxy.release.set()
            output += rest_of(process)
        assert process.returncode == 0, output
        check_in_full(server, bench)
    assert all(same_bits(path, undisturbed.cells()[name]) for name, path in bench.cells().items())


def test_faults_lose_and_double_nothing(server: TrackingServer, undisturbed: Bench, tmp_path: Path) -> None:
    """Requests meet in turn a 500, an answer that never arrives, and a connection that is cut.

    A lost answer would store points twice if the client sent again what the server has already stored.
    """
    faults = dict(zip(range(4, 16, 2), ["error", "lost", "cut"] * 2, strict=True))
    with Proxy(server.port, lambda number, path: faults.get(number, "pass")) as proxy:
        bench = bench_at(tmp_path, proxy.uri)
        process = bench.start(*RUN)
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode in (0, 4), output
        assert ("not fully tracked" in output) == (process.returncode == 4)
        assert "Traceback" not in output
        assert "2 of 2 cells finished" in output
        for _ in faults:  # the run backs off after faults and may end before the last one; sync meets the rest
            synced, _ = bench.start("sync").communicate(timeout=PATIENCE_S)
            if "2 of 2 cells are mirrored in full" in synced:
                break
        assert "2 of 2 cells are mirrored in full" in synced
        assert {kind: proxy.faults[kind] for kind in ("error", "lost", "cut")} == {"error": 2, "lost": 2, "cut": 2}
    check_in_full(server, bench)
    assert all(same_bits(path, undisturbed.cells()[name]) for name, path in bench.cells().items())


@pytest.mark.slow
def test_artifacts_that_do_not_arrive_are_not_tracked(server: TrackingServer, tmp_path: Path) -> None:
    """The server answers 200 to both uploads, but it lacks one of the files and has the other with a bit changed."""
    kinds = {"weights.safetensors": "dropped", "config.json": "spoiled"}
    with Proxy(server.port, lambda number, path: kinds.get(path.rpartition("/")[2], "pass")) as proxy:
        bench = bench_at(tmp_path, proxy.uri)
        output = bench(*RUN[:5], "0", code=4)
        assert "the store does not hold weights.safetensors, config.json as it was sent" in output
        assert "not fully tracked" in output
        proxy.fault = lambda number, path: "pass"
        assert "1 of 1 cells are mirrored in full" in bench("sync")
    check_in_full(server, bench, 1)


@pytest.mark.slow
def test_a_full_store_of_artifacts_costs_only_the_mirror(server: TrackingServer, tmp_path: Path) -> None:
    with Proxy(server.port, lambda number, path: "full") as proxy:
        bench = bench_at(tmp_path, proxy.uri)
        output = bench(*RUN, code=4)
        assert "not fully tracked: 2 cells: tracking server answers with error 500, see its log" in output
        assert f"2 cells are not fully tracked, but safe: `python -m bench sync --results {bench.results}`" in output
        proxy.fault = lambda number, path: "pass"
        assert "2 of 2 cells are mirrored in full" in bench("sync")
    check_in_full(server, bench)


@pytest.mark.slow
def test_a_server_that_is_gone_comes_back(server: TrackingServer, undisturbed: Bench, tmp_path: Path) -> None:
    """The server goes away once a run is begun, and comes back after every cell has ended.

    The cells end without it, and the sweep itself then brings the server up to date.
    """
    with Proxy(server.port) as proxy:
        bench = bench_at(tmp_path, proxy.uri)
        with running(bench, *RUN) as process:
            wait_for(lambda: any((CellFolder(path).tracking() or {}).get("run_id") for path in bench.cells().values()))
            proxy.refuse()
            output = read_until(process, "training has ended")
            assert len(list(bench.results.glob("cells/**/result.json"))) == 2
            output += read_until(process, "tracking server does not answer")
            proxy.listen()
            output += rest_of(process)
        assert process.returncode == 0, output
    check_in_full(server, bench)
    assert all(same_bits(path, undisturbed.cells()[name]) for name, path in bench.cells().items())


def test_a_server_killed_for_good_and_started_again(server: TrackingServer, undisturbed: Bench, tmp_path: Path) -> None:
    """SIGKILL in the middle of a sweep ends MLflow and PostgreSQL; the sweep still trains to the same bits.

    Ctrl-C ends the sweep's wait for the server, with exit code 4. Started again on the same folder, the server has what
    it had before, and sync completes the rest.
    """
    bench = bench_at(tmp_path, server.uri)
    with running(bench, *RUN) as process:
        wait_for(lambda: any((CellFolder(path).tracking() or {}).get("run_id") for path in bench.cells().values()))
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        output = read_until(process, "training has ended")
        os.killpg(process.pid, signal.SIGINT)
        output += rest_of(process)
    assert "Traceback" not in output
    assert "stopping" not in output
    assert process.returncode == 4, output
    assert "2 of 2 cells finished" in output
    assert "2 cells are not fully tracked, but safe: `python -m bench sync" in output
    assert "2 unsynced" in bench.here("plan", *RUN[1:6])
    assert all(same_bits(path, undisturbed.cells()[name]) for name, path in bench.cells().items())

    server.start()
    check_in_full(server, undisturbed)
    assert "2 of 2 cells are mirrored in full" in bench("sync")
    check_in_full(server, bench)


# ---------------------------------------------------------------- the command
def test_the_password_is_its_owners_alone(server: TrackingServer) -> None:
    passfile = server.folder / "pgpass"
    password = passfile.read_text().strip().rpartition(":")[2]
    assert len(password) >= 32
    assert stat.S_IMODE(passfile.stat().st_mode) == 0o600
    assert stat.S_IMODE((server.folder / "database").stat().st_mode) == 0o700
    assert password not in server.output
    assert all(password.encode() not in log.read_bytes() for log in (server.folder / "logs").iterdir())
    family = psutil.Process(server.process.pid).children(recursive=True)
    assert all(password not in " ".join(process.cmdline()) for process in family)
    addresses = {c.laddr.ip for process in family for c in process.net_connections("inet") if c.status == "LISTEN"}
    assert addresses == {"127.0.0.1"}


@needs_root
def test_another_account_reaches_tracking_and_nothing_else(server: TrackingServer, tmp_path: Path) -> None:
    check_refused_routes(server.uri)
    check_hosts_and_origins(server.uri)
    tmp_path.chmod(0o700)
    (tmp_path / "outside").mkdir()
    check_artifacts_stay_inside(server.uri, tmp_path / "outside")


@needs_root
def test_with_its_token_and_not_without() -> None:
    """``server --token``: MLflow's client sends the token; a browser opens an address with the token once."""
    from mlflow import MlflowClient

    server = TrackingServer("--store", "sqlite", "--token")
    server.folder.mkdir()
    (server.folder / "token").touch()  # as a kill may have left it
    server.start()
    try:
        file = server.folder / "token"
        token = file.read_text()
        assert (stat.S_IMODE(file.stat().st_mode), len(token) >= 32) == (0o600, True)
        assert token not in server.output
        assert token not in " ".join(psutil.Process(server.process.pid).children()[0].cmdline())
        search = post("/api/2.0/mlflow/experiments/search", {"max_results": 1})
        wanted = [search, Request("GET", "/"), Request("GET", f"/?token={token[:-1]}")]
        assert [answer.status for answer in ask_as_nobody(server.uri, wanted)] == [403] * 3
        check_refused_routes(server.uri, ("Authorization", f"Bearer {token}"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_TOKEN", token)
            assert MlflowClient(server.uri).create_experiment("x") == "1"
        assert ask(server.uri, [Request("GET", f"/?token={token}")])[0].status == 303
    finally:
        server.close()


def test_two_servers_do_not_share_a_folder(server: TrackingServer) -> None:
    command = server.command()
    command[command.index("--port") + 1] = str(free_port())
    second = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (second.returncode, second.stderr.count("\n")) == (2, 1)
    assert "is in use by process" in second.stderr


def bad(server: TrackingServer, *options: str, **environment: str) -> str:
    done = subprocess.run(
        server.command(*options), env=os.environ | environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
    return done.stderr


def test_bad_use_is_one_line(server: TrackingServer, tmp_path: Path) -> None:
    assert f"port {server.port} cannot be used on 127.0.0.1" in bad(server)
    for store in ("mysql", "kind-nobody-knows://me:secret@host/x", "http://127.0.0.1:5000"):
        said = bad(server, "--store", store)
        assert "choose postgresql or sqlite" in said
        assert "secret" not in said
    said = bad(server, "--store", "postgresql+nosuch://me:secret@host/mlflow")
    assert said == "error: --store postgresql+nosuch://host/mlflow: SQLAlchemy has no such driver\n"
    assert "cannot be resolved" in bad(server, "--host", "no such host")
    assert "expected whole host names" in bad(server, "--allowed-hosts", "*.lab.example", "--port", str(free_port()))
    (tmp_path / "file").touch()
    assert "is not a folder" in bad(server, "--folder", str(tmp_path / "file"))


def test_where_the_database_cannot_be_made_the_line_is_the_reason() -> None:
    """The line gives initdb's reason, not its last message, which is that it removes what it has made."""
    server = TrackingServer()
    limit = 300_000  # bytes in a file
    ended = subprocess.run(
        server.command(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert ended.returncode == 1
    assert "initdb ended with code 1: " in ended.stderr
    assert "File too large" in ended.stderr
    assert "removing" not in ended.stderr
    assert ended.stderr.count("\n") == 1
    server.remove()


def test_without_postgresql_the_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(postgres.BadInput, match=r"sudo make system-deps.*--store sqlite"):
        postgres.require(tmp_path)


def test_stopped_politely_it_exits_with_the_signals_code_and_keeps_its_runs(server: TrackingServer) -> None:
    """This test comes last, since it ends the server. A clean shutdown leaves all runs in the database's files."""
    assert server.stop(signal.SIGINT) == 0
    control: Any = subprocess.run(
        [str(postgres.programs() / "pg_controldata"), str(server.folder / "database")],  # type: ignore[operator]
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"LC_ALL": "C"},
    )
    assert "Database cluster state:               shut down\n" in control.stdout
