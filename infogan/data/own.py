"""Images of the user's own: a folder of PNG and JPEG files, with one folder per class or none, or one array of uint8.

:class:`OwnImages` says where they lie and what they are to be: what is not as asked is an error. :func:`as_found` asks
for what the files are.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from infogan.data.base import DataError, DataInfo, Dataset, Part, Progress, cache_dir, make_dataset, recall

if TYPE_CHECKING:  # files are looked at where images are asked for, not where a command starts
    from infogan.data.own_files import Found

NAME, SOURCES = "own", ("auto", "folder")  # what records call it
NETWORKS = {(28, "grey"): "mnist", (32, "grey"): "faces", (32, "rgb"): "celeba", (64, "grey"): "chairs"}
VERSION = 1  # raise it when the same files give other arrays, so that no cache or sidecar speaks of the old ones
OF_CLASSES = ("digits", "samples", "trajectory")  # families of measures that know labels
MAX_CLASSES, MIN_LABELLED = 10, 128  # of their classifier: training images, one batch of it


@dataclass(frozen=True)
class OwnImages:
    """Images (N, C, size, size) uint8 of which a share is held out, drawn by ``split_seed`` from each class alike.

    ``resize``: None where all have that size already; "area": the middle square of each, averaged down.
    """

    folder: Path  # or an .npy or .npz file
    size: int  # pixels of a side
    colour: Literal["grey", "rgb"]
    resize: Literal["area"] | None = None
    held_out: float = 0.1
    split_seed: int = 0

    @property
    def image_CHW(self) -> tuple[int, int, int]:
        return (1 if self.colour == "grey" else 3, self.size, self.size)

    @property
    def made_as(self) -> dict[str, Any]:
        """All but the place: images that are moved stay the same data."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}

    @property
    def architecture(self) -> str:
        """The paper's networks for images of this size and colour. Raises ValueError where there are none."""
        try:
            return NETWORKS[self.size, self.colour]
        except KeyError:
            known = ", ".join(f"{size} {colour} ({name})" for (size, colour), name in NETWORKS.items())
            raise ValueError(
                f"the paper has no networks for size {self.size} {self.colour}, only for {known}"
            ) from None


def as_found(place: Path, made_CHW: tuple[int, int, int]) -> OwnImages:
    """Images of the size and colour that their files have, for the paper's networks.

    There are none for some: files in colour of the size ``made_CHW`` are turned into its grey then. Raises DataError.
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
    """The images, decoded once into the cache. Raises DataError where they are not as asked."""
    from infogan.data.own_files import found

    return _load(asked, found(asked.folder), progress)


def describe(asked: OwnImages) -> DataInfo:
    """What :func:`load` would give, at once where these files were loaded before."""
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
    note = (
        f"The user's own images in {asked.folder.name}, {asked.size}x{asked.size} {asked.colour}: "
        f"{len(train.images):,} to train on, {len(held_out.images):,} held out{classes}."
    )
    dataset = make_dataset(NAME, SOURCES[-1], note, False, train, held_out)
    return replace(dataset, info=replace(dataset.info, num_classes=len(names)))


def _split(asked: OwnImages, there: "Found") -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows held out, each shuffled. Raises DataError for a class of one image."""
    rows = np.random.default_rng(asked.split_seed).permutation(there.num_images)
    kinds_N = np.zeros(there.num_images, np.int64) if there.labels is None else there.labels
    is_held_out = np.zeros(there.num_images, bool)
    for kind in np.unique(kinds_N):
        own = rows[kinds_N[rows] == kind]
        if len(own) < 2:
            of = f" of class {there.classes[kind]}" if there.classes else ""
            raise DataError(f"{asked.folder}: one image{of} alone: at least 2 are needed, one to be held out")
        is_held_out[own[: min(len(own) - 1, max(1, round(asked.held_out * len(own))))]] = True
    return rows[~is_held_out[rows]], rows[is_held_out[rows]]
