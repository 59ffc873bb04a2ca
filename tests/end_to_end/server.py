"""A real tracking server with PostgreSQL, and a proxy in front of it that disturbs requests as networks do."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil

from tests.end_to_end.harness import PATIENCE_S, ROOT

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class TrackingServer:
    """Runs ``python -m bench server``. Any account can enter its folder: under root, PostgreSQL runs as another one."""

    def __init__(self, *options: str) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="infogan-server-", ignore_cleanup_errors=True)
        os.chmod(self._home.name, 0o755)
        self.folder, self.options, self.port = Path(self._home.name, "server"), options, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.output = ""

    def command(self, *options: str) -> list[str]:
        folder = ["--folder", str(self.folder), "--port", str(self.port)]
        return [sys.executable, "-m", "bench", "server", *folder, *self.options, *options]

    def start(self) -> "TrackingServer":
        """Start the server; returns once it has printed how to use it."""
        self.process = subprocess.Popen(
            self.command(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        self.output = ""
        for line in self.process.stdout:
            self.output += line
            if line.startswith("store "):
                break
        assert f"export MLFLOW_TRACKING_URI={self.uri}\n" in self.output, self.output
        return self

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait until no process of the server is left; returns the command's exit code."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signum)
        self.output += self.process.communicate(timeout=PATIENCE_S)[0]
        assert psutil.wait_procs(family, timeout=PATIENCE_S)[1] == []
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
        self.remove()

    def remove(self) -> None:
        self._home.cleanup()

    def rows(self, run_ids: list[str]) -> dict[str, tuple[int, int]]:
        """For each run, the number of points and of different (metric, step) pairs, read from PostgreSQL itself."""
        import psycopg2

        found = re.search(r"postgresql\+psycopg2://127\.0\.0\.1:(\d+)/(\w+)", self.output)
        assert found
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=int(found[1]),
            dbname=found[2],
            user="infogan",
            passfile=str(self.folder / "pgpass"),
        )
        query = (
            "SELECT run_uuid, count(*), count(DISTINCT (key, step)) FROM metrics WHERE run_uuid = ANY(%s) GROUP BY 1"
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, (run_ids,))
                return {run_id: (points, different) for run_id, points, different in cursor.fetchall()}
        finally:
            connection.close()


Fault = Callable[[int, str], str]  # number of the request (from 1) and its path -> a word that Proxy explains


class Proxy:
    """Forwards requests to a server. ``fault`` decides what happens to each of them:

    pass       It is forwarded, and so is the answer.
    error      It is answered with 500 and not forwarded.
    lost       It is forwarded, but the connection is cut before the answer.
    cut        The connection is cut, and nothing is forwarded.
    held       It waits until ``release`` is set, and is then forwarded.
    dropped    An upload is answered with 200 and not forwarded.
    spoiled    An upload is forwarded with one bit changed.
    full       An upload is answered as by a server that has no space for it.
    """

    def __init__(self, upstream_port: int, fault: Fault = lambda number, path: "pass") -> None:
        self.fault, self.upstream_port = fault, upstream_port
        self.release = threading.Event()
        self.faults: dict[str, int] = {}
        self.num_requests = self.num_answers = 0
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> "Proxy":
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self.refuse()

    def listen(self) -> None:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:  # the client has closed the connection
                    self.close_connection = True

            def log_message(self, *_: Any) -> None: ...

            def forward(self) -> None:
                proxy.answer(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def refuse(self) -> None:
        """Stop listening. Connections are then refused, as by a server that is gone."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self.num_requests += 1
            kind = "cut" if self._server is None else self.fault(self.num_requests, request.path)
            self.faults[kind] = self.faults.get(kind, 0) + 1
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        if kind == "spoiled" and request.command == "PUT" and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        if kind == "held":
            self.release.wait()
        if kind == "cut":
            request.close_connection = True
        elif kind == "dropped" and request.command == "PUT":
            self._reply(request, 200, [], b"{}")
        elif kind == "full" and request.command == "PUT":
            self._reply(request, 500, [], b'{"error_code": "INTERNAL_ERROR", "message": "No space left on device"}')
        elif kind == "error":
            self._reply(request, 500, [], b'{"error_code": "INTERNAL_ERROR", "message": "out of order"}')
        else:
            upstream = http.client.HTTPConnection("127.0.0.1", self.upstream_port, timeout=PATIENCE_S)
            try:
                headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
                upstream.request(request.command, request.path, body, headers)
                response = upstream.getresponse()
                content = response.read()
            except OSError:
                request.close_connection = True
                return
            finally:
                upstream.close()
            if kind == "lost":
                request.close_connection = True
            else:
                self._reply(request, response.status, response.getheaders(), content)

    def _reply(
        self, request: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], content: bytes
    ) -> None:
        with self._lock:
            self.num_answers += 1
        request.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
