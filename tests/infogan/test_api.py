"""A loaded model: the same picture in any batch, codes as requested, and one line for invalid requests."""

import copy
import doctest
import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, load_file, save

import infogan
from infogan import api
from infogan.architectures import ARCHITECTURES
from infogan.batch_norm import frozen
from infogan.measures.calibration import calibrate_on_prior
from infogan.networks import Discriminator, Generator, initialise
from infogan.weights import packed

CONTINUOUS = {"kind": "continuous", "std": "learned", "log_std_clamp": [-4.0, 2.0]}
CODES = [{"kind": "categorical", "num_categories": 10}, CONTINUOUS, CONTINUOUS]


def write_export(folder: Path, architecture: str = "mnist", init_std: float = 0.2) -> Path:
    """Write fresh networks with frozen statistics as an export; their weights are large enough that pictures differ."""
    network = {"width": 0.0625, "init_std": init_std, "kernels": "fastest", "chosen_for": "any"}
    card: dict[str, Any] = {"format": api.FORMAT, "codes": CODES, "noise": {"size": 62, "prior": "uniform"}}
    card |= {"architecture": architecture, "network": network}
    spec, settings = api.latent_spec(card), api.network_settings(card)
    stream = torch.Generator().manual_seed(0)
    players = [network(ARCHITECTURES[architecture], spec, settings) for network in (Generator, Discriminator)]
    for player in players:
        initialise(player, settings, stream)
    calibrate_on_prior(*players, spec, stream, 512)
    folder.mkdir()
    states = {"generator": players[0].state_dict(), "discriminator": players[1].state_dict()}
    (folder / api.WEIGHTS).write_bytes(packed(states))
    card["weights_sha256"] = hashlib.sha256((folder / api.WEIGHTS).read_bytes()).hexdigest()
    (folder / api.CARD).write_text(json.dumps(card))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(tmp_path_factory.mktemp("models") / "digits")


@pytest.fixture(scope="module")
def model(folder: Path) -> api.Model:
    return infogan.load(folder)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_importing_the_package_imports_no_torch() -> None:
    script = (
        "import sys, infogan; assert 'torch' not in sys.modules; assert infogan.ModelError.__name__ == 'ModelError'"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


def test_one_latent_or_a_hundred_give_the_same_picture(model: api.Model) -> None:
    noise, widths = model.noise(100, seeded()), torch.linspace(-2, 2, 100)
    many = model.sample(100, noise=noise, c1=3, c2=widths, c3=0.5)
    assert many.shape == (100, 1, 28, 28)
    assert many.min() >= 0
    assert many.max() <= 1
    assert (many[0] - many[50]).abs().max() > 0.1  # pictures do differ
    for row in (0, 37, 99):
        one = model.sample(1, noise=noise[row], c1=3, c2=widths[row], c3=0.5)
        assert (one[0] - many[row]).abs().max() < 1e-6
    inputs_NZ = model.spec.sample(20, seeded()).inputs_NZ
    assert (model.generator(inputs_NZ)[:1] - model.generator(inputs_NZ[:1])).abs().max() < 1e-6
    read, alone = model.encode(many), model.encode(many[37:38])
    assert (alone["c1"][0] - read["c1"][37]).abs().max() < 1e-6
    assert (alone["c2"].mean[0] - read["c2"].mean[37]).abs() < 1e-6


def test_pictures_are_those_of_the_frozen_generator(model: api.Model, folder: Path) -> None:
    """Compared with the networks as the harness builds them, with their own kernels."""
    card = json.loads((folder / api.CARD).read_text())
    generator = Generator(ARCHITECTURES["mnist"], model.spec, api.network_settings(card))
    tensors = load_file(folder / api.WEIGHTS)
    generator.load_state_dict(
        {name.removeprefix("generator."): t for name, t in tensors.items() if name.startswith("generator.")}
    )
    latents = model.spec.sample(20, seeded(5))
    with frozen(generator), torch.no_grad():
        expected = generator(latents.inputs_NZ)
    assert (model.sample(20, generator=seeded(5)) - expected).abs().max() < 1e-5


def test_a_code_that_is_given_leaves_the_other_draws_as_they_were(model: api.Model) -> None:
    drawn = model.spec.sample(4, seeded(7))
    whole = model.sample(4, generator=seeded(7))
    same = model.sample(4, generator=seeded(7), c1=drawn.values[0], c3=drawn.values[2])
    assert torch.equal(whole, same)
    assert not torch.equal(whole, model.sample(4, generator=seeded(7), c1=(drawn.values[0] + 1) % 10))
    torch.manual_seed(7)
    assert torch.equal(whole, model.sample(4))


def test_codes_and_what_q_says(model: api.Model) -> None:
    assert [(code.name, code.kind, code.num_categories) for code in model.codes] == [
        ("c1", "categorical", 10),
        ("c2", "continuous", None),
        ("c3", "continuous", None),
    ]
    assert model.codes[0].ceiling_nats == pytest.approx(2.302585)
    assert model.codes[1].ceiling_nats is None
    images = model.sample(6, generator=seeded())
    read = model.encode(images)
    assert read["c1"].shape == (6, 10)
    assert torch.allclose(read["c1"].sum(1), torch.ones(6))
    assert read["c2"].mean.shape == read["c2"].std.shape == (6,)
    assert (read["c2"].std > 0).all()
    whole = (images * 255).round().to(torch.uint8)
    assert torch.equal(model.encode(whole)["c1"], model.encode(whole / 255)["c1"])


def test_a_module_in_eval_mode_is_frozen(folder: Path) -> None:
    model = infogan.load(folder)
    inputs_NZ = model.latents(20, generator=seeded())
    images_NCHW = model.sample(20, generator=seeded())
    for network in (model.generator, copy.deepcopy(model.generator), model.generator.train().eval()):
        assert not network.training
        assert torch.equal(network(inputs_NZ), images_NCHW)
        assert (network.eval()(inputs_NZ[:1]) - images_NCHW[:1]).abs().max() < 1e-6
    trunk = model.discriminator.eval().trunk
    assert (trunk(images_NCHW)[:1] - trunk(images_NCHW[:1])).abs().max() < 1e-4


def test_the_examples_of_the_docstrings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every public function has an example, which gives what it shows. test_export.py runs those that load results."""
    monkeypatch.chdir(folder.parent)
    finder, names = doctest.DocTestFinder(), vars(api) | {"torch": torch}
    where = {"load": api.load, "Model": api.Model, "ModelError": api.ModelError}
    found = [case for name, what in where.items() for case in finder.find(what, name, globs=names)]
    shown = {case.name: case for case in found if case.examples}
    methods = [f"Model.{name}" for name in vars(api.Model) if not name.startswith("_") and name != "index"]
    assert shown.keys() == {"load", "Model", "ModelError", *methods}
    del shown["load"]
    for case in shown.values():
        assert doctest.DocTestRunner().run(case).failed == 0, case.name


def test_statistics_of_other_images_change_what_q_says(folder: Path) -> None:
    model, images = infogan.load(folder), torch.rand(64, 1, 28, 28, generator=seeded())
    before = model.encode(images)["c1"]
    model.calibrate(images)
    assert not torch.allclose(before, model.encode(images)["c1"])


def test_images_of_a_generator_in_minus_one_to_one_are_given_from_zero_to_one(tmp_path: Path) -> None:
    model = infogan.load(write_export(tmp_path / "svhn", "svhn", init_std=0.02))
    images = model.sample(3, generator=seeded())
    assert images.shape == (3, 3, 32, 32)
    latents = model.spec.sample(3, seeded())
    with frozen(model.generator):
        assert torch.allclose(images, (model.generator(latents.inputs_NZ) + 1) / 2)
    assert model.encode(images)["c1"].shape == (3, 10)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda m: m.sample(2, c9=1), "unknown code 'c9'; this model has c1, c2, c3"),
        (lambda m: m.sample(2, c1=10), "c1 takes categories 0 to 9, got 10"),
        (lambda m: m.sample(2, c1=[1, 2.5]), "c1 takes categories 0 to 9, got 2.5"),
        (lambda m: m.sample(2, c2=float("nan")), "c2 takes finite numbers, got nan"),
        (lambda m: m.sample(2, c2=[0, 1, 2]), "c2 takes one number or 2"),
        (lambda m: m.sample(2, c2="wide"), "c2: expected numbers"),
        (lambda m: m.sample(0), "n must be at least 1"),
        (
            lambda m: m.sample(2, noise=torch.zeros(3, 62)),
            r"noise must have shape \(1, 62\) or \(2, 62\), got \(3, 62\)",
        ),
        (lambda m: m.encode(torch.zeros(2, 28, 28)), r"images must have shape \(N, 1, 28, 28\), got \(2, 28, 28\)"),
        (lambda m: m.encode(torch.full((2, 1, 28, 28), 255.0)), "images must be in .0, 1., or uint8"),
        (lambda m: m.calibrate(torch.zeros(1, 1, 28, 28)), "at least two images"),
        (lambda m: m.traversal("c4"), "unknown code 'c4'"),
        (lambda m: m.sample(2.5), "n must be a whole number, got 2.5"),
        (lambda m: m.sample(True), "n must be a whole number, got True"),
        (lambda m: m.noise("a"), "n must be a whole number, got 'a'"),
        (lambda m: m.noise(-1), "n must be at least 1, got -1"),
        (lambda m: m.sample(10**6000), "n must be at most 2147483647, got one far beyond"),
        (lambda m: m.sample(2, noise=torch.zeros(1, 62).to_sparse()), "noise: expected real numbers in a dense tensor"),
        (lambda m: m.latents(2**70), "n must be at most 2147483647"),
        (lambda m: m.sample(2, noise="a"), "noise: expected numbers, got 'a'"),
        (lambda m: m.sample(2, noise=torch.full((1, 62), float("nan"))), "noise: expected finite numbers"),
        (lambda m: m.sample(2, noise=torch.zeros(1, 62, dtype=torch.complex64)), "noise: expected real numbers"),
        (lambda m: m.sample(2, c1=None), "c1: expected numbers, got None"),
        (lambda m: m.sample(2, c2=1j), "c2: expected real numbers"),
        (lambda m: m.sample(2, c2=1e300), r"c2 takes finite numbers, got 1e\+300"),
        (lambda m: m.sample(2, generator=3), "generator must be a torch.Generator, got 3"),
        (lambda m: m.noise(2, generator="a"), "generator must be a torch.Generator, got 'a'"),
        (lambda m: m.encode("x"), "images: expected numbers, got 'x'"),
        (lambda m: m.encode(None), "images: expected numbers, got None"),
        (lambda m: m.encode(torch.zeros(2, 1, 28, 28, dtype=torch.complex64)), "images: expected real numbers"),
        (lambda m: m.encode(torch.zeros(2, 1, 28, 28, device="meta")), "images: expected real numbers"),
        (lambda m: m.encode(torch.full((2, 1, 28, 28), float("nan"))), "images must be in .0, 1."),
        (lambda m: m.calibrate(None), "images: expected numbers, got None"),
        (lambda m: m.calibrate(5), r"images must have shape \(N, 1, 28, 28\), got \(\)"),
        (lambda m: m.traversal("c1", seed=2**70), "seed must be at most 18446744073709551615"),
        (lambda m: m.traversal("c1", seed="a"), "seed must be a whole number, got 'a'"),
    ],
)
def test_what_cannot_be_asked(model: api.Model, ask: Callable[[api.Model], object], words: str) -> None:
    with pytest.raises(infogan.ModelError, match=words) as raised:
        ask(model)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("device", ["meta", "tpu", "cuda:77", None, 1.5])
def test_a_device_that_cannot_be_used_is_not_blamed_on_the_model(folder: Path, device: Any) -> None:
    """Every build of torch lacks a 78th GPU; "meta" computes nothing."""
    with pytest.raises(infogan.ModelError, match=f"^device '{device}' cannot be used: "):
        infogan.load(folder, device=device)
    assert infogan.load(folder, device=torch.device("cpu")).sample(1).device.type == "cpu"


@pytest.mark.parametrize("path", [3, None, "a\0b", "a" * 5000])
def test_a_path_that_is_none_is_one_line(path: Any) -> None:
    with pytest.raises(infogan.ModelError, match=r"^path .* cannot be read: "):
        infogan.load(path)


def damage(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


def changed_card(**fields: Any) -> Callable[[bytes], bytes]:
    return lambda raw: json.dumps(json.loads(raw) | fields).encode()


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (api.CARD, lambda raw: raw[:40], "card.json is damaged"),
        (api.CARD, lambda raw: b"[]", "not a card of format"),
        (api.CARD, changed_card(format="infogan-export-9"), "not a card of format"),
        (api.CARD, changed_card(architecture="cubist"), "do not form a model: KeyError: 'cubist'"),
        (api.CARD, changed_card(codes=CODES[:1]), "do not form a model: RuntimeError"),
        (api.CARD, changed_card(noise={"size": 10**11}), "do not form a model: RuntimeError"),
        (api.CARD, changed_card(codes=[{"kind": "categorical"}]), "do not form a model: KeyError"),
        (api.CARD, changed_card(network={"width": math.inf}), "do not form a model: OverflowError"),
        (api.WEIGHTS, lambda raw: raw[:-100], "weights.safetensors is damaged"),
    ],
)
def test_a_damaged_folder_is_one_line(
    folder: Path, tmp_path: Path, name: str, change: Callable[[bytes], bytes], words: str
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    damage(copy, name, change)
    with pytest.raises(infogan.ModelError, match=words) as raised:
        infogan.load(copy)
    assert "\n" not in str(raised.value)


def test_weights_that_would_run_code_are_refused(folder: Path, tmp_path: Path) -> None:
    """A pickle, or anything else, under the file name and with the checksum that the card states."""
    copy = tmp_path / "copy"
    copy.mkdir()
    torch.save({"generator": print, "discriminator": {}}, copy / api.WEIGHTS)
    sha256 = hashlib.sha256((copy / api.WEIGHTS).read_bytes()).hexdigest()
    (copy / api.CARD).write_bytes(changed_card(weights_sha256=sha256)((folder / api.CARD).read_bytes()))
    with pytest.raises(infogan.ModelError, match="do not form a model: SafetensorError"):
        infogan.load(copy)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.complex64])
def test_weights_of_another_type_are_refused(folder: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    """They would be loaded, and sampling would end in an error of torch."""
    copy = tmp_path / "copy"
    copy.mkdir()
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(folder / api.WEIGHTS).items()}
    (copy / api.WEIGHTS).write_bytes(save(tensors))
    sha256 = hashlib.sha256((copy / api.WEIGHTS).read_bytes()).hexdigest()
    (copy / api.CARD).write_bytes(changed_card(weights_sha256=sha256)((folder / api.CARD).read_bytes()))
    with pytest.raises(infogan.ModelError, match=rf"do not form a model: TypeError: .* is {dtype}, expected torch"):
        infogan.load(copy)


@pytest.mark.parametrize("fields", [{"arm": 5}, {"variant": ["half"], "arm": "gan"}])
def test_an_arm_that_is_no_text_is_not_the_arm_that_was_asked_for(
    folder: Path, tmp_path: Path, fields: dict[str, Any]
) -> None:
    (tmp_path / api.CARD).write_bytes(changed_card(**fields)((folder / api.CARD).read_bytes()))
    with pytest.raises(infogan.ModelError, match=r"is an exported network of arm .*, not 'gan'"):
        infogan.load(tmp_path, arm="gan")


@pytest.mark.usefixtures("held_to_modes")
def test_a_folder_that_this_account_may_not_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    for path in (tmp_path / "closed", tmp_path / "closed" / "model"):
        with pytest.raises(infogan.ModelError, match=r"closed.* cannot be read: Permission denied$"):
            infogan.load(path)


def test_weights_of_any_layout_are_packed() -> None:
    laid_out_otherwise = torch.arange(12.0).reshape(3, 4).T
    content = load(packed({"generator": {"a": laid_out_otherwise}, "discriminator": {}}))
    assert torch.equal(content["generator.a"], laid_out_otherwise)


def test_weights_are_read_without_this_package(folder: Path, model: api.Model) -> None:
    tensors = load_file(folder / api.WEIGHTS)
    networks = {"generator": model.generator, "discriminator": model.discriminator}
    assert tensors.keys() == {f"{name}.{key}" for name, network in networks.items() for key in network.state_dict()}
    for name, network in networks.items():
        assert all(torch.equal(tensor, tensors[f"{name}.{key}"]) for key, tensor in network.state_dict().items())


def test_no_folder_and_no_export(tmp_path: Path) -> None:
    with pytest.raises(infogan.ModelError, match="none does not exist; python -m bench run writes results"):
        infogan.load(tmp_path / "none")
    with pytest.raises(infogan.ModelError, match="neither cells nor packs"):
        infogan.load(tmp_path)
    with pytest.raises(infogan.ModelError, match="mnist-paper keeps only curves, no networks: train a cell"):
        infogan.load(Path(__file__).parents[2] / "results/reference/mnist-paper")
