"""A pack may come from anybody: whatever is wrong with it is one line, and nothing is written."""

import hashlib
import io
import os
import stat
import struct
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import cli
from bench.records import pack_format
from bench.records.pack_format import PackError
from bench.records.packs import pack
from bench.records.seals import sealed_json, unsealed_json
from bench.records.unpacking import unpack
from tests.bench.tracked_cells import done_cell, make_cell

CELL, OWNER = make_cell().folder.as_posix(), make_cell().key
Entries = dict[str, bytes]
Change = Callable[[Entries], None]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("sound")
    done_cell(folder / "results", make_cell())
    return pack(folder / "results", folder / "cells.zip").files[0].read_bytes()


def entries(content: bytes) -> Entries:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(
    held: Entries | list[tuple[zipfile.ZipInfo | str, bytes]], compression: int = zipfile.ZIP_DEFLATED
) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in held.items() if isinstance(held, dict) else held:
            archive.writestr(name, data)
    return content.getvalue()


def refused(tmp_path: Path, content: bytes) -> str:
    """Returns the one line of the refusal; nothing may have been written."""
    file, results = tmp_path / "hostile.zip", tmp_path / "results"
    file.write_bytes(content)
    with pytest.raises(PackError) as refusal:
        unpack([file], results)
    assert str(refusal.value).isprintable()
    assert str(refusal.value).startswith(f"{file}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.zip"]
    return str(refusal.value)


def manifest_change(change: Callable[[dict[str, Any]], object]) -> Change:
    """Change the manifest, and seal it again."""

    def apply(held: Entries) -> None:
        value = unsealed_json("manifest.json", held["manifest.json"])
        change(value)
        held["manifest.json"] = sealed_json(value)

    return apply


def moved(folder: str) -> Change:
    """Rename the cell's folder, also in the manifest."""

    def apply(held: Entries) -> None:
        for name in [name for name in held if name.startswith(CELL)]:
            held[folder + name.removeprefix(CELL)] = held.pop(name)
        manifest_change(lambda m: m["cells"][0].update(folder=folder))(held)

    return apply


def renamed(old: str, new: str) -> Change:
    def apply(held: Entries) -> None:
        held[f"{CELL}/{new}"] = held.pop(f"{CELL}/{old}")
        manifest_change(lambda m: m["cells"][0]["files"].update({new: m["cells"][0]["files"].pop(old)}))(held)

    return apply


def swapped(name: str, content: bytes) -> Change:
    """Replace a file's content, and adapt its size and checksum in the manifest."""

    def apply(held: Entries) -> None:
        held[f"{CELL}/{name}"] = content
        found = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        manifest_change(lambda m: m["cells"][0]["files"][name].update(found))(held)

    return apply


CHANGES: dict[str, tuple[Change, str]] = {
    "absolute name": (moved("/etc/" + CELL), "is not the name of a cell's file"),
    "climbing name": (moved("cells/../../../" + CELL), "is not the name of a cell's file"),
    "name of another folder": (moved("artifacts/" + CELL.removeprefix("cells/")), "cells.0.folder"),
    "hidden folder": (moved(CELL.replace("toy", ".toy")), "cells.0.folder"),
    "another cell's folder": (moved(CELL.replace("seed-0", "seed-1")), "the cell does not belong to its folder"),
    "deeper folder": (moved("cells/a/b/" + CELL.removeprefix("cells/")), "cells.0.folder"),
    "a folder": (lambda held: held.update({"cells/": b""}), "is not the name of a cell's file"),
    "a file too many": (lambda held: held.update({f"{CELL}/more.npz": b"x"}), "only in the archive"),
    "a file too few": (lambda held: held.pop(f"{CELL}/history.npz") and None, "only in the manifest"),
    "no manifest": (lambda held: held.pop("manifest.json") and None, "not a pack of cells"),
    "a checkpoint": (renamed("traversals.npz", "checkpoint.pt"), "cells.0.files.checkpoint.pt"),
    "a lease": (renamed("traversals.npz", "lease"), "cells.0.files.lease"),
    "a mirror's record": (renamed("traversals.npz", "tracking.json"), "cells.0.files.tracking.json"),
    "a wrong sum": (
        manifest_change(lambda m: m["cells"][0]["files"]["history.npz"].update(sha256="0" * 64)),
        "history.npz: its checksum differs from the manifest's",
    ),
    "a record's own sum is wrong": (swapped("history.npz", b"x" * 100), "history.npz: checksum does not match"),
    "JSON's own sum is wrong": (
        swapped("result.json", b'{"status": "done", "sha256": "0"}'),
        "checksum does not match",
    ),
    "an unfinished cell": (swapped("result.json", sealed_json({"status": "partial"}, OWNER)), "not a finished cell"),
    "another cell's record": (swapped("result.json", sealed_json({"status": "done"})), "a record of no cell"),
    "no cell's identity": (swapped("cell.json", sealed_json({"format": 2})), "not a cell's identity"),
    "records of another format": (swapped("cell.json", sealed_json({"format": 9})), "record format 9"),
    "a changed manifest": (
        lambda held: held.update({"manifest.json": held["manifest.json"].replace(b'"size": ', b'"size": 1', 1)}),
        "manifest.json: checksum does not match",
    ),
    "another version": (manifest_change(lambda m: m.update(version=2)), "a pack of version 2, this program reads 1"),
    "another kind": (manifest_change(lambda m: m.update(kind="photographs")), "of another kind"),
    "an unknown key": (manifest_change(lambda m: m.update(install="setup.sh")), "manifest.json: install"),
    "no cells": (manifest_change(lambda m: m.update(cells=[])), "manifest.json: cells"),
    "a time beyond all": (
        manifest_change(lambda m: m["cells"][0]["files"]["cell.json"].update(modified_ms=10**30)),
        "files.cell.json.modified_ms",
    ),
    "the same cell twice": (manifest_change(lambda m: m["cells"].append(m["cells"][0])), "lists a cell twice"),
    "left out what is there": (
        manifest_change(lambda m: m["cells"][0].update(left_out=["../../other"])),
        "the manifest cannot leave out ../../other",
    ),
    "weights lacking": (
        manifest_change(lambda m: m["cells"][0].update(left_out=[])),
        "needs weights.safetensors, which is missing",
    ),
    "deep nesting": (lambda held: held.update({"manifest.json": b"[" * 100_000}), "manifest.json: not a record"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_inconsistent_pack_is_refused(name: str, sound: bytes, tmp_path: Path) -> None:
    change, message = CHANGES[name]
    held = entries(sound)
    change(held)
    assert message in refused(tmp_path, archive_of(held))


@pytest.mark.parametrize("kind", ["S_IFLNK", "S_IFCHR", "S_IFBLK", "S_IFIFO", "S_IFDIR"])
def test_links_and_devices_are_refused(kind: str, sound: bytes, tmp_path: Path) -> None:
    held = entries(sound)
    link = zipfile.ZipInfo(f"{CELL}/history.npz")
    link.external_attr = (getattr(stat, kind) | 0o777) << 16
    rest = [(name, data) for name, data in held.items() if name != link.filename]
    assert "is not a regular file" in refused(tmp_path, archive_of([(link, b"/etc/passwd"), *rest]))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_duplicate_name_is_refused(sound: bytes, tmp_path: Path) -> None:
    held = list(entries(sound).items())
    assert "occurs twice" in refused(tmp_path, archive_of([*held, held[0]]))


def test_bombs_are_refused_before_they_unfold(sound: bytes, tmp_path: Path, monkeypatch: Any) -> None:
    held = entries(sound)
    bomb = archive_of(held | {f"{CELL}/traversals.npz": bytes(30_000_000)})
    assert len(bomb) < 200_000
    assert "suspiciously large for a pack of cells" in refused(tmp_path, bomb)
    monkeypatch.setattr(pack_format, "MAX_ENTRIES", 4)
    assert "entries, more than 4" in refused(tmp_path, sound)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_bomb_that_hides_its_size_unfolds_no_further_than_it_says(
    compression: int, sound: bytes, tmp_path: Path
) -> None:
    """Header, directory and manifest say 100 bytes; the compressed data hold 200 MB."""
    length = 200_000_000
    held, name = entries(sound), f"{CELL}/traversals.npz"
    manifest_change(lambda m: m["cells"][0]["files"]["traversals.npz"].update(size=100))(held)
    content = bytearray(archive_of(held | {name: bytes(length)}, compression))
    size = struct.pack("<I", length)
    assert content.count(size) == 2
    content = content.replace(size, struct.pack("<I", 100))
    before = os.times().user
    tracemalloc.start()
    assert "traversals.npz: " in refused(tmp_path, bytes(content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000_000
    assert os.times().user - before < 5


def test_other_compressions_and_encryption_are_refused(sound: bytes, tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_BZIP2) as archive:
        for name, data in entries(sound).items():
            archive.writestr(name, data)
    assert "compression 12" in refused(tmp_path, content.getvalue())
    encrypted = bytearray(sound)
    for mark, offset in (b"PK\x03\x04", 6), (b"PK\x01\x02", 8):
        start = encrypted.find(mark)
        while start >= 0:
            encrypted[start + offset] |= 1
            start = encrypted.find(mark, start + 4)
    assert "encrypted" in refused(tmp_path, bytes(encrypted))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_pack_that_was_cut_off_is_refused(share: float, sound: bytes, tmp_path: Path) -> None:
    refused(tmp_path, sound[: int(len(sound) * share)])


def test_a_file_that_is_not_a_pack_is_refused(tmp_path: Path) -> None:
    assert "not a zip file" in refused(tmp_path, b"a letter from home")
    assert "not a pack of cells" in refused(tmp_path, archive_of({"holiday.jpg": b"x"}))
    with pytest.raises(PackError, match="does not exist"):
        unpack([tmp_path / "nothing.zip"], tmp_path / "results")
    for path in (tmp_path, Path(os.devnull)):
        with pytest.raises(PackError, match=r": not a file$"):
            unpack([path], tmp_path / "results")


def test_one_bad_pack_among_good_ones_blocks_all(sound: bytes, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.zip", tmp_path / "bad.zip"
    good.write_bytes(sound)
    bad.write_bytes(sound[:-1])
    with pytest.raises(PackError, match=r"bad\.zip"):
        unpack([good, bad], tmp_path / "results")
    assert not (tmp_path / "results").exists()


COMMANDS: dict[str, tuple[list[str], str]] = {
    "a pack that is none": (["unpack", "LETTER", "--results", "RESULTS"], "not a zip file"),
    "a pack that is not there": (["unpack", "NOWHERE.zip", "--results", "RESULTS"], "does not exist"),
    "results that are a file": (["unpack", "SOUND", "--results", "LETTER"], "is not a folder"),
    "nothing to pack": (["pack", "RESULTS", "--to", "OUT"], "holds no cells"),
    "a folder to write to": (["pack", "PACKED", "--to", "PACKED"], "is a folder"),
    "too small a size": (["pack", "PACKED", "--to", "OUT", "--max-mb", "0"], "--max-mb"),
    "what is there already": (["pack", "PACKED", "--to", "LETTER"], "exists already"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_mistake_is_one_line_and_exit_code_2(
    name: str, sound: bytes, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    (tmp_path / "LETTER").write_text("a letter from home")
    (tmp_path / "SOUND").write_bytes(sound)
    unpack([tmp_path / "SOUND"], tmp_path / "PACKED")
    before = sorted(tmp_path.rglob("*"))
    arguments, message = COMMANDS[name]
    monkeypatch.setattr(sys, "argv", ["bench", *(str(tmp_path / a) if a.isupper() else a for a in arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = capsys.readouterr()
    assert (stop.value.code, said.out) == (2, "")
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert message in said.err
    assert sorted(tmp_path.rglob("*")) == before
