"""``server``: one MLflow tracking server for several users, with its own database and artifact folder."""

import contextlib
import os
import secrets
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.console import BadInput, Exit, console, escape, received_signals, say
from bench.context import require_mlflow
from bench.paths import require_folder, require_writable
from bench.records.locks import Lock
from bench.serve import postgres
from bench.serve.app import Served
from bench.serve.guard import host_name
from bench.serve.process import LOOPBACK, ServerFailed, is_healthy, mlflow_server, serve_until, usable_port, wait_until
from bench.tracking.connection import SERVED, fault_of, has_store
from bench.tracking.uri import redacted, sqlite_uri, told

STORES = ("postgresql", "sqlite")
LOG_LIMIT_BYTES = 50e6  # a larger log is rotated at the next start; one old log is kept
EVERY_ADDRESS = ("0.0.0.0", "::")
TOKEN_FILE = "token"
NO_PASSWORD = "open to the network without a password"


@dataclass(frozen=True)
class ServerOptions:
    """Options of the command line."""

    folder: Path
    store: str = "postgresql"
    host: str = LOOPBACK
    port: int = 5000
    allowed_hosts: str | None = None
    workers: int = 1
    token: bool = False  # whether requests need the token in the folder


def serve(options: ServerOptions) -> Exit:
    """Start database and server, print how to use them, and stop both on a signal. Raises BadInput, Locked."""
    folder = options.folder.absolute()
    require_folder("folder", folder)
    if options.store not in STORES and not ("://" in options.store and has_store(options.store, SERVED)):
        raise BadInput(
            f"--store {told(options.store)!r}: choose {' or '.join(STORES)}, or give a database's address (URI)"
        )
    require_mlflow("install it")
    if "://" in options.store and (fault := fault_of(options.store)):
        raise BadInput(f"--store {told(options.store)}: {fault}")
    if options.store == "postgresql":
        postgres.require(folder)
    names, port = own_names(options), usable_port(options.port, options.host)
    require_writable(folder)
    try:
        with Lock(folder / "server.lease", f"process {os.getpid()}"):
            return _serve(options, folder, port, names)
    except ServerFailed as error:
        print(f"error: {error}; logs are in {folder / 'logs'}", file=sys.stderr)
        return Exit.FAILED


def _serve(options: ServerOptions, folder: Path, port: int, names: tuple[str, ...]) -> Exit:
    artifacts, logs = folder / "artifacts", folder / "logs"
    for path in (artifacts, logs):
        path.mkdir(exist_ok=True)
    token = _token(folder / TOKEN_FILE) if options.token else ""
    with (
        received_signals() as signals,
        _log(logs / "postgresql.log") as database_log,
        _log(logs / "mlflow.log") as mlflow_log,
        console.status("starting, about 20 s"),
        _store(options, folder, database_log, signals) as store,
        mlflow_server(
            Served(store.uri, str(artifacts), (), options.host, port, options.workers, names, token),
            mlflow_log,
            store.environment,
        ) as mlflow,
    ):
        reached = LOOPBACK if options.host in EVERY_ADDRESS else options.host
        wait_until(lambda: is_healthy(_address(reached, port)), mlflow, signals)
        if not signals:
            _print_use(options, folder, _address(reached, port), store)
        return serve_until(signals, [mlflow, *store.servers])


def _store(
    options: ServerOptions, folder: Path, log: IO[bytes], signals: list[int]
) -> contextlib.AbstractContextManager[postgres.Store]:
    """The backend store of MLflow."""
    if options.store == "postgresql":
        return postgres.database(folder, log, signals)
    uri = sqlite_uri(folder / "mlflow.db") if options.store == "sqlite" else options.store
    return contextlib.nullcontext(postgres.Store(uri))


@contextlib.contextmanager
def _log(path: Path) -> Iterator[IO[bytes]]:
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".old.log"))
    with path.open("a+b") as log:
        log.seek(0, os.SEEK_END)
        yield log


def _token(file: Path) -> str:
    """The folder's token, created if missing; readable by its owner only, since it grants access.

    A file that a kill left empty is written again: an empty token would let everybody in.
    """
    token = file.read_text().strip() if file.exists() else ""
    if not token:
        token = secrets.token_urlsafe(32)
        postgres.write_private(file, token)
    return token


def own_names(options: ServerOptions) -> tuple[str, ...]:
    """Names of this host, from the command line. Raises BadInput."""
    names = [name.strip().lower() for name in (options.allowed_hosts or "").split(",") if name.strip()]
    for name in names:
        if host_name(name) != name or "*" in name:
            raise BadInput(f"--allowed-hosts {name!r}: expected whole host names, without a port")
    return (*names, *(() if options.host in EVERY_ADDRESS else (options.host.lower(),)))


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _print_use(options: ServerOptions, folder: Path, address: str, store: postgres.Store) -> None:
    say(f"tracking server at {escape(address)}, Ctrl-C stops it without losing anything")
    say(f"  export MLFLOW_TRACKING_URI={escape(address)}", to_copy=True)
    if options.token:
        say(f"  export MLFLOW_TRACKING_TOKEN=$(cat {escape(shlex.quote(str(folder / TOKEN_FILE)))})", to_copy=True)
    say(f"store {escape(redacted(store.uri))}; artifacts and logs in {escape(str(folder))}")
    if options.host not in (LOOPBACK, "localhost", "::1"):
        named = f" and {options.allowed_hosts}" if options.allowed_hosts else ""
        open_to = "open to the network; the token is sent unencrypted" if options.token else NO_PASSWORD
        say(f"[yellow]{open_to};[/yellow] clients may use its address{escape(named)}")
