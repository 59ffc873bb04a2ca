"""Addresses of stores, and what may be shown of them: never credentials."""

import ipaddress
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

SYNC = "then sync again"  # whoever prints it names the command: an address does not tell its results folder
NOT_A_DATABASE = f"mlflow.db is not a database; move it away, {SYNC}"
NO_SPACE = f"no space left for mlflow.db; make room, {SYNC}"
NO_ANSWER = "tracking server does not answer"
NO_ACCESS = "tracking server refuses access: it requires MLFLOW_TRACKING_TOKEN, or a user name and password"
NOT_MLFLOW = "what answers there does not understand MLflow's requests: another program, path or version"
OTHER_VERSION = (
    "the database was made by another version of MLflow; back it up and run `mlflow db upgrade` on it, or use another"
)
LASTING = (NOT_A_DATABASE, NO_SPACE, NO_ACCESS, NOT_MLFLOW, OTHER_VERSION)  # errors that persist until somebody acts


def told(uri: str) -> str:
    """A possibly malformed address without everything before its last @ and without options, for messages."""
    return re.sub("//.*@", "//", re.split("[?#]", uri, maxsplit=1)[0], flags=re.DOTALL)


def redacted(uri: str) -> str:
    """The address without user, password and options."""
    parts = urlsplit(uri)
    if parts.scheme.startswith("sqlite"):
        return uri
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def sqlite_file(uri: str) -> Path | None:
    """Database file of a SQLite address; None for other addresses."""
    found = re.match(r"sqlite(\+pysqlite)?:///([^?]*)", uri)
    return Path(unquote(found[2])) if found else None


def escaped(path: str) -> str:
    """Escape the characters of a path that have a meaning in an address."""
    return re.sub(r"[%?#;\x00-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", path)


def sqlite_uri(database: Path) -> str:
    """Address of a database file.

    If something is escaped, the address names the driver: MLflow treats plain ``sqlite:///`` addresses as unescaped
    paths, and creates the folders that they seem to name.
    """
    path = escaped(str(database))
    return f"sqlite:///{path}" if path == str(database) else f"sqlite+pysqlite:///{path}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's loopback."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def reason(error: Exception, uri: str) -> str:
    """Describe an error in one line, without credentials or stack trace."""
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
