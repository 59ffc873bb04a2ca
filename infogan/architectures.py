"""The paper's networks (appendix C, tables 1 to 6) as data. This module does not import torch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

KERNEL = 4  # every kernel of the paper is 4x4


@dataclass(frozen=True)
class Layer:
    """One row of the paper's tables. ``spatial``: side of the square that a linear layer's output is reshaped to."""

    kind: Literal["conv", "upconv", "linear"]
    width: int
    batch_norm: bool = True
    stride: int = 2
    spatial: int = 1


@dataclass(frozen=True)
class Architecture:
    """Generator, trunk shared by D and Q, and Q's hidden layers between the trunk and Q's output."""

    image_CHW: tuple[int, int, int]
    trunk: tuple[Layer, ...]
    q_hidden: tuple[Layer, ...]
    generator: tuple[Layer, ...]
    output: Literal["sigmoid", "tanh"]


def _conv(width: int, batch_norm: bool = True, stride: int = 2) -> Layer:
    return Layer("conv", width, batch_norm, stride)


def _up(width: int, batch_norm: bool = True, stride: int = 2) -> Layer:
    return Layer("upconv", width, batch_norm, stride)


def _fc(width: int, spatial: int = 1) -> Layer:
    return Layer("linear", width, True, spatial=spatial)


_COLOUR_32 = Architecture(  # tables 2 and 3: SVHN and CelebA
    image_CHW=(3, 32, 32),
    trunk=(_conv(64, batch_norm=False), _conv(128), _conv(256)),
    q_hidden=(_fc(128),),
    generator=(_fc(448, spatial=2), _up(256), _up(128, batch_norm=False), _up(64, batch_norm=False), _up(3, False)),
    output="tanh",
)
ARCHITECTURES: dict[str, Architecture] = {
    "mnist": Architecture(  # table 1
        image_CHW=(1, 28, 28),
        trunk=(_conv(64, batch_norm=False), _conv(128), _fc(1024)),
        q_hidden=(_fc(128),),
        generator=(_fc(1024), _fc(128, spatial=7), _up(64), _up(1, batch_norm=False)),
        output="sigmoid",
    ),
    "svhn": _COLOUR_32,
    "celeba": _COLOUR_32,
    "faces": Architecture(  # table 4: D and Q differ in their last layer only
        image_CHW=(1, 32, 32),
        trunk=(_conv(64, batch_norm=False), _conv(128), _fc(1024)),
        q_hidden=(),
        generator=(_fc(1024), _fc(128, spatial=8), _up(64), _up(1, batch_norm=False)),
        output="sigmoid",
    ),
    "chairs": Architecture(  # table 6
        image_CHW=(1, 64, 64),
        trunk=(_conv(64, False), _conv(128), _conv(256), _conv(256, stride=1), _conv(256, stride=1), _fc(1024)),
        q_hidden=(),
        generator=(
            _fc(1024),
            _fc(256, spatial=8),
            _up(256, stride=1),
            _up(256, stride=1),
            _up(128),
            _up(64),
            _up(1, False),
        ),
        output="sigmoid",
    ),
}


def adapted(architecture: Architecture, choices: Mapping[str, Any]) -> Architecture:
    """Apply the network settings ``discriminator_fc_norm``, ``generator_norm`` and ``heads`` to the tables.

    Other settings are ignored; missing ones keep their default.
    """
    trunk, q_hidden, generator = architecture.trunk, architecture.q_hidden, architecture.generator
    if choices.get("heads", "table") == "linear":
        q_hidden = ()
        trunk = trunk if trunk[-1].kind == "linear" else (*trunk, _fc(1024))
    if not choices.get("discriminator_fc_norm", True):
        trunk = tuple(replace(layer, batch_norm=False) if layer.kind == "linear" else layer for layer in trunk)
    if choices.get("generator_norm", "table") == "hidden":
        generator = (*(replace(layer, batch_norm=True) for layer in generator[:-1]), generator[-1])
    return replace(architecture, trunk=trunk, q_hidden=q_hidden, generator=generator)


@dataclass(frozen=True)
class Costs:
    """Arithmetic and size of one network: multiply-adds of a forward pass of one image, and parameters."""

    macs: int
    parameters: int

    def __add__(self, other: "Costs") -> "Costs":
        return Costs(self.macs + other.macs, self.parameters + other.parameters)


def scaled_width(width: int, multiplier: float) -> int:
    """Width of a hidden layer under the width multiplier, at least 1."""
    return max(1, round(width * multiplier))


@dataclass(frozen=True)
class Strided:
    """A 4x4 convolution of stride 2, or its transpose, between an image and features of half its side length."""

    kind: Literal["conv", "upconv"]
    image_channels: int
    feature_channels: int
    image_side: int

    @property
    def name(self) -> str:
        return f"{self.kind} {self.image_channels}x{self.image_side}-{self.feature_channels}"

    @property
    def may_gain(self) -> bool:
        """Whether Winograd-type products (:mod:`infogan.winograd`) may be faster for this layer on a CPU.

        The number of multiplications shrinks by a fixed factor (products / taps), while the transforms cost memory
        traffic in proportion to the channels. Speed-ups measured on one thread of an AVX-512 Xeon, batch sizes 128 and
        256, images of 4x4 to 32x32, by image and feature channels: 64 and 128: 1.4 to 1.5; 128 and 256: 2; 64 and 112
        (2x2 features): 1.0 to 1.1; 48 and 96: about 1.2; but 32 and 64: only 0.8 to 1.1; 64 and 64: about 0.95; 1 or 3
        and 64: 0.7 to 0.8. Other processors may gain with fewer channels or not at all, so candidates are measured on
        the machine that trains (:mod:`infogan.kernels`).
        """
        return self.image_side % 2 == 0 and self.image_channels >= 48 and self.feature_channels >= 96


@dataclass(frozen=True)
class Dense:
    """A linear layer's three matrix products: the output and both gradients."""

    in_width: int
    out_width: int

    @property
    def name(self) -> str:
        return f"linear {self.in_width}-{self.out_width}"

    @property
    def may_gain(self) -> bool:
        """Whether another library may multiply faster (:mod:`infogan.products`); never for a head's few outputs."""
        return min(self.in_width, self.out_width) >= 16


@dataclass(frozen=True)
class Placed:
    """A layer at its place in a network: width and side length of its input and output."""

    layer: Layer
    in_width: int
    in_side: int
    out_width: int
    is_output: bool  # last layer of a network with a fixed output width

    @property
    def out_side(self) -> int:
        if self.layer.kind == "linear":
            return self.layer.spatial
        return self.in_side // self.layer.stride if self.layer.kind == "conv" else self.in_side * self.layer.stride

    @property
    def costs(self) -> Costs:
        if self.layer.kind == "linear":
            macs = weights = self.in_width * self.in_side**2 * self.out_width * self.out_side**2
            features = self.out_width * self.out_side**2
        else:
            weights, features = self.in_width * self.out_width * KERNEL**2, self.out_width
            # a transposed convolution spreads each input pixel, a convolution gathers for each output pixel
            macs = weights * (self.out_side if self.layer.kind == "conv" else self.in_side) ** 2
        return Costs(macs, weights + (2 * features if self.layer.batch_norm else features))

    @property
    def formulation(self) -> Strided | Dense | None:
        """The operation that a CPU may compute in another way; None for a convolution of stride 1."""
        if self.layer.kind == "linear":
            return Dense(self.in_width * self.in_side**2, self.out_width * self.layer.spatial**2)
        if self.layer.stride != 2:
            return None
        if self.layer.kind == "conv":
            return Strided("conv", self.in_width, self.out_width, self.in_side)
        return Strided("upconv", self.out_width, self.in_width, self.out_side)


def placed(
    layers: tuple[Layer, ...], in_width: int, side: int, multiplier: float, last: int | None = None
) -> tuple[list[Placed], int, int]:
    """Place the layers of a stack; return them with width and side of the output.

    ``last``: fixed width of the last layer.
    """
    found: list[Placed] = []
    for index, layer in enumerate(layers):
        is_output = last is not None and index == len(layers) - 1
        out_width = last if is_output and last is not None else scaled_width(layer.width, multiplier)
        found.append(Placed(layer, in_width, side, out_width, is_output))
        in_width, side = out_width, found[-1].out_side
    return found, in_width, side


@dataclass(frozen=True)
class Networks:
    """The placed layers of the three networks, without D's head and Q's output layer."""

    generator: list[Placed]
    trunk: list[Placed]
    q_hidden: list[Placed]
    features: int  # number of features that the trunk computes per image
    q_width: int  # input width of Q's output layer

    @classmethod
    def of(cls, architecture: Architecture, input_width: int, multiplier: float) -> "Networks":
        """Place the layers of an architecture. ``input_width``: width of the generator's input."""
        channels, side, _ = architecture.image_CHW
        generator, _, _ = placed(architecture.generator, input_width, 1, multiplier, last=channels)
        trunk, width, side = placed(architecture.trunk, channels, side, multiplier)
        q_hidden, q_width, _ = placed(architecture.q_hidden, width * side**2, 1, 1.0)  # not scaled: see Discriminator
        return cls(generator, trunk, q_hidden, width * side**2, q_width)


def formulations(architecture: Architecture, input_width: int, multiplier: float) -> tuple[Strided | Dense, ...]:
    """The distinct operations with another implementation, strided ones first, each in the order of the tables."""
    networks = Networks.of(architecture, input_width, multiplier)
    listed = [p.formulation for p in (*networks.generator, *networks.trunk, *networks.q_hidden)]
    unique = dict.fromkeys(found for found in listed if found is not None)
    return tuple(sorted(unique, key=lambda found: isinstance(found, Dense)))


def choosable_layers(architecture: Architecture, input_width: int, multiplier: float) -> tuple[Strided | Dense, ...]:
    """Every layer that may be faster on a CPU in another implementation.

    ``input_width``: width of the generator's input.
    """
    return tuple(found for found in formulations(architecture, input_width, multiplier) if found.may_gain)


def network_costs(
    architecture: Architecture, input_width: int, parameter_width: int, multiplier: float
) -> dict[str, Costs]:
    """Costs of ``generator``, ``discriminator`` (trunk and D's head) and ``q`` (Q's own layers)."""
    networks = Networks.of(architecture, input_width, multiplier)
    head = Costs(networks.features, networks.features + 1)
    q_out = Costs(networks.q_width * parameter_width, (networks.q_width + 1) * parameter_width)
    return {
        "generator": _total(networks.generator),
        "discriminator": _total(networks.trunk) + head,
        "q": _total(networks.q_hidden) + q_out,
    }


def _total(layers: list[Placed]) -> Costs:
    return sum((p.costs for p in layers), Costs(0, 0))


def iteration_flops(costs: dict[str, Costs], batch_size: int) -> float:
    """Floating-point operations of one iteration with fresh latents, two per multiply-add.

    In units of one forward pass: G runs forward twice, and its backward pass costs two (weights and inputs). D runs
    forward three times (real, fake, fake again); its backward passes cost four in its own phase and one, to its input,
    in G's. Q reads fakes only: forward twice, and its backward passes cost three.
    """
    g, d, q = (costs[name].macs for name in ("generator", "discriminator", "q"))
    return 2.0 * batch_size * (4 * g + 8 * d + 5 * q)
