"""Pack finished cells: records, histories, measures and grids in archives that travel without an MLflow store.

Networks and probes are included on request only: they are most of the bytes, and only new measures need them. Packing
the same cells gives the same archive, bit for bit.
"""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from bench.records.find import find_cells
from bench.records.folder import LAUNCHES, NETWORKS, CellFolder
from bench.records.pack_format import FILE, MANIFEST, MAX_FILE, Manifest, Pack, PackedCell, PackedFile, PackError
from bench.records.seals import read_sealed
from bench.records.storage import CorruptRecord, atomic_file, in_words, read_lines
from bench.spec.cells import Cell
from infogan.data.base import one_line

RECORDS = ("cell.json", "history.npz", "measures.json", "result.json")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date in a zip file
_PLAIN_FILE = 0o100644 << 16
_LZMA = {*RECORDS, MANIFEST}  # these get an eighth smaller; weights hardly shrink, and LZMA takes long
Chosen = tuple[CellFolder, list[str]]  # a cell, and the names of its files that go into a pack
_ENTRY_BYTES = 400  # upper bound per file for the archive's directories and the manifest


@dataclass(frozen=True)
class Packed:
    """The files that were written and the cells in them."""

    files: list[Path]
    cells: list[str]  # experiment/profile/[variant/]arm/seed-k
    left_out: list[str]  # a line for each unfinished or damaged cell, and for each damaged or foreign file


def pack(
    results: Path,
    destination: Path,
    *,
    weights: bool = False,
    pictures: bool = True,
    max_bytes: int | None = None,
    replace: bool = False,
    wanted: Callable[[Cell], bool] = lambda _: True,
) -> Packed:
    """Write the finished cells of ``results`` to ``destination``, or to ``destination``-1, -2, ... of ``max_bytes``.

    A cell is never split. ``wanted`` selects among the finished cells. ``replace``: remove an earlier pack of that
    name. Raises PackError if no cell is finished, one alone exceeds ``max_bytes``, or a file is in the way.
    """
    found, left_out = _finished(results, wanted)
    if not found:
        reasons = f": {left_out[0]}" if left_out else ""
        raise PackError(f"{results} holds no finished cell{reasons}")
    chosen = []
    for folder in found:
        names, unfit = _names(folder, weights=weights, pictures=pictures)
        chosen.append((folder, names))
        left_out += [one_line(f"{folder.name_in(results)}/{line}") for line in unfit]
    parts = _parts(results, chosen, max_bytes)
    paths = [destination]
    if len(parts) > 1:
        numbers = range(1, len(parts) + 1)
        paths = [destination.with_name(f"{destination.stem}-{k}{destination.suffix}") for k in numbers]
    earlier = _earlier(destination)
    if earlier and not replace:
        raise PackError(f"{earlier[0]} exists already; name another file, or move it away")
    for path in earlier:
        Pack(path).close()  # replace only valid packs
    launches = read_lines(results / LAUNCHES)  # as plain JSON, to keep fields of later versions
    for path, part in zip(paths, parts, strict=True):
        with atomic_file(path) as file:
            _write(file, results, part, launches)
    for path in set(earlier) - set(paths):
        path.unlink()
    return Packed(paths, [folder.name_in(results) for folder in found], left_out)


def _finished(results: Path, wanted: Callable[[Cell], bool]) -> tuple[list[CellFolder], list[str]]:
    """Cells that are done or diverged (also a result), and a line for each other cell."""
    there = find_cells(results)
    found, left_out = [], [*there.strays, *there.damaged]
    for folder in there.folders:
        try:
            if not wanted(folder.cell()):
                continue
            state, result = folder.state(), folder.result()
            damage = folder.end_damage(quick=True) if state == "done" else None
        except (CorruptRecord, OSError) as error:
            left_out.append(f"{folder.name_in(results)}: {in_words(error)}")
            continue
        if damage or result is None or not result.ended:
            left_out.append(f"{folder.name_in(results)}: {damage or state}")
        else:
            found.append(folder)
    return found, left_out


def _names(folder: CellFolder, *, weights: bool, pictures: bool) -> tuple[list[str], list[str]]:
    """Names of a cell's files to pack, sorted, and a line for each that a pack cannot hold."""
    held = {path.name for path in folder.path.iterdir() if path.suffix in (".json", ".npz", ".pt", ".safetensors")}
    grids = {name for name in held if name.endswith(".npz")} - {*RECORDS, *NETWORKS} if pictures else set()
    names, unfit = [], []
    for name in sorted((held & {*RECORDS, *(NETWORKS if weights else ())}) | grids):
        if why := _misfit(folder, name):
            unfit.append(f"{name}: {why.removeprefix(f'{name}: ')}")
        else:
            names.append(name)
    return names, unfit


def _misfit(folder: CellFolder, name: str) -> str:
    """Why a pack with this file could not be unpacked; empty if it could."""
    path = folder.path / name
    if not re.fullmatch(FILE, name) or not path.is_file():
        return "not a file of a cell"
    try:
        if name == "measures.json":
            folder.sound_measures()
        elif not name.endswith(".json"):  # the other two were read for the cell's state
            read_sealed(path, folder.key)
    except (CorruptRecord, OSError) as error:
        return in_words(error)
    return ""


def _parts(results: Path, chosen: list[Chosen], max_bytes: int | None) -> list[list[Chosen]]:
    """Split the cells, in order, into parts that fit ``max_bytes``."""
    if max_bytes is None:
        return [chosen]
    launches = (results / LAUNCHES).stat().st_size if (results / LAUNCHES).exists() else 0
    empty = 1000 + 2 * launches  # estimated bytes of a pack without cells
    parts: list[list[Chosen]] = [[]]
    filled = empty
    for folder, names in chosen:
        contents = ((folder.path / name).read_bytes() for name in names)
        size = sum(len(zlib.compress(content)) + _ENTRY_BYTES for content in contents) + _ENTRY_BYTES
        if empty + size > max_bytes:
            raise PackError(
                f"{folder.name_in(results)} alone takes {size / 1e6:.1f} MB, more than the size limit of a file"
            )
        if parts[-1] and filled + size > max_bytes:
            parts.append([])
            filled = empty
        parts[-1].append((folder, names))
        filled += size
    return parts


def _earlier(destination: Path) -> list[Path]:
    """Files of an earlier pack with that name."""
    pattern = re.compile(re.escape(destination.stem) + r"(-[1-9][0-9]*)?" + re.escape(destination.suffix))
    folder = destination.absolute().parent
    found = [path for path in sorted(folder.iterdir()) if pattern.fullmatch(path.name)] if folder.is_dir() else []
    return [destination.with_name(path.name) for path in found]


def _write(file: IO[bytes], results: Path, part: Iterable[Chosen], launches: list[dict[str, Any]]) -> None:
    cells, definitions = [], set()
    with zipfile.ZipFile(file, "w") as archive:
        for folder, names in part:
            place = folder.path.relative_to(results).as_posix()
            files = {}
            for name in names:
                path = folder.path / name
                content, modified_ns = path.read_bytes(), path.stat().st_mtime_ns
                if len(content) > MAX_FILE:
                    raise PackError(f"{path}: {len(content):,} bytes, too large for a pack")
                _add(archive, f"{place}/{name}", content)
                files[name] = PackedFile(
                    size=len(content), sha256=hashlib.sha256(content).hexdigest(), modified_ms=modified_ns // 1_000_000
                )
            cell = folder.cell()
            definitions.add(cell.definition_key)
            had = [name for name in NETWORKS if (folder.path / name).exists() or name in folder.left_out()]
            absent = [name for name in had if name not in files]
            cells.append(PackedCell(folder=place, key=cell.key, left_out=absent, files=files))
        own = [line for line in launches if definitions & _texts_in(line.get("definitions"))]
        manifest = Manifest(cells=cells, launches=own)
        _add(archive, MANIFEST, manifest.to_bytes())


def _texts_in(value: Any) -> set[str]:
    return {v for v in value if isinstance(v, str)} if isinstance(value, list) else set()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system, entry.external_attr = 3, _PLAIN_FILE  # the same on every system
    kind = zipfile.ZIP_LZMA if PurePosixPath(name).name in _LZMA else zipfile.ZIP_DEFLATED
    archive.writestr(entry, content, kind, 9)
