"""The address of a store, and what a person may read of it: never a credential."""

from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

NOT_A_DATABASE = "mlflow.db is not a database; move it away and run `python -m bench sync`"
NO_SPACE = "no space left for mlflow.db; make room and run `python -m bench sync`"
NO_ANSWER = "tracking server does not answer"


def redacted(uri: str) -> str:
    """The URI without user, password and options."""
    parts = urlsplit(uri)
    if parts.scheme == "sqlite":
        return uri
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def sqlite_file(uri: str) -> Path | None:
    """The database file of a SQLite address; None of any other."""
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None


def reason(error: Exception, uri: str) -> str:
    """One line for a person: no credentials, no stack."""
    text = " ".join(str(error).split()) or type(error).__name__
    if "file is not a database" in text or "image is malformed" in text:
        return NOT_A_DATABASE
    if "database or disk is full" in text:
        return NO_SPACE
    if "failed with exception" in text or ("OperationalError" in text and not uri.startswith("sqlite")):
        return NO_ANSWER
    parts = urlsplit(uri)
    user_info = parts.netloc.rpartition("@")[0]
    secrets = {user_info, user_info.partition(":")[2], parts.query if parts.scheme != "sqlite" else ""}
    for secret in sorted(secrets | {unquote(s) for s in secrets}, key=len, reverse=True):
        text = text.replace(secret, "***") if secret else text
    return text if len(text) <= 240 else text[:239] + "…"
