"""Arrays in a cell's folder: image grids, probes and the atlas. Every record names the cell it belongs to.

traversals.npz   generated images of the trained cell, one grid per code
snapshots.npz    the same during training
contact.npz      the first training images, if they are the user's own
probes.npz       data kept at a few iterations, for measures over time
FAMILY.npz       image grids of a family of measures
atlas.npz        images of the trained generator on a grid of its latents: infogan/atlas.py
"""

from pathlib import Path

import numpy as np

from bench.records.identity import Identity
from bench.records.locks import Lock
from bench.records.seals import read_json, read_sealed, write_sealed
from bench.records.storage import CorruptRecord
from infogan.data.npz import NpzError, extended_npz, read_npz

CONTACT, CONTACT_IMAGES, CONTACT_COLUMNS, CONTACT_BYTES = "contact.npz", 50, 10, 1_000_000
PROBES = "probes.npz"
ATLAS = "atlas.npz"  # can be drawn again from the weights; its bits depend on the libraries


class CellArrays:
    """Read and write a cell's arrays. With ``held``, the cell's lock, writing raises LockLost once the lock is lost.

    ``key`` is the cell's; by default that in cell.json.
    """

    def __init__(self, path: Path, held: Lock | None = None, key: str | None = None) -> None:
        self.path, self._held, self._key = path, held, key

    @property
    def key(self) -> str:
        """Key of the cell. Raises CorruptRecord, or OSError if cell.json cannot be read."""
        if self._key is None:
            self._key = self.identity().key
        return self._key

    def _file(self, name: str) -> Path:
        return self.path / name

    def _own(self, name: str) -> Path:
        """Path of a file to be written. Raises LockLost."""
        if self._held is not None:
            self._held.check()
        return self._file(name)

    def identity(self) -> Identity:
        """Read cell.json. Raises OSError, or CorruptRecord if it is damaged, of another format, or another cell's."""
        identity = Identity.read(read_json(self._file("cell.json")))
        if self._key not in (None, identity.key):
            raise CorruptRecord(f"cell.json: a record of another cell, {identity.key[:12]}")
        return identity

    def write_traversals(self, grids: dict[str, np.ndarray]) -> None:
        self._write_grids("traversals.npz", grids)

    def traversals(self) -> dict[str, np.ndarray]:
        """Grids (rows, columns, H, W, C) uint8 by code; empty before the end of training. Raises CorruptRecord."""
        return self._grids("traversals.npz")

    def write_contact(self, images_NCHW: np.ndarray) -> None:
        """Write the first training images (uint8) in full rows, up to about a megabyte."""
        fit = min(CONTACT_IMAGES, len(images_NCHW), max(1, CONTACT_BYTES // images_NCHW[0].nbytes))
        columns = min(CONTACT_COLUMNS, fit)
        first = images_NCHW[: fit // columns * columns].transpose(0, 2, 3, 1)
        self._write_grids(CONTACT, {"images": first.reshape(-1, columns, *first.shape[1:])})

    def contact(self) -> np.ndarray | None:
        """Training images (rows, columns, H, W, C) uint8; None if they are not the user's own. Raises CorruptRecord."""
        return self._grids(CONTACT).get("images")

    def write_snapshot(self, iteration: int, grids: dict[str, np.ndarray]) -> None:
        """Add grids taken during training; those of the same iteration are replaced."""
        self._add("snapshots.npz", {f"{code}-{iteration:06d}": grid for code, grid in grids.items()})

    def snapshots(self) -> dict[str, np.ndarray]:
        """Grids by ``code-iteration``. Raises CorruptRecord."""
        return self._grids("snapshots.npz")

    def write_probe(self, iteration: int, arrays: dict[str, np.ndarray]) -> None:
        """Add the arrays of a probe; those of the same iteration are replaced."""
        self._add(PROBES, {f"{iteration:06d}-{name}": array for name, array in arrays.items()})

    def probes(self) -> dict[str, np.ndarray]:
        """Arrays by ``iteration-name``; empty for a cell trained without probes. Raises CorruptRecord."""
        return self._grids(PROBES)

    def write_measured_grids(self, family: str, grids: dict[str, np.ndarray]) -> None:
        """Write the grids (rows, columns, H, W, C) uint8 of a family of measures, replacing earlier ones."""
        self._write_grids(f"{family}.npz", grids)

    def measured_grids(self, family: str) -> dict[str, np.ndarray]:
        """Grids of a family by name; empty if there are none. Raises CorruptRecord."""
        return self._grids(f"{family}.npz")

    def write_atlas(self, arrays: dict[str, np.ndarray]) -> None:
        self._write_grids(ATLAS, arrays)

    def has_atlas(self) -> bool:
        return self._file(ATLAS).exists()

    def atlas(self) -> dict[str, np.ndarray]:
        """Packed pictures by panel, and their layout; empty if there is no atlas. Raises CorruptRecord."""
        return self._grids(ATLAS)

    def _add(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Add arrays to those in the file; a damaged file is treated as empty."""
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
