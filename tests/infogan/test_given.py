"""A given folder is never ignored: if a set is not in it, the error says what is there instead, for every set."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infogan import data
from infogan.data import DataError, NotInFolder

# for each set: its top folder, a file in it, and what was looked for according to the error
LAYOUTS = {
    "mnist": ("MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-images-idx3-ubyte"),
    "faces": ("faces/one.png", "basel_face_renders.pth or faces/"),
    "chairs": ("rendered_chairs/a/renders/image_001_p020_t011_r096.png", "rendered_chairs/<model>/renders/"),
    "svhn": ("svhn/train_32x32.mat", "train_32x32.mat and test_32x32.mat"),
    "celeba": ("celeba/img_align_celeba/000001.jpg", "celeba/img_align_celeba/*.jpg"),
}
READERS: list[Callable[..., object]] = [data.find, data.describe, data.load, data.prepare]
every_set = pytest.mark.parametrize("name", data.DATASETS)


def put(folder: Path, file: str) -> None:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(b"")


def refusal(name: str, folder: Path, source: str = "auto") -> str:
    """The error message, which must be the same from every reader."""
    said = set()
    for read in READERS:
        with pytest.raises(NotInFolder) as caught:
            read(name, source, folder)
        said.add(str(caught.value))
    (message,) = said
    assert "\n" not in message
    return message


def test_every_set_has_its_layout_here() -> None:
    assert LAYOUTS.keys() == data.DATASETS.keys()


@every_set
def test_an_empty_folder(name: str, tmp_path: Path) -> None:
    for source in data.sources(name)[:-1]:
        message = refusal(name, tmp_path, source)
        assert message.startswith(f"{name}: not in {tmp_path}: looked for {LAYOUTS[name][1]}")
        assert message.endswith("; found nothing")
    assert data.find(name, data.sources(name)[-1], tmp_path) is None  # a requested substitute needs no folder


@every_set
def test_one_level_too_high_or_too_low(name: str, tmp_path: Path) -> None:
    put(tmp_path / "sets", LAYOUTS[name][0])
    assert data.find(name, "auto", tmp_path / "sets") is not None
    assert f"found sets/; it is in {tmp_path / 'sets'}: give that folder" in refusal(name, tmp_path)
    below = tmp_path / "sets" / "of-others"
    below.mkdir()
    assert f"it is in {tmp_path / 'sets'}: give that folder" in refusal(name, below)


@every_set
@pytest.mark.parametrize("archive", ["set.zip", "set.tar", "set.tar.gz", "set.7z", "set.TGZ"])
def test_an_archive_that_is_not_unpacked_is_named(name: str, archive: str, tmp_path: Path) -> None:
    put(tmp_path, f"others/{archive}")
    assert refusal(name, tmp_path).endswith(f"found others/; not unpacked: {archive}")
    put(tmp_path, archive)
    assert f"found others/, {archive}; not unpacked: {archive}" in refusal(name, tmp_path)


HALF_UNPACKED = {  # the set's folder is there, with an archive in it
    "mnist": ("MNIST/raw/train-images-idx3-ubyte.gz", "train-images-idx3-ubyte is missing"),
    "faces": ("faces/faces.zip", "holds no PNG or JPEG images"),
    "chairs": ("rendered_chairs/rendered_chairs.tar", "holds no models"),
    "svhn": ("svhn/test_32x32.mat.zip", "test_32x32.mat is missing"),
    "celeba": ("celeba/img_align_celeba/img_align_celeba.zip", r"holds no \*.jpg"),
}


@every_set
def test_an_archive_inside_the_sets_own_folder_is_named(name: str, tmp_path: Path) -> None:
    archive, message = HALF_UNPACKED[name]
    put(tmp_path, archive)
    if name == "svhn":
        put(tmp_path, LAYOUTS[name][0])
    for read in READERS[1:]:
        with pytest.raises(DataError, match=rf"{message}.*; not unpacked: {Path(archive).name}"):
            read(name, "auto", tmp_path)


def test_a_full_folder_is_listed_in_short(tmp_path: Path) -> None:
    for number in range(30):
        put(tmp_path, f"{number:02d}.txt")
    put(tmp_path, ".hidden")
    assert refusal("mnist", tmp_path).endswith("found 00.txt, 01.txt, 02.txt, 03.txt, 04.txt, 05.txt, 06.txt, 07.txt "
                                               "and 22 more")  # fmt: skip


def test_a_name_does_not_steer_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "\x1b[2J\n").mkdir()
    assert "\x1b" not in refusal("faces", tmp_path)


@every_set
def test_a_link_to_itself_is_listed(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert refusal(name, tmp_path).endswith("; found loop")


@pytest.mark.usefixtures("held_to_modes")
def test_a_folder_beside_it_that_this_account_may_not_enter(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir(mode=0)
    assert refusal("mnist", tmp_path).endswith("; found lost+found/")
