"""Which data are the paper's: decided by the files' checksums, never by their layout."""

import hashlib
from pathlib import Path

import pytest

from infogan import data
from infogan.data import celeba, genuine, mnist, svhn
from infogan.data.genuine import SUMS, strangers
from tests.infogan.test_celeba import write_celeba
from tests.infogan.test_svhn import SIZES, write_mat


def sums_of(monkeypatch: pytest.MonkeyPatch, *files: Path) -> None:
    """Checksums of test files, in place of those of the real files, which are not available here."""
    found = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in files}
    monkeypatch.setattr(genuine, "SUMS", SUMS | found)


def test_the_sums_are_torchvisions() -> None:
    from torchvision.datasets import SVHN, CelebA  # seconds, which other processes need not spend

    published = {name: md5 for _, md5, name in CelebA.file_list}
    published |= {name: md5 for _, name, md5 in SVHN.split_list.values()}
    ours = {name: md5 for name, md5 in SUMS.items() if not name.endswith("ubyte")}
    assert ours.items() <= published.items()


def test_the_addresses_are_torchvisions() -> None:
    from torchvision.datasets import MNIST, SVHN

    assert list(mnist.URLS) == MNIST.mirrors
    assert list(svhn.URLS) == [SVHN.split_list[split][0] for split in svhn.NUM_IMAGES]


def test_one_changed_byte_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "train_32x32.mat"
    file.write_bytes(b"0123")
    assert strangers([file]) == ["train_32x32.mat"]
    sums_of(monkeypatch, file)
    assert strangers([file]) == []
    file.write_bytes(b"0124")
    assert strangers([file]) == ["train_32x32.mat"]


def test_svhn_is_the_papers_with_its_files_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svhn, "NUM_IMAGES", SIZES)  # as if these few files were the complete set
    for split in SIZES:
        write_mat(tmp_path, split)
    stranger = data.load("svhn", "auto", tmp_path).info
    assert not stranger.is_papers
    assert "own in SVHN's layout: 12 training and 5 test images" in stranger.note
    sums_of(monkeypatch, *tmp_path.glob("*.mat"))
    known = data.load("svhn", "auto", tmp_path).info
    assert known.is_papers
    assert known.digest == stranger.digest


def test_celebas_tables_speak_for_its_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_celeba(tmp_path)
    monkeypatch.setattr(celeba, "NUM_IMAGES", len(list((folder / celeba.IMAGES).iterdir())))
    stranger = data.load("celeba", "real", tmp_path).info
    assert not stranger.is_papers
    assert "own in CelebA's layout" in stranger.note
    sums_of(monkeypatch, *folder.glob("*.txt"))
    (folder / "list_eval_partition.txt").touch()  # a sidecar describes the files as they were before
    assert data.load("celeba", "real", tmp_path).info.is_papers
