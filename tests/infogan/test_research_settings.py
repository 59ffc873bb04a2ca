"""Settings of the authors' research code: what each does, and that both steps treat it the same."""

import math
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from infogan.architectures import ARCHITECTURES, adapted, network_costs
from infogan.blocks import Block, NetworkSettings
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.networks import Discriminator, Generator, initialise
from infogan.step import STEPS, StepSettings
from infogan.streams import stream
from infogan.training import Trainer, TrainingConfig

SQRT_EXP = Continuous(std="sqrt-exp", std_clip=(0.1, 2.0))
SPEC = LatentSpec(Noise(8), (Continuous(), Categorical(10), SQRT_EXP))
STEP = StepSettings((0.3, 1.0, 0.3), (0.3, 1.0, 0.3))
NARROW = NetworkSettings(width=0.06)
NETWORKS = {
    "no batch norm on D's fully connected layer": replace(NARROW, discriminator_fc_norm=False),
    "batch norm after every hidden layer of G": replace(NARROW, generator_norm="hidden"),
    "linear heads": replace(NARROW, heads="linear", discriminator_fc_norm=False),
    "Q apart for the categories": replace(NARROW, q_network="separate-categories"),
    "a wide network's start": replace(NARROW, scale_init=True),
    "as theirs": replace(
        NARROW, discriminator_fc_norm=False, generator_norm="hidden", heads="linear", scale_init=True, slope=0.01
    ),
}
STEPS_OF = {
    "warm-up": replace(STEP, warm_up_iterations=3),
    "rule of giving up": replace(STEP, give_up="authors"),
    "both, and Q learns with G": replace(STEP, warm_up_iterations=3, give_up="authors", q_learns_with="generator"),
}


def trainer(
    architecture: str, kind: Any, step: StepSettings = STEP, network: NetworkSettings = NARROW, **more
) -> Trainer:
    settings = {"iterations": 5, "batch_size": 8, "dtype": torch.float64} | more
    config = TrainingConfig(architecture, SPEC, step, network=network, step_kind=kind, **settings)
    shape = (40, *ARCHITECTURES[architecture].image_CHW)
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    return Trainer(config, images, seed=3)


def after(run: Trainer) -> dict[str, Tensor]:
    for _ in run.run():
        pass
    parts = {"generator": run.players.generator, "discriminator": run.players.discriminator}
    weights = {name: torch.cat([p.detach().flatten() for p in part.parameters()]) for name, part in parts.items()}
    return weights | {"metrics": torch.from_numpy(run.history())}


def largest_difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return max(float((a[k] - b[k]).norm() / b[k].norm()) for k in a)


@pytest.mark.parametrize(
    ("architecture", "name"), [*((a, n) for a in ("mnist", "celeba") for n in NETWORKS), ("chairs", "as theirs")]
)
def test_both_steps_train_these_networks_alike(architecture: str, name: str) -> None:
    runs = [after(trainer(architecture, kind, network=NETWORKS[name])) for kind in STEPS]
    assert largest_difference(*runs) < 1e-9


@pytest.mark.parametrize("name", STEPS_OF)
def test_both_steps_do_this_alike(name: str) -> None:
    runs = [after(trainer("mnist", kind, STEPS_OF[name])) for kind in STEPS]
    assert largest_difference(*runs) < 1e-9


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_all_of_it_trains_in_both_precisions(precision: Any) -> None:
    network = replace(NETWORKS["as theirs"], q_network="separate-categories", precision=precision)
    step = replace(STEP, warm_up_iterations=3, give_up="authors")
    run = trainer("celeba", "fused", step, network, dtype=torch.float32)
    assert torch.isfinite(after(run)["metrics"]).all()


@pytest.mark.parametrize("name", [n for n in NETWORKS if n != "batch norm after every hidden layer of G"])
def test_each_changes_what_is_trained(name: str) -> None:
    plain, changed = (after(trainer("mnist", "fused", network=n)) for n in (NARROW, NETWORKS[name]))
    assert not torch.equal(plain["metrics"], changed["metrics"])


def norms(module: nn.Module) -> list[bool]:
    """Whether batch norm follows each hidden layer, in order."""
    return [b.norm is not None for b in module.modules() if isinstance(b, Block) and b.slope is not None]


def test_batch_norm_stands_where_the_settings_say() -> None:
    chairs = ARCHITECTURES["chairs"]
    assert norms(Discriminator(chairs, SPEC).body) == [False, True, True, True, True, True]
    without = NetworkSettings(discriminator_fc_norm=False, width=0.1)
    assert norms(Discriminator(chairs, SPEC, without).body) == [False, True, True, True, True, False]
    fully_connected = Discriminator(chairs, SPEC, without).body[-1].op
    assert isinstance(fully_connected, nn.Linear)
    assert fully_connected.bias is not None  # batch norm would have replaced it
    apart = Discriminator(chairs, SPEC, replace(without, q_network="separate"))
    assert apart.q_body is not None
    assert norms(apart.q_body) == norms(apart.body)
    celeba = ARCHITECTURES["celeba"]
    assert norms(Generator(celeba, SPEC).body) == [True, True, False, False]
    assert norms(Generator(celeba, SPEC, NetworkSettings(generator_norm="hidden")).body) == [True] * 4


def test_linear_heads_read_one_layer_of_1024() -> None:
    for name, num_layers in (("celeba", 4), ("mnist", 3), ("chairs", 6)):
        d = Discriminator(ARCHITECTURES[name], SPEC, NetworkSettings(heads="linear", width=0.5))
        assert len(d.body) == num_layers
        assert len(d.q_hidden) == 0
        assert d.q_out.weight.shape == (SPEC.parameter_width, 512)
        assert d.d_head.weight.shape == (1, 512)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("architecture", ["mnist", "celeba", "chairs"])
def test_costs_count_what_the_changed_networks_have(architecture: str, name: str) -> None:
    settings = replace(NETWORKS[name], q_network="shared")
    table = adapted(ARCHITECTURES[architecture], vars(settings))
    costs = network_costs(table, SPEC.input_width, SPEC.parameter_width, settings.width)
    d = Discriminator(ARCHITECTURES[architecture], SPEC, settings)
    assert costs["discriminator"].parameters == sum(p.numel() for p in d.d_parameters())
    assert costs["q"].parameters == sum(p.numel() for p in d.q_parameters())
    g = Generator(ARCHITECTURES[architecture], SPEC, settings)
    assert costs["generator"].parameters == sum(p.numel() for p in g.parameters())


def test_a_q_apart_reads_the_categories_alone_in_the_order_of_the_codes() -> None:
    d = Discriminator(ARCHITECTURES["mnist"], SPEC, NETWORKS["Q apart for the categories"])
    initialise(d, d.settings, stream(0, "init"))
    images = torch.rand(6, 1, 28, 28)
    features = d.trunk(images)
    mean_and_deviation, logits, sqrt_exp = SPEC.split(d.q(images, features))
    torch.testing.assert_close(logits, d.q_out(d.q_hidden(d.q_body(images))))
    torch.testing.assert_close(
        torch.cat([mean_and_deviation, sqrt_exp], 1), d.continuous_out(d.continuous_hidden(features))
    )
    assert {id(p) for p in d.q_parameters()} | {id(p) for p in d.d_parameters()} == {id(p) for p in d.parameters()}
    d.zero_grad()
    logits.sum().backward()
    assert not any(p.grad is not None and p.grad.any() for p in d.d_parameters())  # categories do not train D's trunk
    with pytest.raises(ValueError, match="needs a categorical code"):
        Discriminator(ARCHITECTURES["mnist"], LatentSpec(Noise(3), (Continuous(),)), d.settings)


def test_a_separate_q_for_categories_alone_is_a_separate_q() -> None:
    spec = LatentSpec(Noise(3), (Categorical(4), Categorical(3)))
    images, outputs = torch.rand(6, 1, 28, 28), []
    for q_network in ("separate", "separate-categories"):
        settings = replace(NARROW, q_network=q_network)
        d = Discriminator(ARCHITECTURES["mnist"], spec, settings)
        initialise(d, settings, stream(0, "init"))
        outputs.append(d.q_of(images))
    assert torch.equal(*outputs)


def test_a_narrow_network_starts_with_a_wide_ones_spread() -> None:
    deviations = []
    for width, scaled in ((0.25, True), (0.25, False)):
        settings = NetworkSettings(width=width, scale_init=scaled)
        d = Discriminator(ARCHITECTURES["mnist"], SPEC, settings)
        initialise(d, settings, stream(0, "init"))
        deviations.append(float(d.body[1].op.weight.detach().std()))
    assert deviations[0] / deviations[1] == pytest.approx(2.0, rel=1e-5)


def test_sqrt_exp_and_its_clip() -> None:
    outputs = torch.tensor([[0.0, 0.0], [0.0, math.log(0.25)], [0.0, -50.0], [0.0, 50.0]])
    assert SQRT_EXP.posterior(outputs).scale.tolist() == pytest.approx([1.0, 0.5, 0.1, 2.0])
    free = Continuous(std="sqrt-exp").posterior(outputs).scale.tolist()
    assert free == pytest.approx([1.0, 0.5, math.exp(-25), math.exp(25)], rel=1e-5)
    assert SQRT_EXP.parameter_width == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"std": "sqrt-exp", "std_clip": (2.0, 0.1)}, "positive and rise"),
        ({"std": "sqrt-exp", "std_clip": (0.0, 0.1)}, "positive and rise"),
        ({"std": "learned", "std_clip": (0.1, 2.0)}, 'needs std "sqrt-exp"'),
        ({"std": "exp"}, "positive"),
    ],
)
def test_deviations_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Continuous(**settings)


def test_a_warm_up_trains_on_mutual_information_alone() -> None:
    """D's head does not change for three iterations, while the trunk that Q reads learns; also after a resume."""
    run = trainer("mnist", "fused", STEPS_OF["warm-up"])
    head, start = run.players.discriminator.d_head, run.players.discriminator.d_head.weight.detach().clone()
    body = run.players.discriminator.body[0].op.weight.detach().clone()
    run.enqueue(3)
    assert torch.equal(head.weight, start)
    assert not torch.equal(run.players.discriminator.body[0].op.weight, body)
    run.enqueue(1)
    assert not torch.equal(head.weight, start)
    resumed = trainer("mnist", "fused", STEPS_OF["warm-up"])
    resumed.load_state_dict(deepcopy(run.state_dict()))
    assert torch.equal(after(resumed)["metrics"], after(run)["metrics"])
