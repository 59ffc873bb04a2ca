"""Archives of arrays that grow: their earlier content stays the same, byte for byte."""

import zlib

import numpy as np
import pytest

from infogan.data.npz import NpzError, extended_npz, read_npz

FIRST, SECOND = {"a": np.arange(12.0).reshape(3, 4)}, {"b/c": np.zeros((2, 0), np.uint8), "d": np.array(3, np.int64)}


def test_an_archive_grows_without_compressing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    compressed = 0
    compressobj = zlib.compressobj

    def counted(*arguments, **options):
        nonlocal compressed
        compressed += 1
        return compressobj(*arguments, **options)

    monkeypatch.setattr("zipfile.zlib.compressobj", counted)
    content = extended_npz(b"", FIRST)
    assert compressed == 1
    both = extended_npz(content, SECOND)
    assert compressed == 3
    found = read_npz(both)
    assert found.keys() == {"a", "b/c", "d"}
    for name, array in (FIRST | SECOND).items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


def test_a_name_that_is_there_is_replaced() -> None:
    content = extended_npz(extended_npz(b"", FIRST | SECOND), {"a": np.ones(2)})
    assert read_npz(content).keys() == {"a", "b/c", "d"}
    assert read_npz(content)["a"].tolist() == [1, 1]


@pytest.mark.parametrize("content", [b"no archive", extended_npz(b"", FIRST)[:-30]])
def test_a_damaged_archive_does_not_grow(content: bytes) -> None:
    with pytest.raises(NpzError):
        extended_npz(content, SECOND)
