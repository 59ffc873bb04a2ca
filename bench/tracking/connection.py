"""Locate and open the tracking store: default database, quiet MLflow client. Imports mlflow lazily."""

import importlib.util
import logging
import os
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote, urlsplit

from bench.console import BadInput
from bench.records.locks import Lock
from bench.tracking.uri import LASTING, NOT_A_DATABASE, escaped, is_loopback, reason, sqlite_file, sqlite_uri, told

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

Client: TypeAlias = "MlflowClient"  # for annotations, so that a module need not import MLflow for them

DATABASES = ("postgresql", "mysql", "mssql")
SERVED = ("sqlite", *DATABASES, "databricks")  # kinds of store that MLflow's server can stand before
STORES = ("http", "https", *SERVED)
SETTINGS = {  # of MLflow's client, unless set by the user; no retries, because the mirror sends again from the records
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",  # seconds
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class StoreError(Exception):
    """The store cannot be used now, for any cell; the message is one line without credentials.

    ``is_lasting``: somebody must fix it, so waiting does not help.
    """

    def __init__(self, message: str, *, is_lasting: bool = False) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting

    @classmethod
    def of(cls, error: Exception, uri: str) -> "StoreError":
        """Wrap an exception of the client.

        A server that rejects a request (4xx) will keep rejecting it, so that is lasting.
        """
        line, status = reason(error, uri), getattr(error, "get_http_status_code", int)()
        refused = 400 <= status < 500 and status not in (408, 429)
        lasting = refused or isinstance(error, ImportError) or (isinstance(error, StoreError) and error.is_lasting)
        return cls(line, is_lasting=lasting or line in LASTING)


def is_installed() -> bool:
    """Whether MLflow is installed; a mere folder of that name does not count."""
    found = importlib.util.find_spec("mlflow")
    return found is not None and found.origin is not None


def default_uri(results: Path) -> str:
    """Address of the SQLite database in the results folder."""
    return sqlite_uri(results.resolve() / "mlflow.db")


def resolve_uri(results: Path) -> str:
    """MLFLOW_TRACKING_URI, or the default. Raises BadInput, before any training, if it is not a valid store."""
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        return default_uri(results)
    kind = _kind(uri)
    if not has_store(uri):
        why = "MLflow no longer keeps runs in a folder" if kind in ("file", uri) else f"MLflow has no store {kind}:"
        ways = "unset it (runs go to mlflow.db in the results folder), or name a server or a database"
        raise BadInput(f"MLFLOW_TRACKING_URI={told(uri)}: {why}; {ways}: http://HOST:5000, sqlite:////PATH/mlflow.db")
    if fault := fault_of(uri):
        raise BadInput(f"MLFLOW_TRACKING_URI={told(uri)}: {fault}")
    return uri


def _kind(uri: str) -> str:
    """``postgresql`` of ``postgresql+psycopg2://...``."""
    return uri.partition(":")[0].partition("+")[0]


def has_store(uri: str, kinds: Sequence[str] = STORES) -> bool:
    """Whether the address is of one of these kinds of store, or of a kind that a plugin of MLflow's adds."""
    return _kind(uri) in {*kinds, *(plugin.name for plugin in entry_points(group="mlflow.tracking_store"))}


def fault_of(uri: str) -> str:
    """Describe an error in the address; empty if only an attempt to connect can tell."""
    kind = _kind(uri)
    if uri != uri.strip() or not uri.isprintable():
        return "it begins or ends with white space, or holds a character that cannot be printed"
    if kind in ("http", "https"):
        try:
            parts = urlsplit(uri)
            is_whole = bool(parts.hostname) and (parts.port is None or parts.port > 0) and " " not in uri
        except ValueError:
            is_whole = False
        if not is_whole:
            return "expected http://HOST:PORT, with special characters of a user's name or password written as %XX"
        if parts.query or parts.fragment:
            return "it is the address of a page; expected that of the server, http://HOST:PORT"
    if kind == "sqlite" and not (sqlite_file(uri) or Path()).name:
        return "expected a file: sqlite:////PATH/mlflow.db"
    if kind in DATABASES and is_installed():
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError

        try:
            make_url(uri).get_dialect().import_dbapi()
        except NoSuchModuleError:
            return "SQLAlchemy has no such driver"
        except (ArgumentError, ValueError):
            return f"expected {kind}://USER:PASSWORD@HOST/DATABASE, with special characters written as %XX"
        except ImportError as error:
            return f"its driver is not installed ({error})"
    return ""


def may_exist(uri: str) -> bool:
    """Whether the database exists; True for a remote store, where only an attempt can tell."""
    database = sqlite_file(uri)
    return database is None or _is_filled(database)


def _is_filled(database: Path) -> bool:
    return database.exists() and database.stat().st_size > 0


def prepared_experiments(uri: str) -> dict[str, str]:
    """Names and ids of the experiments with prepared views, newest first. Raises StoreError."""
    return {e.name: e.experiment_id for e in _experiments(uri) if "mlflow.sharedViewState.seeds" in e.tags}


def artifact_folders(uri: str) -> tuple[str, ...]:
    """Local folders in which the store's experiments keep artifacts. Raises StoreError."""
    parts = [urlsplit(e.artifact_location) for e in _experiments(uri)]
    return tuple(sorted({unquote(part.path) for part in parts if part.scheme in ("", "file")}))


def _experiments(uri: str) -> "list[Experiment]":
    """Those of the store, newest first."""
    try:
        return connect(uri).search_experiments(order_by=["last_update_time DESC"])
    except Exception as error:
        raise StoreError.of(error, uri) from None


def connect(uri: str) -> "MlflowClient":
    """A client with MLflow quiet and its database created. The first use of a database takes about 10 s."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    host = urlsplit(uri).hostname or ""
    if is_loopback(host):  # a proxy would look on its own machine
        direct = (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",")
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys([*filter(None, direct), host]))
    database = sqlite_file(uri)
    if database is not None and _is_filled(database):
        with database.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                raise StoreError(NOT_A_DATABASE)
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # else it logs stack traces of reported errors
    if database is not None and not _is_filled(database):
        _create_database(database)
    return MlflowClient(tracking_uri=uri)


def _create_database(database: Path) -> None:
    """Create the database under another name, then rename it: MLflow cannot open one with interrupted migrations."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    incoming = database.with_name(f".{database.name}.incoming")
    with Lock(database.with_name(f".{database.name}.lease"), f"process {os.getpid()}"):
        if _is_filled(database):
            return
        for leftover in (incoming, incoming.with_name(f"{incoming.name}-journal")):
            leftover.unlink(missing_ok=True)
        store = SqlAlchemyStore(sqlite_uri(incoming), escaped(str(database.parent.resolve() / "artifacts")))
        store.engine.dispose()
        incoming.replace(database)
