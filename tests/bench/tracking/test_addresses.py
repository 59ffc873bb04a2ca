"""Where the mirror is: folders with any name, addresses without an MLflow store, this machine despite a proxy.

conftest.py makes a database in a folder with such a name.
"""

import os
import shutil
from pathlib import Path

import pytest

from bench.console import BadInput
from bench.tracking.connection import connect, default_uri, resolve_uri
from bench.tracking.store import is_synced, mirror_cell
from bench.tracking.uri import redacted, sqlite_file, sqlite_uri
from tests.bench.tracked_cells import done_cell, make_cell, the_run
from tests.end_to_end.harness import Bench

NAMES = ["plain", "q?x=1#f", "100%25", "100%", "a;b", "a b", "line\nbreak", "größe 数", "%2e%2e", "a&b=c", "file:x"]


@pytest.mark.parametrize("name", NAMES)
def test_database_and_artifacts_lie_in_the_results_folder(tmp_path: Path, empty_database: Path, name: str) -> None:
    results = tmp_path / name
    results.mkdir()
    shutil.copy(empty_database, results / "mlflow.db")
    folder = done_cell(results, make_cell())
    client = connect(default_uri(results))
    assert mirror_cell(client, folder)
    assert is_synced(folder, default_uri(results))
    run_id = the_run(client).info.run_id
    weights = results / "artifacts" / "toy-smoke" / run_id / "artifacts" / "weights.safetensors"
    assert weights.read_bytes() == folder.weights()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_an_address_names_its_file(tmp_path: Path, name: str) -> None:
    database = tmp_path / name / "mlflow.db"
    assert sqlite_file(sqlite_uri(database)) == database
    assert redacted(sqlite_uri(database)) == sqlite_uri(database)


@pytest.mark.parametrize(
    "uri", ["./mlruns", "mlruns", "file:///tmp/mlruns", "file:x", "/tmp/" + "x" * 300, "s3://bucket/x"]
)
def test_an_address_without_a_store_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(BadInput) as caught:
        resolve_uri(tmp_path)
    line = str(caught.value)
    assert line.startswith("MLFLOW_TRACKING_URI=")
    assert ("no longer keeps runs in a folder" in line) == (not uri.startswith("s3"))
    assert line.endswith("or name a server or a database: http://HOST:5000, sqlite:////PATH/mlflow.db")


@pytest.mark.parametrize("uri", ["./mlruns", "http://someone:s3cret@[host:5000"])
def test_a_bad_address_is_one_line_before_training(tmp_path: Path, uri: str) -> None:
    bench = Bench(tmp_path, 30, {"MLFLOW_TRACKING_URI": uri})
    output = bench("run", "tiny", "--seeds", "0", code=2)
    assert output.count("\n") == 1
    assert output.startswith("error: MLFLOW_TRACKING_URI=")
    assert bench.cells() == {}


MALFORMED = {
    "http://": "expected http://HOST:PORT",
    "http://[::1": "expected http://HOST:PORT",
    "http://host:port": "expected http://HOST:PORT",
    "http://host:99999": "expected http://HOST:PORT",
    "http://someone:s3cret/w@host:5000": "expected http://HOST:PORT",
    "http://someone:s3cret@[host:5000": "expected http://HOST:PORT",
    "http://ho st:5000": "expected http://HOST:PORT",
    "http://host:5000/#/experiments/1": "the address of a page",
    "http://host:5000\n": "white space",
    "sqlite:": "expected a file: sqlite:////PATH/mlflow.db",
    "sqlite://": "expected a file",
    "sqlite:///": "expected a file",
    "sqlite://someone:s3cret@host/x.db": "expected a file",
    "postgresql+nothing://someone:s3cret@host/x": "no such driver",
    "postgresql+psycopg2://someone:s3cret@host:port/x": "expected postgresql://USER",
    "mssql+pymssql://someone:s3cret@host/x": "its driver is not installed",
}


@pytest.mark.parametrize("uri", MALFORMED)
def test_a_malformed_address_is_reported_without_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(BadInput) as caught:
        resolve_uri(tmp_path)
    assert MALFORMED[uri] in str(caught.value)
    assert str(caught.value).startswith(f"MLFLOW_TRACKING_URI={uri.partition(':')[0]}:")
    assert "s3cret" not in str(caught.value)


def test_addresses_with_a_store_are_taken_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for uri in ("http://127.0.0.1:5000", "https://x", "sqlite:///x.db", "postgresql+psycopg2://u@h/d", "databricks"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert resolve_uri(tmp_path) == uri
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "s3://user:secret-word@bucket")
    with pytest.raises(BadInput) as caught:
        resolve_uri(tmp_path)
    assert "secret-word" not in str(caught.value)


def test_a_server_of_this_machine_is_not_asked_for_over_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "example.org")
    monkeypatch.delenv("NO_PROXY", raising=False)
    for uri in (
        "http://127.0.0.1:1",
        "http://localhost:1",
        "http://[::1]:1",
        "http://localhost:1",
        "http://tracking.lab:1",
    ):
        connect(uri)
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "example.org,127.0.0.1,localhost,::1"
