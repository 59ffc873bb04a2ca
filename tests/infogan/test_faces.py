"""Faces: the file of Basel renders and folders of images, written here with torch and Pillow, and the rendered set."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from infogan import data
from infogan.data import DataError, base, faces
from infogan.data.rendering import heads, sets

SMALL_SHAPE = (4, 3, 2, 2, 64, 64)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and a cache of its own."""
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


# --- basel_face_renders.pth


def basel_tensor() -> torch.Tensor:
    """Each image's upper left pixels are its indices, identity in (0, 0) and so on; everything else is noise."""
    renders = torch.randint(0, 256, SMALL_SHAPE, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for axis in range(4):
        shape = [1] * 4 + [1, 1]
        shape[axis] = SMALL_SHAPE[axis]
        index = torch.arange(SMALL_SHAPE[axis], dtype=torch.uint8).reshape(shape)
        renders[..., :2, 2 * axis : 2 * axis + 2] = 10 * index
    return renders


@pytest.fixture
def basel_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(faces, "BASEL_SHAPE", SMALL_SHAPE)
    torch.save(basel_tensor(), root / "basel_face_renders.pth")
    return root


def test_basel_renders_are_averaged_and_labelled_by_their_indices(basel_root: Path) -> None:
    dataset = data.load("faces", "auto", basel_root)
    assert dataset.info.source == "real"
    assert not dataset.info.is_papers  # other authors' renders of the paper's model
    assert dataset.factor_names == ("azimuth", "elevation", "lighting")
    assert (dataset.info.num_train, dataset.info.num_test) == (36, 12)
    expected = basel_tensor().float().reshape(-1, 1, 64, 64)
    expected = torch.nn.functional.avg_pool2d(expected, 2).reshape(*SMALL_SHAPE[:4], 32, 32).numpy()
    seen = set()
    for part in (dataset.train, dataset.test):
        for image, factors in zip(part.images, part.factors, strict=True):
            index = tuple(int(value) // 10 for value in image[0, 0, :4])
            seen.add(index)
            assert np.abs(image[0] - expected[index]).max() <= 0.5
            places = [2 * i / (n - 1) - 1 for i, n in zip(index[1:], SMALL_SHAPE[1:4], strict=True)]
            assert factors.tolist() == pytest.approx(places)
    assert len(seen) == 48
    identities = [set(part.images[:, 0, 0, 0].tolist()) for part in (dataset.train, dataset.test)]
    assert not identities[0] & identities[1]
    assert len(set(dataset.train.images[:12, 0, 0, 0].tolist())) > 1  # shuffled


def test_basel_is_read_once_and_again_when_it_changes(basel_root: Path) -> None:
    calls: list[tuple[int, int]] = []
    info = data.prepare("faces", "real", basel_root, progress=lambda *c: calls.append(c))
    assert calls == [(12, 48), (24, 48), (36, 48), (48, 48)]
    assert data.prepare("faces", "real", basel_root, progress=lambda *c: pytest.fail("read again")) == info
    assert data.describe("faces", "auto", basel_root) == info
    torch.save(255 - basel_tensor(), basel_root / "basel_face_renders.pth")
    assert data.describe("faces", "auto", basel_root).digest != info.digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.zeros(3, 3, 2, 2, 64, 64, dtype=torch.uint8), r"holds a uint8 tensor \(3, 3, 2, 2, 64, 64\), expected"),
        (torch.zeros(SMALL_SHAPE), r"holds a float32 tensor"),
        ({"images": torch.zeros(2)}, "holds a dict, expected a uint8 tensor"),
        ({"path": Path("somewhere")}, "cannot read .*basel_face_renders.pth: .*; expected a uint8 tensor"),
        (None, "cannot read .*basel_face_renders.pth"),
    ],
)
def test_other_contents_are_refused(basel_root: Path, content: object, message: str) -> None:
    file = basel_root / "basel_face_renders.pth"
    if content is None:
        file.write_bytes(file.read_bytes()[:1000])
    else:
        torch.save(content, file)
    with pytest.raises(DataError, match=message) as caught:
        data.load("faces", "auto", basel_root)
    assert "\n" not in str(caught.value)


# --- a folder of images


def write_folder(root: Path, num: int = 6, size: int = 64, factors: bool = True, identities: bool = False) -> Path:
    """Write images of one gray each, in four quarters of slightly different gray."""
    folder = root / "faces"
    folder.mkdir()
    lines = []
    for k in range(num):
        pixels = np.full((size, size), 10 * k, np.uint8)
        pixels[: size // 2, : size // 2] += 4
        name = f"face{(5 * k) % num}.{'jpg' if k == 0 else 'png'}"
        Image.fromarray(pixels).convert("RGB").save(folder / name, quality=100)
        lines.append(f"{name},{0.1 * k},{-0.5 * k}" + (f",person {k // 2}" if identities else ""))
    if factors:
        header = "file,azimuth,elevation" + (",identity" if identities else "")
        (folder / "factors.csv").write_text("\n".join([header, *reversed(lines)]) + "\n")
    return folder


def test_a_folder_of_images_is_read_with_its_factors(root: Path) -> None:
    write_folder(root, identities=True)
    dataset = data.load("faces", "auto", root)
    assert dataset.info.note == (
        "The user's own renders of faces: 4 to train on, 2 held out; known factors: azimuth, elevation."
    )
    assert not dataset.info.is_papers
    assert dataset.factor_names == ("azimuth", "elevation")
    grays = []
    for part in (dataset.train, dataset.test):
        assert part.images.shape[1:] == (1, 32, 32)
        own = part.images[:, 0, 31, 31].astype(int)
        assert np.abs(part.images[:, 0, 0, 0] - own - 4).max() <= 1  # JPEG is lossy
        assert part.factors == pytest.approx(np.stack([0.01 * own, -0.05 * own], 1), abs=0.06)
        grays.append(own)
    assert sorted(round(gray / 10) for gray in np.concatenate(grays)) == list(range(6))
    assert {round(gray / 10) // 2 for gray in grays[0]}.isdisjoint(round(gray / 10) // 2 for gray in grays[1])


def test_a_renamed_factor_makes_another_set(root: Path) -> None:
    """Measures are stored under the factor's name: with the same digest, no cell would be measured anew."""
    file = write_folder(root) / "factors.csv"
    file.write_text(file.read_text().replace("azimuth", "azimut"))
    before = data.describe("faces", "auto", root)
    file.write_text(file.read_text().replace("azimut", "azimuth"))
    after = data.load("faces", "auto", root)
    assert after.info == data.describe("faces", "auto", root)
    assert after.info.digest != before.digest
    assert before.note.endswith("; known factors: azimut, elevation.")


def test_factors_are_optional_and_sizes_need_not_be_multiples(root: Path) -> None:
    write_folder(root, size=50, factors=False)
    dataset = data.load("faces", "real", root)
    assert dataset.info.note.endswith("; no known factors, as there is no factors.csv.")
    assert dataset.factor_names == ()
    assert dataset.train.factors is None
    assert (dataset.info.num_train, dataset.info.num_test) == (5, 1)
    info = data.describe("faces", "real", root)
    assert info == dataset.info
    (root / "faces" / "factors.csv").write_text("file,azimuth\n" + "".join(f"face{k}.png,1\n" for k in range(6)))
    with pytest.raises(DataError, match=r"factors\.csv has no line for face0\.jpg"):
        data.describe("faces", "real", root)  # a new factors.csv is noticed


def edit_factors(folder: Path, old: str, new: str) -> None:
    file = folder / "factors.csv"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: edit_factors(f, "face1.png", "other.png"), r"factors\.csv has no line for face1\.png"),
        (lambda f: (f / "face1.png").unlink(), r"factors\.csv names face1\.png, which is not in the folder"),
        (lambda f: edit_factors(f, "face1.png", "face2.png"), r"line \d: face2\.png occurs twice"),
        (lambda f: edit_factors(f, "face1.png,", "face1.png,1,"), r"line \d: 4 values, expected 3"),
        (lambda f: edit_factors(f, "face1.png,", "face1.png,x"), "factors must be numbers: .*x0"),
        (lambda f: edit_factors(f, "face2.png,0", "face2.png,nan#"[:-1]), "must be numbers|must be finite"),
        (lambda f: edit_factors(f, "file,", "name,"), "columns name, azimuth, elevation; expected file, azimuth"),
        (lambda f: (f / "factors.csv").write_bytes(b"\xff\xfe\x00"), "cannot read .*factors.csv"),
        (lambda f: (f / "factors.csv").write_text(""), "has the columns ; expected file"),
        (lambda f: (f / "face1.png").write_bytes((f / "face1.png").read_bytes()[:90]), r"cannot decode .*face1\.png"),
        (lambda f: (f / "face1.png").write_bytes(b""), r"cannot decode .*face1\.png"),
        (lambda f: (f / "face0.jpg").write_bytes(b""), r"cannot decode .*face0\.jpg"),
        (lambda f: Image.new("L", (64, 60)).save(f / "face1.png"), r"face1\.png is 64x60 pixels, expected 64x64"),
        (lambda f: Image.new("L", (64, 60)).save(f / "face0.jpg"), r"64x60 pixels, expected a square of 32 to 4096"),
        (lambda f: Image.new("L", (16, 16)).save(f / "face0.jpg"), r"16x16 pixels, expected a square of 32 to 4096"),
        (lambda f: Image.new("1", (4500, 4500)).save(f / "face0.jpg"), r"4500x4500 pixels, expected a square"),
        (lambda f: Image.new("1", (20000, 20000)).save(f / "face1.png"), r"face1\.png (is|is refused)"),
        (lambda f: [file.unlink() for file in f.iterdir()], "faces holds no files"),
    ],
)
def test_wrong_files_are_named(root: Path, damage, message: str) -> None:
    damage(write_folder(root))
    with pytest.raises(DataError, match=message) as caught:
        data.load("faces", "auto", root)
    assert "\n" not in str(caught.value)


def test_a_folder_of_one_image_cannot_be_split(root: Path) -> None:
    write_folder(root, num=1)
    with pytest.raises(
        DataError, match=r"data.*: nothing can be held out of 'face0\.jpg' alone, at least 2 are needed"
    ):
        data.load("faces", "real", root)


def test_wrong_sources_and_folders_are_refused(root: Path) -> None:
    with pytest.raises(DataError, match="faces: unknown source 'web', choose from auto, real, rendered"):
        data.load("faces", "web")
    with pytest.raises(DataError, match=r"faces: not in .*data: looked for basel_face_renders\.pth or faces/"):
        data.load("faces", "real", root)
    with pytest.raises(DataError, match="no data folder was given"):
        data.prepare("faces", "real")
    with pytest.raises(DataError, match="does not exist"):
        data.load("faces", "auto", root / "nowhere")


# --- the rendered set


def test_without_real_faces_heads_are_rendered(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "set_sizes", lambda num_images: (num_images or 4, 2))
    described = data.describe("faces", "auto")
    assert not base.cache_dir().exists()  # nothing was rendered
    assert data.prepare("faces", "auto") == described
    dataset = data.load("faces", "auto")
    assert dataset.info == described
    assert described.source == "rendered"
    assert not described.is_papers
    assert "substitute" in described.note
    assert dataset.train.images.shape == (4, 1, 32, 32)
    assert dataset.test.factors.shape == (2, 4)
    assert dataset.factor_names == heads.FACTORS
    write_folder(root)
    assert data.describe("faces", "rendered", root) == described  # requested by name, whatever the folder holds
