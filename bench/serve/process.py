"""Start and stop servers for a command: processes with a log, and MLflow's own server."""

import ctypes
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO

import bench
from bench.console import BadInput, Exit
from bench.serve.app import Served

LOOPBACK = "127.0.0.1"
START_LIMIT_S, POLL_S = 180.0, 0.2
MLFLOW_STOPS, MLFLOW_STOP_LIMIT_S = (signal.SIGTERM, signal.SIGKILL), 8.0
MLFLOW_SETTINGS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
PR_SET_PDEATHSIG = 1  # of prctl(2)


class ServerFailed(Exception):
    """A server ended unexpectedly or does not answer; the message is one line."""


@dataclass(frozen=True)
class Server:
    """A process that should keep running, and its log."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: IO[bytes]
    log_start: int  # bytes; earlier content is from earlier starts

    def check(self) -> None:
        """Raise ServerFailed, with the reason from the log, if the process has ended."""
        if self.process.poll() is None:
            return
        self.log.seek(self.log_start)
        words = reason(self.log.read().decode(errors="replace"))
        raise ServerFailed(f"{self.name} ended with code {self.process.returncode}: {words}")


def reason(said: str) -> str:
    """The line that explains why a program ended: the first error if any, else the last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\b(FATAL|PANIC|[Ee]rror):", line)]
    return (errors or lines[-1:] or ["without output"])[0][:300]


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    log: IO[bytes],
    *,
    stops: Sequence[signal.Signals] = MLFLOW_STOPS,
    stop_limit_s: float = MLFLOW_STOP_LIMIT_S,
    environment: Mapping[str, str] | None = None,
    account: pwd.struct_passwd | None = None,
) -> Iterator[Server]:
    """Run a server in its own process group, so that a Ctrl-C reaches it only through us.

    ``stops`` are signals sent in turn, with ``stop_limit_s`` each; the kernel sends the first one if we are killed.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux only
    process = subprocess.Popen(
        command,
        cwd="/" if account else None,  # our folder may not be accessible to that account
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=(lambda: prctl(PR_SET_PDEATHSIG, stops[0])) if prctl else None,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
    try:
        yield Server(name, process, log, log.tell())
    finally:
        _end_group(process, stops, stop_limit_s)


def _end_group(process: "subprocess.Popen[bytes]", stops: Sequence[signal.Signals], limit_s: float) -> None:
    """End the command and everything it started."""
    for signum in stops:
        try:
            os.killpg(process.pid, signum)
            process.wait(limit_s)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue


def usable_port(port: int | None, host: str = LOOPBACK) -> int:
    """The given port or a free one. Raises BadInput."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will do
            probe.bind(address)
            return int(probe.getsockname()[1])
    except (socket.gaierror, UnicodeError) as error:  # UnicodeError: a part of the name is empty or too long
        why = error.strerror if isinstance(error, OSError) else error
        raise BadInput(f"host {host!r} cannot be resolved: {why}") from None
    except OSError as error:
        raise BadInput(f"port {port} cannot be used on {host}: {error.strerror}; choose another with --port") from None


def mlflow_server(
    served: Served, log: IO[bytes], environment: Mapping[str, str] | None = None
) -> AbstractContextManager[Server]:
    """Context that runs MLflow behind our guard. Use :func:`wait_until` to wait until it is healthy."""
    settings = os.environ | MLFLOW_SETTINGS | dict(environment or {}) | served.to_environment()
    checkout = str(Path(bench.__file__).parents[1])
    settings |= {"PYTHONPATH": os.pathsep.join(filter(None, [checkout, os.environ.get("PYTHONPATH")]))}
    return running("MLflow", [sys.executable, "-m", "bench.serve.app"], log, environment=settings)


def is_healthy(base: str) -> bool:
    """Whether MLflow answers at this address, without a proxy."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{base}/health", timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, HTTPException):  # HTTPException: what answers is no web server
        return False


def wait_until(condition: Callable[[], bool], server: Server, signals: list[int]) -> None:
    """Wait until the server answers or a signal arrives. Raises ServerFailed if it ends or stays silent."""
    deadline = time.monotonic() + START_LIMIT_S
    while not (signals or condition()):
        server.check()
        if time.monotonic() > deadline:
            raise ServerFailed(f"{server.name} does not answer after {START_LIMIT_S:g} s")
        time.sleep(POLL_S)
    if not signals:
        server.check()  # another server may have answered at this address


def serve_until(signals: list[int], servers: Sequence[Server]) -> Exit:
    """Wait until a signal arrives; return the exit code. Raises ServerFailed if a server ends before."""
    while not signals:
        for server in servers:
            server.check()
        time.sleep(POLL_S)
    return Exit.OK if signals[0] == signal.SIGINT else Exit.TERMINATED
