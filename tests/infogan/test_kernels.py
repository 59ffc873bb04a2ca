"""The measured choice of formulations: what is listed, what a choice does to the networks, what the ratio measures."""

import math
from dataclasses import replace

import pytest
import torch

from infogan import kernels
from infogan.architectures import ARCHITECTURES, Dense, Strided, choosable_layers, formulations
from infogan.blocks import Block, NetworkSettings
from infogan.codes import Categorical, LatentSpec, Noise
from infogan.networks import Discriminator, Generator

LATENTS = LatentSpec(Noise(6), (Categorical(10),))


def strided_layers(architecture: str, width: float) -> list[Strided]:
    found = formulations(ARCHITECTURES[architecture], LATENTS.input_width, width)
    return [layer for layer in found if isinstance(layer, Strided)]


def dense_layers(architecture: str, input_width: int, width: float) -> list[Dense]:
    found = formulations(ARCHITECTURES[architecture], input_width, width)
    return [layer for layer in found if isinstance(layer, Dense)]


def winograd_blocks(architecture: str, settings: NetworkSettings) -> set[str]:
    """Names of the layers that were built with Winograd blocks, seen from the weights."""
    table, found = ARCHITECTURES[architecture], set()
    sides = {layer.name: layer for layer in strided_layers(architecture, settings.width)}
    networks = (Generator(table, LATENTS, settings), Discriminator(table, LATENTS, settings))
    for block in (b for network in networks for b in network.modules() if isinstance(b, Block)):
        if block.kernel == "winograd":
            first, second = block.op.weight.shape[:2]  # (features, image) of both kinds
            found |= {
                name
                for name, layer in sides.items()
                if (layer.kind, layer.feature_channels, layer.image_channels) == (block.layer.kind, first, second)
            }
    return found


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
@pytest.mark.parametrize("width", [0.4, 1.0])
def test_the_listed_layers_that_may_gain_are_those_that_the_networks_have(architecture: str, width: float) -> None:
    settings = NetworkSettings(width=width, kernels="fastest")
    may_gain = {layer.name for layer in strided_layers(architecture, width) if layer.may_gain}
    assert winograd_blocks(architecture, settings) == may_gain


def test_the_papers_mnist_layers_by_hand() -> None:
    assert [layer.name for layer in strided_layers("mnist", 1.0)] == [
        "upconv 64x14-128",
        "upconv 1x28-64",
        "conv 1x28-64",
        "conv 64x14-128",
    ]


def test_only_the_chosen_layers_are_done_so() -> None:
    chosen = NetworkSettings(kernels="fastest", fast_layers=("conv 128x8-256",))
    assert winograd_blocks("celeba", chosen) == {"conv 128x8-256"}
    assert winograd_blocks("celeba", replace(chosen, fast_layers=())) == set()


def test_wide_layers_may_gain_and_narrow_ones_may_not() -> None:
    assert Strided("conv", 64, 128, 14).may_gain
    assert Strided("upconv", 128, 256, 8).may_gain
    assert not Strided("conv", 1, 64, 28).may_gain
    assert not Strided("upconv", 3, 64, 32).may_gain
    assert not Strided("conv", 32, 64, 14).may_gain
    assert not Strided("conv", 64, 128, 7).may_gain  # odd


LAYERS = [Strided("conv", 6, 8, 8), Strided("upconv", 6, 8, 8), Dense(20, 30)]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_the_ratio_is_of_processor_times_of_the_same_function(
    layer: Strided | Dense, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock that charges the other formulation three seconds and PyTorch's own two."""
    now, outputs = [0.0], []

    def charged(operation, seconds):
        def run(*arguments, **options):
            now[0] += seconds
            outputs.append(operation(*arguments, **options))
            return outputs[-1]

        return run

    monkeypatch.setattr(kernels.time, "process_time", lambda: now[0])
    for name in ("conv4x4_stride2", "conv_transpose4x4_stride2", "linear"):
        monkeypatch.setattr(kernels, name, charged(getattr(kernels, name), 3.0))
    for name in ("conv2d", "conv_transpose2d", "linear"):
        monkeypatch.setattr(kernels.F, name, charged(getattr(kernels.F, name), 2.0))
    assert kernels.time_ratio(layer, batch_size=2) == pytest.approx(1.5)
    assert len(outputs) == 2 * (1 + kernels.MIN_PAIRS)
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", [Strided("conv", 16, 16, 8), Dense(64, 32)], ids=lambda layer: layer.name)
def test_a_real_clock_gives_a_ratio(layer: Strided | Dense) -> None:
    assert math.isfinite(kernels.time_ratio(layer, batch_size=8))


def test_without_the_other_library_no_linear_layer_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "has_onednn_product", lambda: False)
    assert kernels.time_ratio(Dense(64, 32), batch_size=8) == math.inf


def test_the_papers_linear_layers_by_hand() -> None:
    assert [layer.name for layer in dense_layers("mnist", 74, 1.0)] == [
        "linear 74-1024",
        "linear 1024-6272",
        "linear 6272-1024",
        "linear 1024-128",
    ]
    assert not Dense(1024, 1).may_gain


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
@pytest.mark.parametrize("width", [0.05, 0.4, 1.0])
def test_the_listed_linear_layers_are_those_that_the_networks_have(architecture: str, width: float) -> None:
    table, settings = ARCHITECTURES[architecture], NetworkSettings(width=width, kernels="fastest")
    networks = (Generator(table, LATENTS, settings), Discriminator(table, LATENTS, settings))
    blocks = [b for network in networks for b in network.modules() if isinstance(b, Block) and b.kernel == "onednn"]
    found = {f"linear {block.op.weight.shape[1]}-{block.op.weight.shape[0]}" for block in blocks}
    listed = choosable_layers(table, LATENTS.input_width, width)
    assert found == {layer.name for layer in listed if isinstance(layer, Dense)}
    only = replace(settings, fast_layers=(min(found),)) if found else settings
    chosen = [b for b in Generator(table, LATENTS, only).modules() if isinstance(b, Block) and b.kernel == "onednn"]
    assert len(chosen) <= 1


def all_kernels(architecture: str, settings: NetworkSettings) -> list[str]:
    """The kernel of each layer: G's, the trunk's, Q's."""
    table = ARCHITECTURES[architecture]
    networks = (Generator(table, LATENTS, settings), Discriminator(table, LATENTS, settings))
    return [block.kernel for network in networks for block in network.modules() if isinstance(block, Block)]


# layer by layer, G then the trunk then Q: "." torch, T thin, W winograd, G gathered, D onednn
@pytest.mark.parametrize(
    ("architecture", "exact", "exact_few", "rounded"),
    [
        ("mnist", "DDWT TWD D", "...T T.. .", "...T T.. ."),
        ("celeba", "DWWWT TWW D", "....T T.. .", ".GG.T T.G ."),
        ("chairs", "DD..WWT TWW..D", "......T T.....", "......T T....."),
    ],
)
def test_the_kernel_of_each_layer(architecture: str, exact: str, exact_few: str, rounded: str) -> None:
    letters = {"torch": ".", "thin": "T", "winograd": "W", "gathered": "G", "onednn": "D"}
    fastest = NetworkSettings(kernels="fastest")
    few, bf16 = replace(fastest, fast_layers=()), replace(fastest, precision="bf16")
    expected = {fastest: exact, few: exact_few, bf16: rounded, replace(bf16, fast_layers=()): rounded}
    for settings, layers in expected.items():
        assert "".join(letters[k] for k in all_kernels(architecture, settings)) == layers.replace(" ", "")
    for precision in ("float32", "bf16"):
        plain = NetworkSettings(precision=precision)
        assert set(all_kernels(architecture, plain)) == {"torch"}
