"""Records that a checksum verifies when they are read: binary ones, safetensors and JSON.

A record may have an owner, the key of its cell, which the checksum covers, so a valid record of another cell is
detected wherever it is.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from bench.records import tensors
from bench.records.storage import CorruptRecord, plain_text, write_atomic

TENSORS = ".safetensors"  # such a file contains its seal: bench/records/tensors.py
_MAGIC = b"infogan-record-2"  # begins a binary record's trailer, before owner and sha256; version 1 had no owner
_DIGEST = hashlib.sha256().digest_size
_TRAILER = len(_MAGIC) + 2 * _DIGEST
NOBODY = "0" * 2 * _DIGEST  # owner of a record that belongs to no cell


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


def check_seal(path: Path, owner: str) -> None:
    """Raise CorruptRecord if a binary record is missing, cut off or another owner's. Its content is not checked."""
    try:
        with path.open("rb") as file:
            found = _owner_of_tensors(file) if path.suffix == TENSORS else _owner_in_trailer(file)
    except FileNotFoundError as error:
        raise CorruptRecord(f"{path.name}: missing") from error
    except ValueError as error:
        raise CorruptRecord(f"{path.name}: cut off") from error
    _require_owner(path.name, found, owner)


def _owner_in_trailer(file: IO[bytes]) -> str:
    """The owner that a binary record names. Raises ValueError for one that is cut off."""
    file.seek(max(0, os.fstat(file.fileno()).st_size - _TRAILER))
    trailer = file.read(_TRAILER)
    if len(trailer) < _TRAILER or not trailer.startswith(_MAGIC):
        raise ValueError("no trailer")
    return trailer[len(_MAGIC) : -_DIGEST].hex()


def _owner_of_tensors(file: IO[bytes]) -> str:
    """The same of a safetensors file, whose header states the file's length."""
    length = file.read(8)
    header = tensors.header_of(length + file.read(min(int.from_bytes(length, "little"), tensors.MAX_HEADER)))
    if os.fstat(file.fileno()).st_size != tensors.size_of(*header):
        raise ValueError("another length")
    return tensors.owner_of(header[1])


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


def _json_digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()
