"""The format of a pack: finished cells of a results folder in one zip archive.

manifest.json   format and version; for each cell its folder, key, files left out, and each file's size, sha256 and
                time; the launches that trained these cells; its own checksum
cells/...       the cells' files, with their names in a results folder

A pack may come from an untrusted source. Names, kinds, sizes and checksums are verified before the caller sees any
content. A reader takes little more memory than a file declares, and all files together may not declare more than
``MAX_RATIO`` times the archive's size.
"""

import hashlib
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from bench.console import BadInput
from bench.records.folder import EARLIER_WEIGHTS, NETWORKS, WEIGHTS
from bench.records.identity import Identity
from bench.records.schema import Result, fitted, measures_of
from bench.records.seals import NOBODY, sealed_json, unsealed, unsealed_json
from bench.records.storage import CorruptRecord
from bench.spec.schema import Table
from infogan.data.base import one_line
from infogan.data.npz import DAMAGE

KIND: Literal["infogan-pack"] = "infogan-pack"
VERSION: Literal[1] = 1
MANIFEST = "manifest.json"
MAX_ENTRIES, MAX_FILE, MAX_MANIFEST = 200_000, 1 << 30, 1 << 26  # number of entries; bytes; bytes
_PART = 1 << 12  # bytes read at a time: so many compressed ones are unfolded at once, to 30 MB at most by LZMA
MAX_RATIO, ALLOWANCE = 50, 1 << 24  # limit on unpacked bytes over the archive's, plus an allowance in bytes
_NAME = "[a-z0-9][a-z0-9-]{0,40}"
_FOLDER = rf"^cells(/{_NAME}){{3,4}}/seed-[0-9]{{1,10}}/[0-9a-f]{{12}}$"
FILE = r"^((cell|result|measures)\.json|[a-z0-9][a-z0-9_-]{0,60}\.npz|weights\.(safetensors|pt))$"


class PackError(BadInput, ValueError):
    """A pack cannot be made, read or added; the message is one line."""


class PackedFile(Table):
    """Size, checksum and time of a cell's file."""

    size: Annotated[int, Field(ge=1, le=MAX_FILE)]  # bytes
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    modified_ms: Annotated[int, Field(ge=0, lt=1 << 42)]  # since 1970; reports and the mirror show these times


class PackedCell(Table):
    """A cell's folder in a results folder, and its files."""

    folder: Annotated[str, Field(pattern=_FOLDER)]
    key: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    left_out: Annotated[list[str], Field(max_length=len(NETWORKS))]
    files: dict[Annotated[str, Field(pattern=FILE)], PackedFile]

    @property
    def name(self) -> str:
        """The cell's name, ``experiment/profile/[variant/]arm/seed-k``."""
        return self.folder.removeprefix("cells/").rpartition("/")[0]


class Manifest(Table):
    """The content of manifest.json."""

    kind: Literal["infogan-pack"] = KIND
    version: Literal[1] = VERSION
    cells: Annotated[list[PackedCell], Field(min_length=1)]
    launches: list[dict[str, Any]]

    def to_bytes(self) -> bytes:
        return sealed_json(self.model_dump())


class Pack:
    """An open pack with verified names, kinds and declared sizes. Raises PackError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if not path.is_file():  # reading a device or a pipe would not end
                raise PackError("not a file" if path.exists() else "does not exist")
            self._archive = zipfile.ZipFile(path)
        except (PackError, *DAMAGE) as error:
            raise self._error(error) from error
        try:
            self._entries = _checked_entries(self._archive.infolist(), path.stat().st_size)
            if MANIFEST not in self._entries:
                raise PackError("not a pack of cells: manifest.json is missing")
            self.manifest = _manifest(self._read(MANIFEST, MAX_MANIFEST))
            self._compare()
        except (PackError, CorruptRecord, MemoryError, *DAMAGE) as error:
            self.close()  # out of memory: a damaged or hostile header of LZMA asks for 4 GB
            raise self._error(error) from error

    def __enter__(self) -> "Pack":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._archive.close()

    @property
    def cells(self) -> list[PackedCell]:
        return self.manifest.cells

    def check(self) -> None:
        """Read every file and verify checksums, records, and that each cell belongs to its folder. Raises PackError."""
        for cell in self.cells:
            for _, _ in self.files(cell):
                pass

    def files(self, cell: PackedCell) -> Iterator[tuple[str, bytes]]:
        """Names and verified contents of a cell's files, result.json last. Raises PackError."""
        for name in sorted(cell.files, key=lambda name: (name == "result.json", name)):
            try:
                declared, content = cell.files[name], self._read(f"{cell.folder}/{name}", MAX_FILE)
                if len(content) != declared.size or hashlib.sha256(content).hexdigest() != declared.sha256:
                    raise PackError("its checksum differs from the manifest's")
                _check_record(cell, name, content)
            except (PackError, CorruptRecord, MemoryError, *DAMAGE) as error:
                raise self._error(f"{cell.name}: {name}: {error}") from error
            yield name, content

    def _read(self, name: str, most: int) -> bytes:
        entry = self._entries[name]
        if entry.file_size > most:
            raise PackError(f"{name}: {entry.file_size:,} bytes, more than {most:,}")
        with self._archive.open(entry) as file:  # in parts: LZMA's decoder has no limit on what one part unfolds to
            return b"".join(iter(lambda: file.read(_PART), b""))  # no more than declared, whatever the data contain

    def _compare(self) -> None:
        """Check that the archive contains exactly the files in the manifest."""
        folders = [cell.folder for cell in self.cells]
        if len(set(folders)) < len(folders):
            raise PackError("the manifest lists a cell twice")
        told = {f"{c.folder}/{name}": file.size for c in self.cells for name, file in c.files.items()}
        held = {name: entry.file_size for name, entry in self._entries.items() if name != MANIFEST}
        for name in sorted(told.keys() ^ held.keys()):
            raise PackError(f"{name}: only in the {'manifest' if name in told else 'archive'}")
        for name, size in told.items():
            if held[name] != size:
                raise PackError(f"{name}: {held[name]:,} bytes, the manifest says {size:,}")
        for cell in self.cells:
            if not {"cell.json", "result.json"} <= cell.files.keys():
                raise PackError(f"{cell.name}: not a finished cell: cell.json or result.json is missing")
            if set(cell.left_out) - set(NETWORKS) or set(cell.left_out) & cell.files.keys():
                raise PackError(f"{cell.name}: the manifest cannot leave out {', '.join(cell.left_out)}")

    def _error(self, error: object) -> PackError:
        return PackError(one_line(f"{self.path}: {' '.join(str(error).split()) or 'damaged'}"))


def _checked_entries(entries: list[zipfile.ZipInfo], archive_size: int) -> dict[str, zipfile.ZipInfo]:
    """Entries by name. Raises PackError for links, devices, folders, duplicates, unsafe names or excessive sizes."""
    if len(entries) > MAX_ENTRIES:
        raise PackError(f"{len(entries):,} entries, more than {MAX_ENTRIES:,}")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_RATIO * archive_size + ALLOWANCE:
        raise PackError(f"{total:,} bytes unpacked, from {archive_size:,}: suspiciously large for a pack of cells")
    by_name: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
        if entry.orig_filename != name or name.startswith(("/", "\\")) or ".." in name or name.endswith("/"):
            raise PackError(f"{entry.orig_filename!r} is not the name of a cell's file")
        if kind not in (0, stat.S_IFREG):
            raise PackError(f"{name!r} is not a regular file")
        if name in by_name:
            raise PackError(f"{name!r} occurs twice")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
            raise PackError(f"{name!r}: compression {entry.compress_type}, which packs do not use")
        by_name[name] = entry
    return by_name


def _manifest(raw: bytes) -> Manifest:
    """Raises CorruptRecord, or PackError for another kind of archive, or another version of it."""
    value = unsealed_json(MANIFEST, raw)
    kind, version = value.get("kind"), value.get("version")
    if kind != KIND:
        raise PackError("not a pack of cells: the manifest is of another kind")
    if version != VERSION:
        raise PackError(f"a pack of version {version!r}, this program reads {VERSION}")
    return fitted(Manifest, MANIFEST, value)


def _check_record(cell: PackedCell, name: str, content: bytes) -> None:
    """Raise CorruptRecord if a record does not match its checksum or belongs to another cell."""
    if not name.endswith(".json"):
        unsealed(name, content, cell.key)
        return
    value = unsealed_json(name, content, NOBODY if name == "cell.json" else cell.key)
    if name == "cell.json":
        found = Identity.read(value).cell()
        if (found.key, found.folder.as_posix()) != (cell.key, cell.folder):
            raise CorruptRecord("the cell does not belong to its folder")
    if name == "result.json":
        said = cell.files.keys() | set(cell.left_out)
        lacking = {"history.npz", *(() if EARLIER_WEIGHTS in said else (WEIGHTS,))} - said
        if fitted(Result, "not a finished cell", value).status == "done" and lacking:
            raise CorruptRecord(f"a finished cell needs {min(lacking)}, which is missing and not listed as left out")
    if name == "measures.json":
        measures_of(value)
