"""CelebA's sources: a small folder in the real layout, written with Pillow; what can be wrong with it; the default."""

import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan import data
from infogan.data import DataError, folders

NUM = 20
ATTRIBUTES = ("Bald", "Bangs", "Eyeglasses", "Smiling")
LANDMARKS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"


def colours(number: int) -> np.ndarray:
    """Colours of the four quarters of an image's crop, distinct for each image."""
    return np.random.default_rng(number).integers(0, 256, (2, 2, 3), dtype=np.uint8)


def write_celeba(root: Path, first: int = 1, num: int = NUM, shuffled: bool = False) -> Path:
    """Write ``celeba/`` with images of four plain quarters inside a green margin that the crop cuts off."""
    folder = root / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{number:06d}.jpg" for number in range(first, first + num)]
    attributes, landmarks, partition = [], [], []
    for k, name in enumerate(names):
        pixels = np.full((218, 178, 3), (0, 255, 0), np.uint8)
        pixels[35:183, 15:163] = np.repeat(np.repeat(colours(k), 74, 0), 74, 1)
        Image.fromarray(pixels).save(folder / "img_align_celeba" / name, quality=95, subsampling=0)
        signs = (-1 + 2 * (k % 2), -1, 1, -1 + 2 * (k % 3 == 0))
        attributes.append(f"{name} {' '.join(f'{sign:2d}' for sign in signs)}")
        # eyes 40 px apart about x = 89, the nose 2 px further to the right from one image to the next
        landmarks.append(f"{name}   69 111  109  111   {89 + 2 * k - 20} 135   73  152  108  151")
        partition.append(f"{name} {0 if k < 14 else 1 if k < 17 else 2}")
    for lines in (attributes, landmarks, partition) if shuffled else ():
        random.Random(0).shuffle(lines)
    texts = {
        "list_attr_celeba.txt": [str(num), " ".join(ATTRIBUTES) + " ", *attributes],
        "list_landmarks_align_celeba.txt": [str(num), LANDMARKS, *landmarks],
        "list_eval_partition.txt": partition,
    }
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_celeba(tmp_path)


def check_values(dataset: data.Dataset) -> None:
    assert dataset.factor_names == ("glasses", "emotion", "hair", "azimuth")
    assert (len(dataset.train.images), len(dataset.test.images)) == (14, 6)
    images = np.concatenate([dataset.train.images, dataset.test.images])
    factors = np.concatenate([dataset.train.factors, dataset.test.factors])
    assert images.shape == (NUM, 3, 32, 32)
    assert images.dtype == np.uint8
    assert factors.dtype == np.float32
    for k in range(NUM):
        expected_HWC = np.repeat(np.repeat(colours(k), 16, 0), 16, 1).astype(int)
        assert np.abs(images[k].transpose(1, 2, 0) - expected_HWC).max() <= 8  # JPEG and the quarters' common edges
        assert factors[k].tolist() == pytest.approx([1, int(k % 3 == 0), 0 if k % 2 else 2, (2 * k - 20) / 40])


@pytest.mark.parametrize("shuffled", [False, True])
def test_layout_gives_crops_attributes_and_azimuth(tmp_path: Path, shuffled: bool) -> None:
    write_celeba(tmp_path, shuffled=shuffled)
    dataset = data.load("celeba", "auto", tmp_path)
    check_values(dataset)
    assert dataset.info.source == "real"
    assert not dataset.info.is_papers
    assert "20 of 202,599 faces: 14 to train on, 6 held out (its own validation and test images)" in dataset.info.note
    assert data.load("celeba", "real", tmp_path / "celeba").info.digest == dataset.info.digest


def test_each_text_file_may_be_missing(tmp_path: Path) -> None:
    folder = write_celeba(tmp_path)
    (folder / "list_eval_partition.txt").unlink()
    dataset = data.load("celeba", "auto", tmp_path)
    assert (dataset.info.num_train, dataset.info.num_test) == (18, 2)
    assert "the last tenth by number" in dataset.info.note
    assert dataset.test.factors[:, -1].tolist() == pytest.approx([(36 - 20) / 40, (38 - 20) / 40])
    (folder / "list_attr_celeba.txt").unlink()
    assert data.load("celeba", "auto", tmp_path).factor_names == ("azimuth",)
    (folder / "list_landmarks_align_celeba.txt").unlink()
    dataset = data.load("celeba", "auto", tmp_path)
    assert dataset.factor_names == ()
    assert dataset.train.factors is None


def test_a_partition_with_an_empty_side_gives_way_to_the_last_tenth(folder: Path) -> None:
    partition = folder / "list_eval_partition.txt"
    partition.write_text(partition.read_text().replace("jpg 1", "jpg 0").replace("jpg 2", "jpg 0"))
    assert "last tenth" in data.load("celeba", "auto", folder.parent).info.note


def test_images_are_decoded_once_with_progress(folder: Path, monkeypatch) -> None:
    done: list[tuple[int, int]] = []
    monkeypatch.setattr(folders, "CHUNK", 8)
    info = data.prepare("celeba", "auto", folder.parent, progress=lambda *counts: done.append(counts))
    assert done == [(8, 20), (16, 20), (20, 20)]
    assert data.describe("celeba", "auto", folder.parent) == info
    monkeypatch.setattr("infogan.data.celeba.decode_images", lambda *_: pytest.fail("decoded again"))
    assert data.load("celeba", "auto", folder.parent).info == info


@pytest.mark.parametrize("damage", [lambda content: content[:1000], lambda content: content[:-1] + b"!"])
def test_a_damaged_cache_is_made_anew(folder: Path, monkeypatch, tmp_path: Path, damage) -> None:
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "cache"))
    info = data.load("celeba", "auto", folder.parent).info
    (cached,) = data.cache_dir().glob("celeba-*.npy")
    content = cached.read_bytes()
    cached.write_bytes(damage(content))
    dataset = data.load("celeba", "auto", folder.parent)
    assert dataset.info == info
    check_values(dataset)
    assert cached.read_bytes() == content


def test_a_cache_that_cannot_be_written_is_no_error(folder: Path, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "file" / "cache"))
    check_values(data.load("celeba", "auto", folder.parent))


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"", "cannot decode"),
        (lambda content: content[: len(content) // 2], "cannot decode .*truncated"),
        (lambda content: b"GIF89a" + bytes(100), "cannot decode"),
        (lambda content: png_header(178, 219), "178x219 pixels, expected 178x218"),
        (lambda content: png_header(178, 218), "cannot decode"),
        (lambda content: png_header(10_000, 10_000), "is refused|10000x10000 pixels"),
        (lambda content: png_header(60_000, 60_000), "is refused"),
    ],
)
def test_images_that_cannot_be_used_are_named(folder: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    file = folder / "img_align_celeba" / "000007.jpg"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=message) as caught:
        data.load("celeba", "auto", folder.parent)
    assert "000007.jpg" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("list_attr_celeba.txt", "000005.jpg", "999999.jpg", "has no line for 000005.jpg"),
        ("list_attr_celeba.txt", "000005.jpg", "000004.jpg", "line 7: 000004.jpg occurs twice"),
        ("list_attr_celeba.txt", "Smiling", "Eyeglasses", "two factors are called 'glasses'"),
        ("list_attr_celeba.txt", "Smiling", "glasses", "two factors are called 'glasses'"),
        ("list_attr_celeba.txt", "000005.jpg -1", "000005.jpg", "line 7: 3 values, expected 4"),
        ("list_attr_celeba.txt", "000005.jpg -1", "000005.jpg  x", "line 7: values must be integers"),
        ("list_attr_celeba.txt", "000005.jpg -1", "000005.jpg  0", "an attribute must be -1 or 1"),
        ("list_landmarks_align_celeba.txt", "nose_x", "mouth_x", "has no column nose_x"),
        ("list_landmarks_align_celeba.txt", "000020.jpg ", "000020.jpg 1 ", "line 22: 11 values, expected 10"),
        ("list_eval_partition.txt", "000003.jpg 0", "000003.jpg 7", "a partition must be 0, 1 or 2"),
        ("list_eval_partition.txt", "000003.jpg 0\n", "", "has no line for 000003.jpg"),
    ],
)
def test_text_files_that_cannot_be_used_are_named(folder: Path, name: str, old: str, new: str, message: str) -> None:
    text = (folder / name).read_text()
    assert text.count(old) == 1
    (folder / name).write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message) as caught:
        data.load("celeba", "auto", folder.parent)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def to_csv(folder: Path, mark: bytes = b"", quoted: bool = False) -> None:
    """Replace the text files by tables in Kaggle's form: a header with image_id, commas, no count."""
    headers = {"list_attr_celeba": ATTRIBUTES, "list_landmarks_align_celeba": LANDMARKS.split()}
    for name, columns in (*headers.items(), ("list_eval_partition", ("partition",))):
        lines = (folder / f"{name}.txt").read_text().splitlines()[2 if name in headers else 0 :]
        rows = [("image_id", *columns), *(line.split() for line in lines)]
        cells = [[f'"{cell}"' if quoted else cell for cell in row] for row in rows]
        (folder / f"{name}.csv").write_bytes(mark + "\r\n".join(map(",".join, cells)).encode() + b"\r\n")
        (folder / f"{name}.txt").unlink()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("quoted", [False, True])
def test_kaggles_tables_and_folders_are_read(folder: Path, mark: bytes, quoted: bool) -> None:
    """Kaggle's archive unpacks to img_align_celeba/img_align_celeba, with CSV tables beside the outer folder."""
    expected = data.load("celeba", "real", folder.parent).info
    to_csv(folder, mark, quoted)
    images = folder / "img_align_celeba"
    images.rename(folder / "inner")
    images.mkdir()
    (folder / "inner").rename(images / "img_align_celeba")
    dataset = data.load("celeba", "real", folder.parent)
    check_values(dataset)
    assert dataset.info.digest == expected.digest
    assert "its own validation and test images" in dataset.info.note
    assert data.load("celeba", "real", folder).info.digest == expected.digest  # the folder of the archive itself


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("000005.jpg,-1", "999999.jpg,-1", "has no line for 000005.jpg"),
        ("000005.jpg,-1", "000005.jpg", "line 6: 3 values, expected 4"),
        ("000005.jpg,-1", "000005.jpg,0.5", "line 6: values must be integers"),
        ("image_id,Bald,Bangs,Eyeglasses,Smiling", "image_id", "line 2: 4 values|no header"),
    ],
)
def test_csv_tables_that_cannot_be_used_are_named(folder: Path, old: str, new: str, message: str) -> None:
    to_csv(folder)
    file = folder / "list_attr_celeba.csv"
    text = file.read_bytes().decode()
    assert text.count(old) == 1
    file.write_bytes(text.replace(old, new).encode())
    with pytest.raises(DataError, match=message) as caught:
        data.load("celeba", "auto", folder.parent)
    assert "list_attr_celeba.csv" in str(caught.value)


@pytest.mark.parametrize("name", ["list_attr_celeba", "list_landmarks_align_celeba", "list_eval_partition"])
def test_a_byte_order_mark_is_no_part_of_a_table(folder: Path, name: str) -> None:
    file = folder / f"{name}.txt"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    check_values(data.load("celeba", "auto", folder.parent))
    file.write_bytes(file.read_text("utf-8-sig").encode("utf-16"))
    with pytest.raises(DataError, match="it is UTF-16; save it as UTF-8"):
        data.load("celeba", "auto", folder.parent)


@pytest.mark.parametrize("content", [b"", b"20\n", b"\xff\xfe\x00\x01\n" * 3])
def test_text_files_of_something_else_are_named(folder: Path, content: bytes) -> None:
    (folder / "list_attr_celeba.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"list_attr_celeba\.txt"):
        data.load("celeba", "auto", folder.parent)


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    folder = write_celeba(tmp_path, num=1)
    with pytest.raises(DataError, match="holds 1 image, at least 2 are needed"):
        data.load("celeba", "auto", tmp_path)
    (folder / "img_align_celeba" / "000001.jpg").unlink()
    with pytest.raises(DataError, match=r"img_align_celeba holds no \*\.jpg"):
        data.load("celeba", "auto", tmp_path)


def test_wrong_sources_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="choose from auto, real, rendered"):
        data.load("celeba", "torchvision")
    with pytest.raises(DataError, match="does not exist"):
        data.load("celeba", "auto", tmp_path / "nowhere")
    for read in (data.load, data.describe, data.prepare):
        with pytest.raises(DataError, match="looked for celeba/img_align_celeba"):
            read("celeba", "real", tmp_path)


def test_auto_renders_portraits_and_says_so() -> None:
    described = data.describe("celeba", "auto", num_images=4)
    dataset = data.load("celeba", "auto", num_images=4)
    assert described == dataset.info == data.prepare("celeba", "auto", num_images=4)
    assert dataset.info.source == "rendered"
    assert "substitute for CelebA" in dataset.info.note
    assert dataset.train.images.shape == (4, 3, 32, 32)
    assert dataset.train.factors.shape == (4, len(dataset.factor_names))
    assert {"azimuth", "glasses", "hair", "emotion"} <= set(dataset.factor_names)


@pytest.mark.parametrize(("length", "size"), [(148, 32), (64, 32), (37, 32), (32, 32), (400, 64)])
def test_area_means_count_cut_pixels_in_part(length: int, size: int) -> None:
    image = np.random.default_rng(length).integers(0, 256, (length, length, 3), dtype=np.uint8)
    edges = np.arange(size + 1) * length / size
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.maximum(overlap, 0) * size / length
    expected = np.einsum("yh,xw,hwc->yxc", weights, weights, image.astype(float), optimize=True)
    resized = folders.area_resize(image, size)
    assert resized.shape == (size, size, 3)
    assert np.abs(resized - expected).max() <= 0.5 + 1e-9
    gray = folders.area_resize(image[:, :, 0], size)
    assert np.array_equal(gray, resized[:, :, 0])


def test_crop_keeps_the_middle() -> None:
    image = np.arange(11 * 8).reshape(11, 8)
    assert np.array_equal(folders.centre_crop(image, 4), image[3:7, 2:6])
