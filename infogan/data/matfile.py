"""Read numeric arrays from a MATLAB 5 file, with bounds checks.

scipy's reader indexes types by the codes in the file without a check, so that one damaged byte causes a segmentation
fault (scipy 1.17). This reads the part of the format that image sets need: real arrays, compressed or not.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

HEADER_BYTES = 128
MAX_ARRAYS = 4  # of the largest size; a larger file is rejected unread
MATRIX, COMPRESSED = 14, 15
NUMBER_TYPES = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
NUMERIC_CLASSES = range(6, 16)  # double, single and integers; lower codes are cells, structures, text and sparse arrays
COMPLEX_FLAG = 0x800


class MatError(ValueError):
    """The file is damaged or has another format. The message is one line."""


def read_arrays(file: Path, max_bytes: int) -> dict[str, np.ndarray]:
    """The real numeric arrays in the file, by name, in their stored type; everything else is skipped.

    ``max_bytes`` limits the size of an array, also after decompression. Raises MatError.
    """
    if file.stat().st_size > MAX_ARRAYS * max_bytes + HEADER_BYTES:
        raise MatError(f"has more than {MAX_ARRAYS * max_bytes + HEADER_BYTES:,} bytes")
    content = memoryview(file.read_bytes())
    if len(content) < HEADER_BYTES or bytes(content[124:HEADER_BYTES]) != b"\x00\x01IM":  # version 1, little-endian
        raise MatError("not a MATLAB 5 file")
    arrays = {}
    for kind, body in _elements(content[HEADER_BYTES:]):
        if kind == COMPRESSED:
            kind, body = next(_elements(_decompressed(body, max_bytes)), (0, body))
        if kind == MATRIX:
            named = _matrix(body)
            if named:
                arrays[named[0]] = named[1]
    return arrays


def _elements(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Type and body of each element.

    Elements of up to 4 bytes may share the 8 bytes of their tag; others are padded to 8.
    """
    while len(content):
        if len(content) < 8:
            raise MatError("truncated")
        kind, num_bytes = struct.unpack("<2I", content[:8])
        start = 8
        if kind >> 16:
            kind, num_bytes, start = kind & 0xFFFF, kind >> 16, 4
        end = start + num_bytes
        if end > len(content) or (start == 4 and num_bytes > 4):
            raise MatError("truncated, or damaged")
        yield kind, content[start:end]
        content = content[end if kind == COMPRESSED else -(-end // 8) * 8 :]


def _decompressed(body: memoryview, max_bytes: int) -> memoryview:
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(body, max_bytes + 1024)  # the array, plus its name, shape and tags
    except zlib.error as error:
        raise MatError(f"damaged: {error}") from error
    if stream.unconsumed_tail:
        raise MatError(f"holds more than {max_bytes:,} bytes in one array")
    if not stream.eof:
        raise MatError("truncated, or damaged")
    return memoryview(content)


def _matrix(body: memoryview) -> tuple[str, np.ndarray] | None:
    """Name and array in MATLAB's memory order; None if it is not real and numeric."""
    parts = list(_elements(body))
    if len(parts) < 3 or len(parts[0][1]) != 8:
        raise MatError("damaged: an array without flags, shape and name")
    (_, flags), (_, shape_bytes), (_, name), *values = parts
    class_and_flags = struct.unpack("<2I", flags)[0]
    if class_and_flags & 0xFF not in NUMERIC_CLASSES or class_and_flags & COMPLEX_FLAG:
        return None
    if len(values) != 1 or values[0][0] not in NUMBER_TYPES:
        raise MatError("damaged: an array without numbers of a known type")
    try:
        shape = np.frombuffer(shape_bytes, "<u4").tolist()  # a negative length becomes too large and fails below
        array = np.frombuffer(values[0][1], NUMBER_TYPES[values[0][0]]).reshape(shape, order="F")
    except ValueError as error:  # shape and number of values disagree
        raise MatError(f"damaged: {error}") from error
    return bytes(name).decode(errors="replace"), array
