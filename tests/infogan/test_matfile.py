"""The reader of MATLAB files against scipy's writer, and against files with damaged bytes."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from infogan.data.matfile import MatError, read_arrays

TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
LIMIT = 10_000


@pytest.mark.parametrize("compressed", [False, True])
def test_all_types_and_shapes_come_back(tmp_path: Path, compressed: bool) -> None:
    rng = np.random.default_rng(0)
    written = {f"array_{name}": rng.integers(0, 100, (3, 4, 5)).astype(name) for name in TYPES}
    written |= {"X": np.arange(6, dtype=np.uint8).reshape(2, 3), "y": np.array([[7]], np.int16), "z": np.zeros((0, 2))}
    savemat(tmp_path / "file.mat", written, do_compression=compressed)
    read = read_arrays(tmp_path / "file.mat", LIMIT)
    assert read.keys() == written.keys()
    for name, array in written.items():
        assert read[name].dtype == array.dtype
        assert np.array_equal(read[name], array)


def test_other_variables_are_ignored(tmp_path: Path) -> None:
    others = {"text": "abc", "cells": np.array([1, "a"], object), "structure": {"a": 1}, "waves": np.array([[1 + 2j]])}
    savemat(tmp_path / "file.mat", {**others, "kept": np.array([[1.5]])})
    read = read_arrays(tmp_path / "file.mat", LIMIT)
    assert {name: array.tolist() for name, array in read.items()} == {"kept": [[1.5]]}


def test_a_compressed_array_may_not_grow_without_bound(tmp_path: Path) -> None:
    savemat(tmp_path / "file.mat", {"X": np.zeros(10 * LIMIT, np.uint8)}, do_compression=True)
    assert (tmp_path / "file.mat").stat().st_size < LIMIT
    with pytest.raises(MatError, match="holds more than 10,000 bytes in one array"):
        read_arrays(tmp_path / "file.mat", LIMIT)


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_bytes_give_an_error_or_an_array_of_another_value(tmp_path: Path, compressed: bool) -> None:
    """Including bytes of a type code, for which scipy's reader crashes the process."""
    file = tmp_path / "file.mat"
    savemat(file, {"X": np.arange(64, dtype=np.uint8).reshape(4, 4, 4), "y": np.eye(2)}, do_compression=compressed)
    content = file.read_bytes()
    rng = np.random.default_rng(0)
    messages = []
    for position in range(124, len(content)):
        changed = bytearray(content)
        changed[position] ^= int(rng.integers(1, 256))
        for damaged in (changed, content[:position]):
            file.write_bytes(damaged)
            try:
                read_arrays(file, LIMIT)
            except MatError as error:
                messages.append(str(error))
    assert len(messages) > len(content) - 124
    assert not any("\n" in message for message in messages)


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0", bytes(200), b"\x89HDF" + bytes(200)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.mat").write_bytes(content)
    with pytest.raises(MatError, match="not a MATLAB 5 file"):
        read_arrays(tmp_path / "file.mat", LIMIT)
