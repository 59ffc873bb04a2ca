"""Rendered heads, chairs and portraits: reference pictures, factors that do what their names say, the cache of sets."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from infogan import version
from infogan.data import DataError
from infogan.data.rendering import __main__ as command
from infogan.data.rendering import (
    chairs,
    factor_values,
    heads,
    kinds,
    pool,
    portraits,
    sets,
    sheets,
    tracer,
)

GOLDEN = Path(__file__).parent / "golden"  # each kind's first six pictures, side by side
KINDS = {"faces": heads, "chairs": chairs, "portraits": portraits}
KIND_IDS = [pytest.param(module, id=name) for name, module in KINDS.items()]


def drawn(kind: ModuleType, index: int):
    return kind.draw(np.random.default_rng([kinds.SEED, index]))


def level(image_CHW: np.ndarray) -> np.ndarray:
    return image_CHW.astype(np.int64)


def differing_share(a: np.ndarray, b: np.ndarray, tolerance: int) -> float:
    return float((np.abs(level(a) - level(b)) > tolerance).mean())


# --- pictures


@pytest.mark.parametrize("name", KINDS)
def test_pictures_are_the_golden_ones(name: str) -> None:
    golden = np.asarray(Image.open(GOLDEN / f"{name}.png"), np.int64)
    kind = KINDS[name]
    rendered_CHW = np.concatenate([kind.render(drawn(kind, k)) for k in range(6)], axis=2)
    rendered = rendered_CHW[0] if len(rendered_CHW) == 1 else rendered_CHW.transpose(1, 2, 0)
    assert np.abs(golden - rendered).max() <= 1


@pytest.mark.parametrize("kind", KIND_IDS)
def test_factors_fill_their_ranges_and_are_independent(kind: ModuleType) -> None:
    table = np.array([factor_values(kind, drawn(kind, k)) for k in range(2000)])
    for values, name in zip(table.T, kind.FACTORS, strict=True):
        low, high = kind.RANGES[name]
        assert low <= values.min() < low + 0.01 * (high - low), name
        assert high - 0.01 * (high - low) < values.max() <= high, name
    assert np.abs(np.corrcoef(table.T) - np.eye(len(kind.FACTORS))).max() < 0.08


@pytest.mark.parametrize("kind", KIND_IDS)
def test_moving_one_factor_changes_the_picture_and_no_other_parameter(kind: ModuleType) -> None:
    base = drawn(kind, 4)
    picture = kind.render(base)
    for factor in kind.FACTORS:
        values = sorted(kind.RANGES[factor], key=lambda value: abs(value - getattr(base, factor)))
        moved = replace(base, **{factor: values[-1]})
        assert [f.name for f in fields(base) if getattr(base, f.name) != getattr(moved, f.name)] == [factor]
        assert differing_share(picture, kind.render(moved), 5) > 0.02, factor
    assert np.array_equal(picture, kind.render(replace(base)))


def test_a_head_looks_the_other_way_in_the_mirror() -> None:
    """Heads are symmetric. Only the normals, by differences over a tetrahedron, break the symmetry slightly."""
    for index in range(4):
        face = replace(drawn(heads, index), azimuth=0.8, lighting=-0.5)
        picture, turned = heads.render(face), heads.render(replace(face, azimuth=-0.8, lighting=0.5))
        assert differing_share(picture, turned[:, :, ::-1], 10) < 0.04
        assert differing_share(picture, turned, 10) > 0.2


def test_a_chair_turned_back_has_the_mirrored_outline() -> None:
    for index in range(4):
        chair = drawn(chairs, index)
        mirrored = chairs.render(replace(chair, rotation=2 * np.pi - chair.rotation))
        outlines = chairs.render(chair) < 250, mirrored[:, :, ::-1] < 250
        assert (outlines[0] != outlines[1]).mean() < 0.005


def test_rotation_is_periodic() -> None:
    chair = drawn(chairs, 1)
    pictures = [chairs.render(replace(chair, rotation=chair.rotation + turn)) for turn in (0, 2 * np.pi)]
    assert differing_share(*pictures, 2) < 0.005


def test_signs_of_the_factors_are_as_documented() -> None:
    face = replace(drawn(heads, 0), azimuth=0.0, elevation=0.0, lighting=0.0, width=1.0)

    def centre_of_dark(picture_CHW: np.ndarray) -> tuple[float, float]:
        """Mean row and column of the pixels in the head that are darker than skin: brows, eyes, mouth."""
        rows, columns = np.nonzero((picture_CHW[0] > 0) & (picture_CHW[0] < 0.45 * picture_CHW[0].max()))
        return float(rows.mean()), float(columns.mean())

    def half_light(picture_CHW: np.ndarray) -> float:
        return float(level(picture_CHW)[..., 16:].sum() - level(picture_CHW)[..., :16].sum())

    def covered(picture_CHW: np.ndarray) -> float:
        return float((picture_CHW[0, :16] > 0).sum())

    assert centre_of_dark(heads.render(replace(face, azimuth=0.6)))[1] > 16.5  # looks to the viewer's right
    assert centre_of_dark(heads.render(replace(face, azimuth=-0.6)))[1] < 14.5
    nods, looks_up = (centre_of_dark(heads.render(replace(face, elevation=e)))[0] for e in (0.4, -0.4))
    assert nods > looks_up + 2
    assert (
        half_light(heads.render(replace(face, lighting=1.0)))
        > 0
        > half_light(heads.render(replace(face, lighting=-1.0)))
    )
    assert covered(heads.render(replace(face, width=1.2))) > 1.2 * covered(heads.render(replace(face, width=0.85)))


def test_nothing_is_clipped() -> None:
    """Chairs have a white border all around; heads a black one, except for the neck at the bottom."""
    for index in range(100, 140):
        chair = chairs.render(drawn(chairs, index))[0]
        border = np.concatenate([chair[0], chair[-1], chair[:, 0], chair[:, -1]])
        assert border.min() == 255, index
        face = heads.render(drawn(heads, index))[0]
        assert max(face[0].max(), face[:, 0].max(), face[:, -1].max()) == 0, index


@pytest.mark.parametrize("back", chairs.BACKS)
@pytest.mark.parametrize("legs", chairs.LEGS)
def test_every_design_is_a_chair_of_several_parts(legs: str, back: str) -> None:
    widest = replace(drawn(chairs, 2), legs=legs, back=back, width=1.9, rotation=0.6, rake=0.25, arms="solid")
    picture = chairs.render(widest)[0]
    assert 0.08 < (picture < 250).mean() < 0.6
    assert min(picture[0].min(), picture[-1].min(), picture[:, 0].min(), picture[:, -1].min()) == 255


def test_styles_of_hair_are_ordered_by_how_much_they_cover() -> None:
    portrait = replace(
        drawn(portraits, 3), azimuth=0.0, glasses=0.0, hair_colour=(0.0, 1.0, 0.0), background=(0.0, 0.0, 1.0)
    )
    covered = []
    for hair in (0.0, 1.5, 2.5, 3.5):
        red, green, blue = level(portraits.render(replace(portrait, hair=hair)))
        covered.append(int(((green > 1.5 * red) & (green > 1.5 * blue)).sum()))
    assert covered == sorted(covered)
    assert len(set(covered)) == 4


# --- tracer


def test_a_sphere_has_its_size_and_its_light() -> None:
    """Compared with the exact silhouette of a unit sphere in perspective, and with Lambert's law at its middle."""
    radius, distance, half_extent, size = 1.0, 5.0, 1.5, 64

    def field(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return tracer.sphere(x, y, z, (0, 0, 0), radius)

    def paint(points: tracer.Points, normals: tracer.Points) -> tuple[np.ndarray, np.ndarray]:
        return np.ones((len(points[0]), 1), np.float32), np.zeros(len(points[0]), np.float32)

    camera = tracer.Camera(0.7, 0.3, half_extent, distance, (0.0, 0.0, 0.0), ((-1.1,) * 3, (1.1,) * 3))
    everywhere, ahead = (tracer.Light(tracer.direction(0.0, 0.0), ambient) for ambient in (1.0, 0.2))
    coverage, picture = (
        tracer.picture(field, paint, camera, light, (0.0,), size, normal_step=0.01)[0] for light in (everywhere, ahead)
    )
    area_px, widest_px = (  # a ray that passes within the last step's tolerance hits
        np.pi * (size * distance * r / np.sqrt(distance**2 - r**2) / (2 * half_extent)) ** 2
        for r in (radius, radius + 4 * tracer.HIT_DISTANCE)
    )
    assert 0.99 * area_px < coverage.sum() / 255 < widest_px
    assert picture[size // 2, size // 2] == 255
    assert np.abs(level(picture) - level(picture[:, ::-1])).max() <= 1


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(lambda x, y, z: tracer.sphere(x, y, z, (0.1, 0, 0), 0.5), id="sphere"),
        pytest.param(lambda x, y, z: tracer.box(x, y, z, (0, 0.1, 0), (0.5, 0.3, 0.4), 0.1), id="box"),
        pytest.param(lambda x, y, z: tracer.capsule(x, y, z, (0, -0.4, 0), (0.2, 0.4, 0), 0.2), id="capsule"),
        pytest.param(
            lambda x, y, z: tracer.extruded(tracer.ellipse(x, z, 0.4, 0.4), y, 0.2, 0.05), id="extruded circle"
        ),
    ],
)
def test_exact_fields_have_slope_one(field: Callable) -> None:
    points = np.random.default_rng(0).uniform(-1.2, 1.2, (3, 500))
    step = 1e-5
    slopes = [
        (field(*(points + step * axis[:, None])) - field(*(points - step * axis[:, None]))) / (2 * step)
        for axis in np.eye(3)
    ]
    outside = field(*points) > 0.05
    assert np.sqrt(np.square(slopes).sum(0))[outside] == pytest.approx(1, abs=0.01)


# --- sets


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "CHUNK", 8)
    monkeypatch.setattr(pool, "MIN_PARALLEL", 16)


def cached_files(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.npz"))


def test_processes_and_the_cache_change_no_byte(cache: Path, small_chunks: None) -> None:
    calls: list[tuple[int, int]] = []
    alone = sets.rendered("faces", 20, 5, num_processes=1)
    for file in cached_files(cache):
        file.unlink()
    parallel = sets.rendered("faces", 20, 5, lambda *c: calls.append(c), num_processes=2)
    assert calls[0] == (0, 25)
    assert calls[-1] == (25, 25)
    assert calls == sorted(calls)
    cached = sets.rendered("faces", 20, 5, lambda *c: pytest.fail("nothing to render"))
    for other in (parallel, cached):
        for part, expected in zip(other[:2], alone[:2], strict=True):
            assert part.images.tobytes() == expected.images.tobytes()
            assert part.factors.tobytes() == expected.factors.tobytes()
    train, test, names = alone
    assert train.images.shape == (20, 1, 32, 32)
    assert train.images.dtype == np.uint8
    assert test.factors.shape == (5, 4)
    assert test.factors.dtype == np.float32
    assert names == heads.FACTORS
    assert np.array_equal(train.images[3], heads.render(drawn(heads, 3)))
    assert train.factors[3].tolist() == pytest.approx(factor_values(heads, drawn(heads, 3)))
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}


def test_a_bigger_set_begins_with_the_smaller_one_and_renders_only_the_rest(cache: Path, small_chunks: None) -> None:
    small = sets.rendered("faces", 10, 2)[0]
    rendered: list[tuple[int, int]] = []
    big = sets.rendered("faces", 18, 2, lambda *c: rendered.append(c))[0]
    assert np.array_equal(big.images[:10], small.images)
    assert np.array_equal(big.factors[:10], small.factors)
    assert rendered[0] == (12, 20)
    assert np.array_equal(sets.rendered("faces", 10, 2)[0].images, small.images)


def test_damaged_chunks_are_rendered_anew(cache: Path, small_chunks: None) -> None:
    expected = sets.rendered("faces", 16, 1)[0].images
    first, second, _ = cached_files(cache)[1:] + cached_files(cache)[:1]
    content = first.read_bytes()
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 1
    other = second.read_bytes()
    with np.load(first) as arrays:  # undamaged, but its pixels do not match its digest
        forged = {**arrays, "images": 255 - arrays["images"]}
    np.savez(cache / "forged.npz", **forged)
    for damage in (b"", content[:100], bytes(flipped), (cache / "forged.npz").read_bytes()):
        first.write_bytes(damage)
        assert np.array_equal(sets.rendered("faces", 16, 1)[0].images, expected)
        assert first.read_bytes() == content
        assert second.read_bytes() == other


def test_an_interruption_leaves_whole_chunks_that_the_next_call_uses(cache: Path, small_chunks: None) -> None:
    def interrupt(num_done: int, num_all: int) -> None:
        if num_done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sets.rendered("faces", 24, 1, interrupt, num_processes=1)
    assert [file.name for file in cache.rglob("*") if file.is_file()] == ["train-000000.npz"]
    calls: list[tuple[int, int]] = []
    sets.rendered("faces", 24, 1, lambda *c: calls.append(c), num_processes=1)
    assert calls[0] == (8, 25)


def test_a_dead_worker_costs_time_and_no_image(
    cache: Path, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_start_worker", pool.os.abort)
    assert len(sets.rendered("faces", 16, 1, num_processes=2)[0].images) == 16


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "file" / "cache"))
    assert sets.rendered("faces", 2, 1)[0].images.shape == (2, 1, 32, 32)


def test_the_recipe_changes_with_all_that_decides_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {sets.recipe_digest(*recipe) for recipe in (("faces", 9, 3), ("faces", 9, 4), ("chairs", 9, 3))}
    digest = sets.recipe_digest("faces", 9, 3)
    assert digest == sets.recipe_digest("faces", 9, 3)
    monkeypatch.setattr(kinds, "SEED", 1)
    digests.add(sets.recipe_digest("faces", 9, 3))
    monkeypatch.setattr(heads, "RANGES", {**heads.RANGES, "width": (0.8, 1.2)})
    digests.add(sets.recipe_digest("faces", 9, 3))
    monkeypatch.setattr(heads, "CODE", ("heads",))
    digests.add(sets.recipe_digest("faces", 9, 3))
    assert len(digests) == 6


@pytest.mark.parametrize("name", kinds.KINDS)
def test_the_recipe_covers_every_file_that_a_kind_imports_from_here(name: str) -> None:
    kind = kinds.kind_module(name)
    folder = Path(sets.__file__).parent
    for covered in kind.CODE:
        assert (folder / f"{covered}.py").is_file()
        text = (folder / f"{covered}.py").read_text()
        imported = [line.split()[1] for line in text.splitlines() if line.startswith("from infogan.data.rendering.")]
        assert {module.rsplit(".", 1)[1] for module in imported} <= set(kind.CODE)
    assert version.code_digest(("data/rendering/tracer",)) != version.code_digest(("data/rendering/none",))


def test_sizes_and_unknown_kinds() -> None:
    assert sets.set_sizes(None) == (20_000, 2_000)
    assert sets.set_sizes(512) == (512, 64)
    assert sets.set_sizes(4_000) == (4_000, 400)
    assert sets.set_sizes(50_000) == (50_000, 2_000)
    with pytest.raises(DataError, match="unknown kind of rendering 'tables', choose from faces, chairs"):
        kinds.kind_module("tables")


# --- sheets


def test_sheets_are_laid_out_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * np.ones((3, 1, 2, 2), np.uint8)
    sheet = np.asarray(sheets.contact_sheet(images, 2, 3))
    assert sheet.shape == (21, 21)
    assert [sheet[5, 5], sheet[5, 14], sheet[14, 5]] == [0, 1, 2]
    assert sheet[14, 14] == sheet[0, 0] == sheets.FRAME_GRAY

    sweep = sheets.sweep_images(heads, 2, seed=5)
    assert sweep.shape == (2 * len(heads.FACTORS), 1, 32, 32)
    monkeypatch.setitem(command.NUM_COLUMNS, "sheet", 2)
    monkeypatch.setitem(command.NUM_COLUMNS, "sweep", 2)
    files = [tmp_path / "sheet.png", tmp_path / "sweep.png"]
    arguments = ["portraits", "--sheet", str(files[0]), "--sweep", str(files[1]), "--scale", "1", "--objects", "1"]
    assert command.main(arguments) == 0
    assert [np.asarray(Image.open(file)).shape[1::-1] for file in files] == [(67, 67), (67, 133)]


def test_the_command_explains_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch) -> None:
    with pytest.raises(SystemExit):
        command.main(["chairs"])
    assert "nothing to draw: give --sheet" in capsys.readouterr().err
    for option, text, said in (
        ("--seed", "-1", "must be at least 0"),
        ("--scale", "0", "must be at least 1"),
        ("--objects", "x", "invalid whole_number"),
    ):
        with pytest.raises(SystemExit):
            command.main(["chairs", "--sheet", "x.png", option, text])
        assert f"argument {option}: {said}" in capsys.readouterr().err
    monkeypatch.setitem(command.NUM_COLUMNS, "sheet", 1)
    assert command.main(["chairs", "--sheet", str(tmp_path / "nowhere" / "sheet.png")]) == 2
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("name", kinds.KINDS)
def test_the_page_of_data_sets_gives_the_ranges_of_every_factor(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs/DATA.md").read_text()
    for factor, (low, high) in kinds.kind_module(name).RANGES.items():
        assert f"| {name}: {factor} | {low:.2f} to {high:.2f} |" in page
