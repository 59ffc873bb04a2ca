"""Registry of data sets. Importing it is cheap: the module of a data set is imported on first use.

A data set is selected by name or by :class:`OwnImages`. Its module defines ``SHAPE_CHW``, the shape of an image;
``SOURCES``, the last of which is the substitute; and the functions ``find``, ``load``, ``describe`` and ``prepare``
with the signatures below. ``num_images`` is the number of training images wanted: a rendered set renders only that
many; a recorded one is always read in full and cut by the caller.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from infogan.data import own
from infogan.data.base import DataError, DataInfo, Dataset, Part, Progress, cache_dir
from infogan.data.given import NotInFolder
from infogan.data.own import OwnImages

__all__ = [
    "DATASETS",
    "DataError",
    "DataInfo",
    "Dataset",
    "NotInFolder",
    "OwnImages",
    "Part",
    "Progress",
    "cache_dir",
    "describe",
    "find",
    "load",
    "prepare",
    "shape_CHW",
    "sources",
]

DATASETS: dict[str, str] = {
    "mnist": "infogan.data.mnist",
    "faces": "infogan.data.faces",
    "chairs": "infogan.data.chairs",
    "svhn": "infogan.data.svhn",
    "celeba": "infogan.data.celeba",
}


def _module(name: str) -> Any:
    if name not in DATASETS:
        raise DataError(f"unknown data set {name!r}, choose from {', '.join(DATASETS)}")
    return import_module(DATASETS[name])


def _checked(name: str, source: str, data_dir: Path | None) -> Any:
    """The data set's module, after checking the source and, except for the substitute, that the folder exists."""
    module = _module(name)
    if source not in module.SOURCES:
        raise DataError(f"{name}: unknown source {source!r}, choose from {', '.join(module.SOURCES)}")
    if source != module.SOURCES[-1] and data_dir is not None and not data_dir.is_dir():
        raise DataError(f"data folder {data_dir} does not exist")
    return module


def find(name: str, source: str = "auto", data_dir: Path | None = None) -> Path | None:
    """Locate the real data set without reading it; None if a substitute or a download will be used.

    Raises NotInFolder if ``data_dir`` is given but does not contain the set: a substitute is never used silently then.
    """
    return _checked(name, source, data_dir).find(source, data_dir)


def sources(wanted: str | OwnImages) -> tuple[str, ...]:
    """Values that ``source`` may have for this data set."""
    return own.SOURCES if isinstance(wanted, OwnImages) else _module(wanted).SOURCES


def shape_CHW(wanted: str | OwnImages) -> tuple[int, int, int]:
    """Channels, height and width of this data set's images."""
    shape: tuple[int, int, int] = wanted.image_CHW if isinstance(wanted, OwnImages) else _module(wanted).SHAPE_CHW
    return shape


def load(
    wanted: str | OwnImages, source: str = "auto", data_dir: Path | None = None, *, num_images: int | None = None
) -> Dataset:
    """Read a data set; never downloads. Raises DataError if it is missing or corrupt, or the source unknown."""
    if isinstance(wanted, OwnImages):
        return own.load(wanted)
    return _checked(wanted, source, data_dir).load(source, data_dir, num_images)


def describe(
    wanted: str | OwnImages, source: str = "auto", data_dir: Path | None = None, *, num_images: int | None = None
) -> DataInfo:
    """The DataInfo of what :func:`load` returns.

    Fast if it can be known without reading; never downloads or renders.
    """
    if isinstance(wanted, OwnImages):
        return own.describe(wanted)
    return _checked(wanted, source, data_dir).describe(source, data_dir, num_images)


def prepare(
    wanted: str | OwnImages,
    source: str = "auto",
    data_dir: Path | None = None,
    *,
    num_images: int | None = None,
    progress: Progress | None = None,
) -> DataInfo:
    """Download or render what the cache lacks, so that :func:`load` is fast; return the same as :func:`describe`.

    ``progress`` is called with the number of images done and in total.
    """
    if isinstance(wanted, OwnImages):
        return own.load(wanted, progress).info
    return _checked(wanted, source, data_dir).prepare(source, data_dir, num_images, progress)
