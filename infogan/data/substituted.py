"""A set that is read where the user has it, and rendered where not: what faces, chairs and CelebA have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infogan.data.base import DataError, DataInfo, Dataset, Progress, recall
from infogan.data.given import Look, found_in
from infogan.data.rendering.sets import rendered_dataset, rendered_info


@dataclass(frozen=True)
class Substituted:
    """The functions that every data set has; see :mod:`infogan.data`."""

    name: str
    kind: str  # of the renderer
    note: str  # the beginning of the rendered set's
    layout: str  # what is looked for, in words
    look: Look
    key: Callable[[Path], str]  # of what lies there: another one is read anew
    read: Callable[[Path, Progress | None], Dataset]

    def find(self, source: str, data_dir: Path | None) -> Path | None:
        """Where the real set lies; None for the rendered one."""
        if source == "rendered":
            return None
        if data_dir is not None:
            return found_in(self.name, data_dir, self.look, self.layout)
        if source == "real":
            raise DataError(f"{self.name}: no {self.layout} found: no data folder was given")
        return None

    def load(
        self, source: str, data_dir: Path | None, num_images: int | None = None, progress: Progress | None = None
    ) -> Dataset:
        path = self.find(source, data_dir)
        if path is None:
            return rendered_dataset(self.name, self.kind, num_images, self.note, progress)
        return self.read(path, progress)

    def describe(self, source: str, data_dir: Path | None, num_images: int | None = None) -> DataInfo:
        path = self.find(source, data_dir)
        if path is None:
            return rendered_info(self.name, self.kind, num_images, self.note)
        return recall(self.key(path)) or self.read(path, None).info

    def prepare(
        self, source: str, data_dir: Path | None, num_images: int | None = None, progress: Progress | None = None
    ) -> DataInfo:
        """Nothing is downloaded."""
        return self.load(source, data_dir, num_images, progress).info
