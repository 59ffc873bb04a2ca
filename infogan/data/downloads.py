"""Downloads of public data sets: tried once a process, quickly given up, and whole or not at all."""

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

_failures: dict[str, str] = {}  # why, by data set: one process tries once


def download(name: str, target: Path, fetch: Callable[[Path], None], urls: tuple[str, ...]) -> bool:
    """Have ``fetch`` make a folder of the target's name, then move it to ``target``.

    False where ``INFOGAN_OFFLINE`` is set, where none of the addresses that ``fetch`` takes it from answers, or where
    what came is not sound; :func:`failure` says why.
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
    """Raises OSError or HTTPException where no address answers: then nobody imports torchvision, which takes 3 s."""
    for url in urls:
        try:
            urlopen(Request(url, method="HEAD")).close()
        except HTTPError:  # an answer too; what is wrong shows in the download
            return
        except (OSError, HTTPException):
            if url == urls[-1]:
                raise
        else:
            return


def failure(name: str) -> str:
    """Why a data set's download failed in this process, for an error message."""
    return _failures.get(name, "not tried")
