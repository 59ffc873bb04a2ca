"""Other ways to write the step compute what they claim, and the count of their operations is right."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench.throughput.as_commonly_written import AsCommonlyWritten
from bench.throughput.ceiling import MatrixProduct, direct_flops, executed_flops
from bench.throughput.plain import PlainGan, plain_step
from bench.throughput.workloads import _VARIANTS, NETWORKS, Workload, iteration, trainer
from infogan.batch_norm import BatchNorm
from infogan.products import has_onednn_product
from infogan.step import Players, reference_step
from infogan.training import Trainer
from tests.bench.throughput_records import SMALL


def in_double_precision(workload: Workload, latents: str = "fresh", weight_discriminator: float = 1.0) -> Trainer:
    run = trainer(workload, "reference")
    settings = replace(
        run.config.step,
        latents=latents,
        mi_weight_discriminator=(weight_discriminator,) * len(run.config.latents.codes),
        learning_rate_generator=1e-3,
        learning_rate_discriminator=2e-4,
        learning_rate_q=2e-4,
    )
    return Trainer(replace(run.config, step=settings, dtype=torch.float64), run.images_NCHW, seed=0)


def batch(run: Trainer) -> Tensor:
    return run.scaled(run.images_NCHW[run.batches.next()])


@pytest.mark.parametrize("network", NETWORKS)
def test_the_plain_loop_is_the_reference_step(network: str) -> None:
    runs = [in_double_precision(replace(SMALL, network=network)) for _ in range(2)]
    for run, step in zip(runs, (plain_step, reference_step), strict=True):
        for _ in range(3):
            losses = step(run.players, batch(run))[:2]
        assert torch.isfinite(losses).all()
    for part in ("generator", "discriminator"):
        own, reference = (list(getattr(run.players, part).parameters()) for run in runs)
        assert all(torch.allclose(a, b, rtol=0, atol=1e-9) for a, b in zip(own, reference, strict=True))


class _Products(TorchDispatchMode):
    """Collects the types of the tensors that products and convolutions get."""

    def __init__(self) -> None:
        super().__init__()
        self.types: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if any(part in func.__name__ for part in ("convolution", "mm", "linear_pointwise")):
            self.types |= {a.dtype for a in args if isinstance(a, Tensor)}
        return func(*args, **(kwargs or {}))


class _NormPerFeature(nn.Module):
    """The library's batch norm of a reshaped linear layer, which replaces the ports' batch norm per channel."""

    def __init__(self, norm: BatchNorm, spatial: int) -> None:
        super().__init__()
        self.norm, self.spatial = norm, spatial

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x.permute(0, 2, 3, 1).flatten(1))
        return x.unflatten(1, (self.spatial, self.spatial, -1)).permute(0, 3, 1, 2)


def copy_weights(source: nn.Module, target: nn.Sequential) -> None:
    """Copy the library's blocks into the ports' layers. A linear layer's rows and columns are in (H, W, C) order."""
    modules = iter(enumerate(target))
    blocks = list(source.children()) if isinstance(source, nn.Sequential) else [source]
    for block in blocks:
        op, norm = (block.op, block.norm) if hasattr(block, "op") else (block, None)
        layer = next(m for _, m in modules if isinstance(m, nn.Conv2d | nn.ConvTranspose2d))
        weight = op.weight.detach()
        if isinstance(op, nn.Linear):
            side = layer.kernel_size[0]
            if isinstance(layer, nn.ConvTranspose2d):
                weight = weight.view(side, side, -1, weight.shape[1]).permute(3, 2, 0, 1)
            else:
                weight = weight.view(weight.shape[0], side, side, -1).permute(0, 3, 1, 2)
        layer.weight.data.copy_(weight)
        if op.bias is not None:
            layer.bias.data.copy_(op.bias.detach())
        if norm is None:
            continue
        index, own = next((i, m) for i, m in modules if isinstance(m, nn.BatchNorm2d))
        if len(norm.weight) == own.num_features:
            own.weight.data.copy_(norm.weight.detach())
            own.bias.data.copy_(norm.bias.detach())
        else:
            twin = BatchNorm(len(norm.weight), norm.eps).to(weight.dtype)
            twin.load_state_dict(norm.state_dict())
            target[index] = _NormPerFeature(twin, layer.kernel_size[0])


def gradients(modules: list[nn.Module]) -> list[float]:
    """Norm of each parameter's gradient, which does not depend on the weight's memory order."""
    return [float(p.grad.norm()) for module in modules for p in module.parameters() if p.grad is not None]


@pytest.mark.parametrize("network", NETWORKS)
def test_the_common_way_is_the_reference_step_where_the_algorithm_is_the_same(network: str) -> None:
    """The algorithms are made equal: D without L_I, G's phase on D's fake batch, batch norm per feature in the port.

    Then D's loss, G's gradients and D's update agree. Q is left out, since it learns in another phase.
    """
    run, twin = (in_double_precision(replace(SMALL, network=network), "reused", 0.0) for _ in range(2))
    common = AsCommonlyWritten(network, run.players, SMALL.width)
    g, d, n = run.players.generator, run.players.discriminator, common.networks
    copy_weights(g.body, n.generator)
    copy_weights(d.body, n.trunk)
    copy_weights(d.d_head, n.d_head)
    copy_weights(nn.Sequential(*d.q_hidden, d.q_out), n.q_head)
    images = batch(run)
    before = [p.detach().clone() for p in n.trunk.parameters()]
    loss_d, loss_g = common.step(images.contiguous())
    twin_players: Players = twin.players
    metrics = reference_step(twin_players, images)
    assert loss_d == pytest.approx(float(metrics[0]), rel=1e-9)
    common_g = gradients([n.generator])
    assert common_g == pytest.approx(gradients([twin_players.generator.body]), rel=1e-6)
    moved = [float((p.detach() - q).norm()) for p, q in zip(n.trunk.parameters(), before, strict=True)]
    reference_moved = [
        float((p - q).detach().norm())
        for p, q in zip(twin_players.discriminator.body.parameters(), d.body.parameters(), strict=True)
    ]
    assert moved == pytest.approx(reference_moved, rel=1e-6)
    assert math.isfinite(loss_g)


def test_the_plain_gan_has_no_codes_and_leaves_q_alone() -> None:
    run = trainer(SMALL, "fused")
    gan = PlainGan(run.players)
    q = [p.clone() for p in run.players.discriminator.q_parameters()]
    body = [p.clone() for p in run.players.discriminator.body.parameters()]
    assert torch.isfinite(gan.step(batch(run))).all()
    assert gan.noise(5).shape == (5, run.players.spec.input_width)
    assert all(torch.equal(a, b) for a, b in zip(q, run.players.discriminator.q_parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(body, run.players.discriminator.body.parameters(), strict=True))


@pytest.mark.parametrize("network", NETWORKS)
def test_the_counted_operations_are_those_of_the_tables(network: str) -> None:
    """The tolerance allows for the gradient at the first layer's input, which D's own phase does not need."""
    workload = Workload(network, batch_size=4, width=0.25)
    for variant in ("fused", "reference"):
        counted = executed_flops(iteration(variant, workload))
        assert counted == pytest.approx(direct_flops(workload), rel=0.03)


@pytest.mark.parametrize("variant", [v for v in _VARIANTS if v not in ("fused_graph", "fused_bf16")])
def test_only_the_fused_step_follows_the_precision(variant: str) -> None:
    """What people run stays in float32: it calls no product in bfloat16, and computes what it did."""
    seen: dict[str, set[torch.dtype]] = {}
    for precision in ("float32", "bf16"):
        with _Products() as products:
            iteration(variant, replace(SMALL, precision=precision))()
        seen[precision] = products.types
    assert seen["float32"] == {torch.float32}
    assert (torch.bfloat16 in seen["bf16"]) == variant.startswith("fused")


def test_the_suites_step_in_bf16_is_rounded() -> None:
    with _Products() as products:
        iteration("fused_bf16", SMALL)()
    assert torch.bfloat16 in products.types


def test_winograd_convolutions_execute_fewer_operations() -> None:
    direct = executed_flops(iteration("fused", Workload("mnist", batch_size=32)))
    winograd = executed_flops(iteration("fused", Workload("mnist", batch_size=32, kernels="winograd")))
    assert 0.7 * direct < winograd < 0.9 * direct


def test_onednns_products_are_counted_as_pytorchs() -> None:
    """The width is one at which only the last convolution has another formulation."""
    counted = [executed_flops(iteration("fused", Workload("faces", 8, 0.25, kernels=k))) for k in ("torch", "fastest")]
    assert counted[1] == pytest.approx(counted[0], rel=0.02)


@pytest.mark.skipif(not has_onednn_product(), reason="this PyTorch has no oneDNN product")
@pytest.mark.parametrize("faster", ["BLAS", "oneDNN"])
def test_the_ceiling_is_the_faster_librarys(faster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MatrixProduct, "_seconds", lambda self, library: 1.0 if library == faster else 2.0)
    assert MatrixProduct().library == faster
