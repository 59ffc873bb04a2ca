"""The paper's networks (appendix C, tables 1 to 6) as data. Importing this is cheap: no torch."""

from dataclasses import dataclass
from typing import Literal

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
    """Generator, trunk shared by D and Q, and what lies between the trunk and Q's output."""

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


@dataclass(frozen=True)
class Costs:
    """Arithmetic and size of one network: multiply-adds of a forward pass of one image, and parameters."""

    macs: int
    parameters: int

    def __add__(self, other: "Costs") -> "Costs":
        return Costs(self.macs + other.macs, self.parameters + other.parameters)


def scaled_width(width: int, multiplier: float) -> int:
    """A hidden layer's width under the width multiplier."""
    return max(1, round(width * multiplier))


def layer_costs(
    layers: tuple[Layer, ...], in_width: int, side: int, multiplier: float, last: int | None = None
) -> tuple[Costs, int, int]:
    """Costs of a stack, with the width and side of its output. ``last``: fixed width of its last layer."""
    total = Costs(0, 0)
    for index, layer in enumerate(layers):
        is_output = last is not None and index == len(layers) - 1
        out_width = last if is_output and last is not None else scaled_width(layer.width, multiplier)
        if layer.kind == "linear":
            out_side, taps = layer.spatial, in_width * side**2
            weights = taps * out_width * out_side**2
            macs = weights
        else:
            out_side = side // layer.stride if layer.kind == "conv" else side * layer.stride
            weights = in_width * out_width * KERNEL**2
            # a transposed convolution spreads each input pixel, a convolution gathers for each output pixel
            macs = weights * (out_side if layer.kind == "conv" else side) ** 2
        features = out_width * (out_side**2 if layer.kind == "linear" else 1)
        total += Costs(macs, weights + (2 * features if layer.batch_norm else features))
        in_width, side = out_width, out_side
    return total, in_width, side


@dataclass(frozen=True)
class Strided:
    """A 4x4 convolution of stride 2, or its transpose, between an image and features of half its side."""

    kind: Literal["conv", "upconv"]
    image_channels: int
    feature_channels: int
    image_side: int

    @property
    def name(self) -> str:
        return f"{self.kind} {self.image_channels}x{self.image_side}-{self.feature_channels}"

    @property
    def may_gain(self) -> bool:
        """Whether a CPU may do this layer faster with Winograd-type products (:mod:`infogan.winograd`).

        The products shrink by the factor (products / taps) whatever the widths, while the transforms cost memory
        traffic in proportion to the channels. Measured on one thread of an AVX-512 Xeon, batch 128 and 256, images of
        4x4 to 32x32: 64 image and 128 feature channels 1.4 to 1.5 times as fast, 128 and 256 twice, 64 and 112 (2x2
        features) 1.0 to 1.1, 48 and 96 about 1.2; but 32 and 64 only 0.8 to 1.1, 64 and 64 about 0.95, 1 or 3 and 64
        0.7 to 0.8. Another processor may gain with fewer of them, so those that may gain are measured where it matters
        (:mod:`infogan.kernels`).
        """
        return self.image_side % 2 == 0 and self.image_channels >= 48 and self.feature_channels >= 96


@dataclass(frozen=True)
class Dense:
    """A linear layer's three products: of its output, and of both gradients."""

    in_width: int
    out_width: int

    @property
    def name(self) -> str:
        return f"linear {self.in_width}-{self.out_width}"

    @property
    def may_gain(self) -> bool:
        """Whether another library may multiply faster (:mod:`infogan.products`): not for a head's few outputs."""
        return min(self.in_width, self.out_width) >= 16


def choosable_layers(architecture: Architecture, input_width: int, multiplier: float) -> tuple[Strided | Dense, ...]:
    """Every layer that a CPU may do faster in another formulation. ``input_width``: of the generator."""
    layers: list[Strided | Dense] = [*strided_layers(architecture, multiplier)]
    layers += dense_layers(architecture, input_width, multiplier)
    return tuple(layer for layer in layers if layer.may_gain)


def dense_layers(architecture: Architecture, input_width: int, multiplier: float) -> tuple[Dense, ...]:
    """The linear layers of G, of the trunk and of Q before its output, once each, in the order of the tables."""
    found: list[Dense] = []

    def add(layers: tuple[Layer, ...], width: int, side: int, multiplier: float) -> tuple[int, int]:
        for layer in layers:
            out_width = scaled_width(layer.width, multiplier)
            if layer.kind == "linear":
                found.append(Dense(width * side**2, out_width * layer.spatial**2))
                side = layer.spatial
            else:
                side = side // layer.stride if layer.kind == "conv" else side * layer.stride
            width = out_width
        return width, side

    channels, side, _ = architecture.image_CHW
    add(architecture.generator, input_width, 1, multiplier)
    width, side = add(architecture.trunk, channels, side, multiplier)
    add(architecture.q_hidden, width * side**2, 1, 1.0)  # not scaled: see Discriminator
    return tuple(dict.fromkeys(found))


def strided_layers(architecture: Architecture, multiplier: float) -> tuple[Strided, ...]:
    """Every layer of G and of the trunk of stride 2, once each, in the order of the tables."""
    channels, image_side, _ = architecture.image_CHW
    found: list[Strided] = []
    width, side = 0, 1
    for index, layer in enumerate(architecture.generator):
        is_output = index == len(architecture.generator) - 1
        out_width = channels if is_output else scaled_width(layer.width, multiplier)
        if layer.kind == "upconv":
            side *= layer.stride
            if layer.stride == 2:
                found.append(Strided("upconv", out_width, width, side))
        else:
            side = layer.spatial
        width = out_width
    width, side = channels, image_side
    for layer in architecture.trunk:
        out_width = scaled_width(layer.width, multiplier)
        if layer.kind == "conv" and layer.stride == 2:
            found.append(Strided("conv", width, out_width, side))
            side //= 2
        width = out_width
    return tuple(dict.fromkeys(found))


def network_costs(
    architecture: Architecture, input_width: int, parameter_width: int, multiplier: float
) -> dict[str, Costs]:
    """Costs of ``generator``, ``discriminator`` (trunk and D's head) and ``q`` (Q's head alone)."""
    channels, side, _ = architecture.image_CHW
    generator, _, _ = layer_costs(architecture.generator, input_width, 1, multiplier, last=channels)
    trunk, width, side = layer_costs(architecture.trunk, channels, side, multiplier)
    features = width * side**2
    q, q_width, _ = layer_costs(architecture.q_hidden, features, 1, 1.0)  # not scaled: see Discriminator
    head = Costs(features, features + 1)
    q_out = Costs(q_width * parameter_width, (q_width + 1) * parameter_width)
    return {"generator": generator, "discriminator": trunk + head, "q": q + q_out}


def iteration_flops(costs: dict[str, Costs], batch_size: int) -> float:
    """Floating-point operations that one iteration with fresh latents needs, at two per multiply-add.

    G runs forward twice and backward twice (weights and input). D runs forward three times (real, fake, fake again),
    backward four times' worth for its own weights and once to its input for G. Q reads fakes only: forward twice,
    backward three times.
    """
    g, d, q = (costs[name].macs for name in ("generator", "discriminator", "q"))
    return 2.0 * batch_size * (4 * g + 8 * d + 5 * q)
