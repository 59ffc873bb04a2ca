"""Durable files: written completely or not at all, and verified by a checksum when read.

A record may have an owner, the key of its cell, which the checksum covers, so a valid record of another cell is
detected wherever it is.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from bench.records import tensors
from infogan.data.base import one_line, replacing

TENSORS = ".safetensors"  # such a file contains its seal: bench/records/tensors.py
_MAGIC = b"infogan-record-2"  # begins a binary record's trailer, before owner and sha256; version 1 had no owner
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}  # errors of file systems without fsync
_DIGEST = hashlib.sha256().digest_size
_TRAILER = len(_MAGIC) + 2 * _DIGEST
NOBODY = "0" * 2 * _DIGEST  # owner of a record that belongs to no cell


class CorruptRecord(Exception):
    """A record does not match its checksum, or belongs to another cell."""


def in_words(error: CorruptRecord | OSError) -> str:
    """Describe an error in one line, with the file's name but not its folder."""
    if isinstance(error, OSError) and error.filename is not None:
        name = Path(os.fsdecode(error.filename)).name
        return one_line(f"{name}: cannot be read: {error.strerror}")
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
    with replacing(path) as file:
        yield file
        file.flush()
        sync_file(file.fileno())
    sync_folder(path.parent)


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


def write_sealed(path: Path, content: bytes, owner: str = NOBODY) -> None:
    """Write a binary record with its owner and checksum. ``owner``: 64 hexadecimal digits."""
    if path.suffix == TENSORS:
        write_atomic(path, *tensors.sealed(content, owner))
    else:
        write_atomic(path, content, _trailer(content, owner))  # not concatenated: a checkpoint has 150 MB


def read_sealed(path: Path, owner: str = NOBODY) -> bytes:
    """Read a binary record. Raises OSError, or CorruptRecord if it is damaged or another owner's."""
    return unsealed(path.name, path.read_bytes(), owner)


def unsealed(name: str, raw: bytes, owner: str = NOBODY) -> bytes:
    """Content of a binary record, given its bytes. Raises CorruptRecord if it is damaged or another owner's."""
    if name.endswith(TENSORS):
        if not tensors.is_sealed(raw):
            raise CorruptRecord(f"{name}: checksum does not match, {len(raw)} bytes")
        _require_owner(name, tensors.owner_of(tensors.header_of(raw)[1]), owner)
        return raw
    content, trailer = raw[:-_TRAILER], raw[-_TRAILER:]
    found = trailer[len(_MAGIC) : -_DIGEST].hex()
    if len(raw) < _TRAILER or trailer != _trailer(content, found):
        raise CorruptRecord(f"{name}: checksum does not match, {len(raw)} bytes")
    _require_owner(name, found, owner)
    return content


def _trailer(content: bytes, owner: str) -> bytes:
    named = bytes.fromhex(owner)
    digest = hashlib.sha256(content)
    digest.update(named)
    return _MAGIC + named + digest.digest()


def _require_owner(name: str, found: str, owner: str) -> None:
    if found != owner:
        of = "no cell" if found == NOBODY else f"another cell, {found[:12]}"
        raise CorruptRecord(f"{name}: a record of {of}")


def seal_damage(path: Path, owner: str = NOBODY) -> str:
    """Describe damage to a binary record's seal; empty if it is intact. Does not detect changes to the content."""
    try:
        with path.open("rb") as file:
            if path.suffix == TENSORS:
                return _damage_of_tensors(path.name, file, owner)
            if os.fstat(file.fileno()).st_size < _TRAILER:
                return f"{path.name}: cut off"
            file.seek(-_TRAILER, os.SEEK_END)
            trailer = file.read(_TRAILER)
    except FileNotFoundError:
        return f"{path.name}: missing"
    if not trailer.startswith(_MAGIC):
        return f"{path.name}: cut off"
    try:
        _require_owner(path.name, trailer[len(_MAGIC) : -_DIGEST].hex(), owner)
    except CorruptRecord as error:
        return str(error)
    return ""


def _damage_of_tensors(name: str, file: IO[bytes], owner: str) -> str:
    """The same for a safetensors file, whose header states the file's length."""
    length = file.read(8)
    try:
        header = tensors.header_of(length + file.read(min(int.from_bytes(length, "little"), tensors.MAX_HEADER)))
        found = tensors.owner_of(header[1])
        if os.fstat(file.fileno()).st_size != tensors.size_of(*header):
            return f"{name}: cut off"
        _require_owner(name, found, owner)
    except ValueError:
        return f"{name}: cut off"
    except CorruptRecord as error:
        return str(error)
    return ""


def write_json(path: Path, value: Mapping[str, Any], owner: str = NOBODY) -> None:
    """Write a human-readable JSON record that ends with its owner and checksum."""
    write_atomic(path, sealed_json(value, owner))


def sealed_json(value: Mapping[str, Any], owner: str = NOBODY) -> bytes:
    """Bytes of a JSON record with owner and checksum."""
    owned = {**value} if owner == NOBODY else {**value, "cell": owner}
    checked = owned | {"sha256": _json_digest(owned)}
    return plain_text(checked).encode()


def read_json(path: Path, owner: str = NOBODY) -> dict[str, Any]:
    """Read a JSON record, without owner and checksum.

    Raises OSError, or CorruptRecord if damaged or another owner's.
    """
    return unsealed_json(path.name, path.read_bytes(), owner)


def unsealed_json(name: str, raw: bytes, owner: str = NOBODY) -> dict[str, Any]:
    """Content of a JSON record, given its bytes. Raises CorruptRecord if it is damaged or another owner's."""
    try:
        value = json.loads(raw)
        stated = value.pop("sha256")
        found = _json_digest(value)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise CorruptRecord(f"{name}: not a record: {error}") from error
    if stated != found:
        raise CorruptRecord(f"{name}: checksum does not match")
    if owner != NOBODY:
        _require_owner(name, str(value.pop("cell", NOBODY)), owner)
    return value


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


def _json_digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()
