"""Data sets behind one registry. Importing this is cheap; a data set's own file is imported when it is asked for.

What is wanted is a data set's name, or :class:`OwnImages`. A data set's module has ``SOURCES``, of which the last is
its substitute, and functions with the registry's signatures: ``find``, ``load``, ``describe`` and ``prepare``.
``num_images`` is how many training images are wanted: a rendered set renders no more than that, a recorded one is
always read whole and cut by the caller.
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
    """The module, for a source that it knows and a folder that is there. The substitute asks for no folder."""
    module = _module(name)
    if source not in module.SOURCES:
        raise DataError(f"{name}: unknown source {source!r}, choose from {', '.join(module.SOURCES)}")
    if source != module.SOURCES[-1] and data_dir is not None and not data_dir.is_dir():
        raise DataError(f"data folder {data_dir} does not exist")
    return module


def find(name: str, source: str = "auto", data_dir: Path | None = None) -> Path | None:
    """Where the set lies, without reading it; None where a substitute or a download is to stand in for it.

    Raises NotInFolder where ``data_dir`` is given and does not hold it: then nothing stands in for it unasked.
    """
    return _checked(name, source, data_dir).find(source, data_dir)


def sources(wanted: str | OwnImages) -> tuple[str, ...]:
    """Values of ``source`` that this data set knows."""
    return own.SOURCES if isinstance(wanted, OwnImages) else _module(wanted).SOURCES


def load(
    wanted: str | OwnImages, source: str = "auto", data_dir: Path | None = None, *, num_images: int | None = None
) -> Dataset:
    """Read a data set; never downloads. Raises DataError, one line: missing, corrupt, or the source unknown."""
    if isinstance(wanted, OwnImages):
        return own.load(wanted)
    return _checked(wanted, source, data_dir).load(source, data_dir, num_images)


def describe(
    wanted: str | OwnImages, source: str = "auto", data_dir: Path | None = None, *, num_images: int | None = None
) -> DataInfo:
    """What :func:`load` would give, at once where it can be known without reading; never downloads or renders."""
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
    """Like :func:`describe`, but first makes :func:`load` quick: downloads or renders into the cache what is missing.

    ``progress`` is called with how many images are done and how many there will be.
    """
    if isinstance(wanted, OwnImages):
        return own.load(wanted, progress).info
    return _checked(wanted, source, data_dir).prepare(source, data_dir, num_images, progress)
