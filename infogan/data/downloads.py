"""Downloads of public data sets: tried once per process, with a short timeout, and never left half done."""

import os
import socket
import tempfile
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from infogan.data.base import DataError

TIMEOUT_S = 15

_failures: dict[str, str] = {}  # reason by data set, so that a process tries only once


def download(name: str, target: Path, fetch: Callable[[Path], None], urls: tuple[str, ...]) -> bool:
    """Let ``fetch`` fill a temporary folder, then move it to ``target``.

    Returns False if ``INFOGAN_OFFLINE`` is set, none of ``urls`` answers, or the content is invalid; :func:`failure`
    returns the reason.
    """
    if os.environ.get("INFOGAN_OFFLINE"):
        _failures[name] = "INFOGAN_OFFLINE is set"
    if name in _failures:
        return False
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)
    try:
        _require_answer(urls)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
            complete = Path(temporary) / target.name
            fetch(complete)
            complete.replace(target)
    except (OSError, RuntimeError, HTTPException, DataError) as error:  # URLError is an OSError
        _failures[name] = " ".join(str(error).split())[:200]
        return False
    finally:
        socket.setdefaulttimeout(timeout)
    return True


def _require_answer(urls: tuple[str, ...]) -> None:
    """Raise OSError or HTTPException if no address answers.

    This avoids importing torchvision, which takes 3 s, in vain.
    """
    for url in urls:
        try:
            urlopen(Request(url, method="HEAD")).close()
        except HTTPError:  # also an answer; the download will show what is wrong
            return
        except (OSError, HTTPException):
            if url == urls[-1]:
                raise
        else:
            return


def failure(name: str) -> str:
    """The reason why a data set's download failed in this process, for an error message."""
    return _failures.get(name, "not tried")
