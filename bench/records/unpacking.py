"""Add the cells of packs to a results folder. All packs are read and verified before anything is written."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.records.arrays import ATLAS
from bench.records.folder import LAUNCHES, LEFT_OUT, CellFolder
from bench.records.locks import results_lock
from bench.records.pack_format import Pack, PackedCell, PackedFile, PackError
from bench.records.seals import write_json
from bench.records.storage import append_line, read_lines, sync_folder, write_atomic

STAGING = ".unpacking"  # in the results folder, during unpacking


@dataclass
class Unpacked:
    """Names of cells by what was done with them, ``experiment/profile/[variant/]arm/seed-k``; each occurs once."""

    added: list[str] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)  # existed, but lacked files that the pack has
    skipped: list[str] = field(default_factory=list)  # existed with the same bits
    without_weights: int = 0  # number of cells without weights afterwards


def unpack(packs: Sequence[Path], results: Path, *, before_writing: Callable[[], None] = lambda: None) -> Unpacked:
    """Add all new cells; files of existing cells must have the same bits.

    Raises PackError before anything is written, if a pack is invalid or a cell exists, in the results or in an earlier
    pack, with other bits. Only an atlas may differ, because its bits depend on the libraries; the existing one is kept.
    Raises Locked while a run uses the results. ``before_writing`` is called once before the first write, and may raise.
    """
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(Pack(path)) for path in packs]
        _compare_packs(opened)
        for pack in opened:
            pack.check()
        for pack in opened:
            for cell in pack.cells:
                _compare_folder(pack, cell, results / cell.folder)
        before_writing()
        results.mkdir(parents=True, exist_ok=True)
        with results_lock(results):
            return _add_all(opened, results)


def _compare_packs(packs: list[Pack]) -> None:
    """Raise PackError if two packs contain the same file of a cell with different bits."""
    seen: dict[tuple[str, str], tuple[Pack, PackedFile]] = {}
    for pack in packs:
        for cell in pack.cells:
            for name, file in cell.files.items():
                other, held = seen.setdefault((cell.folder, name), (pack, file))
                if held.sha256 != file.sha256 and name != ATLAS:
                    raise PackError(f"{cell.name}: {name} in {pack.path} differs from that in {other.path}")


def _compare_folder(pack: Pack, cell: PackedCell, folder: Path) -> None:
    """Raise PackError if the results contain the cell with different bits."""
    for name, file in cell.files.items():
        if name == ATLAS:
            continue
        with contextlib.suppress(FileNotFoundError):
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != file.sha256:
                raise PackError(f"{cell.name}: {name} in {pack.path} differs from that in {folder}; nothing was added")


def _add_all(packs: list[Pack], results: Path) -> Unpacked:
    staging = results / STAGING
    shutil.rmtree(staging, ignore_errors=True)  # left by a killed process
    names: dict[str, str] = {}  # by folder
    done: dict[str, str] = {}
    try:
        for pack in packs:
            for cell in pack.cells:
                what = _add(pack, cell, results, staging)
                names[cell.folder] = cell.name
                if done.get(cell.folder, "skipped") == "skipped":  # what an earlier pack added, this one cannot find
                    done[cell.folder] = what
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    for pack in packs:
        _add_launches(pack.manifest.launches, results)
    unpacked = Unpacked(without_weights=sum(CellFolder(results / folder).lacks_weights() for folder in done))
    for folder, what in done.items():
        getattr(unpacked, what).append(names[folder])
    return unpacked


def _add(pack: Pack, cell: PackedCell, results: Path, staging: Path) -> str:
    """Add a cell: a new one appears complete, by one rename; an existing one only gets its missing files."""
    folder = results / cell.folder
    is_new = not folder.exists()
    missing = [name for name in cell.files if not (folder / name).exists()]
    if not missing:
        return "skipped"
    destination = staging / cell.key if is_new else folder
    for name, content in pack.files(cell):
        if name in missing:
            write_atomic(destination / name, content)
            modified_ns = cell.files[name].modified_ms * 1_000_000
            os.utime(destination / name, ns=(modified_ns, modified_ns))
    absent = [name for name in cell.left_out if not (folder / name).exists()]
    if absent:
        write_json(destination / LEFT_OUT, {"files": absent}, cell.key)
    if is_new:
        folder.parent.mkdir(parents=True, exist_ok=True)
        destination.rename(folder)
        sync_folder(folder.parent)
    return "added" if is_new else "completed"


def _add_launches(launches: list[dict[str, Any]], results: Path) -> None:
    """Append the launches that the results do not have yet."""
    path = results / LAUNCHES
    known = {json.dumps(line, sort_keys=True) for line in read_lines(path)}
    for line in launches:
        if json.dumps(line, sort_keys=True) not in known:
            append_line(path, line)
