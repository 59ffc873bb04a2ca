"""A layer of a network with its batch norm and activation, and stacks of them.

With ``precision="bf16"`` a stack computes in bfloat16: weights are rounded where they are used, and activations stay
rounded from layer to layer, through batch norm (whose statistics are float32) and activation. The layers next to the
image stay in float32: that costs 5 to 10 % of the time, and up to nearly half of a gradient's error came from rounding
there (bench/throughput/NOTES.md). So do the weights, their gradients, Adam, the two heads' last layers and everything
after them.
Features are flattened in (H, W, C) order, which is a view of channels_last memory. The order only permutes the columns
of the linear layer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from infogan.architectures import KERNEL, Dense, Layer, Placed, placed
from infogan.batch_norm import BatchNorm
from infogan.products import linear
from infogan.runtime import Precision
from infogan.strided import conv, upconv
from infogan.winograd import conv4x4_stride2, conv_transpose4x4_stride2


@dataclass(frozen=True)
class NetworkSettings:
    """Settings on which the paper is silent or contradictory.

    Defaults: the paper where it is clear, else the authors' code.
    """

    width: float = 1.0  # multiplies every hidden width except that of Q's own layer
    slope: float = 0.1  # negative slope of the leaky ReLU in D and Q: 0.1 in the paper, 0.01 in the authors' code
    init: Literal["normal", "truncated", "torch"] = (
        "normal"  # "truncated": D's convolutions only, as in the authors' code
    )
    init_std: float = 0.02
    gain_std: float = 0.02  # batch-norm gain ~ N(1, gain_std)
    batch_norm_eps: float = 1e-5
    batch_norm_order: Literal["before", "after"] = "before"  # the activation; the paper's tables list it after
    # "separate": Q has its own copy of the trunk; "separate-categories": only for the categorical codes
    q_network: Literal["shared", "separate", "separate-categories"] = "shared"
    discriminator_fc_norm: bool = True  # batch norm of D's linear layer of 1024; False in the authors' research code
    generator_norm: Literal["table", "hidden"] = "table"  # "hidden": batch norm in every hidden layer, as in that code
    heads: Literal["table", "linear"] = "table"  # "linear": one layer after a linear one of 1024, as in that code
    scale_init: bool = False  # init_std / sqrt(width), which keeps the scale of activations as width changes
    kernels: Literal["torch", "winograd", "fastest"] = "torch"  # CPU only: the same function with different rounding
    fast_layers: tuple[str, ...] | None = None  # layers that "fastest" does not leave to torch; None: all that may gain
    precision: Precision = "float32"  # of products and convolutions, and "bf16" also of activations; "tf32": GPU only


Kernel = Literal["torch", "winograd", "thin", "gathered", "onednn"]
IMAGE_CHANNELS = 3  # most channels of an image: a colour image
GATHERED_SIDE, GATHERED_CHANNELS = 8, 64  # largest image, and fewest channels, that "gathered" is for


def _kernel(own: Placed, settings: NetworkSettings) -> Kernel:
    """The implementation of a layer on a CPU; other devices always use torch's.

    "winograd" applies wherever it is defined; "fastest" to images of few channels ("thin") and to layers that were
    measured to gain, or may gain. Neither Winograd-type products nor oneDNN's own are for bfloat16, where PyTorch's
    products are oneDNN's.
    """
    formulation = own.formulation
    if settings.kernels == "torch" or formulation is None:
        return "torch"
    is_fast = formulation.may_gain if settings.fast_layers is None else formulation.name in settings.fast_layers
    is_exact = settings.precision != "bf16"
    if isinstance(formulation, Dense):
        return "onednn" if is_exact and settings.kernels == "fastest" and is_fast else "torch"
    if formulation.image_side % 2:
        return "torch"
    if formulation.image_channels <= IMAGE_CHANNELS and settings.kernels == "fastest":
        return "thin"
    if is_exact:
        return "winograd" if is_fast or settings.kernels == "winograd" else "torch"
    is_small = formulation.image_side <= GATHERED_SIDE and formulation.image_channels >= GATHERED_CHANNELS
    return "gathered" if is_small and settings.kernels == "fastest" else "torch"


class Block(nn.Module):
    """Convolution, transposed convolution or linear layer, then batch norm and activation in the chosen order."""

    def __init__(self, own: Placed, settings: NetworkSettings, slope: float) -> None:
        super().__init__()
        layer, in_width, out_width = own.layer, own.in_width, own.out_width
        self.layer, self.slope, self.order = layer, None if own.is_output else slope, settings.batch_norm_order
        bias = not layer.batch_norm  # batch norm would cancel a bias
        self.op: nn.Conv2d | nn.ConvTranspose2d | nn.Linear
        if layer.kind == "conv":
            self.op = nn.Conv2d(in_width, out_width, KERNEL, layer.stride, 1, bias=bias)
        elif layer.kind == "upconv":
            self.op = nn.ConvTranspose2d(in_width, out_width, KERNEL, layer.stride, 1, bias=bias)
        else:
            self.op = nn.Linear(in_width * own.in_side**2, out_width * layer.spatial**2, bias=bias)
        self.kernel = _kernel(own, settings)
        is_at_image = layer.kind != "linear" and min(in_width, out_width) <= IMAGE_CHANNELS
        self.is_rounded = settings.precision == "bf16" and not is_at_image
        self.rounded_weight: Tensor | None = None  # see `rounding_once`
        features = out_width * layer.spatial**2
        self.norm = BatchNorm(features, settings.batch_norm_eps) if layer.batch_norm else None

    def forward(self, x: Tensor, groups: int = 1) -> Tensor:
        if self.layer.kind == "linear" and x.dim() == 4:
            x = x.permute(0, 2, 3, 1).flatten(1)
        x = self._operate(x)
        if self.order == "before":
            x = self._activate(self._normalise(x, groups))
        else:
            x = self._normalise(self._activate(x), groups)
        if self.layer.spatial > 1:
            x = x.unflatten(1, (self.layer.spatial, self.layer.spatial, -1)).permute(0, 3, 1, 2)
        return x

    def _operate(self, x: Tensor) -> Tensor:
        weight = self.op.weight if self.rounded_weight is None else self.rounded_weight
        weight, bias = weight.to(x.dtype), None if self.op.bias is None else self.op.bias.to(x.dtype)
        kernel = self.kernel if x.device.type == "cpu" else "torch"
        if self.layer.kind == "linear":
            return F.linear(x, weight, bias) if kernel == "torch" else _with_bias(linear(x, weight), bias)
        if self.layer.stride == 1:
            return _of_same_size(x, weight, bias, transposed=self.layer.kind == "upconv")
        if self.layer.kind == "conv":
            if kernel == "winograd":
                return _with_bias(conv4x4_stride2(x, weight), bias)
            if kernel == "thin" or kernel == "gathered":
                return conv(x, weight, bias, kernel)
            return F.conv2d(x, weight, bias, 2, 1)
        if kernel == "winograd":
            return _with_bias(conv_transpose4x4_stride2(x, weight), bias)
        if kernel == "thin" or kernel == "gathered":
            return upconv(x, weight, bias, kernel)
        return F.conv_transpose2d(x, weight, bias, 2, 1)

    def _normalise(self, x: Tensor, groups: int) -> Tensor:
        return x if self.norm is None else self.norm(x, groups)

    def _activate(self, x: Tensor) -> Tensor:
        if self.slope is None:
            return x
        return F.leaky_relu(x, self.slope) if self.slope > 0 else F.relu(x)


def _with_bias(x: Tensor, bias: Tensor | None) -> Tensor:
    return x if bias is None else x + bias.view(-1, *[1] * (x.dim() - 2))


def _of_same_size(x: Tensor, weight: Tensor, bias: Tensor | None, *, transposed: bool) -> Tensor:
    """A 4x4 convolution of stride 1 that keeps the size, or its transpose as a convolution.

    An even kernel keeps the size only with asymmetric padding: one pixel more at the end, in the transpose at the
    beginning. The transpose of that convolution is the transposed one with padding 1 without its last row and column.
    """
    if not transposed:
        return F.conv2d(F.pad(x, (0, 1, 0, 1)), weight, bias, padding=1)
    return F.conv2d(F.pad(x, (1, 0, 1, 0)), weight.transpose(0, 1).flip(2, 3), bias, padding=1)


class Stack(nn.Sequential):
    """A sequence of blocks that passes on the number of batch-norm groups. Its output has the type of its input."""

    def forward(self, x: Tensor, groups: int = 1) -> Tensor:
        dtype = x.dtype
        for block in self:
            x = block(x.to(torch.bfloat16 if block.is_rounded else dtype), groups)
        return x.to(dtype)


@contextmanager
def rounding_once(network: nn.Module) -> Iterator[None]:
    """Context in which a network in bfloat16 rounds each weight once, not at each use. Weights must not change."""
    blocks = [block for block in network.modules() if isinstance(block, Block) and block.is_rounded]
    for block in blocks:
        block.rounded_weight = block.op.weight.to(torch.bfloat16)
    try:
        yield
    finally:
        for block in blocks:
            block.rounded_weight = None


def stack(
    layers: tuple[Layer, ...],
    in_width: int,
    side: int,
    settings: NetworkSettings,
    slope: float,
    last: int | None = None,
) -> tuple[Stack, int, int]:
    """Build blocks; return them with the width and side of their output. ``last``: fixed width of the last layer."""
    own, width, side = placed(layers, in_width, side, settings.width, last)
    return Stack(*(Block(layer, settings, slope) for layer in own)), width, side
