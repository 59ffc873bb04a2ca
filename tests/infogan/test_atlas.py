"""An atlas holds what its generator makes from the latents that it names, in few bytes."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from infogan import atlas
from infogan.api import latent_spec
from infogan.architectures import ARCHITECTURES
from infogan.atlas import ROWS, Atlas, Panel, draw_atlas, panels, strongest_noise
from infogan.batch_norm import frozen
from infogan.blocks import NetworkSettings
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.measures.calibration import calibrate_generator
from infogan.networks import Generator, initialise
from tests.infogan.painted import SPEC, STRONG, Painted

CONTINUOUS = Continuous(std=1.0)


@pytest.fixture(autouse=True)
def few_places(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "slow" not in request.keywords:
        monkeypatch.setattr(atlas, "POSITIONS", (-2.0, 0.0, 1.5))


def cut(drawn: Atlas, name: str) -> np.ndarray:
    """Images of a panel, (rows, *axes, H, W) uint8, cut by the layout as a reader does, independently of the writer."""
    layout = drawn.layout
    (panel,) = [panel for panel in layout["panels"] if panel["name"] == name]
    shape = [layout["rows"], *(len(axis["values"]) for axis in panel["axes"])]
    page = np.asarray(Image.open(io.BytesIO(drawn.pictures[name])).convert("L"))
    width, height, across = layout["width"], layout["height"], layout["across"]
    places = [divmod(k, across) for k in range(int(np.prod(shape)))]
    images = [page[y * height : (y + 1) * height, x * width : (x + 1) * width] for y, x in places]
    return np.stack(images).reshape(*shape, height, width)


def network(architecture: str, spec: LatentSpec, width: float = 0.0625) -> Generator:
    """Fresh weights, large enough that pictures differ, with frozen statistics."""
    settings = NetworkSettings(width=width, init_std=0.2)
    generator = Generator(ARCHITECTURES[architecture], spec, settings)
    initialise(generator, settings, torch.Generator().manual_seed(0))
    calibrate_generator(generator, spec, torch.Generator().manual_seed(1), 512)
    return generator


def names(found: list[Panel]) -> list[tuple[str, list[str]]]:
    return [(panel.name, [axis.name for axis in panel.axes]) for panel in found]


def test_few_codes_move_together_and_many_each_alone() -> None:
    assert names(panels(SPEC, (7, 3))) == [("codes", ["c1", "c2", "c3"]), ("noise", ["c1", "z8", "z4"])]
    faces = LatentSpec(Noise(8), (CONTINUOUS,) * 3)
    assert names(panels(faces, (7, 3))) == [("c1", ["c1"]), ("c2", ["c2"]), ("c3", ["c3"]), ("noise", ["z8"])]
    celeba = LatentSpec(Noise(8), (Categorical(10),) * 2)
    assert names(panels(celeba, (0, 1))) == [("c1", ["c1"]), ("c2", ["c2"]), ("noise", ["z1"])]
    only = LatentSpec(Noise(8), (Categorical(10),))
    assert names(panels(only, (0, 1))) == [("codes", ["c1"]), ("noise", ["c1", "z1"])]
    assert names(panels(LatentSpec(Noise(0), (CONTINUOUS,)), ())) == [("codes", ["c1"])]


def test_every_image_is_the_generators_for_the_latents_that_the_layout_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atlas, "MAX_BYTES", 1 << 24)  # untrained images are noise, which compresses badly
    spec = LatentSpec(Noise(12), (Categorical(4), CONTINUOUS, CONTINUOUS))
    generator = network("mnist", spec)
    drawn = draw_atlas(generator, spec, 5, signed=False)
    assert drawn.layout["encoding"] == "64 grey levels"
    stream = torch.Generator().manual_seed(5)
    noise = spec.noise.sample(ROWS, stream, torch.float32)
    fixed = [code.sample(ROWS, stream, torch.float32) for code in spec.codes]
    for panel in drawn.layout["panels"]:
        shown = cut(drawn, panel["name"])
        for place in np.ndindex(*shown.shape[: 1 + len(panel["axes"])]):
            row, own_noise = place[0], noise[place[0]].clone()
            values = [code[row : row + 1].clone() for code in fixed]
            for axis, k in zip(panel["axes"], place[1:], strict=True):
                if axis["kind"] == "noise":
                    own_noise[int(axis["name"].removeprefix("z")) - 1] = axis["values"][k]
                else:
                    values[int(axis["name"].removeprefix("c")) - 1][0] = axis["values"][k]
            with frozen(generator), torch.no_grad():
                expected = generator(spec.assemble(own_noise[None], tuple(values)).inputs_NZ)[0, 0] * 255
            assert np.abs(shown[place].astype(float) - expected.clamp(0, 255).numpy()).max() <= 255 / 63 / 2 + 1, place


def test_codes_and_the_strongest_noise_are_seen_in_the_picture() -> None:
    assert strongest_noise(Painted(), SPEC, 0) == STRONG
    drawn = draw_atlas(Painted(), SPEC, 0, signed=False)
    codes, noise = cut(drawn, "codes"), cut(drawn, "noise")
    assert codes.shape == (ROWS, 10, 3, 3, 28, 28)
    assert codes[0, :, 0, 0, 15].argmax(1).tolist() == [2 + 2 * k for k in range(10)]
    assert (np.diff(codes[0, 0, :, 1, 8, 2].astype(int)) > 0).all()  # c2 to the left
    assert len(set(codes[0, 0, :, 1, 8, 20].tolist())) == 1
    assert (np.diff(codes[0, 0, 1, :, 8, 20].astype(int)) > 0).all()  # c3 to the right
    assert (np.diff(noise[0, 0, :, 1, 26, 2].astype(int)) > 0).all()
    assert draw_atlas(Painted(), SPEC, 0, signed=False) == drawn


def test_a_generator_with_tanh_is_shown_from_black_to_white() -> None:
    class Signed(Painted):
        def forward(self, inputs_NZ: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs_NZ) * 2 - 1

    plain, signed = draw_atlas(Painted(), SPEC, 0, signed=False), draw_atlas(Signed(), SPEC, 0, signed=True)
    assert np.array_equal(cut(plain, "codes"), cut(signed, "codes"))


def test_large_images_are_shrunk() -> None:
    class Large(Painted):
        def forward(self, inputs_NZ: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs_NZ).repeat_interleave(8, 2).repeat_interleave(8, 3)  # 224 pixels a side

    drawn = draw_atlas(Large(), SPEC, 0, signed=False)
    assert (drawn.layout["width"], drawn.layout["height"]) == (64, 64)
    bars = cut(drawn, "codes")[0, :, 0, 0, 42].argmax(1)
    assert np.abs(bars - [(2.5 + 2 * k) * 64 / 28 for k in range(10)]).max() < 2


def test_pictures_lose_detail_before_they_grow_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {}
    for limit in (1 << 20, 200_000, 25_000):
        monkeypatch.setattr(atlas, "MAX_BYTES", limit)
        drawn = draw_atlas(network("mnist", SPEC), SPEC, 0, signed=False)
        sizes[drawn.layout["encoding"]] = sum(map(len, drawn.pictures.values()))
        assert sizes[drawn.layout["encoding"]] <= limit
    assert len(sizes) == 3
    assert next(iter(sizes)) == "64 grey levels"
    monkeypatch.setattr(atlas, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match="more than 100 bytes"):
        draw_atlas(network("mnist", SPEC), SPEC, 0, signed=False)


def test_an_atlas_as_arrays_holds_its_layout_beside_its_pictures() -> None:
    drawn = draw_atlas(Painted(), SPEC, 0, signed=False)
    arrays = drawn.to_arrays()
    assert json.loads(arrays.pop("layout").tobytes()) == json.loads(json.dumps(drawn.layout))
    assert {name: array.tobytes() for name, array in arrays.items()} == drawn.pictures


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["faces", "chairs", "svhn", "celeba", "mnist"])
def test_every_data_sets_atlas_is_small_whatever_it_shows(architecture: str) -> None:
    """Untrained weights give noise, which is harder to compress than any trained generator's pictures."""
    from pathlib import Path

    from bench.spec.tables import load_spec

    table = load_spec(Path(__file__).parents[2] / "experiments.toml").experiments[architecture]
    codes = [code.model_dump(mode="json", exclude_none=True) for code in table.codes]
    spec = latent_spec({"codes": codes, "noise": table.noise.model_dump()})
    signed = ARCHITECTURES[architecture].output == "tanh"
    drawn = draw_atlas(network(architecture, spec), spec, 0, signed=signed)
    assert sum(map(len, drawn.pictures.values())) <= atlas.MAX_BYTES <= 400_000
