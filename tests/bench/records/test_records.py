"""Storage and a cell's records: whole or not at all, damage is found, nothing is written without the lock."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.records.find import find_cells
from bench.records.folder import CellFolder
from bench.records.history import History
from bench.records.locks import LockLost
from bench.records.schema import Measured, Result
from bench.records.seals import read_json, read_sealed, write_json, write_sealed
from bench.records.storage import CorruptRecord, append_line, read_lines
from tests.builders import SHIPPED, planned
from tests.small_weights import small_weights

CELL = planned(SHIPPED, "mnist-mi", "smoke")[0]
HISTORY = History(("loss/discriminator", "mi/c1"), np.arange(8.0).reshape(4, 2), np.array([4]), np.array([12.5]))
WHOLE_HISTORY = History(HISTORY.names, np.ones((CELL.iterations, 2)), np.array([CELL.iterations]), np.array([12.5]))


@pytest.fixture
def folder(tmp_path: Path) -> CellFolder:
    folder = CellFolder.of(tmp_path, CELL)
    folder.write_identity(CELL, {"python": "3"}, {"source": "embedded"})
    return folder


@given(content=st.binary(max_size=300), position=st.integers(0, 400), flip=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_any_flipped_byte_or_cut_is_found(tmp_path_factory, content: bytes, position: int, flip: int) -> None:
    path = tmp_path_factory.mktemp("sealed") / "record"
    write_sealed(path, content)
    assert read_sealed(path) == content
    raw = bytearray(path.read_bytes())
    position %= len(raw)
    raw[position] ^= flip
    path.write_bytes(raw)
    with pytest.raises(CorruptRecord):
        read_sealed(path)
    raw[position] ^= flip
    path.write_bytes(raw[:position])
    with pytest.raises(CorruptRecord):
        read_sealed(path)


def test_json_records_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_json(path, {"a": [1, 2.5, None], "b": {"c": "text"}})
    assert read_json(path) == {"a": [1, 2.5, None], "b": {"c": "text"}}
    for damaged in (
        path.read_text().replace("2.5", "2.6"),
        path.read_text()[:-20],
        "[]",
        "null",
        "",
        "\x00",
        '{"a": 1}',
    ):
        path.write_text(damaged)
        with pytest.raises(CorruptRecord):
            read_json(path)


def test_a_failing_write_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record"
    write_sealed(path, b"old")

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_sealed(path, b"new")
    monkeypatch.undo()
    assert read_sealed(path) == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["record"]


def test_states_follow_the_records(folder: CellFolder, tmp_path: Path) -> None:
    assert CellFolder(tmp_path / "nowhere").state() == "missing"
    assert folder.state() == "partial"
    with folder.lock("process 1"):
        assert folder.state() == "running"
    folder.write_result(Result(status="failed", message="m"))
    assert folder.state() == "failed"
    folder.write_result(Result(status="done"))
    assert folder.state() == "done"
    result = folder.path / "result.json"
    result.write_text(result.read_text().replace("done", "dine"))
    assert folder.state() == "partial"  # never a wrong "done"


def test_a_cell_comes_back_as_it_was(folder: CellFolder, tmp_path: Path) -> None:
    assert [found.cell() for found in find_cells(tmp_path).folders] == [CELL]
    assert folder.history() is None
    folder.write_history(HISTORY)
    history = folder.history()
    assert history is not None
    assert history.names == HISTORY.names
    assert np.array_equal(history.values, HISTORY.values)
    assert history.column("mi/c1").tolist() == [1, 3, 5, 7]


def test_checkpoints_newest_first_and_damage_is_given_as_an_error(folder: CellFolder) -> None:
    assert list(folder.checkpoints()) == []
    for content in (b"one", b"two", b"three"):
        folder.write_checkpoint(content)
    assert list(folder.checkpoints()) == [("checkpoint.pt", b"three"), ("checkpoint.previous.pt", b"two")]
    current = folder.path / "checkpoint.pt"
    current.write_bytes(current.read_bytes()[:-3])
    names = [(name, type(content)) for name, content in folder.checkpoints()]
    assert names == [("checkpoint.pt", CorruptRecord), ("checkpoint.previous.pt", bytes)]
    current.unlink()  # killed between the two renames
    assert list(folder.checkpoints()) == [("checkpoint.previous.pt", b"two")]
    folder.remove_checkpoints()
    assert list(folder.checkpoints()) == []


def test_a_finished_cell_without_sound_curves_or_weights_is_damaged(folder: CellFolder) -> None:
    assert folder.end_damage() is None  # it has not ended
    folder.write_result(Result(status="done"))
    assert folder.end_damage(quick=True) == "history.npz: missing"
    folder.write_history(HISTORY)  # like a copy that was made during training
    assert folder.end_damage(quick=True) == f"history.npz: holds 4 of {CELL.iterations} iterations"
    folder.write_history(WHOLE_HISTORY)
    assert folder.end_damage(quick=True) == "weights.safetensors: missing"
    folder.write_weights(small_weights())
    assert folder.end_damage() is None
    path = folder.path / "weights.safetensors"
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    assert folder.end_damage(quick=True) is None  # only a full check finds a changed byte
    assert "weights.safetensors: checksum does not match" in str(folder.end_damage())
    path.write_bytes(sound[:-1])
    assert "cut off" in str(folder.end_damage(quick=True))
    folder.write_result(Result(status="failed"))
    assert folder.end_damage() is None  # a failed cell is trained again anyway


def test_nothing_of_a_checkpoint_stays(folder: CellFolder) -> None:
    for content in (b"one", b"two"):
        folder.write_checkpoint(content)
    (folder.path / ".checkpoint.incoming.pt.4711.4712").write_bytes(b"of a killed process")
    folder.write_weights(small_weights())
    folder.remove_checkpoints()
    assert sorted(path.name for path in folder.path.iterdir()) == ["cell.json", "weights.safetensors"]


def test_a_line_is_added_below_one_that_a_hand_left_open(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"a": 1}\n{"b": 2}')
    append_line(path, {"c": 3})
    assert read_lines(path) == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert path.read_bytes().endswith(b"\n")


def test_another_format_is_not_read_as_this_one(folder: CellFolder) -> None:
    identity = folder.identity().as_json()
    write_json(folder.path / "cell.json", identity | {"format": 999})
    with pytest.raises(CorruptRecord, match="record format 999"):
        folder.identity()


def test_nothing_is_written_once_the_cells_lock_is_lost(folder: CellFolder, tmp_path: Path) -> None:
    with folder.lock("process 1") as held:
        own = CellFolder.of(tmp_path, CELL, held)
        own.write_checkpoint(b"mine")
        (folder.path / "lease" / "2").write_bytes(b"another's")
        before = {path: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
        grids = {"c1": np.zeros((1, 1, 2, 2, 1), np.uint8)}
        writes: list[Callable[[], None]] = [
            lambda: own.write_checkpoint(b"late"),
            lambda: own.write_history(HISTORY),
            lambda: own.write_result(Result(status="done")),
            lambda: own.write_weights(small_weights(2.0)),
            lambda: own.write_traversals(grids),
            lambda: own.write_snapshot(1, grids),
            lambda: own.write_measures("digits", Measured()),
            lambda: own.write_identity(CELL, {}, {}),
            own.remove_result,
            own.remove_checkpoints,
        ]
        for write in writes:
            with pytest.raises(LockLost):
                write()
        assert {path: path.read_bytes() for path in folder.path.iterdir() if path.is_file()} == before
