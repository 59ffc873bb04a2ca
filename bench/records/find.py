"""Which folders under a results folder are cells: those that lie where their own record says, and nothing else."""

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
    """Cells in a fixed order, and what lies among them."""

    folders: list[CellFolder] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)  # a line for each copy or moved cell: it belongs elsewhere
    damaged: list[str] = field(default_factory=list)  # a line for each folder whose record does not read


def find_cells(results: Path) -> Found:
    """Every cell under a results folder. Symbolic links are followed, as by who asks for one cell by its path."""
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
            found.strays.append(f"{name}: a copy, or moved: its cell belongs to {cell.folder}")
    return found


def _with_record(path: Path, found: Found, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """Folders with a cell.json, those of a folder sorted by name; none below another, nor through a loop of links."""
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
