"""Attacks on a running server, by another account on the same machine or by a page in a visitor's browser."""

import encodings.idna  # noqa: F401 - for host names; the child, as another account, may not read Python's files
import http.client
import json
import os
import pickle
import pwd
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.routes import decided, example

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")


class Request(NamedTuple):
    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


def ask(base: str, requests: Sequence[Request]) -> list[Answer]:
    """Send the requests one after the other; a Host header in a request replaces the true one."""
    address, answers = urlsplit(base), []
    for request in requests:
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=300)
        has_host = any(name.lower() == "host" for name, _ in request.headers)
        connection.putrequest(request.method, request.path, skip_host=has_host)
        for name, value in (*request.headers, ("Content-Length", str(len(request.body)))):
            connection.putheader(name, value)
        connection.endheaders(request.body)
        response = connection.getresponse()
        answers.append(Answer(response.status, response.read(), {k.lower(): v for k, v in response.getheaders()}))
        connection.close()
    return answers


def ask_as_nobody(base: str, requests: Sequence[Request]) -> list[Answer]:
    """Send the requests from a process of the user ``nobody``."""
    nobody = pwd.getpwnam("nobody")
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            answers = ask(base, requests)
            with open(write, "wb") as pipe:
                pickle.dump(answers, pipe)
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        answers: list[Answer] = pickle.load(pipe)
    os.waitpid(child, 0)
    return answers


def post(path: str, body: object, *headers: tuple[str, str]) -> Request:
    return Request("POST", path, json.dumps(body).encode(), (("Content-Type", "application/json"), *headers))


def check_refused_routes(base: str, *headers: tuple[str, str]) -> None:
    """Check that every route decided as refused gives 404; the assistant's configuration is one of them."""
    refused = [Request(method, example(path), b"{}", headers) for method, path in decided("refused")]
    assert Request("PUT", "/ajax-api/3.0/mlflow/assistant/config", b"{}", headers) in refused
    assert len(refused) > 300
    for request, answer in zip(refused, ask_as_nobody(base, refused), strict=True):
        assert answer.status == 404, (request, answer)
        assert b"not served here" in answer.body


def check_artifacts_stay_inside(base: str, outside: Path, *headers: tuple[str, str]) -> None:
    """Check that no spelling of a request puts artifacts into ``outside``, which the asking account cannot enter."""
    create, location = "/api/2.0/mlflow/experiments/create", f"file://{outside}"
    asked = {"name": "x", "artifact_location": location}
    plain, json_type = json.dumps(asked), ("Content-Type", "application/json")
    bodies = [
        plain,
        json.dumps({"name": "x", "artifactLocation": location}),
        f'{{"name": "x", "artifact_location": "", "artifact_location": "{location}"}}',
        f'{{"name": "x", "artifact_location": "{location}", "artifact_location": ""}}',
        json.dumps(plain),  # encoded twice, as old clients do
        plain.replace("_", "\\u005f"),
    ]
    encoded = [body.encode() for body in bodies] + [plain.encode("utf-16"), plain.encode("utf-32")]
    encoded += [json.dumps(asked | {"artifact_location": where}).encode() for where in (str(outside), "s3://b/x")]
    requests = [Request("POST", create, body, (json_type, *headers)) for body in encoded]
    requests += [
        Request("POST", f"{create}?name=x&artifact_location={location}", b"", headers),
        Request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/..%2f..%2f{outside.name}%2fx", b"x", headers),
        Request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/%2e%2e/%252e%252e/{outside.name}/x", b"x", headers),
        Request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/%2f{outside}/x", b"x", headers),
    ]
    for request, answer in zip(requests, ask_as_nobody(base, requests), strict=True):
        is_harmless = answer.status == 200 and b"experiment_id" in answer.body and request.body == encoded[3]
        assert is_harmless or 400 <= answer.status < 500, (request, answer)
    (found,) = ask_as_nobody(base, [post("/api/2.0/mlflow/experiments/search", {"max_results": 1000}, *headers)])
    locations = [experiment["artifact_location"] for experiment in json.loads(found.body)["experiments"]]
    assert locations
    assert [where for where in locations if str(outside) in where or "s3:" in where] == []
    assert list(outside.iterdir()) == []


def check_hosts_and_origins(base: str, *headers: tuple[str, str]) -> None:
    """Check that hosts which only look private, and pages of other servers, are refused; local hosts are answered."""
    port = urlsplit(base).port
    hosts = ["10.evil.example", "10.0.0.1.nip.io", "192.168.evil.example", "172.16.x", "fd00.example", "evil.example"]
    hosts += ["localhost.evil.example", "127.0.0.1.nip.io", "8.8.8.8", "0.0.0.0", "10.1", "", "[fd00:", "a b"]
    requests = [Request("GET", "/version", b"", (*headers, ("Host", h))) for h in hosts]
    requests += [Request("GET", "/version", b"", (*headers, ("Host", f"{h}:{port}"))) for h in hosts]
    requests += [Request("GET", "/version", b"", (*headers, ("Host", f"127.0.0.1:{port}"), ("Host", "evil.example")))]
    origins = ("http://evil.example", "null", "http://localhost:1", f"https://127.0.0.1.nip.io:{port}")
    requests += [Request("GET", "/version", b"", (*headers, ("Origin", origin))) for origin in origins]
    for request, answer in zip(requests, ask(base, requests), strict=True):
        assert answer.status in (400, 403), (request, answer)
    good = ["localhost", f"LOCALHOST:{port}", "127.0.0.1", "10.1.2.3", f"[::1]:{port}", f"[fd00::1]:{port}"]
    answered = [Request("GET", "/version", b"", (*headers, ("Host", host))) for host in good]
    answered += [Request("GET", "/version", b"", (*headers, ("Origin", f"http://127.0.0.1:{port}")))]
    assert [answer.status for answer in ask(base, answered)] == [200] * len(answered)
