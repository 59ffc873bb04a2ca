"""A data set that is read from the user's copy or replaced by a substitute: the logic that all data sets share."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from infogan.data.base import DataError, DataInfo, Dataset, Progress, cache_dir, recall
from infogan.data.downloads import download, failure
from infogan.data.given import Look, found_in
from infogan.data.rendering.sets import rendered_dataset, rendered_info


@dataclass(frozen=True)
class Substituted:
    """The functions that every data set provides; see :mod:`infogan.data`."""

    name: str
    sources: tuple[str, str, str]  # either, the real set, the substitute
    layout: str  # the expected files, in words
    look: Look
    key: Callable[[Path], str]  # of the files; read again when it changes
    read: Callable[[Path, Progress | None], Dataset]
    describe_substitute: Callable[[int | None], DataInfo]
    load_substitute: Callable[[int | None, Progress | None], Dataset]
    fetch: Callable[[Path], None] | None = None  # downloads the set into the given folder
    folder: str = ""
    urls: tuple[str, ...] = ()  # addresses of the set; one must answer

    def find(self, source: str, data_dir: Path | None) -> Path | None:
        """Path of the real set; None for the substitute."""
        if source == self.sources[2]:
            return None
        if data_dir is not None:
            return found_in(self.name, data_dir, self.look, self.layout)
        found = self.look(cache_dir() / "torchvision") if self.fetch else None
        if found is None and source == self.sources[1]:
            tried = f" (no data folder given; download: {failure(self.name)})"
            why = tried if self.fetch else ": no data folder was given"
            raise DataError(f"{self.name}: no {self.layout} found{why}")
        return found

    def load(
        self, source: str, data_dir: Path | None, num_images: int | None = None, progress: Progress | None = None
    ) -> Dataset:
        path = self.find(source, data_dir)
        return self.load_substitute(num_images, progress) if path is None else self.read(path, progress)

    def describe(self, source: str, data_dir: Path | None, num_images: int | None = None) -> DataInfo:
        path = self.find(source, data_dir)
        if path is None:
            return self.describe_substitute(num_images)
        return recall(self.key(path)) or self.read(path, None).info

    def prepare(
        self, source: str, data_dir: Path | None, num_images: int | None = None, progress: Progress | None = None
    ) -> DataInfo:
        if self.fetch and source != self.sources[2] and self.find(self.sources[0], data_dir) is None:
            download(self.name, cache_dir() / "torchvision" / self.folder, self.fetch, self.urls)
        if self.fetch and self.find(source, data_dir) is not None:  # downloadable sets need no decoding
            return self.describe(source, data_dir)
        return self.load(source, data_dir, num_images, progress).info


def rendered(name: str, kind: str, note: str, **others: Any) -> Substituted:
    """A data set with a rendered substitute of this ``kind``; ``note`` begins the substitute's note."""
    usual: dict[str, Any] = {
        "sources": ("auto", "real", "rendered"),
        "describe_substitute": partial(rendered_info, name, kind, note),
        "load_substitute": partial(rendered_dataset, name, kind, note),
    }
    return Substituted(name, **usual | others)
