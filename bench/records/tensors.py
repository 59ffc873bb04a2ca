"""Seals inside safetensors files: the seal is in the file's metadata, so any program can still read the file.

A file is the length of its header (8 bytes, little-endian), the header in JSON, and the tensors. The seal is the owner,
a space, and a sha256 of all bytes with zeros in place of the sha256 itself.
"""

import hashlib
import json
from typing import Any

METADATA, SEAL = "__metadata__", "infogan-record-2"
MAX_HEADER = 100_000_000  # bytes, the library's own limit
_LENGTH = 8  # bytes
_ALIGNMENT = 8  # bytes, for the first tensor
_ZEROS = "0" * 64


def sealed(content: bytes, owner: str) -> tuple[bytes, memoryview]:
    """Header and tensors of a sealed file. Raises ValueError if ``content`` is not a safetensors file."""
    length, header = header_of(content)
    tensors = memoryview(content)[_LENGTH + length :]
    blank = _seal(owner, _ZEROS)
    table = json.dumps({METADATA: {SEAL: blank}} | {k: v for k, v in header.items() if k != METADATA})
    text = table.encode() + b" " * (-len(table.encode()) % _ALIGNMENT)
    head = len(text).to_bytes(_LENGTH, "little") + text
    return head.replace(blank.encode(), _seal(owner, _sha256(head, tensors)).encode(), 1), tensors


def is_sealed(content: bytes) -> bool:
    """Whether the content is unchanged since :func:`sealed`."""
    try:
        length, header = header_of(content)
        owner = owner_of(header)
    except ValueError:
        return False
    seal = header[METADATA][SEAL].encode()
    head, tensors = content[: _LENGTH + length], memoryview(content)[_LENGTH + length :]
    return seal == _seal(owner, _sha256(head.replace(seal, _seal(owner, _ZEROS).encode(), 1), tensors)).encode()


def header_of(content: bytes) -> tuple[int, dict[str, Any]]:
    """Length of the header and its content, from the beginning of a file. Raises ValueError."""
    length = int.from_bytes(content[:_LENGTH], "little")
    if len(content) < _LENGTH or not 0 < length <= min(MAX_HEADER, len(content) - _LENGTH):
        raise ValueError("no header")
    try:
        header = json.loads(content[_LENGTH : _LENGTH + length])
    except RecursionError as error:
        raise ValueError("no header") from error
    if not isinstance(header, dict):
        raise ValueError("no header")
    return length, header


def owner_of(header: dict[str, Any]) -> str:
    """The owner in the seal. Raises ValueError if there is no seal."""
    metadata = header.get(METADATA)
    seal = metadata.get(SEAL) if isinstance(metadata, dict) else None
    owner, _, sha256 = seal.partition(" ") if isinstance(seal, str) else ("", "", "")
    if len(owner) != len(_ZEROS) or len(sha256) != len(_ZEROS):
        raise ValueError("no seal")
    return owner


def size_of(length: int, header: dict[str, Any]) -> int:
    """Size of the whole file in bytes, according to its header. Raises ValueError."""
    try:
        ends = [table["data_offsets"][1] for name, table in header.items() if name != METADATA]
        return _LENGTH + length + int(max(ends, default=0))
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError("no offsets") from error


def _seal(owner: str, sha256: str) -> str:
    return f"{owner} {sha256}"


def _sha256(head: bytes, tensors: memoryview) -> str:
    digest = hashlib.sha256(head)
    digest.update(tensors)
    return digest.hexdigest()
