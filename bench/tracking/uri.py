"""The address of a store, and what a person may read of it: never a credential."""

import ipaddress
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

NOT_A_DATABASE = "mlflow.db is not a database; move it away and run `python -m bench sync`"
NO_SPACE = "no space left for mlflow.db; make room and run `python -m bench sync`"
NO_ANSWER = "tracking server does not answer"
NO_ACCESS = "tracking server refuses access: it wants MLFLOW_TRACKING_TOKEN, or a user name and password"
NOT_MLFLOW = "what answers there does not know MLflow's requests: another program, path or version"
OTHER_VERSION = (
    "the database was made by another version of MLflow; back it up and run `mlflow db upgrade` on it, or use another"
)
LASTING = (NOT_A_DATABASE, NO_SPACE, NO_ACCESS, NOT_MLFLOW, OTHER_VERSION)  # until somebody acts


def told(uri: str) -> str:
    """What may be said of an address that may be malformed: nothing before its last @, and no options."""
    return re.sub("//.*@", "//", re.split("[?#]", uri, maxsplit=1)[0], flags=re.DOTALL)


def redacted(uri: str) -> str:
    """The URI without user, password and options."""
    parts = urlsplit(uri)
    if parts.scheme.startswith("sqlite"):
        return uri
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def sqlite_file(uri: str) -> Path | None:
    """The database file of a SQLite address; None of any other."""
    found = re.match(r"sqlite(\+pysqlite)?:///([^?]*)", uri)
    return Path(unquote(found[2])) if found else None


def escaped(path: str) -> str:
    """A path as a part of an address, with what would mean something there escaped."""
    return re.sub(r"[%?#;\x00-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", path)


def sqlite_uri(database: Path) -> str:
    """The address of a database file.

    Where something is escaped, the driver is named: MLflow takes plain ``sqlite:///`` addresses for paths as they
    stand, and makes the folders that they seem to name.
    """
    path = escaped(str(database))
    return f"sqlite:///{path}" if path == str(database) else f"sqlite+pysqlite:///{path}"


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def reason(error: Exception, uri: str) -> str:
    """One line for a person: no credentials, no stack."""
    text = " ".join(str(error).split()) or type(error).__name__
    if "file is not a database" in text or "image is malformed" in text:
        return NOT_A_DATABASE
    if "database or disk is full" in text:
        return NO_SPACE
    if "Detected out-of-date database schema" in text or "Can't locate revision" in text:
        return OTHER_VERSION
    if failed := re.search(r"too many (5\d\d) error responses", text):
        return f"tracking server answers with error {failed[1]}, see its log"
    if "failed with exception" in text or ("OperationalError" in text and not uri.startswith("sqlite")):
        return NO_ANSWER
    if re.search("error code 40[13] ", text):
        return NO_ACCESS
    if "error code 404 " in text or "not in a valid JSON format" in text:
        return NOT_MLFLOW
    parts = urlsplit(uri)
    user_info = parts.netloc.rpartition("@")[0]
    secrets = {user_info, user_info.partition(":")[2], "" if parts.scheme.startswith("sqlite") else parts.query}
    for secret in sorted(secrets | {unquote(s) for s in secrets}, key=len, reverse=True):
        text = text.replace(secret, "***") if secret else text
    return text if len(text) <= 240 else text[:239] + "…"
