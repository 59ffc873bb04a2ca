"""Folders of recorded images: bounded decoding, cropping, exact area averages, and one cached array per folder."""

import contextlib
import hashlib
import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from infogan.cores import usable_cores
from infogan.data.base import DataError, Progress, name_bytes, replacing
from infogan.data.npz import HEADER_DAMAGE

if TYPE_CHECKING:  # Pillow is imported lazily
    from PIL import Image

CHUNK = 256  # images per task of a decoding thread, between progress reports


def list_images(folder: Path, suffix: str) -> tuple[list[Path], str]:
    """Files sorted by name, and a key that changes with any file's name, size or modification time.

    Folders are skipped. Broken links and pipes, which would block a read, raise DataError.
    """
    try:
        with os.scandir(folder) as entries:  # one stat per file: about a second for 200,000 files
            stats = [(e.name, e.stat()) for e in entries if e.name.endswith(suffix)]
    except OSError as error:
        raise DataError(f"cannot read {error.filename or folder}: {error.strerror}") from error
    for name, found in stats:
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise DataError(f"{folder / name} is not a regular file")
    rows = sorted((name, s.st_size, s.st_mtime_ns) for name, s in stats if stat.S_ISREG(s.st_mode))
    if not rows:
        raise DataError(f"{folder} holds no {f'*{suffix}' if suffix else 'files'}")
    digest = hashlib.sha256(name_bytes(f"{folder.resolve()}\n{rows}")).hexdigest()
    return [folder / name for name, _, _ in rows], digest


@contextlib.contextmanager
def opened(file: Path) -> Iterator["Image.Image"]:
    """Open a PNG or JPEG file and read its header.

    Errors of Pillow inside the block become a DataError that names the file.
    """
    from PIL import Image

    try:
        with Image.open(file, formats=("JPEG", "PNG")) as image:
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{file} is refused: {error}") from error
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error) as error:
        raise DataError(f"cannot decode {file}: {' '.join(str(error).split())}") from error


def read_image(file: Path, mode: str, size_WH: tuple[int, int]) -> np.ndarray:
    """Read an image (H, W, C), or (H, W) in mode "L". Another size is rejected by the header, before decoding."""
    with opened(file) as image:
        if image.size != size_WH:
            found, expected = ("x".join(map(str, size)) for size in (image.size, size_WH))
            raise DataError(f"{file} is {found} pixels, expected {expected}")
        return np.asarray(image.convert(mode))


def centre_crop(image_HWC: np.ndarray, size: int) -> np.ndarray:
    """The middle ``size`` x ``size`` pixels; an odd remainder is cut at the bottom and right."""
    top, left = ((length - size) // 2 for length in image_HWC.shape[:2])
    return image_HWC[top : top + size, left : left + size]


def area_resize(image_HWC: np.ndarray, size: int) -> np.ndarray:
    """Resize to ``size`` x ``size`` by exact area means; pixels on an edge count by their share.

    Uses integers only, so every machine gives the same bytes. Pillow's box filter counts such pixels in full.
    """
    total = image_HWC.astype(np.int64)
    for axis in (0, 1):
        length = image_HWC.shape[axis]
        # positions in units of 1/size of a pixel: edge k is at k * length
        whole, part = np.divmod(np.arange(size + 1) * length, size)
        first = np.zeros_like(total.take([0], axis))
        up_to = np.concatenate([first, np.cumsum(total, axis)], axis).take(whole, axis)
        cut = total.take(np.minimum(whole, length - 1), axis)
        part = np.expand_dims(part, tuple(a for a in range(total.ndim) if a != axis))
        total = np.diff(size * up_to + part * cut, axis=axis)
    area = image_HWC.shape[0] * image_HWC.shape[1]
    return ((total + area // 2) // area).astype(np.uint8)


def decode_images(
    files: list[Path],
    decode: Callable[[Path], np.ndarray],
    shape_CHW: tuple[int, int, int],
    progress: Progress | None = None,
) -> np.ndarray:
    """Decode files in threads (Pillow releases the GIL) into (N, C, H, W) uint8."""
    images_NCHW = np.empty((len(files), *shape_CHW), np.uint8)

    def fill(rows: range) -> int:
        for row in rows:
            images_NCHW[row] = decode(files[row])
        return rows.stop

    chunks = [range(start, min(start + CHUNK, len(files))) for start in range(0, len(files), CHUNK)]
    with ThreadPoolExecutor(usable_cores()) as pool:
        for num_done in pool.map(fill, chunks):  # an error cancels the chunks that have not begun
            if progress:
                progress(num_done, len(files))
    return images_NCHW


def cached_images(path: Path, shape: tuple[int, ...], make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array stored in ``path``, memory-mapped; if it is missing or damaged, make it and store it if possible."""
    try:
        kept = np.lib.format.open_memmap(path, mode="r")
        if kept.shape == shape and kept.dtype == np.uint8:
            return kept
    except (OSError, *HEADER_DAMAGE):
        pass  # missing or damaged: made below
    return kept_images(path, make())


def kept_images(path: Path, images: np.ndarray) -> np.ndarray:
    """Store the images in ``path`` if the cache can be written; return them."""
    with contextlib.suppress(OSError), replacing(path) as file:  # a full disk or a read-only cache is never an error
        np.save(file, images)
    return images
