"""Where the mirror is and how it is opened: the default database, MLflow's client kept quiet. Imports mlflow lazily."""

import importlib.util
import logging
import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from bench.console import BadInput
from bench.records.locks import Lock
from bench.tracking.uri import NOT_A_DATABASE, escaped, is_loopback, reason, redacted, sqlite_file, sqlite_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

STORES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
SETTINGS = {  # of MLflow's client, unless the user sets them; what fails is sent again from the records
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",  # seconds
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class StoreError(Exception):
    """The store cannot be used now, whatever the cell; the message is one line without credentials."""


def is_installed() -> bool:
    """Whether MLflow is there; nothing but this package needs it. A mere folder of that name is not it."""
    found = importlib.util.find_spec("mlflow")
    return found is not None and found.origin is not None


def default_uri(results: Path) -> str:
    """SQLite in the results folder."""
    return sqlite_uri(results.resolve() / "mlflow.db")


def resolve_uri(results: Path) -> str:
    """MLFLOW_TRACKING_URI, or the default. Raises BadInput, before anything is trained, where it names no store."""
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        return default_uri(results)
    kind = uri.partition(":")[0].partition("+")[0]
    if kind not in STORES and kind not in {plugin.name for plugin in entry_points(group="mlflow.tracking_store")}:
        why = "MLflow keeps no runs in a folder any more" if kind in ("file", uri) else f"MLflow has no store {kind}:"
        ways = "unset it (runs go to mlflow.db in the results folder), or name a server or a database"
        raise BadInput(
            f"MLFLOW_TRACKING_URI={redacted(uri)}: {why}; {ways}: http://HOST:5000, sqlite:////PATH/mlflow.db"
        )
    return uri


def may_exist(uri: str) -> bool:
    """Whether there is a database; of a store elsewhere only the attempt tells."""
    database = sqlite_file(uri)
    return database is None or (database.exists() and database.stat().st_size > 0)


def prepared_experiments(uri: str) -> dict[str, str]:
    """Names and ids of the experiments that have prepared views, the newest first. Raises StoreError."""
    try:
        found = connect(uri).search_experiments(order_by=["last_update_time DESC"])
    except Exception as error:
        raise StoreError(reason(error, uri)) from None
    return {e.name: e.experiment_id for e in found if "mlflow.sharedViewState.seeds" in e.tags}


def artifact_folders(uri: str) -> tuple[str, ...]:
    """Folders on this machine that the store's experiments keep artifacts in. Raises StoreError."""
    try:
        found = connect(uri).search_experiments()
    except Exception as error:
        raise StoreError(reason(error, uri)) from None
    parts = [urlsplit(e.artifact_location) for e in found]
    return tuple(sorted({unquote(part.path) for part in parts if part.scheme in ("", "file")}))


def connect(uri: str) -> "MlflowClient":
    """A client with MLflow quiet and its database there. The first use of a database takes about 10 s."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    host = urlsplit(uri).hostname or ""
    if is_loopback(host):  # a proxy would look for it on its own machine
        direct = (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",")
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys([*filter(None, direct), host]))
    database = sqlite_file(uri)
    if database is not None and database.exists() and database.stat().st_size:
        with database.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                raise StoreError(NOT_A_DATABASE)
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # MLflow logs a stack for what is reported in one line
    if database is not None and not (database.exists() and database.stat().st_size):
        _create_database(database)
    return MlflowClient(tracking_uri=uri)


def _create_database(database: Path) -> None:
    """Made aside and renamed: a kill during MLflow's migrations leaves a file that MLflow can never open again."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    incoming = database.with_name(f".{database.name}.incoming")
    with Lock(database.with_name(f".{database.name}.lease"), f"process {os.getpid()}"):
        if database.exists() and database.stat().st_size:
            return
        for leftover in (incoming, incoming.with_name(f"{incoming.name}-journal")):
            leftover.unlink(missing_ok=True)
        store = SqlAlchemyStore(sqlite_uri(incoming), escaped(str(database.parent.resolve() / "artifacts")))
        store.engine.dispose()
        incoming.replace(database)
