"""Data sets behind one registry. Importing this is cheap; a data set's own file is imported when it is asked for."""

from importlib import import_module
from pathlib import Path
from typing import Any

from infogan.data.base import DataError, DataInfo, Dataset, cache_dir

__all__ = ["DATASETS", "DataError", "DataInfo", "Dataset", "cache_dir", "describe", "load", "prepare", "sources"]

DATASETS: dict[str, str] = {"mnist": "infogan.data.mnist"}


def _module(name: str) -> Any:
    """The data set's module, with SOURCES, load, describe and may_download."""
    if name not in DATASETS:
        raise DataError(f"unknown data set {name!r}, choose from {', '.join(DATASETS)}")
    return import_module(DATASETS[name])


def sources(name: str) -> tuple[str, ...]:
    """Values of ``source`` that this data set knows."""
    return _module(name).SOURCES


def load(name: str, source: str = "auto", data_dir: Path | None = None, *, download: bool = True) -> Dataset:
    """Read a data set whole. Raises DataError, one line, where it is missing, corrupt or the source unknown."""
    return _module(name).load(source, data_dir, download=download)


def describe(name: str, source: str = "auto", data_dir: Path | None = None) -> DataInfo:
    """What :func:`load` would give, from a sidecar where the files have not changed since; never downloads."""
    return _module(name).describe(source, data_dir)


def prepare(name: str, source: str = "auto", data_dir: Path | None = None) -> DataInfo:
    """Like :func:`describe`, but downloads first where the source allows it and nothing is there yet."""
    module = _module(name)
    if module.may_download(source, data_dir):
        return module.load(source, data_dir, download=True).info
    return module.describe(source, data_dir)
