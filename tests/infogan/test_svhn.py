"""SVHN's sources: small files in the real layout, written with scipy; what can be wrong with them; the default."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from infogan import data
from infogan.data import DataError, downloads, svhn

SIZES = {"train": 12, "test": 5}


def write_mat(folder: Path, split: str, **changes: object) -> dict[str, np.ndarray]:
    """Write SVHN's layout: X (32, 32, 3, N) uint8 and y (N, 1) uint8, with 0 written as 10."""
    rng = np.random.default_rng(SIZES[split])
    num = SIZES[split]
    arrays = {
        "X": rng.integers(0, 256, (32, 32, 3, num), dtype=np.uint8),
        "y": (np.arange(num, dtype=np.uint8) % 10 + 1)[:, None],
    }
    arrays = {name: array for name, array in {**arrays, **changes}.items() if array is not None}
    folder.mkdir(parents=True, exist_ok=True)
    savemat(folder / f"{split}_32x32.mat", arrays, do_compression=True)
    return arrays


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split in SIZES:
        write_mat(tmp_path, split)
    return tmp_path


@pytest.mark.parametrize("below", ["", "svhn"])
def test_layout_is_read_from_the_folder_and_below_it(tmp_path: Path, below: str) -> None:
    written = {split: write_mat(tmp_path / below, split) for split in SIZES}
    dataset = data.load("svhn", "auto", tmp_path)
    assert dataset.info.source == "torchvision"
    assert not dataset.info.is_papers
    assert "12 training and 5 test" in dataset.info.note
    assert dataset.train.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]
    for part, split in ((dataset.train, "train"), (dataset.test, "test")):
        assert part.images.shape == (SIZES[split], 3, 32, 32)
        assert part.images.dtype == np.uint8
        assert part.labels.dtype == np.int64
        image_HWC = written[split]["X"][:, :, :, 2]
        assert np.array_equal(part.images[2], np.moveaxis(image_HWC, 2, 0))
        assert part.images[2, 1, 30, 7] == written[split]["X"][30, 7, 1, 2]
    assert sorted(p.name for p in tmp_path.rglob("*.*")) == ["test_32x32.mat", "train_32x32.mat"]


def test_labels_may_be_doubles_in_a_row(folder: Path) -> None:
    write_mat(folder, "test", y=np.array([[10.0, 1.0, 9.0, 10.0, 3.0]]))
    assert data.load("svhn", "torchvision", folder).test.labels.tolist() == [0, 1, 9, 0, 3]


def test_description_comes_from_a_sidecar_until_a_file_changes(folder: Path, monkeypatch) -> None:
    expected = data.load("svhn", "auto", folder).info
    calls = []
    original = svhn._read_mat
    monkeypatch.setattr(svhn, "_read_mat", lambda file: calls.append(file) or original(file))
    assert data.describe("svhn", "auto", folder) == expected
    assert data.prepare("svhn", "auto", folder) == expected
    assert not calls
    write_mat(folder, "test", y=np.full((5, 1), 4, np.uint8))
    assert data.describe("svhn", "auto", folder).digest != expected.digest
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": np.zeros((28, 28, 3, 5), np.uint8)}, r"X is uint8 \(28, 28, 3, 5\), expected uint8 \(32, 32, 3, N\)"),
        ({"X": np.zeros((32, 32, 5), np.uint8)}, r"X is uint8 \(32, 32, 5\)"),
        ({"X": np.zeros((32, 32, 3, 5))}, r"X is float64 \(32, 32, 3, 5\)"),
        ({"X": np.zeros((32, 32, 3, 101), np.uint8)}, "holds more than 307,200 bytes in one array"),
        ({"X": None}, "no numeric array X"),
        ({"X": np.zeros((32, 32, 3, 5), np.complex64)}, "no numeric array X"),
        ({"y": np.ones((4, 1), np.uint8)}, "4 labels y for 5 images X"),
        ({"y": np.array([["a", "b", "c", "d", "e"]], object)}, "no numeric array y"),
        ({"y": None}, "no numeric array y"),
        ({"y": np.array([[1], [2], [0], [3], [4]], np.uint8)}, "labels run from 0 to 4, expected whole"),
        ({"y": np.array([[1], [2], [11], [3], [4]], np.uint8)}, "labels run from 1 to 11"),
        ({"y": np.array([[1, 2, np.nan, 3, 4]])}, "labels run from nan"),
        ({"y": np.array([[1, 2, 2.5, 3, 4]])}, "expected whole numbers"),
    ],
)
def test_wrong_arrays_are_named(folder: Path, monkeypatch, changes: dict, message: str) -> None:
    monkeypatch.setattr(svhn, "MAX_IMAGES", 100)
    write_mat(folder, "test", **changes)
    with pytest.raises(DataError, match=message) as caught:
        data.load("svhn", "auto", folder)
    assert "test_32x32.mat" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:60],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-20],
        lambda content: b"no matrix " * 200,
        lambda content: content[:400] + bytes(200) + content[600:],
        lambda content: content[:128] + content[132:],
    ],
)
def test_damaged_files_are_named(folder: Path, damage) -> None:
    file = folder / "train_32x32.mat"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=r"train_32x32\.mat") as caught:
        data.load("svhn", "auto", folder)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "test_32x32.mat").unlink()
    for read in (data.load, data.describe, data.prepare):
        with pytest.raises(DataError, match=r"test_32x32.mat is missing; expected train_32x32.mat and test_32x32.mat"):
            read("svhn", "auto", folder)


def test_wrong_sources_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="choose from auto, torchvision, rendered"):
        data.load("svhn", "real")
    with pytest.raises(DataError, match="does not exist"):
        data.load("svhn", "auto", tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no train_32x32\.mat and test_32x32.mat.* found .*INFOGAN_OFFLINE is set"):
        data.prepare("svhn", "torchvision")


def test_auto_renders_house_numbers_whose_digits_are_labels() -> None:
    described = data.describe("svhn", "auto", num_images=20)
    done: list[tuple[int, int]] = []
    prepared = data.prepare("svhn", "auto", num_images=20, progress=lambda *counts: done.append(counts))
    dataset = data.load("svhn", "auto", num_images=20)
    assert described == prepared == dataset.info
    assert dataset.info.source == "rendered"
    assert "substitute for SVHN" in dataset.info.note
    assert done[-1] == (20 + dataset.info.num_test,) * 2
    for part, num in ((dataset.train, 20), (dataset.test, dataset.info.num_test)):
        assert part.images.shape == (num, 3, 32, 32)
        assert part.labels.dtype == np.int64
        assert np.array_equal(part.labels, part.factors[:, dataset.factor_names.index("digit")])


class FakeSVHN:
    """torchvision's class as far as it is used: writes a file, or fails if told to."""

    failing: str | None = None
    fetched: list[str]

    def __init__(self, root: Path, split: str, download: bool) -> None:
        assert download
        self.fetched.append(split)
        write_mat(Path(root), split)
        if split == self.failing:
            raise RuntimeError("File not found\nor corrupted.")


@pytest.fixture
def online(monkeypatch, tmp_path: Path) -> type[FakeSVHN]:
    monkeypatch.delenv("INFOGAN_OFFLINE")
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads, "_failures", {})
    monkeypatch.setattr(downloads, "_require_answer", lambda urls: None)  # there is no network
    monkeypatch.setattr("torchvision.datasets.SVHN", FakeSVHN)
    monkeypatch.setattr(FakeSVHN, "failing", None)
    monkeypatch.setattr(FakeSVHN, "fetched", [], raising=False)
    return FakeSVHN


def test_a_download_is_kept_in_the_cache(online: type[FakeSVHN]) -> None:
    assert data.prepare("svhn", "auto").source == "torchvision"
    assert data.prepare("svhn", "auto").source == "torchvision"
    assert online.fetched == ["train", "test"]
    assert data.load("svhn").info.num_train == 12


def test_a_failed_download_leaves_nothing_and_is_tried_once(online: type[FakeSVHN]) -> None:
    online.failing = "test"
    for _ in range(2):
        with pytest.raises(DataError, match="download: File not found or corrupted"):
            data.prepare("svhn", "torchvision")
    assert online.fetched == ["train", "test"]
    assert not list(data.cache_dir().rglob("*.mat"))
    assert data.describe("svhn").source == "rendered"
