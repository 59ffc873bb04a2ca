"""Chairs: 3D Chairs' layout, written here with Pillow, and the rendered substitute."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan import data
from infogan.data import DataError, base, chairs
from infogan.data.rendering import sets

MODELS = [f"{k:032x}" for k in (7, 3, 11, 5)]
VIEWS = [(20, 0), (20, 93), (30, 186), (30, 348)]


def value_of(model: int, view: int) -> int:
    return 20 + 40 * model + 5 * view


def write_render(file: Path, value: int, size: int = 600) -> None:
    """Write a white image with a gray square in the middle 200 x 200 pixels."""
    image = Image.new("RGB", (size, size), "white")
    image.paste((value, value, value), (200, 200, 400, 400))
    image.save(file)


def write_set(root: Path) -> Path:
    for model in (2, 0, 3, 1):  # in no particular order
        folder = root / "rendered_chairs" / MODELS[model] / "renders"
        folder.mkdir(parents=True)
        for view in (3, 0, 2, 1):
            p, t = VIEWS[view]
            number = (view * 7 + model) % 11  # does not name the view
            write_render(folder / f"image_{number:03d}_p{p:03d}_t{t:03d}_r096.png", value_of(model, view))
    (root / "rendered_chairs" / "all_chair_names.mat").write_bytes(b"not a folder")
    return root


@pytest.fixture(scope="module")
def chairs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("data"))


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set that a test may damage, and an empty cache."""
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "cache"))
    return write_set(tmp_path / "data")


def renders(root: Path, model: int) -> Path:
    return root / "rendered_chairs" / MODELS[model] / "renders"


def test_real_chairs_are_cropped_resized_and_labelled_by_their_names(chairs_folder: Path) -> None:
    dataset = data.load("chairs", "auto", chairs_folder)
    assert dataset.info.source == "real"
    assert not dataset.info.is_papers
    assert dataset.info.note.startswith("3D Chairs, 4 of 1,393 models: 12 renders to train on, 4 of other models")
    assert dataset.factor_names == ("rotation", "elevation")
    values = {(p, t, value_of(m, v)) for m in range(4) for v, (p, t) in enumerate(VIEWS)}
    found, models = set(), []
    for part in (dataset.train, dataset.test):
        assert part.images.shape[1:] == (1, 64, 64)
        assert part.images.dtype == np.uint8
        assert part.factors.dtype == np.float32
        # the middle 200 of 400 pixels is the middle 32 of 64
        assert (part.images[:, 0, 17:47, 17:47] == part.images[:, 0, 20:21, 20:21]).all()
        assert (part.images[:, 0, :16] == 255).all()
        degrees = np.degrees(part.factors).round().astype(int)
        grays = part.images[:, 0, 32, 32].astype(int)
        found |= {(int(e), int(r), int(g)) for (r, e), g in zip(degrees, grays, strict=True)}
        models.append({(int(gray) - 20) // 40 for gray in grays})
    assert found == values
    assert not models[0] & models[1]  # no model is on both sides


def test_the_same_files_elsewhere_give_the_same_set(chairs_folder: Path, own_folder: Path) -> None:
    here, there = (data.load("chairs", "real", folder) for folder in (chairs_folder, own_folder))
    assert here.info == there.info
    assert np.array_equal(here.train.factors, there.train.factors)


def test_description_comes_from_a_sidecar_until_a_render_changes(own_folder: Path, monkeypatch) -> None:
    calls: list[tuple[int, int]] = []
    info = data.prepare("chairs", "real", own_folder, progress=lambda *c: calls.append(c))
    assert calls == [(16, 16)]
    monkeypatch.setattr(chairs, "_load_real", lambda *_: pytest.fail("read again"))
    assert data.describe("chairs", "auto", own_folder) == info
    monkeypatch.undo()
    monkeypatch.setenv("INFOGAN_CACHE", str(own_folder.parent / "cache"))
    monkeypatch.setattr(chairs, "decode_images", lambda *_: pytest.fail("decoded again"))
    assert data.load("chairs", "real", own_folder).info == info
    monkeypatch.undo()
    monkeypatch.setenv("INFOGAN_CACHE", str(own_folder.parent / "cache"))
    file = next(renders(own_folder, 0).iterdir())
    file.unlink()
    write_render(file, 250)
    assert data.describe("chairs", "real", own_folder).digest != info.digest


def test_a_damaged_cache_is_decoded_anew(own_folder: Path) -> None:
    info = data.load("chairs", "real", own_folder).info
    (cached,) = base.cache_dir().glob("chairs-*.npy")
    content = cached.read_bytes()
    for damage in (b"", content[:200], content[:-1] + bytes([content[-1] ^ 1])):
        cached.unlink()
        cached.write_bytes(damage)
        assert data.load("chairs", "real", own_folder).info == info
        assert cached.read_bytes() == content


def truncate(root: Path) -> None:
    file = next(renders(root, 1).iterdir())
    file.write_bytes(file.read_bytes()[:500])


def remove_one(root: Path) -> None:
    next(renders(root, 1).iterdir()).unlink()


def remove_all(root: Path) -> None:
    for file in renders(root, 1).iterdir():
        file.unlink()


def remove_folder(root: Path) -> None:
    remove_all(root)
    renders(root, 1).rmdir()


def wrong_size(root: Path) -> None:
    write_render(next(renders(root, 1).iterdir()), 100, size=512)


def not_an_image(root: Path) -> None:
    next(renders(root, 1).iterdir()).write_text("<html>404</html>")


def out_of_range(root: Path) -> None:
    write_render(renders(root, 1) / "image_009_p020_t720_r096.png", 100)


def one_model(root: Path) -> None:
    for model in (0, 2, 3):
        renders(root, model).parent.rename(root / MODELS[model])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, r"cannot decode .*p0.*png: .*truncated"),
        (remove_one, r"holds 3 renders, other models 4"),
        (remove_all, r"renders holds no image_NNN_pPPP_tTTT_rRRR\.png"),
        (remove_folder, r"holds no folder renders, expected rendered_chairs/<model>/renders"),
        (wrong_size, r"png is 512x512 pixels, expected 600x600"),
        (not_an_image, r"cannot decode .*png: cannot identify"),
        (out_of_range, r"t720_r096\.png: elevation 20 or rotation 720 is out of range"),
        (one_model, r"data.*: nothing can be held out of '0{31}3' alone, at least 2 are needed"),
    ],
)
def test_wrong_files_are_named(own_folder: Path, damage, message: str) -> None:
    damage(own_folder)
    with pytest.raises(DataError, match=message) as caught:
        data.load("chairs", "auto", own_folder)
    assert "\n" not in str(caught.value)
    assert not list(base.cache_dir().glob("*.npy"))


def test_wrong_sources_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="chairs: unknown source 'web', choose from auto, real, rendered"):
        data.load("chairs", "web")
    with pytest.raises(DataError, match=r"no rendered_chairs/<model>/renders/.* found: no data folder was given"):
        data.load("chairs", "real")
    with pytest.raises(DataError, match="does not exist"):
        data.describe("chairs", "auto", tmp_path / "nowhere")
    (tmp_path / "rendered_chairs").mkdir()
    with pytest.raises(DataError, match="holds no models"):
        data.load("chairs", "auto", tmp_path)


def test_without_real_chairs_they_are_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sets, "DEFAULT_NUM_IMAGES", 3)
    monkeypatch.setattr(sets, "set_sizes", lambda num_images: (num_images or 3, 2))
    described = data.describe("chairs", "auto")
    assert not (tmp_path / "cache").exists()  # nothing was rendered
    calls: list[tuple[int, int]] = []
    assert data.prepare("chairs", "auto", progress=lambda *c: calls.append(c)) == described
    assert calls[-1] == (5, 5)
    dataset = data.load("chairs", "auto")
    assert dataset.info == described
    assert described.source == "rendered"
    assert not described.is_papers
    assert described.note == (
        "A substitute for 3D Chairs, rendered by this package: 3 to train on, 2 held out, all factors known."
    )
    assert dataset.train.images.shape == (3, 1, 64, 64)
    assert dataset.train.factors.shape == (3, len(dataset.factor_names))
    assert set(np.degrees(dataset.train.factors[:, 2]).round()) <= {20, 30}
    assert (dataset.train.factors[:, 0] < 2 * math.pi).all()
    assert data.describe("chairs", "rendered", num_images=2).digest != described.digest
