"""The user's own images: a folder of PNG and JPEG files, with or without one folder per class, or one uint8 array.

:class:`OwnImages` states where they are and what they must be; anything else is an error. :func:`as_found` fills it in
from the files.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from infogan.data.base import DataError, DataInfo, Dataset, Part, Progress, cache_dir, make_dataset, one_line, recall

if TYPE_CHECKING:  # imported lazily, to keep the start of a command fast
    from infogan.data.own_files import Found

NAME, SOURCES = "own", ("auto", "folder")  # the set's name in records
NETWORKS = {(28, "grey"): "mnist", (32, "grey"): "faces", (32, "rgb"): "celeba", (64, "grey"): "chairs"}
VERSION = 2  # raise it when the same files give other arrays or another note, to invalidate caches and sidecars
OF_CLASSES = ("digits", "samples", "trajectory")  # families of measures that need labels
MAX_CLASSES, MIN_LABELLED = 10, 128  # of their classifier; MIN_LABELLED training images are one batch of it


@dataclass(frozen=True)
class OwnImages:
    """Images (N, C, size, size) uint8; ``split_seed`` draws the held-out share from each class.

    ``resize``: None if all images already have that size; "area": the middle square of each, averaged down.
    """

    folder: Path  # or an .npy or .npz file
    size: int  # side in pixels
    colour: Literal["grey", "rgb"]
    resize: Literal["area"] | None = None
    held_out: float = 0.1
    split_seed: int = 0

    @property
    def image_CHW(self) -> tuple[int, int, int]:
        return (1 if self.colour == "grey" else 3, self.size, self.size)

    @property
    def made_as(self) -> dict[str, Any]:
        """All fields except the folder: moved images are still the same data."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}

    @property
    def architecture(self) -> str:
        """Name of the paper's networks for images of this size and colour. Raises ValueError if there are none."""
        try:
            return NETWORKS[self.size, self.colour]
        except KeyError:
            known = ", ".join(f"{size} {colour} ({name})" for (size, colour), name in NETWORKS.items())
            raise ValueError(
                f"the paper has no networks for size {self.size} {self.colour}, only for {known}"
            ) from None


def as_found(place: Path, made_CHW: tuple[int, int, int]) -> OwnImages:
    """The images in the size and colour of their files, if the paper has networks for them.

    If it has none for colour of their size, they are converted to grey, provided that ``made_CHW``, the shape of the
    data they replace, is grey of that size. Raises DataError.
    """
    from infogan.data.own_files import HOW, found, looks

    size, colour = looks(found(place))
    asked = OwnImages(place, size, colour)
    if (size, colour) in NETWORKS:
        return asked
    if made_CHW == (1, size, size):
        return replace(asked, colour="grey")
    known = ", ".join(f"{side}x{side} {kind}" for side, kind in NETWORKS)
    raise DataError(f"images: {place} holds {size}x{size} {colour}; the paper has networks for {known}; {HOW}")


def load(asked: OwnImages, progress: Progress | None = None) -> Dataset:
    """The images, decoded once into the cache. Raises DataError if they are not as stated."""
    from infogan.data.own_files import found

    return _load(asked, found(asked.folder), progress)


def describe(asked: OwnImages) -> DataInfo:
    """The DataInfo of what :func:`load` returns; fast if these files were loaded before."""
    from infogan.data.own_files import found

    there = found(asked.folder)
    return recall(_key(asked, there)) or _load(asked, there).info


def _key(asked: OwnImages, there: "Found") -> str:
    return f"own {VERSION} {sorted(asked.made_as.items())} {there.key}"


def _load(asked: OwnImages, there: "Found", progress: Progress | None = None) -> Dataset:
    from infogan.data.own_files import decoded
    from infogan.data.recorded import recorded_dataset

    key = _key(asked, there)
    shape = (there.num_images, *asked.image_CHW)
    return recorded_dataset(
        key,
        cache_dir() / f"own-{there.key[:16]}-{asked.size}-{asked.colour}-{asked.resize}.npy",
        shape,
        lambda: decoded(there, asked.image_CHW, asked.resize, progress),
        lambda images: _assembled(asked, there, images),
    )


def _assembled(asked: OwnImages, there: "Found", images: np.ndarray) -> Dataset:
    train, held_out = (
        Part(np.asarray(images[rows]), None if there.labels is None else there.labels[rows])
        for rows in _split(asked, there)
    )
    names = there.classes
    more = f" and {len(names) - MAX_CLASSES} more" if len(names) > MAX_CLASSES else ""
    classes = f"; {len(names)} classes: {', '.join(names[:MAX_CLASSES])}{more}" if names else ""
    unread = f"; arrays not read: {', '.join(there.unread[:MAX_CLASSES])}" if there.unread else ""
    note = (
        f"The user's own images in {one_line(asked.folder.name)}, {asked.size}x{asked.size} {asked.colour}: "
        f"{len(train.images):,} to train on, {len(held_out.images):,} held out{classes}{unread}."
    )
    dataset = make_dataset(NAME, SOURCES[-1], note, False, train, held_out)
    return replace(dataset, info=replace(dataset.info, num_classes=len(names)))


def _split(asked: OwnImages, there: "Found") -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out rows, each shuffled. Raises DataError for a class of one image."""
    rows = np.random.default_rng(asked.split_seed).permutation(there.num_images)
    kinds_N = np.zeros(there.num_images, np.int64) if there.labels is None else there.labels
    is_held_out = np.zeros(there.num_images, bool)
    for kind in np.unique(kinds_N):
        own = rows[kinds_N[rows] == kind]
        if len(own) < 2:
            of = f" of class {there.classes[kind]}" if there.classes else ""
            raise DataError(f"{asked.folder}: only one image{of}: at least 2 are needed, one to be held out")
        is_held_out[own[: min(len(own) - 1, max(1, round(asked.held_out * len(own))))]] = True
    return rows[~is_held_out[rows]], rows[is_held_out[rows]]
