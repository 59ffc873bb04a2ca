"""An allow-list in front of MLflow's app: which requests are answered, and to whom. Independent of MLflow.

MLflow's app has more routes than tracking and viewing need: an assistant that runs commands, a gateway that calls
models, jobs, webhooks, stored prompts and models. Anybody who reaches the port could use them. So a request is answered
only if its method and path are in :data:`PAGES` or :data:`INTERFACE`.
"""

import ipaddress
import json
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGES = """
GET / /health /version /get-artifact
GET /static-files/*
GET,POST /graphql
"""
INTERFACE = """
GET 3.0/mlflow/server-info
GET 2.0/mlflow/experiments/get 2.0/mlflow/experiments/get-by-name
GET,POST 2.0/mlflow/experiments/search
POST 2.0/mlflow/experiments/create 2.0/mlflow/experiments/update
POST 2.0/mlflow/experiments/delete 2.0/mlflow/experiments/restore
POST 2.0/mlflow/experiments/set-experiment-tag 2.0/mlflow/experiments/delete-experiment-tag
POST 2.0/mlflow/experiments/search-datasets
GET 2.0/mlflow/runs/get
POST 2.0/mlflow/runs/create 2.0/mlflow/runs/update 2.0/mlflow/runs/search
POST 2.0/mlflow/runs/delete 2.0/mlflow/runs/restore
POST 2.0/mlflow/runs/log-batch 2.0/mlflow/runs/log-metric 2.0/mlflow/runs/log-parameter 2.0/mlflow/runs/log-inputs
POST 2.0/mlflow/runs/set-tag 2.0/mlflow/runs/delete-tag
POST 2.0/mlflow/logged-models/search
GET 2.0/mlflow/model-versions/search
GET 2.0/mlflow/metrics/get-history 2.0/mlflow/metrics/get-history-bulk
GET 2.0/mlflow/metrics/get-history-bulk-interval
GET 2.0/mlflow/artifacts/list 2.0/mlflow-artifacts/artifacts
GET,PUT 2.0/mlflow-artifacts/artifacts/*
"""
CREATE_EXPERIMENT = "2.0/mlflow/experiments/create"
HEALTH = "/health"
LOCAL_NAMES = frozenset({"localhost"})  # addresses are recognised by their form
MAX_EXPERIMENT_BYTES = 1_000_000

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Rules:
    """Whom a server answers."""

    names: frozenset[str] = frozenset()  # accepted host names, in addition to localhost and private addresses
    token: str = ""  # if set, required in every request


class Refusal(Exception):
    """A request is not answered; status and reason."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


# ---------------------------------------------------------------- what
def _patterns() -> dict[str, re.Pattern[str]]:
    """Patterns of served paths, by method."""
    found: dict[str, list[str]] = {}
    for text, prefix in ((PAGES, ""), (INTERFACE, "/(?:ajax-)?api/")):
        for methods, *paths in map(str.split, text.strip().splitlines()):
            for method in methods.split(","):
                found.setdefault(method, []).extend(prefix + re.escape(path).replace(r"\*", ".+") for path in paths)
    return {method: re.compile("|".join(paths), re.DOTALL) for method, paths in found.items()}


_SERVED = _patterns()


def is_served(method: str, path: str) -> bool:
    """Whether a request is needed for tracking or viewing."""
    method = "GET" if method == "HEAD" else method
    if ".." in path.split("/"):
        return False
    return method in _SERVED and _SERVED[method].fullmatch(path) is not None


# ---------------------------------------------------------------- to whom
def host_name(header: str) -> str:
    """Host name or address in a Host header, without the port; empty if it is invalid."""
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]/@]+)(:\d+)?", header)
    return found[1].strip("[]").lower() if found else ""


def is_own_host(header: str, names: frozenset[str]) -> bool:
    """Whether a Host header is one of our names, or a numeric private address.

    A name that looks like an address is rejected: its owner could point it here and read data through a visitor's
    browser.
    """
    name = host_name(header)
    if name in names | LOCAL_NAMES:
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_private and not address.is_unspecified


def is_own_origin(origin: str, host: str, names: frozenset[str]) -> bool:
    """Whether an Origin header is one of our pages. Another port is another origin, also on localhost."""
    try:
        netloc = urlsplit(origin).netloc.lower()
    except ValueError:
        return False
    return bool(netloc) and (netloc == host.lower() or host_name(netloc) in names)


def _check(scope: Scope, rules: Rules) -> None:
    """Raise Refusal unless host, origin and path are accepted."""
    hosts, origins = _headers(scope, b"host"), _headers(scope, b"origin")
    if len(hosts) != 1 or not is_own_host(hosts[0], rules.names):
        raise Refusal(403, "this server does not answer to that host name; see --allowed-hosts")
    if any(not is_own_origin(origin, hosts[0], rules.names) for origin in origins):
        raise Refusal(
            403, "this request comes from a page of another server; only this server's own pages are answered"
        )
    if not is_served(scope["method"], scope["path"]):
        raise Refusal(404, "not served here: only what tracking and viewing need, see docs/SERVER.md")


def _headers(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _cookie_name(scope: Scope) -> str:
    """Cookie name with the port, since browsers share cookies among all ports of a host."""
    return f"infogan-{(scope.get('server') or ('', 0))[1]}"


def _brings(scope: Scope, token: str) -> bool:
    given = [header.removeprefix("Bearer ") for header in _headers(scope, b"authorization")]
    for header in _headers(scope, b"cookie"):
        given += re.findall(rf"(?:^|;\s*){re.escape(_cookie_name(scope))}=([^;\s]*)", header)
    return any(secrets.compare_digest(each.encode(), token.encode()) for each in given)


def _comes_with(scope: Scope, token: str) -> bool:
    """Whether this is a first visit: the page itself, with the token in its address."""
    given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
    is_page = (scope["method"], scope["path"]) == ("GET", "/")
    return is_page and secrets.compare_digest(given.encode(), token.encode())


# ---------------------------------------------------------------- the middleware
class Guard:
    """ASGI middleware that checks requests."""

    def __init__(self, app: App, rules: Rules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        else:
            try:
                await self._answer(scope, receive, send)
            except Refusal as refusal:
                body = json.dumps({"error_code": "PERMISSION_DENIED", "message": refusal.message}).encode()
                await _reply(send, refusal.status, [(b"content-type", b"application/json")], body + b"\n")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        _check(scope, self.rules)
        token = self.rules.token
        if token and scope["path"] != HEALTH:
            if _comes_with(scope, token):
                cookie = f"{_cookie_name(scope)}={token}; HttpOnly; SameSite=Lax; Path=/"
                await _reply(send, 303, [(b"location", b"/"), (b"set-cookie", cookie.encode())], b"")
                return
            if not _brings(scope, token):
                raise Refusal(403, "open the address that the command has printed, with its token")
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"origin"]  # already checked
        if scope["method"] == "POST" and scope["path"].endswith(f"api/{CREATE_EXPERIMENT}"):
            scope["query_string"], body = b"", _experiment(await _read(receive))
            headers = [(k, v) for k, v in scope["headers"] if k not in (b"content-length", b"transfer-encoding")]
            scope["headers"] = [*headers, (b"content-length", str(len(body)).encode())]
            messages = iter([{"type": "http.request", "body": body, "more_body": False}])

            async def replay() -> Message:
                return next(messages, None) or await receive()

            await self.app(scope, replay, send)
        else:
            await self.app(scope, receive, send)


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
        if len(body) > MAX_EXPERIMENT_BYTES:
            raise Refusal(413, "too large for an experiment's name and tags")
    return body


def _experiment(body: bytes) -> bytes:
    """The request serialised again, so that it cannot be parsed in two ways."""
    try:
        asked = json.loads(body.decode())
        name, tags = asked["name"], asked.get("tags") or []
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Refusal(400, "not a request for an experiment: expected a JSON object with a name") from None
    if any(asked.get(spelling) for spelling in ("artifact_location", "artifactLocation")):
        raise Refusal(403, "artifacts stay in this server's own folder: leave artifact_location out")
    return json.dumps({"name": name, "tags": tags}).encode()


async def _reply(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode()), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
