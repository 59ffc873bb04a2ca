"""The user's own images: read unchanged, split by seed, and a one-line error for what does not match the settings."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan import data
from infogan.data import chairs
from infogan.data.base import read_cached, write_cached
from infogan.data.folders import area_resize, list_images
from infogan.data.own import OwnImages
from infogan.data.own_files import found

GREY, RGB = (32, 32), (32, 32, 3)


pytestmark = pytest.mark.usefixtures("cache")


def noise(num: int, shape: tuple[int, ...] = GREY, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num, *shape), np.uint8)


def save(folder: Path, images: np.ndarray, suffix: str = "png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for k, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{k:03d}.{suffix}")
    return folder


def grey(folder: Path) -> OwnImages:
    return OwnImages(folder, 32, "grey")


def rows_of(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


def test_pictures_come_as_they_are_and_a_share_is_held_out_by_seed(tmp_path: Path) -> None:
    images = noise(40)
    asked = grey(save(tmp_path / "shoes", images))
    loaded = data.load(asked)
    assert (loaded.train.images.shape, loaded.test.images.shape) == ((36, 1, 32, 32), (4, 1, 32, 32))
    assert rows_of(loaded.train.images) | rows_of(loaded.test.images) == rows_of(images)
    assert loaded.train.labels is None
    assert loaded.info == data.describe(asked) == data.prepare(asked)  # the last two from the cache
    assert loaded.info.note == "The user's own images in shoes, 32x32 grey: 36 to train on, 4 held out."
    assert (loaded.info.name, loaded.info.source, loaded.info.is_papers) == ("own", "folder", False)
    other, more = data.load(replace(asked, split_seed=1)), data.load(replace(asked, held_out=0.25))
    assert rows_of(other.test.images) != rows_of(loaded.test.images)
    assert len(more.test.images) == 10
    assert len({loaded.info.digest, other.info.digest, more.info.digest}) == 3


def test_moved_images_are_the_same_data_and_a_changed_one_is_not(tmp_path: Path) -> None:
    first = data.load(grey(save(tmp_path / "a", noise(10)))).info
    (tmp_path / "a").rename(tmp_path / "b")
    assert data.load(grey(tmp_path / "b")).info.digest == first.digest
    Image.fromarray(noise(1, seed=9)[0]).save(tmp_path / "b" / "003.png")
    assert data.describe(grey(tmp_path / "b")).digest != first.digest


def test_folders_are_classes_and_each_gives_its_share(tmp_path: Path) -> None:
    for k, name in enumerate(("boots", "sandals")):
        save(tmp_path / "shoes" / name, np.full((20 + 20 * k, 32, 32), 100 * k, np.uint8) + noise(20 + 20 * k) % 50)
    loaded = data.load(grey(tmp_path / "shoes"))
    assert loaded.train.labels is not None
    assert loaded.test.labels is not None
    assert np.bincount(loaded.train.labels).tolist() == [18, 36]
    assert np.bincount(loaded.test.labels).tolist() == [2, 4]
    assert np.array_equal(loaded.train.labels, (loaded.train.images.min(axis=(1, 2, 3)) >= 100).astype(np.int64))
    assert loaded.info.note.endswith("6 held out; 2 classes: boots, sandals.")


def test_names_that_are_not_utf8_are_read_like_others(tmp_path: Path) -> None:
    """A picture, a class and the folder around them, named by a program that writes Latin-1; the note stays UTF-8."""
    place = tmp_path / os.fsdecode(b"na\xefve")
    for k, name in enumerate((b"caf\xe9", b"tea\n")):
        folder = save(place / os.fsdecode(name), noise(10, seed=k))
        (folder / "000.png").rename(folder / os.fsdecode(b"\xfcber.png"))
    loaded = data.load(grey(place))
    assert len(loaded.train.images) == 18
    assert "in na\\udcefve, " in loaded.info.note
    assert loaded.info.note.encode().endswith(b"2 classes: caf\\udce9, tea\\n.")
    assert data.describe(grey(place)) == loaded.info
    before = found(place).key
    (folder / os.fsdecode(b"\xfcber.png")).rename(folder / os.fsdecode(b"\xf6ber.png"))
    assert found(place).key != before  # other bytes, so other files


def test_keys_of_files_stay_what_they_were(tmp_path: Path) -> None:
    """The digest of the UTF-8 names, sizes and times: images that were decoded once are not decoded again."""
    files = sorted(save(tmp_path / "\u00fcber", noise(2)).iterdir())
    stats = [file.stat() for file in files]
    lines = [f"{file.name}\0{s.st_size}\0{s.st_mtime_ns}\n" for file, s in zip(files, stats, strict=True)]
    place = files[0].parent
    assert found(place).key == hashlib.sha256("".join([f"{place.resolve()}\n", *lines]).encode()).hexdigest()
    rows = [(file.name, s.st_size, s.st_mtime_ns) for file, s in zip(files, stats, strict=True)]
    assert list_images(place, ".png")[1] == hashlib.sha256(f"{place.resolve()}\n{rows}".encode()).hexdigest()


def test_folders_of_recorded_sets_and_of_the_cache_need_not_be_utf8(tmp_path: Path) -> None:
    folder = save(tmp_path / os.fsdecode(b"caf\xe9"), noise(2))
    files, key = list_images(folder, ".png")
    assert len(files) == 2
    assert key != list_images(save(tmp_path / "cafe", noise(2)), ".png")[1]
    assert write_cached(folder / "a.json", b"held")
    assert read_cached(folder / "a.json") == b"held"
    (folder / "chair" / "renders").mkdir(parents=True)
    assert chairs._key([folder / "chair"]).isascii()


@pytest.mark.parametrize("layout", ["N, H, W, C", "N, C, H, W", "npz"])
def test_arrays_give_what_pictures_give(tmp_path: Path, layout: str) -> None:
    images, labels = noise(30, RGB), np.arange(30) % 3 + 4
    file = tmp_path / ("images.npz" if layout == "npz" else "images.npy")
    if layout == "npz":
        np.savez_compressed(file, images=images, labels=labels, angle=np.zeros(30))
    else:
        np.save(file, images if layout == "N, H, W, C" else images.transpose(0, 3, 1, 2))
    loaded = data.load(OwnImages(file, 32, "rgb"))
    pictures = data.load(OwnImages(save(tmp_path / "pictures", images), 32, "rgb"))
    assert rows_of(loaded.train.images) | rows_of(loaded.test.images) == rows_of(images.transpose(0, 3, 1, 2))
    if layout == "npz":
        assert sorted(np.bincount(loaded.train.labels)) == [9, 9, 9]  # type: ignore[arg-type]
        assert loaded.info.note.endswith("; 3 classes: 4, 5, 6; arrays not read: angle.")
    else:
        assert loaded.info.digest == pictures.info.digest


def test_larger_pictures_are_averaged_down_only_if_asked(tmp_path: Path) -> None:
    wide = noise(12, (64, 100, 3))
    asked = OwnImages(save(tmp_path / "wide", wide), 32, "rgb")
    with pytest.raises(data.DataError, match=r"000\.png is 100x64 pixels, but size = 32 requires 32x32; resize = "):
        data.load(asked)
    loaded = data.load(replace(asked, resize="area"))
    middle = wide[:, :, 18:82]
    expected = np.stack([area_resize(image, 32).transpose(2, 0, 1) for image in middle])
    assert rows_of(loaded.train.images) | rows_of(loaded.test.images) == rows_of(expected)
    np.save(tmp_path / "wide.npy", wide)
    assert data.load(OwnImages(tmp_path / "wide.npy", 32, "rgb", "area")).info.digest == loaded.info.digest


def test_a_photograph_stands_upright(tmp_path: Path) -> None:
    folder = save(tmp_path / "photographs", noise(5, RGB))
    sideways = Image.fromarray(noise(1, RGB, seed=3)[0])
    exif = sideways.getexif()
    exif[0x0112] = 6  # to be rotated by 90 degrees
    sideways.save(folder / "turned.png", exif=exif)
    loaded = data.load(OwnImages(folder, 32, "rgb"))
    upright = np.rot90(noise(1, RGB, seed=3)[0], -1).transpose(2, 0, 1)
    assert upright.tobytes() in rows_of(loaded.train.images) | rows_of(loaded.test.images)


def mixed(folder: Path) -> Path:
    save(folder, noise(3))
    Image.fromarray(noise(1, (40, 48))[0]).save(folder / "wider.png")
    return folder


def transparent(folder: Path) -> Path:
    return save(folder, noise(2, (32, 32, 4)))


def deep(folder: Path) -> Path:
    for part in ("test", "train"):
        save(folder / part / "boots", noise(2))
    return folder


def of_another_kind(folder: Path) -> Path:
    Image.fromarray(noise(1)[0]).save(save(folder, noise(2)) / "moving.gif")
    return folder


def sixteen_bits(folder: Path) -> Path:
    folder.mkdir()
    Image.fromarray(noise(1)[0].astype(np.uint16) * 256).save(folder / "deep.png")
    return folder


def both(folder: Path) -> Path:
    save(folder / "boots", noise(2))
    return save(folder, noise(2))


def with_text(folder: Path) -> Path:
    folder.mkdir()
    (folder / "images.zip").write_bytes(b"")
    (folder / "list.txt").write_text("")
    return folder


def broken(folder: Path) -> Path:
    (save(folder, noise(3)) / "001.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def array(name: str, **arrays: np.ndarray) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        folder.mkdir()
        if name.endswith(".npz"):
            np.savez(folder / name, **arrays)
        else:
            np.save(folder / name, arrays["images"])
        return folder / name

    return write


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nothing there": (lambda folder: folder, "x does not exist"),
    "an empty folder": (lambda folder: save(folder, noise(0)), "x holds nothing; expected pictures"),
    "no pictures": (with_text, r"x holds images\.zip, list\.txt; expected pictures .*; not unpacked: images\.zip"),
    "mixed sizes": (mixed, r"wider\.png is 48x40 pixels and .*000\.png is 32x32 pixels, but size = 32"),
    "parts of a set": (deep, r"test holds boots/; expected the pictures of a class; if .*test holds the classes, give"),
    "one class": (
        lambda folder: save(folder / "boots", noise(3)).parent,
        r"x holds boots/; .*; give .*boots for one set",
    ),
    "pictures beside classes": (both, r"x holds both pictures \(000\.png\) and folders \(boots/\)"),
    "a kind that is not read": (of_another_kind, r"1 pictures in an unsupported format, such as moving\.gif"),
    "transparent": (transparent, r"000\.png has transparent pixels"),
    "sixteen bits": (sixteen_bits, r"deep\.png has mode I;16"),
    "a damaged picture": (broken, r"cannot decode .*001\.png"),
    "one picture": (lambda folder: save(folder, noise(1)), "only one image: at least 2"),
    "too small": (lambda folder: save(folder, noise(2, (16, 16))), "000.png is 16x16 pixels, but size = 32"),
    "floats": (array("x.npy", images=np.zeros((3, 32, 32))), r"x\.npy holds float64 \(3, 32, 32\); expected uint8"),
    "colour for grey": (array("x.npy", images=noise(3, RGB)), "has 3 channels, but colour = 'grey' requires 1"),
    "an array of another size": (array("x.npy", images=noise(3, (28, 28))), "holds 28x28 pixels, but size = 32"),
    "no images": (array("x.npz", x_train=noise(3)), r"x\.npz holds x_train; expected images"),
    "labels too few": (
        array("x.npz", images=noise(3), labels=np.arange(2)),
        r"labels int64 \(2,\); expected 3 integers",
    ),
    "one label": (array("x.npz", images=noise(3), labels=np.zeros(3, int)), "all labels are 0"),
    "objects": (array("x.npz", images=np.array([None])), "x.npz: an array of object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_as_asked_is_one_line(tmp_path: Path, name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(data.DataError, match=words) as raised:
        data.describe(grey(make(tmp_path / "x")))
    assert "\n" not in str(raised.value)


def test_what_is_too_small_is_never_made_larger(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match="is 16x16 pixels; each side must have 32 to 4096"):
        data.load(replace(grey(save(tmp_path / "x", noise(2, (16, 16)))), resize="area"))
