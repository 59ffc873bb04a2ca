"""Renders of faces from the user's copy, or rendered heads as a substitute. Images are (N, 1, 32, 32) uint8, gray.

The paper's own renders of the Basel Face Model were never released. The first of these that exists is read:

- ``basel_face_renders.pth``, other authors' renders of that model: a uint8 tensor by identity, azimuth, elevation and
  lighting. Factors are the positions along the last three axes, scaled to -1 to 1; the file does not have the angles.
- ``faces/``: square PNG or JPEG images of one size, with an optional ``factors.csv``: a column ``file``, numeric
  columns, and optionally ``identity`` (any text), whose values are never on both sides of the split. The names of the
  columns are part of the digest, because measures are stored under them.
"""

import csv
import hashlib
import io
import math
import pickle
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from infogan.data.base import (
    DataError,
    Dataset,
    Part,
    Progress,
    cache_dir,
    check_factor_names,
    files_key,
    make_dataset,
    read_text_bounded,
)
from infogan.data.folders import area_resize, decode_images, list_images, opened, read_image
from infogan.data.given import not_unpacked
from infogan.data.recorded import recorded_dataset, split_rows
from infogan.data.substituted import rendered

BASEL_FILE, FOLDER, FACTORS_FILE = "basel_face_renders.pth", "faces", "factors.csv"
LAYOUT = f"{BASEL_FILE} or {FOLDER}/ with PNG or JPEG images"
BASEL_SHAPE = (50, 21, 11, 11, 64, 64)  # identity, azimuth, elevation, lighting, height, width
MAX_BYTES_PER_PIXEL, MAX_OTHER_BYTES = 8, 1 << 20  # limits on the file's size, for any tensor type
BASEL_FACTORS = ("azimuth", "elevation", "lighting")
MAX_FACTOR = 1e9  # its square still fits float32
MAX_SIZE = 4096  # pixels; larger images are rejected by their header
SHAPE_CHW = (1, 32, 32)
VERSION = 2  # raise it when the same files give other arrays, to invalidate caches and sidecars
RENDERED_NOTE = "A substitute for renders of the Basel Face Model, heads rendered by this package"


def _path_in(folder: Path) -> Path | None:
    if (folder / BASEL_FILE).is_file():
        return folder / BASEL_FILE
    return folder / FOLDER if (folder / FOLDER).is_dir() else None


def _key(path: Path) -> str:
    if path.is_dir():  # covers every file in it, including factors.csv
        return f"faces {VERSION} {list_images(path, '')[1]}"
    return files_key(f"faces {VERSION}", [path])


def _load_real(path: Path, progress: Progress | None = None) -> Dataset:
    return _load_folder(path, progress) if path.is_dir() else _load_basel(path, progress)


def _cached(key: str) -> Path:
    return cache_dir() / f"faces-{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"


def _assembled(
    path: Path, what: str, images: np.ndarray, groups: Sequence[str], factors: np.ndarray | None, names: tuple[str, ...]
) -> Dataset:
    train, held_out = (
        Part(np.asarray(images[rows]), factors=None if factors is None else factors[rows])
        for rows in split_rows(path, groups)
    )
    known = f"known factors: {', '.join(names)}" if names else f"no known factors, as there is no {FACTORS_FILE}"
    note = f"{what}: {len(train.images):,} to train on, {len(held_out.images):,} held out; {known}."
    return make_dataset("faces", "real", note, False, train, held_out, names)


def _load_basel(file: Path, progress: Progress | None) -> Dataset:
    num_images = math.prod(BASEL_SHAPE[:4])
    places = np.indices(BASEL_SHAPE[:4]).reshape(4, -1)
    lengths = np.array(BASEL_SHAPE[1:4])[:, None]
    factors = (2 * places[1:] / (lengths - 1) - 1).T.astype(np.float32)

    def assemble(images: np.ndarray) -> Dataset:
        what = "Renders of the Basel Face Model by other authors than the paper's"
        return _assembled(file, what, images, [f"{k:02d}" for k in places[0]], factors, BASEL_FACTORS)

    key = _key(file)
    shape = (num_images, *SHAPE_CHW)
    return recorded_dataset(key, _cached(key), shape, lambda: _read_basel(file, progress), assemble)


def _read_basel(file: Path, progress: Progress | None) -> np.ndarray:
    """Read and reduce the renders to (N, 1, 32, 32) uint8 by means of 2x2 pixels."""
    import torch

    expected = f"expected a uint8 tensor {BASEL_SHAPE}"
    most_bytes = MAX_BYTES_PER_PIXEL * math.prod(BASEL_SHAPE) + MAX_OTHER_BYTES
    num_bytes = _unpacked_bytes(file)
    if num_bytes > most_bytes:
        raise DataError(f"faces: {file} holds {num_bytes:,} bytes, {expected}")
    try:
        renders = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler can raise anything on damaged opcodes,
        # and its own message recommends loading without protection
        is_refused = isinstance(error, pickle.UnpicklingError)
        why = "it holds more than tensors, or is damaged" if is_refused else " ".join(str(error).split())[:200]
        raise DataError(f"faces: cannot read {file}: {why}; {expected}") from error
    if not isinstance(renders, torch.Tensor):
        raise DataError(f"faces: {file} holds a {type(renders).__name__}, {expected}")
    if renders.dtype != torch.uint8 or tuple(renders.shape) != BASEL_SHAPE:
        found = f"{str(renders.dtype).removeprefix('torch.')} tensor {tuple(renders.shape)}"
        raise DataError(f"faces: {file} holds a {found}, {expected}")
    size = SHAPE_CHW[1]
    parts = []
    for renders_of_one in renders.numpy():  # one identity at a time, to save memory
        squares = renders_of_one.reshape(-1, size, 2, size, 2).astype(np.uint16)
        parts.append(((squares.sum(axis=(2, 4), dtype=np.uint16) + 2) // 4).astype(np.uint8))
        if progress:
            progress(sum(map(len, parts)), math.prod(BASEL_SHAPE[:4]))
    return np.concatenate(parts)[:, None]


def _unpacked_bytes(file: Path) -> int:
    """Size of the file in memory, also if it is an archive with compressed members."""
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                return sum(member.file_size for member in archive.infolist())
        return file.stat().st_size
    except (OSError, ValueError, NotImplementedError, struct.error, zipfile.BadZipFile) as error:
        raise DataError(f"faces: cannot read {file}: {' '.join(str(error).split())}") from error


def _load_folder(folder: Path, progress: Progress | None) -> Dataset:
    key = _key(folder)
    files = [file for file in list_images(folder, "")[0] if file.suffix.lower() in (".png", ".jpg", ".jpeg")]
    if not files:
        raise DataError(f"faces: {folder} holds no PNG or JPEG images{not_unpacked(folder)}")
    # factors.csv before decoding, to fail early on an error in it
    groups, names, factors = _read_factors(folder, [file.name for file in files])
    size = _image_size(files[0])

    def decode(file: Path) -> np.ndarray:
        return area_resize(read_image(file, "L", (size, size)), SHAPE_CHW[1])[None]

    return recorded_dataset(
        key,
        _cached(key),
        (len(files), *SHAPE_CHW),
        lambda: decode_images(files, decode, SHAPE_CHW, progress),
        lambda images: _named(_assembled(folder, "The user's own renders of faces", images, groups, factors, names)),
    )


def _named(dataset: Dataset) -> Dataset:
    """The data set with the names of its factors in its digest: a column renamed is another set."""
    if not dataset.factor_names:
        return dataset
    digest = hashlib.sha256(f"{dataset.info.digest} {dataset.factor_names}".encode()).hexdigest()
    return replace(dataset, info=replace(dataset.info, digest=digest))


def _image_size(file: Path) -> int:
    """Side of the square image in pixels, from its header."""
    with opened(file) as image:
        width, height = image.size
    if width != height or not SHAPE_CHW[1] <= width <= MAX_SIZE:
        raise DataError(f"faces: {file} is {width}x{height} pixels, expected a square of {SHAPE_CHW[1]} to {MAX_SIZE}")
    return int(width)


def _read_factors(folder: Path, images: list[str]) -> tuple[list[str], tuple[str, ...], np.ndarray | None]:
    """The group of each image, which the split keeps together, the factors' names, and the factors (N, F)."""
    file = folder / FACTORS_FILE
    if not file.is_file():
        return images, (), None
    text = read_text_bounded(file, "faces")
    try:
        header, *lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line] or [[]]
    except csv.Error as error:
        raise DataError(f"faces: cannot read {file}: {error}") from error
    header = [name.strip() for name in header]
    names = tuple(name for name in header if name not in ("file", "identity"))
    if "file" not in header or not names or len(set(header)) < len(header):
        raise DataError(f"faces: {file} has the columns {', '.join(header)}; expected file, azimuth, elevation, ...")
    check_factor_names(names, f"faces: {file}")
    rows: dict[str, dict[str, str]] = {}
    for number, line in enumerate(lines, 2):
        if len(line) != len(header):
            raise DataError(f"faces: {file}, line {number}: {len(line)} values, expected {len(header)}")
        row = dict(zip(header, line, strict=True))
        if row["file"] in rows:
            raise DataError(f"faces: {file}, line {number}: {row['file']} occurs twice")
        rows[row["file"]] = row
    for name in sorted(rows.keys() ^ set(images)):
        if name in rows:
            raise DataError(f"faces: {file} names {name}, which is not in the folder")
        raise DataError(f"faces: {file} has no line for {name}")
    try:
        factors = np.array([[float(rows[image][name]) for name in names] for image in images])
    except ValueError as error:
        raise DataError(f"faces: {file}: factors must be numbers: {error}") from error
    if not (np.abs(factors) < MAX_FACTOR).all():  # also False for NaN
        raise DataError(f"faces: {file}: factors must be finite and below {MAX_FACTOR:g}")
    return [rows[image].get("identity", image) for image in images], names, factors.astype(np.float32)


_SET = rendered(
    "faces",
    "faces",
    RENDERED_NOTE,
    layout=LAYOUT,
    look=_path_in,
    key=_key,
    read=lambda path, progress: _load_real(path, progress),
)
SOURCES = _SET.sources
find, load, describe, prepare = _SET.find, _SET.load, _SET.describe, _SET.prepare
