"""Find and decode the user's own image files, with bounds checks and errors that say what is there instead.

Shape suffixes: N images, C channels, H height, W width.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from infogan.data.base import DataError, Progress, name_bytes, one_line
from infogan.data.folders import area_resize, centre_crop, decode_images, opened
from infogan.data.given import listing, not_unpacked
from infogan.data.npz import MAX_BYTES, NpzError, read_npy, read_npz

PICTURES, ARRAYS = (".png", ".jpg", ".jpeg"), (".npy", ".npz")
UNREAD = (".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".avif")  # formats that are rejected
GREY = ("1", "L", "LA")  # Pillow's modes without colour
MAX_SIDE = 4096  # pixels of an image to be resized
HOW = 'resize = "area" (or --resize) crops each image to its middle square and averages that down'


@dataclass(frozen=True)
class Found:
    """Image files, or one file of arrays. ``key`` changes with any file's name, size or modification time."""

    place: Path
    key: str
    files: tuple[Path, ...]
    images: np.ndarray | None = None  # from a file of arrays, unchanged
    labels: np.ndarray | None = None  # (N,) int64, indices into ``classes``
    classes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()  # other arrays of an .npz file

    @property
    def num_images(self) -> int:
        return len(self.files if self.images is None else self.images)


def found(place: Path) -> Found:
    """Look at a folder or a file of arrays. Raises DataError, with one line that says what was found."""
    if place.is_file() and place.suffix.lower() in ARRAYS:
        return _of_arrays(place)
    if not place.is_dir():
        what = "is neither a folder nor an .npy or .npz file" if place.exists() else "does not exist"
        raise DataError(f"images: {place} {what}")
    files, folders = _inside(place)
    if files and folders:
        raise DataError(
            f"images: {place} holds both pictures ({files[0].name}) and folders ({folders[0].name}/); put all "
            "pictures into one folder, or use one folder per class"
        )
    if files:
        return Found(place, _key(place, files), tuple(files))
    arrays = [] if folders else [path for path in sorted(place.iterdir()) if path.suffix.lower() in ARRAYS]
    if len(arrays) == 1:
        return _of_arrays(arrays[0])
    if len(folders) < 2:
        hint = f"; give {folders[0]} for one set without classes" if folders else not_unpacked(place)
        wanted = "pictures (PNG, JPEG), or one folder per class with them, or one .npy or .npz file"
        raise DataError(f"images: {place} holds {listing(place)}; expected {wanted}{hint}")
    return _of_classes(place, folders)


def looks(there: Found) -> tuple[int, Literal["grey", "rgb"]]:
    """Side of the first image in pixels, and "rgb" if any file is in colour, from the headers only.

    Decoding checks that all have the same size. Raises DataError if the first is not square.
    """
    if there.images is not None:
        shape = _channels_last(there.images).shape
        (height, width), in_colour = shape[1:3], shape[3] == 3
    else:
        with opened(there.files[0]) as image:
            width, height = image.size
        in_colour = any(_mode(file) not in GREY for file in there.files)
    if width != height:
        raise DataError(f"images: {there.files[0]} holds {width}x{height} pixels, which is not square; {HOW}")
    return width, "rgb" if in_colour else "grey"


def _mode(file: Path) -> str:
    with opened(file) as image:
        return image.mode


def _of_classes(place: Path, folders: list[Path]) -> Found:
    files: list[Path] = []
    labels: list[int] = []
    for label, folder in enumerate(folders):
        own, inner = _inside(folder)
        if inner or not own:
            hint = f"; if {folder} holds the classes, give that folder" if inner else ""
            raise DataError(f"images: {folder} holds {listing(folder)}; expected the pictures of a class{hint}")
        files += own
        labels += [label] * len(own)
    classes = tuple(one_line(folder.name) for folder in folders)
    return Found(place, _key(place, files), tuple(files), None, np.array(labels, np.int64), classes)


def _inside(folder: Path) -> tuple[list[Path], list[Path]]:
    """Image files and folders, sorted by name, without hidden ones. Raises DataError."""
    try:
        with os.scandir(folder) as entries:
            shown = sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
            files = [Path(e.path) for e in shown if not e.is_dir()]
            folders = [Path(e.path) for e in shown if e.is_dir()]
    except OSError as error:
        raise DataError(f"images: cannot read {folder}: {error.strerror}") from error
    unread = [file for file in files if file.suffix.lower() in UNREAD]
    if unread:
        raise DataError(
            f"images: {folder} holds {len(unread)} pictures in an unsupported format, such as "
            f"{unread[0].name}: convert them to PNG"
        )
    return [file for file in files if file.suffix.lower() in PICTURES], folders


def _key(place: Path, files: list[Path]) -> str:
    digest = hashlib.sha256(name_bytes(f"{place.resolve()}\n"))
    for file in files:
        try:
            status = file.stat()
        except OSError as error:
            raise DataError(f"images: cannot read {file}: {error.strerror}") from error
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would block
            raise DataError(f"images: {file} is not a regular file")
        digest.update(name_bytes(f"{file.relative_to(place)}\0{status.st_size}\0{status.st_mtime_ns}\n"))
    return digest.hexdigest()


def _of_arrays(file: Path) -> Found:
    """An .npy file of images, or an .npz file with ``images`` and optionally ``labels``."""
    key = _key(file.parent, [file])
    try:
        if file.stat().st_size > MAX_BYTES:
            raise DataError(f"images: {file} has more than {MAX_BYTES:,} bytes")
        content = file.read_bytes()
        arrays = {"images": read_npy(content)} if file.suffix.lower() == ".npy" else read_npz(content)
    except OSError as error:
        raise DataError(f"images: cannot read {file}: {error.strerror}") from error
    except NpzError as error:
        raise DataError(f"images: {file}: {error}") from error
    if "images" not in arrays:
        raise DataError(
            f"images: {file} holds {', '.join(sorted(arrays)) or 'nothing'}; expected images, and perhaps labels"
        )
    images, labels = arrays["images"], arrays.get("labels")
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or not len(images):
        raise DataError(
            f"images: {file} holds {images.dtype} {images.shape}; expected uint8 (N, H, W), (N, H, W, C) "
            "or (N, C, H, W)"
        )
    unread = tuple(one_line(name) for name in sorted(arrays.keys() - {"images", "labels"}))
    if labels is None:
        return Found(file, key, (file,), images, unread=unread)
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise DataError(f"images: {file} holds labels {labels.dtype} {labels.shape}; expected {len(images)} integers")
    values, places = np.unique(labels, return_inverse=True)
    if len(values) < 2:
        raise DataError(f"images: {file}: all labels are {values[0]}; leave them out for one set without classes")
    return Found(file, key, (file,), images, places.astype(np.int64), tuple(map(str, values.tolist())), unread)


def decoded(there: Found, image_CHW: tuple[int, int, int], resize: str | None, progress: Progress | None) -> np.ndarray:
    """Decode all images to (N, C, H, W) uint8. Raises DataError if one is not as asked."""
    if there.images is not None:
        return _from_arrays(there, there.images, image_CHW, resize)
    first = there.files[0]
    with opened(first) as image:
        first_WH = image.size

    def decode(file: Path) -> np.ndarray:
        return _decode(file, image_CHW, resize, (first, first_WH))

    return decode_images(list(there.files), decode, image_CHW, progress)


def _decode(
    file: Path, image_CHW: tuple[int, int, int], resize: str | None, first: tuple[Path, tuple[int, int]]
) -> np.ndarray:
    """Decode one image to (C, H, W), with its EXIF orientation applied."""
    channels, size, _ = image_CHW
    with opened(file) as image:
        if resize is None and image.size != (size, size):
            raise DataError(_of_another_size(file, image.size, size, first))
        if max(image.size) > MAX_SIDE or min(image.size) < size:
            width, height = image.size
            raise DataError(f"images: {file} is {width}x{height} pixels; each side must have {size} to {MAX_SIDE}")
        if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"):
            raise DataError(f"images: {file} has mode {image.mode}, expected 8 bits of grey or colour")
        if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
            raise DataError(f"images: {file} has transparent pixels: flatten it onto a background first")
        from PIL import ImageOps

        pixels = np.asarray(ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB"))
    return _fitted(pixels.reshape(*pixels.shape[:2], channels), size)


def _of_another_size(file: Path, size_WH: tuple[int, int], size: int, first: tuple[Path, tuple[int, int]]) -> str:
    def told(of: Path, found_WH: tuple[int, int]) -> str:
        return f"{of} is {found_WH[0]}x{found_WH[1]} pixels"

    others = "" if first == (file, size_WH) or first[1] == size_WH else f" and {told(*first)}"
    return f"images: {told(file, size_WH)}{others}, but size = {size} requires {size}x{size}; {HOW}"


def _fitted(image_HWC: np.ndarray, size: int) -> np.ndarray:
    """The middle square averaged down to (C, size, size), or unchanged if it has that size.

    One channel at a time, because the averages take 24 bytes per pixel.
    """
    square = centre_crop(image_HWC, min(image_HWC.shape[:2]))
    channels = square.transpose(2, 0, 1)
    return channels if len(square) == size else np.stack([area_resize(channel, size) for channel in channels])


def _channels_last(images: np.ndarray) -> np.ndarray:
    """Images as (N, H, W, C), from any of the accepted shapes."""
    if images.ndim == 3:
        return images[..., None]
    is_channels_first = images.shape[-3] in (1, 3) and images.shape[-1] not in (1, 3)
    return np.moveaxis(images, 1, -1) if is_channels_first else images


def _from_arrays(there: Found, images: np.ndarray, image_CHW: tuple[int, int, int], resize: str | None) -> np.ndarray:
    channels, size, _ = image_CHW
    images = _channels_last(images)
    height, width, there_channels = images.shape[1:]
    if there_channels != channels:
        asked = "grey" if channels == 1 else "rgb"
        raise DataError(
            f"images: {there.place} has {there_channels} channels, but colour = {asked!r} requires {channels}"
        )
    if (height, width) != (size, size) and resize is None:
        raise DataError(
            f"images: {there.place} holds {width}x{height} pixels, but size = {size} requires {size}x{size}; {HOW}"
        )
    if min(height, width) < size or max(height, width) > MAX_SIDE:
        raise DataError(
            f"images: {there.place} holds {width}x{height} pixels; each side must have {size} to {MAX_SIDE}"
        )
    if (height, width) == (size, size):
        return np.ascontiguousarray(np.moveaxis(images, -1, 1))
    return np.stack([_fitted(image, size) for image in images])
