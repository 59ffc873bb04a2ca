"""Find the cells in a results folder: folders that are at the place given by their own record."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.records.folder import CellFolder
from bench.records.storage import CorruptRecord, in_words
from infogan.data.base import one_line

MAX_DEPTH = 8  # below cells/: experiment, profile, variant, arm, seed and key are 6


@dataclass
class Found:
    """Cells in a fixed order, and other folders with records."""

    folders: list[CellFolder] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)  # a line for each copied or moved cell
    damaged: list[str] = field(default_factory=list)  # a line for each folder whose record is unreadable


def find_cells(results: Path) -> Found:
    """Find all cells below a results folder, following symbolic links, as access by a cell's path does."""
    found = Found()
    for path in _with_record(results / "cells", found, ()):
        folder, name = CellFolder(path), one_line(path.relative_to(results).as_posix())
        try:
            cell = folder.cell()
        except (CorruptRecord, OSError) as error:
            found.damaged.append(f"{name}: {in_words(error)}")
            continue
        if path.relative_to(results).parts == cell.folder.parts:
            found.folders.append(folder)
        else:
            found.strays.append(f"{name}: copied or moved: its cell belongs to {cell.folder}")
    return found


def _with_record(path: Path, found: Found, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """Folders with a cell.json, sorted by name; none inside another, and no endless loops of links."""
    try:
        status = path.stat()
        names = sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        found.damaged.append(in_words(error))
        return
    here = status.st_dev, status.st_ino
    if here in above or len(above) > MAX_DEPTH:
        return
    if "cell.json" in names:
        yield path
        return
    for name in names:
        yield from _with_record(path / name, found, (*above, here))
