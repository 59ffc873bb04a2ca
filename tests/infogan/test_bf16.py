"""Training in bfloat16 is the same science as in float32: what it rounds, what it does not, and mutants that show it.

`pytest -s` prints the largest difference of each comparison. Widths are 0.25 of the paper's, with the paper's spread of
activations (``scale_init``). A difference of two gradients is stated as the difference of their norms, relative, and
the cosine between them.
"""

import copy
import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from infogan.batch_norm import BatchNorm, collecting
from infogan.blocks import Block
from infogan.networks import Discriminator
from infogan.step import Step, fused_step, reference_step
from infogan.training import Trainer
from tests.infogan.steps import ARMS, BATCH, EVERY_IN_BF16, EXACT, INFOGAN, ROUNDED, run_of, smooth, still

Gradients = dict[str, Tensor]


def gradients_of(run: Trainer, step: Step) -> Gradients:
    """The gradient of each parameter in one iteration, flat and in float64."""
    players = run.players
    players.begin(0)
    step(players, run.scaled(run.images_NCHW[run.batches.next()]))
    networks = {"g": players.generator, "d": players.discriminator}
    named = [(f"{name}.{k}", p) for name, network in networks.items() for k, p in network.named_parameters()]
    return {name: p.grad.double().flatten() for name, p in named if p.grad is not None}


def by_layer(gradients: Gradients) -> Gradients:
    """One vector per layer: its weight, its bias, and the gain and shift of its batch norm."""
    layers: dict[str, list[Tensor]] = {}
    for name, gradient in gradients.items():
        layers.setdefault(re.sub(r"(\.op|\.norm)?\.(weight|bias)$", "", name), []).append(gradient)
    return {layer: torch.cat(parts) for layer, parts in layers.items()}


def norm_difference(ours: Tensor, exact: Tensor) -> float:
    return abs(float(ours.norm() / exact.norm()) - 1)


def cosine(ours: Tensor, exact: Tensor) -> float:
    return float(ours @ exact / (ours.norm() * exact.norm()))


# ---- against float64

RESEARCH = {"heads": "linear", "discriminator_fc_norm": False, "generator_norm": "hidden", "slope": 0.01}
LAYERS: dict[str, dict[str, Any]] = {
    "the paper's": {},
    "the authors'": RESEARCH | {"q_network": "separate"},
    "Q apart for the categories": {"q_network": "separate-categories"},
}


def blocks_and_inputs(run: Trainer) -> list[tuple[Block, Tensor]]:
    """Every layer with its input in the first iteration."""
    found: dict[Block, Tensor] = {}
    players = run.players
    blocks = [b for n in (players.generator, players.discriminator) for b in n.modules() if isinstance(b, Block)]
    for block in blocks:
        block.register_forward_pre_hook(lambda b, inputs: None if b in found else found.update({b: inputs[0].detach()}))
    gradients_of(run, fused_step)
    assert len(found) == len(blocks)
    return list(found.items())


@pytest.mark.parametrize("kernels", ["torch", "fastest"])
@pytest.mark.parametrize("network", LAYERS)
@pytest.mark.parametrize("architecture", EVERY_IN_BF16)
def test_each_layer_alone_is_float64s(architecture: str, network: str, kernels: Any) -> None:
    """Output and all gradients, for the same input and the same gradient of the output, both exact in bfloat16.

    The gradient is zero at units that took the other side of the kink; these are less than 1 in 100.
    """
    settings = replace(ROUNDED, kernels=kernels, **LAYERS[network])
    largest, smallest, most_flipped, used = 0.0, 1.0, 0.0, set()
    for block, seen in blocks_and_inputs(run_of(architecture, INFOGAN, "fused", settings)):
        exact_block = copy.deepcopy(block).double()
        exact_block.kernel = "torch"
        used.add(block.kernel)
        x = seen.bfloat16().to(torch.bfloat16 if block.is_rounded else torch.float32).requires_grad_()
        exact_x = x.detach().double().requires_grad_()
        y, exact_y = block(x), exact_block(exact_x)
        flipped = (y > 0) != (exact_y > 0) if block.slope is not None else torch.zeros_like(y, dtype=torch.bool)
        draw = torch.randn(y.shape, generator=torch.Generator().manual_seed(0)).bfloat16() * ~flipped
        ours = torch.autograd.grad(y, [x, *block.parameters()], draw.to(y.dtype))
        exact = torch.autograd.grad(exact_y, [exact_x, *exact_block.parameters()], draw.double())
        for a, b in zip((y.detach(), *ours), (exact_y.detach(), *exact), strict=True):
            largest = max(largest, norm_difference(a.double().flatten(), b.flatten()))
            smallest = min(smallest, cosine(a.double().flatten(), b.flatten()))
        most_flipped = max(most_flipped, float(flipped.double().mean()))
    print(
        f"\nlayers of {architecture}, {network}, {kernels}: norm {largest:.4f}, cosine {smallest:.6f}, {most_flipped=}"
    )
    assert used == {"torch"} or kernels == "fastest"
    assert "thin" in used or kernels == "torch"
    assert largest < 0.005
    assert smallest > 0.9993
    assert most_flipped < 0.01


# With AVX2 alone, PyTorch has other kernels for bfloat16, and one layer of faces has a cosine of 0.994.
HAS_AVX512 = torch.backends.cpu.get_cpu_capability() == "AVX512"


@pytest.mark.parametrize("arm", [arm for arm in ARMS if not arm.endswith("fast-q")])  # a rate has no gradient
@pytest.mark.parametrize("architecture", EVERY_IN_BF16)
def test_the_gradients_of_an_iteration_are_float64s(
    monkeypatch: pytest.MonkeyPatch, architecture: str, arm: str
) -> None:
    """Of each layer: the norm within 2 %, the cosine at least 0.999.

    G's last bias is one number per colour, a sum over all pixels of all images that nearly cancels. It is compared with
    the sum of the same terms without their signs.
    """
    smooth(monkeypatch)
    settings = still(ARMS[arm])
    reference, terms = run_of(architecture, settings, "reference", EXACT), []

    def keep_terms(module: nn.Module, inputs: Any, output: Tensor) -> None:
        if output.requires_grad:
            output.register_hook(lambda gradient: terms.append(float(gradient.abs().sum())))

    reference.players.generator.body.register_forward_hook(keep_terms)
    exact = gradients_of(reference, reference_step)
    ours = gradients_of(run_of(architecture, settings, "fused"), fused_step)
    assert ours.keys() == exact.keys()
    last = f"g.body.{len(reference.players.generator.body) - 1}.op.bias"
    assert float((ours.pop(last) - exact[last]).abs().sum()) < 2e-4 * terms[-1]
    del exact[last]
    ours, exact = by_layer(ours), by_layer(exact)
    largest = max((norm_difference(ours[k], exact[k]), k) for k in ours)
    smallest = min((cosine(ours[k], exact[k]), k) for k in ours)
    print(f"\niteration of {architecture}, {arm}: norm {largest[0]:.4f} {largest[1]}, cosine {smallest[0]:.5f}")
    assert largest[0] < (0.02 if HAS_AVX512 else 0.04)
    assert smallest[0] > (0.999 if HAS_AVX512 else 0.99)


@pytest.mark.parametrize("architecture", EVERY_IN_BF16)
def test_the_layers_at_the_image_are_in_float32(architecture: str) -> None:
    """D's first and G's last layer equal float64's, the layers between are rounded."""
    layers = blocks_and_inputs(run_of(architecture, INFOGAN, "fused"))
    for block, seen in layers:
        assert seen.dtype == (torch.bfloat16 if block.is_rounded else torch.float32)
        exact = copy.deepcopy(block).double()(seen.double())
        error = float((block(seen).double() - exact).norm().detach() / exact.norm().detach())
        assert (error > 1e-4) == block.is_rounded
        assert block.is_rounded or error < 1e-5
    assert sum(not block.is_rounded for block, _ in layers) == 2


@pytest.mark.parametrize("architecture", EVERY_IN_BF16)
def test_rounding_moves_a_gradient_less_than_another_batch_does(architecture: str) -> None:
    """With ReLUs, whose kinks rounding crosses: 1 - cosine is less than a third of that between two batches."""
    exact, ours = (
        gradients_of(run_of(architecture, still(INFOGAN), kind, network), step)
        for kind, network, step in (("reference", EXACT, reference_step), ("fused", ROUNDED, fused_step))
    )
    run = run_of(architecture, still(INFOGAN), "reference", EXACT)
    run.batches.next()
    run.players.latents.manual_seed(99)
    other = gradients_of(run, reference_step)
    several = [k for k in exact if len(exact[k]) > 1]
    rounding = {k: cosine(ours[k], exact[k]) for k in several}
    sampling = {k: cosine(other[k], exact[k]) for k in several}
    for player in "gd":
        whole = [torch.cat([found[k] for k in several if k[0] == player]) for found in (ours, other, exact)]
        lowest, highest = (
            f"{choose((c[k], k) for k in several if k[0] == player)}"
            for choose, c in ((min, rounding), (max, sampling))
        )
        lowest, highest = (
            min(rounding[k] for k in several if k[0] == player),
            max(sampling[k] for k in several if k[0] == player),
        )
        print(f"\nwith kinks, {architecture} {player}: norm {norm_difference(whole[0], whole[2]):.4f}, cosine")
        print(f"{cosine(whole[0], whole[2]):.4f}, lowest of a layer {lowest:.3f}; between two batches")
        print(f"{cosine(whole[1], whole[2]):.4f}, highest of a layer {highest:.3f}")
    assert all(1 - rounding[k] < (1 - sampling[k]) / 3 for k in several)


# ---- what stays in float32


@torch.no_grad()
def heads_error(run: Trainer) -> float:
    """Error of D's logits and of Q's outputs against float64, relative, from the same features."""
    d = run.players.discriminator
    features = d.trunk(run.scaled(run.images_NCHW[:BATCH]))
    errors = []
    for ours, head, x in (
        (d.logits(features)[:, None], d.d_head, features),
        (d.q(features, features), d.q_out, d.q_hidden(features)),
    ):
        exact = copy.deepcopy(head).double()(x.double())
        errors.append(float((ours.double() - exact).norm() / exact.norm()))
    return max(errors)


def test_heads_are_in_float32_and_a_rounded_head_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of("mnist", INFOGAN, "fused")
    assert heads_error(run) < 1e-6
    run.players.discriminator.d_head.bfloat16()
    monkeypatch.setattr(Discriminator, "logits", lambda d, features: d.d_head(features.bfloat16()).float().squeeze(1))
    assert heads_error(run) > 1e-3


def test_parameters_gradients_moments_metrics_and_outputs_are_float32() -> None:
    run = run_of("celeba", INFOGAN, "fused")
    players = run.players
    g, d = players.generator, players.discriminator
    run.enqueue(2)
    parameters = [*g.parameters(), *d.parameters()]
    moments = [s for o in (players.optimizer_generator, players.optimizer_discriminator) for s in o.state.values()]
    kept = [t for state in moments for t in state.values()]
    assert len(kept) == 3 * len(parameters)  # step, and two moments
    images = g(players.sample(4).inputs_NZ)
    features = d.trunk(images)
    outputs = [images, features, d.logits(features), d.q(images, features), torch.from_numpy(run.history())]
    found = [*parameters, *(p.grad for p in parameters), *kept, *outputs]
    assert {t.dtype for t in found} == {torch.float32}


def test_batch_norms_statistics_are_float64s_for_images_in_bfloat16() -> None:
    """In training and frozen. Means are up to 7 standard deviations: in bfloat16 they would be off by 0.01."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(64, 8, 16, 16, generator=generator) + torch.arange(8).view(8, 1, 1)).bfloat16()
    exact_var, exact_mean = torch.var_mean(x.double().transpose(0, 1).flatten(1), 1, correction=0)
    norm = BatchNorm(8, 1e-5)
    with collecting(norm):
        y = norm(x)
    same, mean, inverse_std = torch.native_batch_norm(x, norm.weight, norm.bias, None, None, True, 0.0, norm.eps)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, same)
    for found_mean, found_var in ((mean, inverse_std**-2 - norm.eps), (norm.frozen_mean, norm.frozen_var)):
        assert found_mean.dtype == found_var.dtype == torch.float32
        torch.testing.assert_close(found_mean.double(), exact_mean, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(found_var.double(), exact_var, rtol=1e-3, atol=0)
