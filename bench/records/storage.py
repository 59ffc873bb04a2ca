"""Durable files: written whole or not at all, checked by a checksum when read."""

import contextlib
import errno
import hashlib
import json
import math
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

_MAGIC = b"infogan-record-1"  # ends every binary record, before its sha256
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}  # what some file systems answer
_TRAILER = len(_MAGIC) + hashlib.sha256().digest_size


class CorruptRecord(Exception):
    """A record's content does not match its checksum."""


def write_atomic(path: Path, *content: bytes) -> None:
    """Replace ``path`` by the parts of ``content``."""
    with atomic_file(path) as file:
        for part in content:
            file.write(part)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that becomes ``path`` at the end: after a crash either the old or the new one is there in full.

    A device or a pipe, such as /dev/null, is written to and stays what it is.
    """
    if _is_device(path):
        with path.open("wb") as device:
            yield device
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}.{threading.get_ident()}"
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            sync_file(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _is_device(path: Path) -> bool:
    """Whether what stands at ``path`` is no file, or is a name of the system's for one, such as /dev/stdout."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    is_a_name_for_it = str(path.absolute().parent) in ("/dev", "/dev/fd") or path.absolute().parts[1:2] == ("proc",)
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or is_a_name_for_it


def sync_file(handle: int) -> bool:
    """Have the disk hold what was written. False where the file system has no such call, which is no error."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
        return False
    return True


def sync_folder(folder: Path) -> bool:
    """Make renames in ``folder`` durable. False where the file system cannot: a power cut may undo the last ones."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        return sync_file(handle)
    finally:
        os.close(handle)


def write_sealed(path: Path, content: bytes) -> None:
    """Write a binary record with its checksum at the end."""
    write_atomic(path, content, _MAGIC + hashlib.sha256(content).digest())  # not joined: a checkpoint has 150 MB


def read_sealed(path: Path) -> bytes:
    """Content of a binary record. Raises CorruptRecord, or FileNotFoundError."""
    return unsealed(path.name, path.read_bytes())


def unsealed(name: str, raw: bytes) -> bytes:
    """Content of a binary record's bytes. Raises CorruptRecord."""
    content, trailer = raw[:-_TRAILER], raw[-_TRAILER:]
    if len(raw) < _TRAILER or trailer != _MAGIC + hashlib.sha256(content).digest():
        raise CorruptRecord(f"{name}: checksum does not match, {len(raw)} bytes")
    return content


def has_seal(path: Path) -> bool:
    """Whether a binary record is there with its end: quick, and blind to a change within."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < _TRAILER:
                return False
            file.seek(-_TRAILER, os.SEEK_END)
            return file.read(len(_MAGIC)) == _MAGIC
    except FileNotFoundError:
        return False


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON record that people can read and that carries its checksum as its last key."""
    write_atomic(path, sealed_json(value))


def sealed_json(value: dict[str, Any]) -> bytes:
    """The bytes of a JSON record."""
    checked = value | {"sha256": _json_digest(value)}
    return (json.dumps(checked, indent=1, allow_nan=False) + "\n").encode()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON record without its checksum. Raises CorruptRecord, or FileNotFoundError."""
    return unsealed_json(path.name, path.read_bytes())


def unsealed_json(name: str, raw: bytes) -> dict[str, Any]:
    """The JSON record of these bytes, without its checksum. Raises CorruptRecord."""
    try:
        value = json.loads(raw)
        stated = value.pop("sha256")
        found = _json_digest(value)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise CorruptRecord(f"{name}: not a record: {error}") from error
    if stated != found:
        raise CorruptRecord(f"{name}: checksum does not match")
    return value


def plain_json(value: Any) -> Any:
    """Nested values as JSON has them: keys are text, a number that is not finite is None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): plain_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(v) for v in value]
    return value


def append_line(path: Path, value: dict[str, Any]) -> None:
    """Add a JSON line; the file is rewritten whole, so that a crash leaves no half line."""
    before = path.read_bytes() if path.exists() else b""
    if before and not before.endswith(b"\n"):
        before += b"\n"  # a hand's edit
    write_atomic(path, before + (json.dumps(value, allow_nan=False) + "\n").encode())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """JSON lines; a line that does not read is passed over, an absent file is empty."""
    values = []
    for line in path.read_text("utf-8-sig", errors="replace").splitlines() if path.exists() else []:
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(line)
            if isinstance(value, dict):
                values.append(value)
    return values


def read_plain_json(path: Path) -> Any:
    """JSON without a checksum. Raises OSError, or ValueError in one line."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {' '.join(str(error).split())[:200]}") from error


def _json_digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()
