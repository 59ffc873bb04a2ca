"""The guard between MLflow's app and whoever reaches the port; test_ui.py and test_server.py use real servers."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bench.console import BadInput
from bench.serve.guard import Guard, Rules, host_name, is_own_host, is_own_origin, is_served
from bench.serve.server import ServerOptions, own_names
from tests.end_to_end import routes

LAB = frozenset({"tracking.lab.example"})


def test_every_route_of_the_installed_mlflow_is_decided() -> None:
    """A release with other routes fails here until somebody has decided on them: see routes.py."""
    assert routes.lines() == routes.DECIDED.read_text().splitlines()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/3.0/mlflow/assistant/config"),
        ("PUT", "/"),
        ("DELETE", "/api/2.0/mlflow/runs/get"),
        ("GET", "//"),
        ("GET", "/api/2.0/mlflow/runs/get/"),
        ("GET", "/API/2.0/mlflow/runs/get"),
        ("GET", "/x/api/2.0/mlflow/runs/get"),
        ("GET", "/ajax-api/2.0/mlflow/runs/get\n"),
        ("GET", "/static-files/../x"),
        ("GET", "/static-files/"),
        ("OPTIONS", "/"),
        ("get", "/"),
    ],
)
def test_what_is_not_listed_is_not_served(method: str, path: str) -> None:
    assert not is_served(method, path)


def test_names_are_whole_and_addresses_are_numbers() -> None:
    for good in (
        "tracking.lab.example",
        "Tracking.LAB.example:5000",
        "localhost:1",
        "10.0.0.1",
        "[::1]:80",
        "[fd00::2]",
    ):
        assert is_own_host(good, LAB), good
    for bad in (
        "10.lab.example",
        "x.tracking.lab.example",
        "tracking.lab.example.",
        "10.0.0.1.nip.io",
        "8.8.8.8",
        "::1:",
    ):
        assert not is_own_host(bad, LAB), bad
    assert host_name("user@localhost") == host_name("localhost:") == host_name("a:b") == host_name("") == ""


def test_a_page_behind_a_web_server_may_have_another_port_than_ours() -> None:
    assert is_own_origin("https://tracking.lab.example", "127.0.0.1:5000", LAB)
    assert not is_own_origin("http://localhost:8000", "localhost:5000", LAB)
    assert not is_own_origin("null", "localhost:5000", LAB)
    assert not is_own_origin("http://[", "localhost:5000", LAB)


def test_names_of_the_command_line_are_exact() -> None:
    names = own_names(ServerOptions(Path("server"), host="0.0.0.0", allowed_hosts="Tracking.lab.example, gpu-1"))
    assert names == ("tracking.lab.example", "gpu-1")
    for bad in ("*", "10.*", "*.lab.example", "lab.example:5000", "http://lab.example"):
        with pytest.raises(BadInput, match="whole host names"):
            own_names(ServerOptions(Path("server"), allowed_hosts=bad))


# ---------------------------------------------------------------- the middleware
class Behind:
    """An app that keeps the requests that reach it."""

    scope: dict[str, Any]
    body: bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.body = scope, (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})


def answered(rules: Rules, method: str, path: str, *parts: bytes, **headers: str) -> tuple[int, Behind]:
    """Send a request; returns the status, and the app behind the guard."""
    behind, sent = Behind(), []
    pairs = [(name.encode(), value.encode()) for name, value in ({"host": "localhost"} | headers).items()]
    received = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    received.append({"type": "http.request", "body": b"", "more_body": False})
    scope = {"type": "http", "method": method, "path": path, "query_string": b"artifact_location=/", "headers": pairs}

    async def receive() -> Any:
        return received.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Guard(behind, rules)(scope, receive, send))
    return sent[0]["status"], behind


def test_an_experiment_reaches_mlflow_as_it_was_read_here() -> None:
    """Everything else in the request, in any spelling, is left out, so MLflow cannot read it differently."""
    path, asked = "/api/2.0/mlflow/experiments/create", b'{"name": "x", "tags": [{"key": "k"}], "else": 1, '
    status, behind = answered(Rules(), "POST", path, asked, b'"artifact_location": null}', origin="http://localhost")
    assert status == 200
    assert json.loads(behind.body) == {"name": "x", "tags": [{"key": "k"}]}
    assert behind.scope["query_string"] == b""
    assert dict(behind.scope["headers"]) == {b"host": b"localhost", b"content-length": str(len(behind.body)).encode()}
    assert answered(Rules(), "POST", path, b'{"name": "x", "artifact_location": "mlflow-artifacts://x/"}')[0] == 403
    assert answered(Rules(), "POST", path, b"[" * 10**5)[0] == 400
    assert answered(Rules(), "POST", path, b" " * 10**6, b" ")[0] == 413


def test_with_a_token_only_health_is_answered_without() -> None:
    rules = Rules(token="secret-token")
    assert answered(rules, "GET", "/health")[0] == 200
    assert answered(rules, "GET", "/version")[0] == 403
    assert answered(rules, "GET", "/version", authorization="Bearer secret-token")[0] == 200
    assert answered(rules, "GET", "/version", cookie="a=b; infogan-0=secret-token")[0] == 200
    assert answered(rules, "GET", "/version", cookie="infogan-0=secret-tokenx")[0] == 403
