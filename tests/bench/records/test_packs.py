"""Cells travel as archives: the same bits arrive, nothing is overwritten, and a cell without weights counts as done."""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.commands import packs as commands
from bench.records.find import find_cells
from bench.records.folder import LAUNCHES, CellFolder
from bench.records.locks import Lock, Locked
from bench.records.pack_format import PackError
from bench.records.packs import pack
from bench.records.schema import Measured, Result
from bench.records.storage import append_line, read_lines
from bench.records.unpacking import unpack
from bench.run import plan as grid
from tests.bench.tracked_cells import begin, done_cell, make_cell

NEVER_TRAVEL = {"tracking.json", "lease", "checkpoint.pt"}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results with two finished cells, a diverged one, a failed one and an unfinished one, and records of launches."""
    results = tmp_path / "there"
    for seed in (0, 1):
        folder = done_cell(results, make_cell(seed))
        folder.write_snapshot(30, {"c1": np.zeros((2, 3, 28, 28, 1), np.uint8)})
        folder.write_probe(10, {"samples": np.ones((5, 7), np.float32)})
        folder.write_measures("digits", Measured(key="k", values={"digit_error": 0.25}, seconds=1.0))
        folder.write_atlas({"codes": np.arange(9, dtype=np.uint8)})
        folder.write_tracking({"uri": "sqlite:///elsewhere.db", "status": "synced"})
    diverged = begin(results, make_cell(2), 10)
    diverged.write_result(Result(status="failed", error="NonFiniteLoss", message="loss/generator is nan"))
    begin(results, make_cell(3), 10).write_result(Result(status="failed", error="OSError", message="disk full"))
    begin(results, make_cell(4), 10)
    for definition in (make_cell().definition_key, "another"):
        append_line(results / LAUNCHES, {"definitions": [definition], "train_s": 2.0, "launcher_cpu_s": 0.1})
    return results


def contents(results: Path) -> dict[str, bytes]:
    files = [path for path in results.rglob("*") if path.is_file() and path.name != "left_out.json"]
    return {p.relative_to(results).as_posix(): p.read_bytes() for p in files if "run.lease" not in p.parts}


def test_finished_cells_come_back_to_the_last_bit(results: Path, tmp_path: Path) -> None:
    packed = pack(results, tmp_path / "cells.zip")
    assert packed.files == [tmp_path / "cells.zip"]
    assert packed.cells == [f"toy/smoke/infogan/seed-{seed}" for seed in (0, 1, 2)]
    assert packed.left_out == ["toy/smoke/infogan/seed-3: failed", "toy/smoke/infogan/seed-4: partial"]
    here = tmp_path / "here"
    unpacked = unpack(packed.files, here)
    assert (unpacked.added, unpacked.skipped, unpacked.without_weights) == (packed.cells, [], 2)
    before, after = contents(results), contents(here)
    travelling = {name for name in before if "seed-3" not in name and "seed-4" not in name and "cells/" in name}
    travelling -= {
        name for name in travelling if Path(name).name in {"weights.safetensors", "probes.npz", "tracking.json"}
    }
    assert after.keys() == travelling | {LAUNCHES}
    assert {name: after[name] for name in travelling} == {name: before[name] for name in travelling}
    assert [line["definitions"] for line in read_lines(here / LAUNCHES)] == [[make_cell().definition_key]]
    old, new = find_cells(results).folders[0].path / "cell.json", find_cells(here).folders[0].path / "cell.json"
    assert new.stat().st_mtime_ns // 1_000_000 == old.stat().st_mtime_ns // 1_000_000  # the mirror shows these times
    assert not (here / ".unpacking").exists()


def test_the_same_cells_make_the_same_archive_wherever_they_lie(results: Path, tmp_path: Path) -> None:
    first = pack(results, tmp_path / "a.zip").files[0].read_bytes()
    assert pack(results, tmp_path / "b.zip").files[0].read_bytes() == first
    unpack([tmp_path / "a.zip"], tmp_path / "here")
    assert pack(tmp_path / "here", tmp_path / "c.zip").files[0].read_bytes() == first


def test_a_packed_cell_is_done_and_only_measuring_anew_misses_its_weights(results: Path, tmp_path: Path) -> None:
    here, cell = tmp_path / "here", replace(make_cell(0), measures=("digits",))
    assert grid.plan(results, [cell], "sqlite:///none.db")[0].state == "unmeasured"  # its measures are of other code
    unpack(pack(results, tmp_path / "cells.zip").files, here)
    (item,) = grid.plan(here, [cell], "sqlite:///none.db")
    assert (item.state, item.to_run) == ("unsynced", False)
    assert item.detail == "came without weights: digits not measured again"
    folder = CellFolder.of(here, cell)
    assert folder.end_damage() is None
    assert folder.unmeasured(cell) == []
    assert folder.probes() == {}
    (folder.path / "history.npz").unlink()  # a damaged cell from a pack is trained again, like any other
    assert grid.plan(here, [cell], "sqlite:///none.db")[0].state == "partial"


def test_weights_follow_later(results: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    unpack(pack(results, tmp_path / "cells.zip").files, here)
    unpacked = unpack(pack(results, tmp_path / "all.zip", weights=True).files, here)
    assert len(unpacked.completed) == 2
    assert unpacked.without_weights == 0
    folder, cell = CellFolder.of(here, make_cell(0)), replace(make_cell(0), measures=("digits",))
    assert folder.weights() == CellFolder.of(results, cell).weights()
    assert folder.probes().keys() == {"000010-samples"}
    assert folder.unmeasured(cell) == ["digits"]
    assert len(unpack([tmp_path / "cells.zip"], here).skipped) == 3
    assert CellFolder.of(results, cell).left_out() == []


def test_a_cell_that_is_there_is_never_overwritten(results: Path, tmp_path: Path) -> None:
    pack(results, tmp_path / "cells.zip")
    assert len(unpack([tmp_path / "cells.zip"], results).skipped) == 3
    assert not list(results.rglob("left_out.json"))
    other = tmp_path / "other"
    done_cell(other, make_cell(1), learns=False)
    before = contents(other)
    with pytest.raises(PackError) as refusal:
        unpack([tmp_path / "cells.zip"], other)
    assert str(tmp_path / "cells.zip") in str(refusal.value)
    assert str(CellFolder.of(other, make_cell(1)).path) in str(refusal.value)
    assert contents(other) == before  # seed 0, which does not differ, was not added either
    pack(other, tmp_path / "other.zip")
    with pytest.raises(PackError, match=r"in .*other\.zip differs from that in .*cells\.zip"):
        unpack([tmp_path / "cells.zip", tmp_path / "other.zip"], tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_several_packs_meet_in_one_folder(results: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    for seed in (1, 5):
        source = CellFolder.of(results, make_cell(1)) if seed == 1 else done_cell(second, make_cell(5))
        if seed == 1:
            shutil.copytree(source.path, second / make_cell(1).folder)
    files = pack(results, tmp_path / "a.zip").files + pack(second, tmp_path / "b.zip").files
    unpacked = unpack(files, tmp_path / "here")
    assert sorted(unpacked.added) == [f"toy/smoke/infogan/seed-{seed}" for seed in (0, 1, 2, 5)]
    assert unpacked.skipped == []  # seed 1 is in both packs, and one of them added it


def test_a_cell_is_counted_once_however_many_packs_hold_it(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only = make_cell(1).key
    (light,) = pack(results, tmp_path / "light.zip", wanted=lambda cell: cell.key == only).files
    (whole,) = pack(results, tmp_path / "whole.zip", wanted=lambda cell: cell.key == only, weights=True).files
    here = tmp_path / "here"
    for files, told in (
        ([light, light], "1 cell added, 0 existed already;"),
        ([light, light], "0 cells added, 1 existed already;"),
        ([light, whole, light], "0 cells added, 0 existed already, 1 completed;"),
    ):
        commands.unpack(files, here)
        said = " ".join(capsys.readouterr().out.split())
        assert told in said
        lacks = "1 cell has no weights: it is finished, but cannot be measured again"
        assert (lacks in said) == (whole not in files)


def test_parts_of_a_size_split_between_cells(results: Path, tmp_path: Path) -> None:
    whole = pack(results, tmp_path / "whole.zip").files[0].stat().st_size
    most = whole - 100
    packed = pack(results, tmp_path / "cells.zip", max_bytes=most)
    assert [path.name for path in packed.files] == ["cells-1.zip", "cells-2.zip"]
    assert all(path.stat().st_size <= most for path in packed.files)
    assert len(unpack(packed.files, tmp_path / "here").added) == 3
    with pytest.raises(PackError, match=r"cells-1\.zip exists already"):
        pack(results, tmp_path / "cells.zip")
    again = pack(results, tmp_path / "cells.zip", replace=True)
    assert sorted(tmp_path.glob("cells*.zip")) == again.files == [tmp_path / "cells.zip"]
    (tmp_path / "cells-3.zip").write_bytes(b"somebody's own")
    with pytest.raises(PackError, match=r"cells-3\.zip"):
        pack(results, tmp_path / "cells.zip", replace=True)
    with pytest.raises(PackError, match="seed-0 alone takes"):
        pack(results, tmp_path / "small.zip", max_bytes=500)
    assert not list(tmp_path.glob("small*"))


def test_damaged_and_misplaced_cells_stay_behind_and_are_named(results: Path, tmp_path: Path) -> None:
    (CellFolder.of(results, make_cell(0)).path / "weights.safetensors").unlink()
    misplaced = results / "cells" / "toy" / "smoke" / "gan" / "seed-1" / make_cell(1).key[:12]
    shutil.copytree(CellFolder.of(results, make_cell(1)).path, misplaced)
    packed = pack(results, tmp_path / "cells.zip")
    assert "toy/smoke/gan/seed-1" in packed.left_out[0]
    assert "copied or moved" in packed.left_out[0]
    assert packed.left_out[1] == "toy/smoke/infogan/seed-0: weights.safetensors: missing"
    with pytest.raises(PackError, match="no finished cell"):
        pack(tmp_path / "here", tmp_path / "none.zip")


def test_foreign_and_damaged_files_of_a_cell_stay_behind_and_are_named(results: Path, tmp_path: Path) -> None:
    """A file of the user's beside the records, an empty one, and records with a bit changed: the pack still opens."""
    folder = CellFolder.of(results, make_cell(0))
    for name, content in (("My notes.npz", b"mine"), ("extra.npz", b""), ("mine.npz", b"PK unsealed")):
        (folder.path / name).write_bytes(content)
    (folder.path / "folder.npz").mkdir()
    for name in ("measures.json", "snapshots.npz", "weights.safetensors"):
        content = bytearray((folder.path / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder.path / name).write_bytes(content)
    packed = pack(results, tmp_path / "cells.zip", weights=True)
    cell = "toy/smoke/infogan/seed-0"
    told = [line for line in packed.left_out if line.startswith(cell)]
    assert told[0] == f"{cell}/My notes.npz: not a file of a cell"
    assert told[1] == f"{cell}/extra.npz: checksum does not match, 0 bytes"
    assert told[2] == f"{cell}/folder.npz: not a file of a cell"
    unsound = ("measures.json", "mine.npz", "snapshots.npz", "weights.safetensors")
    assert [line.split(": ")[0] for line in told[3:]] == [f"{cell}/{name}" for name in unsound]
    here = tmp_path / "here"
    unpacked = unpack(packed.files, here)
    assert (unpacked.added, unpacked.without_weights) == (packed.cells, 1)
    assert not {"My notes.npz", *unsound} & {path.name for path in CellFolder.of(here, make_cell(0)).path.iterdir()}


def test_nothing_comes_in_while_a_run_uses_the_results(results: Path, tmp_path: Path) -> None:
    pack(results, tmp_path / "cells.zip")
    with Lock(tmp_path / "here" / "run.lease", "a sweep"), pytest.raises(Locked):
        unpack([tmp_path / "cells.zip"], tmp_path / "here")
    assert not (tmp_path / "here" / "cells").exists()


def test_a_killed_unpacking_is_completed_by_the_next(results: Path, tmp_path: Path, monkeypatch: Any) -> None:
    pack(results, tmp_path / "cells.zip")
    here, renamed = tmp_path / "here", []
    sound = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if renamed:
            raise KeyboardInterrupt
        renamed.append(target)
        return sound(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        with pytest.raises(KeyboardInterrupt):
            unpack([tmp_path / "cells.zip"], here)
    assert [folder.end_damage() for folder in find_cells(here).folders] == [None]  # each cell whole, or not there
    unpacked = unpack([tmp_path / "cells.zip"], here)
    assert (len(unpacked.added), len(unpacked.skipped)) == (2, 1)


def test_a_pack_opens_with_any_zip_tool(results: Path, tmp_path: Path) -> None:
    pack(results, tmp_path / "cells.zip", pictures=False)
    with zipfile.ZipFile(tmp_path / "cells.zip") as archive:
        assert archive.testzip() is None
        names = {Path(name).name for name in archive.namelist()}
    assert names == {"manifest.json", "cell.json", "history.npz", "measures.json", "result.json"}
    assert not names & NEVER_TRAVEL


def test_an_atlas_that_was_drawn_elsewhere_refuses_no_pack(results: Path, tmp_path: Path) -> None:
    """Other libraries draw it with other bits; everything else in the cell is the same."""
    pack(results, tmp_path / "cells.zip", weights=True)
    here = tmp_path / "here"
    unpack([tmp_path / "cells.zip"], here)
    folder = CellFolder.of(here, make_cell(0))
    assert folder.atlas()["codes"].tolist() == list(range(9))
    folder.write_atlas({"codes": np.zeros(2, np.uint8)})
    pack(here, tmp_path / "other.zip")
    assert unpack([tmp_path / "cells.zip", tmp_path / "other.zip"], here).added == []
    assert folder.atlas()["codes"].tolist() == [0, 0]  # what is there stays
    (folder.path / "atlas.npz").unlink()
    assert unpack([tmp_path / "cells.zip"], here).completed == ["toy/smoke/infogan/seed-0"]
    assert folder.atlas()["codes"].tolist() == list(range(9))
