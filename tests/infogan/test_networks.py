"""Networks against the paper's tables and against sizes counted by hand; batch-norm modes."""

import pytest
import torch
from torch.nn import functional as F

from infogan.architectures import ARCHITECTURES, Layer, Placed, iteration_flops, network_costs
from infogan.batch_norm import BatchNorm, collecting, frozen
from infogan.blocks import Block, NetworkSettings
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.networks import Discriminator, Generator, initialise
from infogan.streams import stream

MNIST_SPEC = LatentSpec(Noise(62), (Categorical(10), Continuous(), Continuous()))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_shapes_are_the_papers(name: str) -> None:
    architecture = ARCHITECTURES[name]
    spec = LatentSpec(Noise(5), (Categorical(10), Continuous()))
    settings = NetworkSettings(width=0.05)
    images = Generator(architecture, spec, settings)(spec.sample(3, stream(0, "latents")).inputs_NZ)
    assert images.shape == (3, *architecture.image_CHW)
    discriminator = Discriminator(architecture, spec, settings)
    features = discriminator.trunk(images)
    assert discriminator.logits(features).shape == (3,)
    assert discriminator.q(images, features).shape == (3, spec.parameter_width)


def test_mnist_parameter_counts_match_table_1_by_hand() -> None:
    generator = Generator(ARCHITECTURES["mnist"], MNIST_SPEC)
    expected = 74 * 1024 + 2 * 1024 + 1024 * 6272 + 2 * 6272 + 128 * 64 * 16 + 2 * 64 + 64 * 16 + 1
    assert sum(p.numel() for p in generator.parameters()) == expected
    discriminator = Discriminator(ARCHITECTURES["mnist"], MNIST_SPEC)
    trunk = 64 * 16 + 64 + 64 * 128 * 16 + 2 * 128 + 6272 * 1024 + 2 * 1024
    q = 1024 * 128 + 2 * 128 + 128 * 14 + 14
    assert sum(p.numel() for p in discriminator.d_parameters()) == trunk + 1025
    assert sum(p.numel() for p in discriminator.q_parameters()) == q


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("width", [1.0, 0.3])
def test_costs_count_what_the_networks_have(name: str, width: float) -> None:
    architecture, settings = ARCHITECTURES[name], NetworkSettings(width=width)
    costs = network_costs(architecture, MNIST_SPEC.input_width, MNIST_SPEC.parameter_width, width)
    discriminator = Discriminator(architecture, MNIST_SPEC, settings)
    assert costs["generator"].parameters == sum(
        p.numel() for p in Generator(architecture, MNIST_SPEC, settings).parameters()
    )
    assert costs["discriminator"].parameters == sum(p.numel() for p in discriminator.d_parameters())
    assert costs["q"].parameters == sum(p.numel() for p in discriminator.q_parameters())


def test_mnist_iteration_needs_40_gigaflop() -> None:
    costs = network_costs(ARCHITECTURES["mnist"], 74, 14, 1.0)
    assert costs["generator"].macs == 74 * 1024 + 1024 * 6272 + 128 * 64 * 16 * 49 + 64 * 16 * 196
    assert iteration_flops(costs, 128) == pytest.approx(40e9, rel=0.03)


def test_grouped_batch_norm_normalises_each_part_alone() -> None:
    norm = BatchNorm(4, 1e-5)
    x = torch.randn(10, 4, 3, 3, generator=stream(0, "latents"))
    expected = torch.cat([F.batch_norm(part, None, None, training=True) for part in x.chunk(2)])
    torch.testing.assert_close(norm(x, groups=2), expected)
    assert not torch.allclose(norm(x, groups=1), expected)


def test_frozen_statistics_are_the_pooled_ones_of_all_batches() -> None:
    norm = BatchNorm(4, 1e-5)
    x = torch.randn(30, 4, generator=stream(0, "latents")) * 3 + 2
    with collecting(norm):
        for batch in x.split(8):  # the last is smaller
            norm(batch)
    torch.testing.assert_close(norm.frozen_mean, x.mean(0))
    torch.testing.assert_close(norm.frozen_var, x.var(0, unbiased=False))
    with frozen(norm):
        torch.testing.assert_close(norm(x[:1]), norm(x)[:1])
    assert norm.mode == "batch"


def test_collecting_without_a_batch_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no batch"), collecting(BatchNorm(2, 1e-5)):
        pass


@pytest.mark.parametrize("kind", ["conv", "upconv"])
def test_stride_one_convolutions_are_padded_or_cropped_ones(kind) -> None:
    """Output and gradients of input, weight and bias. Size is kept by padding 1 before and 2 after, or by cropping.

    The up-convolution is cropped so that it is the adjoint of the convolution with the same weight.
    """
    block = Block(Placed(Layer(kind, 3, batch_norm=False, stride=1), 2, 6, 3, True), NetworkSettings(), 0.0).double()
    x = torch.randn(4, 2, 6, 6, dtype=torch.float64, generator=stream(0, "latents"), requires_grad=True)
    if kind == "conv":
        expected = F.conv2d(F.pad(x, (1, 2, 1, 2)), block.op.weight, block.op.bias)
        adjoint = F.conv_transpose2d(expected, block.op.weight)[:, :, 1:-2, 1:-2]
        cropped = F.conv_transpose2d(expected, block.op.weight, padding=1)[:, :, :-1, :-1]
        torch.testing.assert_close(cropped, adjoint, rtol=1e-12, atol=1e-12)
    else:
        expected = F.conv_transpose2d(x, block.op.weight, block.op.bias, stride=1, padding=1)[:, :, :-1, :-1]
    ours = block(x)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
    direction = torch.randn(ours.shape, dtype=torch.float64, generator=stream(1, "latents"))
    pairs = [torch.autograd.grad(y, [x, *block.parameters()], direction) for y in (ours, expected)]
    for a, b in zip(*pairs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("init", ["normal", "truncated", "torch"])
def test_initialisation_follows_its_settings_and_its_stream(init) -> None:
    settings = NetworkSettings(width=0.5, init=init)
    networks = [Discriminator(ARCHITECTURES["mnist"], MNIST_SPEC, settings) for _ in range(2)]
    for network in networks:
        initialise(network, settings, stream(4, "init"))
    weights = [dict(network.named_parameters()) for network in networks]
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    convolution = weights[0]["body.1.op.weight"]
    if init != "torch":
        assert convolution.std().item() == pytest.approx(0.02 if init == "normal" else 0.0176, rel=0.05)
    assert (convolution.abs().max() <= 0.04).item() == (init == "truncated")
    gain = weights[0]["body.2.norm.weight"]
    assert gain.mean().item() == pytest.approx(1, abs=0.01)
    assert gain.std().item() == pytest.approx(0.02, rel=0.2)
    assert weights[0]["d_head.bias"].abs().sum() == 0


def test_a_generator_table_of_the_wrong_size_is_refused() -> None:
    from dataclasses import replace

    wrong = replace(ARCHITECTURES["mnist"], image_CHW=(1, 32, 32))
    with pytest.raises(ValueError, match="side 28, not 32"):
        Generator(wrong, MNIST_SPEC)


def test_a_collection_that_broke_off_leaves_nothing_behind() -> None:
    """Otherwise its sums would silently enter the statistics of the next one."""
    norm, x = BatchNorm(4, 1e-5), torch.randn(30, 4, generator=stream(0, "latents"))
    with pytest.raises(RuntimeError, match="size"), collecting(norm):  # the second batch has too many features
        _ = norm(x * 100), norm(torch.ones(8, 5))
    with collecting(norm):
        norm(x)
    torch.testing.assert_close(norm.frozen_mean, x.mean(0))
    torch.testing.assert_close(norm.frozen_var, x.var(0, unbiased=False))
