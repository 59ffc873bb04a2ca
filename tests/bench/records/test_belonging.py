"""Records count only for their own cell, in the folder that cell.json states; everything else is named and ignored."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.results import load
from bench.records.find import find_cells
from bench.records.folder import CellFolder
from bench.records.schema import Measured
from bench.records.seals import read_json, read_sealed, write_json, write_sealed
from bench.records.storage import CorruptRecord
from bench.run.plan import plan
from tests.bench.tracked_cells import done_cell, make_cell
from tests.builders import finished_cell

OWNER, OTHER = "ab" * 32, "cd" * 32


def test_a_sound_record_of_another_cell_is_refused(tmp_path: Path) -> None:
    sealed, plain = tmp_path / "record", tmp_path / "record.json"
    write_sealed(sealed, b"content", OWNER)
    write_json(plain, {"a": 1}, OWNER)
    assert read_sealed(sealed, OWNER) == b"content"
    assert read_json(plain, OWNER) == {"a": 1}
    for read in (read_sealed, read_json):
        path = sealed if read is read_sealed else plain
        with pytest.raises(CorruptRecord, match="a record of another cell, abababababab"):
            read(path, OTHER)
    write_sealed(sealed, b"content")
    write_json(plain, {"a": 1})
    for path, read in ((sealed, read_sealed), (plain, read_json)):
        with pytest.raises(CorruptRecord, match="a record of no cell"):
            read(path, OWNER)


def test_the_owner_in_a_seal_cannot_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "record"
    write_sealed(path, b"content", OWNER)
    path.write_bytes(path.read_bytes().replace(bytes.fromhex(OWNER), bytes.fromhex(OTHER)))
    with pytest.raises(CorruptRecord, match="checksum"):
        read_sealed(path, OTHER)


def test_every_file_of_another_cell_is_refused(tmp_path: Path) -> None:
    """Each file by itself, put into the folder of a cell that is sound without it."""
    cell, other = make_cell(0), make_cell(1)
    source = done_cell(tmp_path / "other", other)
    source.write_checkpoint(b"state")
    source.write_measures("digits", Measured(key="k", values={"measure/x": 0.5}))
    source.write_snapshot(1, source.traversals())
    source.write_probe(1, {"x": source.traversals()["c1"]})
    source.write_atlas({"codes": np.zeros(3, np.uint8)})
    source.write_tracking({"uri": "sqlite:///x", "run_id": "1", "status": "synced"})
    files = [path for path in sorted(source.path.iterdir()) if path.is_file()]
    assert len(files) == 11
    for file in files:
        folder = CellFolder.of(tmp_path / "own", cell)
        folder.write_identity(cell, {"git_commit": "0"}, {})
        shutil.copy(file, folder.path / file.name)
        reads: dict[str, Callable[[], object]] = {
            "atlas.npz": folder.atlas,
            "cell.json": folder.identity,
            "checkpoint.pt": lambda folder=folder: [c for _, c in folder.checkpoints() if isinstance(c, bytes)],
            "history.npz": folder.history,
            "measures.json": folder.measures,
            "probes.npz": folder.probes,
            "result.json": folder.result,
            "snapshots.npz": folder.snapshots,
            "tracking.json": folder.tracking,
            "traversals.npz": folder.traversals,
            "weights.safetensors": folder.weights,
        }
        try:
            assert not reads[file.name](), file.name
        except CorruptRecord as error:
            assert "a record of another cell" in str(error)  # noqa: PT017 - some give nothing, some say why
        shutil.rmtree(tmp_path / "own")


def test_another_arms_records_are_no_result_of_this_cell(tmp_path: Path) -> None:
    """All records except cell.json, which says whose they should be."""
    cell, other = make_cell(0), make_cell(1)
    folder, source = done_cell(tmp_path, cell), done_cell(tmp_path / "elsewhere", other)
    for file in source.path.iterdir():
        if file.is_file() and file.name != "cell.json":
            shutil.copy(file, folder.path / file.name)
    assert folder.state() == "partial"
    ((planned,), loaded) = plan(tmp_path, [cell], "sqlite:///none.db"), load(tmp_path)
    assert planned.to_train
    assert loaded.sweeps == []
    (line,) = loaded.damaged
    assert "history.npz: a record of another cell" in line


def test_copies_are_named_and_never_counted(tmp_path: Path) -> None:
    folder = finished_cell(tmp_path)
    seed = folder.path.parent
    shutil.copytree(seed, seed.with_name("seed-0.bak"))
    shutil.copytree(seed, seed.with_name("seed-7"))
    shutil.copytree(folder.path, folder.path.with_name("0123456789ab"))
    shutil.copytree(seed.parent, seed.parent.with_name("gan"))
    loaded = load(tmp_path)
    assert [run.cell.name for sweep in loaded.sweeps for run in sweep.runs] == ["infogan/seed-0"]
    assert loaded.kept_apart == []
    assert loaded.damaged == []
    assert len(loaded.strays) == 7  # four of them in gan/
    assert all("copied or moved: its cell belongs to cells/tiny/cpu/infogan/seed-0" in line for line in loaded.strays)


@pytest.mark.parametrize("num", [0, 1, 10, 29, 31])
def test_curves_of_another_length_are_no_finished_cells(tmp_path: Path, num: int) -> None:
    """A copy made while the cell trained: result.json exists, but the history is older."""
    folder = finished_cell(tmp_path)
    history = folder.history()
    assert history is not None
    values = np.concatenate([history.values, history.values])[:num]
    folder.write_history(replace(history, values=values))
    loaded = load(tmp_path)
    assert loaded.sweeps == []
    (line,) = loaded.damaged
    assert f"history.npz: holds {num} of 30 iterations" in line
    (planned,) = plan(tmp_path, [folder.cell()], "sqlite:///none.db")
    assert planned.to_train
    assert "will be trained again" in planned.detail


def test_an_identity_must_fit_its_own_keys(tmp_path: Path) -> None:
    folder = finished_cell(tmp_path)
    sound = folder.identity().as_json()
    for name, value in (
        ("key", "0" * 64),
        ("definition_key", "0" * 64),
        ("seed", 5),
        ("arm", "gan"),
        ("config", sound["config"] | {"seed": 5}),
        ("definition", sound["definition"] | {"device": "cuda"}),
    ):
        write_json(folder.path / "cell.json", sound | {name: value})
        loaded = load(tmp_path)
        assert loaded.sweeps == [], name
        assert len(loaded.damaged) == 1, name
    write_json(folder.path / "cell.json", sound | {"format": 1})
    assert "record format 1, this version reads 2" in load(tmp_path).damaged[0]


def test_links_are_seen_by_path_and_by_search_alike(tmp_path: Path) -> None:
    """Cells moved to a larger disk; a loop of links, and a link under another name, do no harm."""
    folder = finished_cell(tmp_path)
    cell, tiny = folder.cell(), tmp_path / "cells" / "tiny"
    disk = tmp_path / "another disk"
    shutil.move(tiny, disk)
    os.symlink(disk, tiny)
    os.symlink(tiny, tmp_path / "cells" / "again")
    os.symlink(tmp_path / "cells", disk / "loop")
    os.symlink("nowhere", disk / "dangling")
    (planned,) = plan(tmp_path, [cell], "sqlite:///none.db")
    found = find_cells(tmp_path)
    assert planned.state == "partial"  # no weights are there
    assert [f.cell() for f in found.folders] == [cell]
    assert {line.split(":")[0].split("/")[1] for line in found.strays} == {"again"}
    assert found.damaged == []


def test_a_result_is_asked_before_the_lease(tmp_path: Path) -> None:
    """The lease is of another machine, with a time in the future; the cell is finished all the same."""
    folder = finished_cell(tmp_path)
    lease = folder.path / "lease"
    lease.mkdir()
    (lease / "1").write_text('{"holder": "x", "machine": "another", "pid": 1, "started": "1", "beat": 0}')
    os.utime(lease / "1", (4e9, 4e9))
    assert folder.state() == "done"
    assert [run.state for run in load(tmp_path).sweeps[0].runs] == ["done"]
