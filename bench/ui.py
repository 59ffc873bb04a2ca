"""``ui``: MLflow's pages over a results folder, on loopback, with the addresses of the prepared views."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.markup import escape

from bench import tracking
from bench.commands import console, say
from bench.context import BadInput
from bench.grid import Exit

HOST = "127.0.0.1"
START_LIMIT_S, STOP_LIMIT_S, POLL_S = 180.0, 8.0, 0.2
VIEWS = {  # options of an experiment's page; the keys are those of the experiment's tags
    "seeds": "compareRunsMode=CHART&viewStateShareKey=seeds",
    "arms": "compareRunsMode=CHART&viewStateShareKey=arms",
    "table": "viewStateShareKey=seeds",
}
SERVER_SETTINGS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
UVICORN = "--log-level warning --timeout-graceful-shutdown 2"
PR_SET_PDEATHSIG = 1  # of prctl(2)


def show(results: Path, port: int | None, *, open_browser: bool) -> Exit:
    """Serve the results' store until Ctrl-C. Of a store behind a server of its own, only the addresses are printed."""
    uri = tracking.resolve_uri(results)
    try:
        if uri.startswith(("http://", "https://")):
            _print_views(tracking.redacted(uri).rstrip("/"), tracking.prepared_experiments(uri))
            return Exit.OK
        if not tracking.may_exist(uri):
            raise BadInput(f"nothing to show: no mlflow.db in {results}; run `python -m bench run` first")
        return _serve(uri, results.absolute() / "artifacts", _usable_port(port), open_browser=open_browser)
    except (tracking.StoreError, ServerFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return Exit.FAILED


# ---------------------------------------------------------------- addresses
def view_address(base: str, experiment_id: str, view: str) -> str:
    """Of a prepared view; without the workflow type a first visit shows MLflow's page for language models."""
    return f"{base}/#/experiments/{experiment_id}/runs?workflowType=machine_learning&{VIEWS[view]}"


def _print_views(base: str, experiments: dict[str, str]) -> None:
    for name, experiment_id in experiments.items():
        say(f"[bold]{escape(name)}[/bold]")
        for view in VIEWS:
            say(f"  {view:5}  {escape(view_address(base, experiment_id, view))}")
    if not experiments:
        say("no runs are mirrored here yet; `python -m bench sync` mirrors what is recorded")


def _open_browser(address: str) -> None:
    has_display = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if has_display and sys.stdout.isatty():
        webbrowser.open(address)


def _usable_port(port: int | None) -> int:
    """The chosen port or a free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will
        try:
            probe.bind((HOST, port or 0))
        except OSError as error:
            raise BadInput(f"port {port} cannot be used: {error.strerror}; choose another with --port") from None
        return probe.getsockname()[1]


# ---------------------------------------------------------------- the server
class ServerFailed(Exception):
    """MLflow's server ended by itself or does not answer; the message is one line."""


def _serve(uri: str, artifacts: Path, port: int, *, open_browser: bool) -> Exit:
    base = f"http://{HOST}:{port}"
    with _signals() as signals, tempfile.TemporaryFile() as log, _server(uri, artifacts, port, log) as server:
        with console.status("starting MLflow, about 10 s"):
            experiments = tracking.prepared_experiments(uri)  # while the server starts
            deadline = time.monotonic() + START_LIMIT_S
            while not (signals or _is_healthy(base)):
                _check(server, log)
                if time.monotonic() > deadline:
                    raise ServerFailed(f"MLflow does not answer after {START_LIMIT_S:g} s")
                time.sleep(POLL_S)
        if not signals:
            _check(server, log)  # another's server may have answered
            _print_views(base, experiments)
            say(f"MLflow serves {escape(tracking.redacted(uri))} at {base}; Ctrl-C stops it")
            if open_browser and experiments:
                _open_browser(view_address(base, next(iter(experiments.values())), "seeds"))
        while not signals:
            _check(server, log)
            time.sleep(POLL_S)
    return Exit.OK if signals[0] == signal.SIGINT else Exit.TERMINATED


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals received so far. A list, not an exception: nothing may cut the stopping of the server short."""
    received: list[int] = []
    caught = [s for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) is not signal.SIG_IGN]
    before = {s: signal.signal(s, lambda signum, _: received.append(signum)) for s in caught}
    try:
        yield received
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


@contextmanager
def _server(uri: str, artifacts: Path, port: int, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process group of its own, so that a Ctrl-C reaches it through us alone."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--artifacts-destination", str(artifacts), "--uvicorn-opts", UVICORN]
    environment = os.environ | SERVER_SETTINGS | {"MLFLOW_BACKEND_STORE_URI": uri}  # may hold a password: not in `ps`
    environment.pop("MLFLOW_TRACKING_URI", None)
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # on Linux: the kernel stops the server even if we are killed
    server = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=(lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)) if prctl else None,
    )
    try:
        yield server
    finally:
        _end_group(server)


def _end_group(server: subprocess.Popen[bytes]) -> None:
    """MLflow's command and the server proper, which is its child."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, signum)
            server.wait(STOP_LIMIT_S)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue


def _is_healthy(base: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{base}/health", timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def _check(server: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    """Raises ServerFailed, with its last words, where the server has ended."""
    if server.poll() is None:
        return
    log.seek(0)
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    raise ServerFailed(f"MLflow ended with code {server.returncode}: {lines[-1][:300] if lines else 'without a word'}")
