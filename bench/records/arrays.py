"""Arrays that a cell keeps beside its curves: pictures, probes, its atlas; and whose they are, which every record says.

traversals.npz   generated images, one grid per code; snapshots.npz: the same during training
contact.npz      the first training images, where they are the user's own
probes.npz       what was kept at a few iterations, for measures against the iteration
FAMILY.npz       pictures that go with a family of measures
atlas.npz        images of the finished generator at fixed places of its latents: infogan/atlas.py
"""

from pathlib import Path

import numpy as np

from bench.records.identity import Identity
from bench.records.locks import Lock
from bench.records.storage import CorruptRecord, read_json, read_sealed, write_sealed
from infogan.data.npz import NpzError, extended_npz, read_npz

CONTACT, CONTACT_IMAGES, CONTACT_COLUMNS, CONTACT_BYTES = "contact.npz", 50, 10, 1_000_000
PROBES = "probes.npz"
ATLAS = "atlas.npz"  # may be drawn anew wherever the weights are, with other bits where the libraries are others


class CellArrays:
    """Reads and writes them. With ``held``, the cell's lock, nothing is written once that is lost.

    ``key`` is the cell's; without it, that of cell.json.
    """

    def __init__(self, path: Path, held: Lock | None = None, key: str | None = None) -> None:
        self.path, self._held, self._key = path, held, key

    @property
    def key(self) -> str:
        """Of the cell whose records these are. Raises CorruptRecord, or OSError where cell.json does not tell."""
        if self._key is None:
            self._key = self.identity().key
        return self._key

    def _file(self, name: str) -> Path:
        return self.path / name

    def _own(self, name: str) -> Path:
        """A file that is about to change. Raises LockLost."""
        if self._held is not None:
            self._held.check()
        return self._file(name)

    def identity(self) -> Identity:
        """Raises CorruptRecord, also for a record of another format or cell; or OSError."""
        identity = Identity.read(read_json(self._file("cell.json")))
        if self._key not in (None, identity.key):
            raise CorruptRecord(f"cell.json: a record of another cell, {identity.key[:12]}")
        return identity

    def write_traversals(self, grids: dict[str, np.ndarray]) -> None:
        self._write_grids("traversals.npz", grids)

    def traversals(self) -> dict[str, np.ndarray]:
        """Grids (rows, columns, H, W, C) uint8 by code; empty before the end. Raises CorruptRecord."""
        return self._grids("traversals.npz")

    def write_contact(self, images_NCHW: np.ndarray) -> None:
        """The first of the training images, uint8: as many as make whole rows, on about a megabyte."""
        fit = min(CONTACT_IMAGES, len(images_NCHW), max(1, CONTACT_BYTES // images_NCHW[0].nbytes))
        columns = min(CONTACT_COLUMNS, fit)
        first = images_NCHW[: fit // columns * columns].transpose(0, 2, 3, 1)
        self._write_grids(CONTACT, {"images": first.reshape(-1, columns, *first.shape[1:])})

    def contact(self) -> np.ndarray | None:
        """(rows, columns, H, W, C) uint8; None for a cell of another data set. Raises CorruptRecord."""
        return self._grids(CONTACT).get("images")

    def write_snapshot(self, iteration: int, grids: dict[str, np.ndarray]) -> None:
        """Grids during training, beside those written before; the same iteration again replaces its own."""
        self._add("snapshots.npz", {f"{code}-{iteration:06d}": grid for code, grid in grids.items()})

    def snapshots(self) -> dict[str, np.ndarray]:
        """Grids by ``code-iteration``. Raises CorruptRecord."""
        return self._grids("snapshots.npz")

    def write_probe(self, iteration: int, arrays: dict[str, np.ndarray]) -> None:
        """What a probe kept, beside those before; the same iteration again replaces its own."""
        self._add(PROBES, {f"{iteration:06d}-{name}": array for name, array in arrays.items()})

    def probes(self) -> dict[str, np.ndarray]:
        """Arrays by ``iteration-name``; empty for a cell that was trained without. Raises CorruptRecord."""
        return self._grids(PROBES)

    def write_measured_grids(self, family: str, grids: dict[str, np.ndarray]) -> None:
        """Pictures (rows, columns, H, W, C) uint8 that go with a family's entry; replaces those before."""
        self._write_grids(f"{family}.npz", grids)

    def measured_grids(self, family: str) -> dict[str, np.ndarray]:
        """Grids by name; empty where there are none. Raises CorruptRecord."""
        return self._grids(f"{family}.npz")

    def write_atlas(self, arrays: dict[str, np.ndarray]) -> None:
        self._write_grids(ATLAS, arrays)

    def has_atlas(self) -> bool:
        return self._file(ATLAS).exists()

    def atlas(self) -> dict[str, np.ndarray]:
        """Packed pictures by panel, and their layout; empty where none was drawn. Raises CorruptRecord."""
        return self._grids(ATLAS)

    def _add(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Add to those in the file; a damaged file counts as empty."""
        try:
            content = extended_npz(read_sealed(self._file(name), self.key), arrays)
        except (FileNotFoundError, CorruptRecord, NpzError):
            content = extended_npz(b"", arrays)
        write_sealed(self._own(name), content, self.key)

    def _write_grids(self, name: str, grids: dict[str, np.ndarray]) -> None:
        write_sealed(self._own(name), extended_npz(b"", grids), self.key)

    def _grids(self, name: str) -> dict[str, np.ndarray]:
        try:
            content = read_sealed(self._file(name), self.key)
        except FileNotFoundError:
            return {}
        try:
            return read_npz(content)
        except NpzError as error:
            raise CorruptRecord(f"{name}: {error}") from error
