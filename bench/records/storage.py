"""Durable files, written completely or not at all, and JSON without a checksum: bench/records/seals.py adds one."""

import contextlib
import errno
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from infogan.data.base import one_line, replacing

_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}  # errors of file systems without fsync
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class CorruptRecord(Exception):
    """A record does not match its checksum, or belongs to another cell."""


def in_words(error: CorruptRecord | OSError) -> str:
    """Describe an error in one line, with the file's name but not its folder."""
    if isinstance(error, OSError) and error.filename is not None:
        name = Path(os.fsdecode(error.filename)).name
        done = "written" if error.errno in _NO_ROOM else "read"
        return one_line(f"{name}: cannot be {done}: {error.strerror}")
    return one_line(" ".join(str(error).split()))


def write_atomic(path: Path, *content: bytes | memoryview) -> None:
    """Replace ``path`` by the concatenated ``content``."""
    with atomic_file(path) as file:
        for part in content:
            file.write(part)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that replaces ``path`` at the end; after a crash, either the old or the new one is complete.

    A device or a pipe, such as /dev/null, is written to directly.
    """
    if _is_device(path):
        with path.open("wb") as device:
            yield device
        return
    try:
        with replacing(path) as file:
            yield file
            file.flush()
            sync_file(file.fileno())
        sync_folder(path.parent)
    except OSError as error:
        if error.errno in _NO_ROOM and error.filename is None:
            error.filename = path.name  # a failed write names no file; without its folder, since records quote it
        raise


def _is_device(path: Path) -> bool:
    """Whether ``path`` is not a regular file, or is a system name for one, such as /dev/stdout."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    is_a_name_for_it = str(path.absolute().parent) in ("/dev", "/dev/fd") or path.absolute().parts[1:2] == ("proc",)
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or is_a_name_for_it


def sync_file(handle: int) -> bool:
    """Flush a file to disk. False if the file system does not support it, which is not an error."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
        return False
    return True


def sync_folder(folder: Path) -> bool:
    """Make renames in ``folder`` durable.

    False if the file system cannot, so a power failure may undo the last ones.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        return sync_file(handle)
    finally:
        os.close(handle)


def plain_json(value: Any) -> Any:
    """Convert nested values to JSON types: keys become text, non-finite numbers None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): plain_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(v) for v in value]
    return value


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Append a JSON line by rewriting the file atomically, so that a crash leaves no incomplete line."""
    before = _bytes_if_there(path)
    if before and not before.endswith(b"\n"):
        before += b"\n"  # edited by hand
    write_atomic(path, before + (json.dumps(value, allow_nan=False) + "\n").encode())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines; unreadable lines are skipped, a missing file is empty. Raises OSError."""
    values = []
    for line in _bytes_if_there(path).decode("utf-8-sig", errors="replace").splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(line)
            if isinstance(value, dict):
                values.append(value)
    return values


def _bytes_if_there(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def write_plain_json(path: Path, value: Any) -> None:
    """Write JSON without a checksum, for people and other programs."""
    write_atomic(path, plain_text(value).encode())


def plain_text(value: Any) -> str:
    """JSON text with one field per line."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def read_plain_json(path: Path) -> Any:
    """Read JSON without a checksum. Raises OSError, or ValueError with one line."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {' '.join(str(error).split())[:200]}") from error
