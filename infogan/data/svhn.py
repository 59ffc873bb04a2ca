"""SVHN: the user's copy, a download, or rendered house numbers.

Images are (N, 3, 32, 32) uint8; labels are the digits.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from infogan.data.base import DataError, Dataset, Part, Progress, files_key, make_dataset, remember
from infogan.data.genuine import own_set_note, strangers
from infogan.data.given import not_unpacked
from infogan.data.matfile import MatError, read_arrays
from infogan.data.rendering import sets
from infogan.data.substituted import rendered

NUM_IMAGES = {"train": 73_257, "test": 26_032}
URLS = tuple(f"http://ufldl.stanford.edu/housenumbers/{split}_32x32.mat" for split in NUM_IMAGES)  # torchvision's
LAYOUT = "train_32x32.mat and test_32x32.mat, perhaps in svhn/"
MAX_IMAGES = 100_000  # per file; larger ones are rejected
RENDERED_NOTE = "A substitute for SVHN, house numbers rendered by this package"
VERSION = 2  # raise it when the same files give other arrays, to invalidate sidecars


def _file(folder: Path, split: str) -> Path:
    return folder / f"{split}_32x32.mat"


def _folder_in(folder: Path) -> Path | None:
    either = (folder, folder / "svhn")
    return next((f for f in either if any(_file(f, split).is_file() for split in NUM_IMAGES)), None)


def _key(folder: Path) -> str:
    files = [_file(folder, split) for split in NUM_IMAGES]
    for file in files:
        if not file.is_file():
            names = " and ".join(file.name for file in files)
            raise DataError(f"svhn: {file} is missing; expected {names}{not_unpacked(folder)}")
    return files_key(f"svhn {VERSION}", files)


def _load_torchvision(folder: Path) -> Dataset:
    key = _key(folder)
    train, test = (_read_mat(_file(folder, split)) for split in NUM_IMAGES)
    counts = f"{len(train.images):,} training and {len(test.images):,} test digits"
    in_full = [len(train.images), len(test.images)] == list(NUM_IMAGES.values())
    others = strangers(_file(folder, split) for split in NUM_IMAGES) if in_full else []
    note = f"SVHN in full: {counts}." if in_full else f"SVHN's layout, not all of SVHN: {counts}."
    if others:
        note, in_full = own_set_note("SVHN", counts.replace("digits", "images"), others), False
    dataset = make_dataset("svhn", "torchvision", note, in_full, train, test)
    remember(key, dataset.info)
    return dataset


def _read_mat(file: Path) -> Part:
    """Read one of SVHN's files: X (32, 32, 3, N) uint8 and N labels y of any numeric type, with 10 for the digit 0."""
    try:
        arrays = read_arrays(file, max_bytes=MAX_IMAGES * 32 * 32 * 3)
    except (OSError, MatError) as error:
        raise DataError(f"svhn: cannot read {file}: {error}") from error
    for name in ("X", "y"):
        if name not in arrays:
            raise DataError(f"svhn: {file}: no numeric array {name}")
    images_HWCN, labels = arrays["X"], arrays["y"].ravel()
    if images_HWCN.dtype != np.uint8 or images_HWCN.shape[:3] != (32, 32, 3) or images_HWCN.ndim != 4:
        found = f"{images_HWCN.dtype} {images_HWCN.shape}"
        raise DataError(f"svhn: {file}: X is {found}, expected uint8 (32, 32, 3, N)")
    num_images = images_HWCN.shape[3]
    if len(labels) != num_images or not num_images:
        raise DataError(f"svhn: {file}: {len(labels)} labels y for {num_images} images X")
    if not np.isin(labels, np.arange(1, 11)).all():
        found = f"{labels.min()} to {labels.max()}"
        raise DataError(f"svhn: {file}: labels run from {found}, expected whole numbers from 1 to 10")
    images_NCHW = np.ascontiguousarray(images_HWCN.transpose(3, 2, 0, 1))
    return Part(images_NCHW, labels.astype(np.int64) % 10)


def _fetch(folder: Path) -> None:
    """Download both files with torchvision."""
    from torchvision.datasets import SVHN

    for split in NUM_IMAGES:
        SVHN(folder, split, download=True)


def _load_rendered(num_images: int | None, progress: Progress | None) -> Dataset:
    """Rendered house numbers, with the digit as the label."""
    dataset = sets.rendered_dataset("svhn", "house-numbers", RENDERED_NOTE, num_images, progress)
    column = dataset.factor_names.index("digit")
    train, test = (
        replace(part, labels=part.factors[:, column].astype(np.int64))
        for part in (dataset.train, dataset.test)
        if part.factors is not None
    )
    return replace(dataset, train=train, test=test)


_SET = rendered(
    "svhn",
    "house-numbers",
    RENDERED_NOTE,
    sources=("auto", "torchvision", "rendered"),
    layout=LAYOUT,
    look=_folder_in,
    key=_key,
    read=lambda folder, _: _load_torchvision(folder),
    load_substitute=_load_rendered,
    fetch=_fetch,
    folder="svhn",
    urls=URLS,
)
SHAPE_CHW, SOURCES = (3, 32, 32), _SET.sources
find, load, describe, prepare = _SET.find, _SET.load, _SET.describe, _SET.prepare
