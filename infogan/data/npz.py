"""Read .npz archives with bounds checks: the counterpart of ``numpy.savez`` for files that may be damaged.

``numpy.load`` allocates the memory that a header asks for before it checks that the file has as much. Here each
member's size, header and bytes must agree first; object types are rejected.
"""

import io
import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

DAMAGE = (  # what zipfile may raise for a damaged archive
    *(OSError, EOFError, KeyError, ValueError, RuntimeError, NotImplementedError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, struct.error, lzma.LZMAError),
)
HEADER_DAMAGE = (  # what numpy may raise for a damaged header
    *(ValueError, TypeError, OverflowError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError),
)
MAX_BYTES = 1 << 30  # for all members together, decompressed


class NpzError(ValueError):
    """The content is not an .npz archive, is damaged, or larger than allowed. The message is one line."""


def read_npz(content: bytes, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray]:
    """Arrays by name, as independent copies. Raises NpzError."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > max_bytes:
                raise NpzError(f"holds more than {max_bytes:,} bytes")
            return {member.filename.removesuffix(".npy"): read_npy(archive.read(member)) for member in members}
    except NpzError:
        raise
    except DAMAGE as error:
        raise NpzError(f"not an archive of arrays, or damaged: {' '.join(str(error).split())}") from error


def extended_npz(content: bytes, arrays: Mapping[str, np.ndarray]) -> bytes:
    """Add ``arrays`` to an archive (empty content: a new one) without compressing the existing ones again.

    An array of the same name is replaced. Raises NpzError.
    """
    stream = io.BytesIO(content)
    try:
        if content:
            with zipfile.ZipFile(stream) as archive:
                if {member.filename.removesuffix(".npy") for member in archive.infolist()} & arrays.keys():
                    return extended_npz(b"", read_npz(content) | dict(arrays))
        with zipfile.ZipFile(stream, "a" if content else "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asanyarray(array), version=(1, 0), allow_pickle=False)
    except NpzError:
        raise
    except DAMAGE as error:
        raise NpzError(f"not an archive of arrays, or damaged: {' '.join(str(error).split())}") from error
    return stream.getvalue()


def read_npy(raw: bytes) -> np.ndarray:
    """The array of an .npy file or an archive member; header and values must fill it exactly. Raises NpzError."""
    stream = io.BytesIO(raw)
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise NpzError(f"an array of format {version}, expected (1, 0)")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except HEADER_DAMAGE as error:
        raise NpzError(f"an array without a sound header: {' '.join(str(error).split())[:200]}") from error
    values = raw[stream.tell() :]
    if dtype.hasobject or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(values):
        raise NpzError(f"an array of {dtype} {shape} in {len(values):,} bytes")
    if not len(values):  # frombuffer rejects an empty buffer
        return np.zeros(shape, dtype)
    return np.frombuffer(values, dtype).reshape(shape, order="F" if is_fortran else "C").copy()
