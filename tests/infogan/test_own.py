"""A custom network, optimiser or step is found, digested, imported and trained; the default is unchanged."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from infogan.architectures import ARCHITECTURES, Layer
from infogan.blocks import NetworkSettings
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.networks import Discriminator, Generator
from infogan.own import OPTIMIZERS, OwnError
from infogan.own.networks import architecture_of, check, from_table, to_table
from infogan.own.sources import Reference, is_reference, load
from infogan.own.trainer import OwnTrainer, Parts, add_term, own_optimizer, torch_optimizer
from infogan.step import Players, StepSettings, fused_step
from infogan.training import Trainer, TrainingConfig

EXAMPLES = Path(__file__).parents[2] / "examples"
SETTINGS = StepSettings((1.0,), (1.0,))
SPEC = LatentSpec(Noise(10), (Categorical(10),))
CONFIG = TrainingConfig("mnist", SPEC, SETTINGS, 4, NetworkSettings(width=0.06), batch_size=16)
IMAGES = torch.randint(0, 256, (64, 1, 28, 28), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


def trained(trainer: Trainer, stop: int = 4) -> Trainer:
    trainer.enqueue(stop - trainer.iteration)
    return trainer


def same(one: Trainer, two: Trainer) -> bool:
    states = one.state_dict(), two.state_dict()
    weights = [torch.cat([p.flatten() for p in s["generator"].values()]) for s in states]
    return torch.equal(*weights) and torch.equal(states[0]["history"], states[1]["history"])


def example(text: str) -> Any:
    return load(Reference(text, EXAMPLES))


# ---------------------------------------------------------------- training
def test_the_librarys_own_parts_given_as_ones_own_give_the_same_bits() -> None:
    plain = trained(Trainer(CONFIG, IMAGES, 0))
    for parts in (Parts(), Parts(torch_optimizer("adam", {}, SETTINGS, "cpu")), Parts(step=fused_step)):
        assert same(plain, trained(OwnTrainer(CONFIG, IMAGES, 0, parts)))
    decayed = Parts(torch_optimizer("adamw", {"weight_decay": 0.1}, SETTINGS, "cpu"))
    assert not same(plain, trained(OwnTrainer(CONFIG, IMAGES, 0, decayed)))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_by_name_trains_and_resumes_to_the_same_bits(name: str) -> None:
    parts = Parts(torch_optimizer(name, {}, SETTINGS, "cpu"))
    whole, half = trained(OwnTrainer(CONFIG, IMAGES, 0, parts)), trained(OwnTrainer(CONFIG, IMAGES, 0, parts), 2)
    resumed = OwnTrainer(CONFIG, IMAGES, 0, parts)
    resumed.load_state_dict(half.state_dict())
    assert same(whole, trained(resumed))
    rates = [[group["lr"] for group in o.param_groups] for o in (whole.players.optimizer_discriminator, whole.players.optimizer_generator)]  # fmt: skip # noqa: E501
    assert rates == [[2e-4, 2e-4], [1e-3]]


def test_adams_settings_reach_those_like_adam_and_unknown_options_are_named() -> None:
    settings = replace(SETTINGS, beta1=0.7, adam_eps=1e-6)
    made = trained(OwnTrainer(CONFIG, IMAGES, 0, Parts(torch_optimizer("radam", {}, settings, "cpu"))))
    assert made.players.optimizer_generator.defaults["betas"] == (0.7, 0.999)
    assert made.players.optimizer_generator.defaults["eps"] == 1e-6
    for option in ("momentun", "lr", "betas", "fused"):
        with pytest.raises(OwnError, match=rf"unknown option '{option}'; choose from weight_decay, amsgrad|unknown"):
            torch_optimizer("adamw" if option == "betas" else "sgd", {option: 1}, SETTINGS, "cpu")
    with pytest.raises(OwnError, match=r"optimizer sgd: cannot be created with .*momentum"):
        OwnTrainer(CONFIG, IMAGES, 0, Parts(torch_optimizer("sgd", {"momentum": -1.0}, SETTINGS, "cpu")))


class WithNetwork(torch.nn.Module):
    """A step with a network that D's optimiser trains."""

    metrics = ("loss/own",)

    def __init__(self, players: Players, generator: torch.Generator) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(28, 1, bias=False)
        torch.nn.init.normal_(self.layer.weight, generator=generator)
        players.optimizer_discriminator.add_param_group({"params": list(self.layer.parameters()), "lr": 0.1})
        self.seen = [torch.zeros(1, 28)]
        add_term(players.optimizer_discriminator, self.term)

    def term(self) -> Tensor:
        self.value: Tensor = (self.layer(self.seen[0]) - 1).square().mean()
        return self.value

    def forward(self, players: Players, real_NCHW: Tensor) -> Tensor:
        self.seen[0] = real_NCHW[:, 0, 14]
        return torch.cat([fused_step(players, real_NCHW), self.value.detach()[None]])


@pytest.mark.parametrize("step", [WithNetwork, example("loss_term.py:ModeSeeking")])
def test_a_step_with_a_state_and_a_curve_of_its_own_resumes_to_the_same_bits(step: Any) -> None:
    whole, half = (trained(OwnTrainer(CONFIG, IMAGES, 0, Parts(step=step)), stop) for stop in (4, 2))
    assert whole.metric_names[-1] in ("loss/own", "loss/mode-seeking")
    assert len(set(whole.history()[:, -1].tolist())) == 4
    resumed = OwnTrainer(CONFIG, IMAGES, 0, Parts(step=step))
    resumed.load_state_dict(half.state_dict())
    assert same(whole, trained(resumed))
    if step is WithNetwork:  # it is trained, and starts differently with another seed
        first, other = (OwnTrainer(CONFIG, IMAGES, seed, Parts(step=step)).state_dict()["own_step"] for seed in (0, 1))
        assert not torch.equal(first["layer.weight"], whole.state_dict()["own_step"]["layer.weight"])
        assert not torch.equal(first["layer.weight"], other["layer.weight"])


@pytest.mark.parametrize(
    "names", ["loss/mine", ("mi/c1",), ("mi/mine",), ("loss/mine", "loss/mine"), ("größe",), ("../x",), ("",), (3,)]
)
def test_a_curve_of_ones_own_has_a_name_of_its_own(names: Any) -> None:
    class Named:
        metrics = names

        def __init__(self, players: Players, generator: torch.Generator) -> None: ...

        __call__ = staticmethod(fused_step)

    with pytest.raises(OwnError, match="a step's metrics must be a tuple of names such as 'loss/mine'"):
        OwnTrainer(CONFIG, IMAGES, 0, Parts(step=Named))


def test_the_second_method_trains_a_network_of_its_own_and_resumes_to_the_same_bits() -> None:
    spec = LatentSpec(Noise(10), (Categorical(10), Continuous(std=1.0), Continuous(std=1.0)))
    config = replace(CONFIG, latents=spec, step=StepSettings((1.0,) * 3, (1.0,) * 3))
    parts = Parts(step=example("contrastive.py:Contrastive"))
    whole, half = (trained(OwnTrainer(config, IMAGES, 0, parts), stop) for stop in (4, 2))
    resumed = OwnTrainer(config, IMAGES, 0, parts)
    resumed.load_state_dict(half.state_dict())
    assert same(whole, trained(resumed))
    losses, right = whole.history()[:, -2], whole.history()[:, -1]
    assert abs(losses[0] - math.log(3)) < 0.05  # no answer before the import
    assert ((right > 0) & (right < 1)).all()
    before, after = (OwnTrainer(config, IMAGES, 0, parts).state_dict()["own_step"], whole.state_dict()["own_step"])
    assert all(not torch.equal(before[name], after[name]) for name in before)
    plain = trained(Trainer(config, IMAGES, 0))
    assert not torch.equal(whole.players.generator(torch.ones(2, 22)), plain.players.generator(torch.ones(2, 22)))


def test_a_term_is_added_to_the_loss_and_nothing_else() -> None:
    """A term of zero changes no bit; a constant slope moves only the one weight it depends on, by the learning rate."""

    class Nothing:
        def __init__(self, players: Players, generator: torch.Generator) -> None:
            add_term(players.optimizer_generator, lambda: 0.0 * next(players.generator.parameters()).sum())

        __call__ = staticmethod(fused_step)

    assert same(trained(Trainer(CONFIG, IMAGES, 0)), trained(OwnTrainer(CONFIG, IMAGES, 0, Parts(step=Nothing))))


def test_an_optimiser_of_ones_own_is_made_with_its_options() -> None:
    make = own_optimizer("Lion", example("lion.py:Lion"), {"beta2": 0.9})
    run = OwnTrainer(CONFIG, IMAGES, 0, Parts(make))
    before = [p.clone() for p in run.players.generator.parameters()]
    trained(run, 1)
    moved = [(p - b).abs() for p, b in zip(run.players.generator.parameters(), before, strict=True)]
    assert all(torch.all((m < 1e-7) | ((m - 1e-3).abs() < 1e-6)) for m in moved)  # a sign times the rate
    for cls, message in (
        (3, "callable as"),
        (dict, "cannot be created with|returned dict"),
        (lambda *a, **k: 3, "returned int"),
    ):
        with pytest.raises(OwnError, match=message):
            OwnTrainer(CONFIG, IMAGES, 0, Parts(own_optimizer("it", cls, {"beta2": 0.9})))
    with pytest.raises(OwnError, match="lr would have no effect; set learning_rate_generator"):  # as torch's own refuse
        own_optimizer("Lion", example("lion.py:Lion"), {"lr": 0.1})


# ---------------------------------------------------------------- networks
def test_a_network_goes_through_a_record_unchanged() -> None:
    own = example("network.py:CONVOLUTIONAL")
    for architecture in (own, *ARCHITECTURES.values()):
        check(architecture)
        assert from_table(json.loads(json.dumps(to_table(architecture)))) == architecture
    assert architecture_of({"architecture": "mnist"}) is ARCHITECTURES["mnist"]
    held = {"architecture": "x.py:NET", "own": {"architecture": {"table": to_table(own)}}}
    assert architecture_of(held) == own
    Generator(own, SPEC), Discriminator(own, SPEC)


MNIST = ARCHITECTURES["mnist"]
WRONG = {
    "a side too large": (replace(MNIST, image_CHW=(1, 32, 32)), "images of side 28, but image_CHW says 32"),
    "no square": (replace(MNIST, image_CHW=(1, 28, 14)), r"must be \(channels, side, side\)"),
    "a kind": (replace(MNIST, trunk=(Layer("pool", 3),)), r"trunk\[0\]: kind must be one of"),  # type: ignore[arg-type]
    "a width": (replace(MNIST, trunk=(Layer("conv", 0),)), r"trunk\[0\]: width must be 1 to"),
    "no layers": (replace(MNIST, trunk=()), "need at least one layer"),
    "a list": (replace(MNIST, trunk=[]), "must be a tuple"),  # type: ignore[arg-type]
    "no layer": (replace(MNIST, trunk=(3,)), r"trunk\[0\] must be an infogan.architectures.Layer, got int"),  # type: ignore[arg-type]
    "an output": (replace(MNIST, output="relu"), "output must be one of"),  # type: ignore[arg-type]
    "odd sides": (replace(MNIST, trunk=(Layer("conv", 8),) * 3), "needs an even side"),
    "the wrong way": (replace(MNIST, trunk=(Layer("upconv", 8),)), "trunk cannot have an upconv"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_network_that_cannot_be_built_is_one_line(name: str) -> None:
    architecture, message = WRONG[name]
    with pytest.raises(OwnError, match=message):
        check(architecture)


@pytest.mark.parametrize("table", [None, 3, [], {}, {"trunk": 3}, to_table(MNIST) | {"image_CHW": "abc"}])
def test_a_record_that_holds_no_network_is_refused(table: Any) -> None:
    with pytest.raises(OwnError):
        architecture_of({"architecture": "x:y", "own": {"architecture": {"table": table}}})
    with pytest.raises((OwnError, KeyError)):
        architecture_of({"architecture": "x:y", "own": table if table else [1]})


# ---------------------------------------------------------------- sources
@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("D = 1\n")
    (tmp_path / "parts" / "terms.py").write_text("from . import deep\nVALUE = 1\n")
    (tmp_path / "parts" / "deep.py").write_text("A = 1\n")
    (tmp_path / "lazily.py").write_text("B = 1\n")
    (tmp_path / "unused.py").write_text("C = 1\n")
    text = "import torch\nfrom infogan.step import fused_step\nfrom parts.terms import VALUE\n"
    text += "def mine():\n    import lazily\n"
    (tmp_path / "source_of_a_test.py").write_text(text)
    return tmp_path


def test_the_digest_covers_a_source_and_all_that_it_imports_from_beside_it(folder: Path) -> None:
    references = [Reference(text, folder) for text in ("source_of_a_test:mine", "source_of_a_test.py:mine")]
    names = [file.relative_to(folder).as_posix() for file in references[0].files]
    assert names == ["lazily.py", "parts/__init__.py", "parts/deep.py", "parts/terms.py", "source_of_a_test.py"]
    assert references[0].digest == references[1].digest
    before = references[0].digest
    for name in names:
        text = (folder / name).read_text()
        (folder / name).write_text(f'"""Said."""\n# more\n{text}')
        assert references[0].digest == before, name
        (folder / name).write_text(f"{text}\nCHANGED = 1\n")
        assert references[0].digest != before, name
        (folder / name).write_text(text)
    (folder / "unused.py").write_text("C = 2\n")
    assert references[0].digest == before


def test_what_is_imported_of_this_library_beyond_its_training_counts_too() -> None:
    files = {file.name for file in Reference("loss_term.py:ModeSeeking", EXAMPLES).files}
    assert files == {"loss_term.py", "trainer.py", "__init__.py"}  # of infogan/own; step.py is in every cell's key


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("raise ValueError('no\\nway')", "cannot be imported: ValueError: no way"),
        ("import nothing_of_this_name", "cannot be imported: ModuleNotFoundError"),
        ("import sys; sys.exit(3)", "cannot be imported: SystemExit: 3"),
        ("def mine(:", "cannot be imported: SyntaxError"),
        ("yours = 1", "has no mine"),
    ],
)
def test_what_cannot_be_imported_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "broken_source_of_a_test.py"
    file.write_text(content)
    reference = Reference("broken_source_of_a_test:mine", tmp_path)
    with pytest.raises(OwnError, match=message) as caught:
        load(reference)
    if content.startswith("def"):
        with pytest.raises(OwnError, match=r"broken_source_of_a_test.py cannot be read"):
            _ = reference.digest
    assert "\n" not in str(caught.value)


def test_a_missing_module_or_a_taken_name_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # processes that later tests start must not find this json.py
    assert [is_reference(text) for text in ("a:b", "a.b:C", "../x/y.py:z", "mnist", "a:", ":b", "a b:c")] == [
        True, True, True, False, False, False, False,
    ]  # fmt: skip
    for text, message in (
        ("nowhere:x", "no module nowhere in .*, and none is installed"),
        ("nowhere.py:x", "nowhere.py does not exist"),
        ("../a/b:x", "write module:name or path/to/file.py:name"),
    ):
        with pytest.raises(OwnError, match=message):
            _ = Reference(text, tmp_path).file
    (tmp_path / "json.py").write_text("x = 1")
    with pytest.raises(OwnError, match=r"another module is called json; rename json.py"):
        load(Reference("json.py:x", tmp_path))
