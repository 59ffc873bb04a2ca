"""Generator, discriminator and Q, built from the tables of :mod:`infogan.architectures`.

Shape suffixes: N batch, C channels, H height, W width, F features, Z generator input, P Q's output.
Features are flattened in (H, W, C) order, which is a view of channels_last memory. The order only permutes the columns
of the linear layer.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from infogan.architectures import KERNEL, Architecture, Dense, Layer, Placed, adapted, placed
from infogan.batch_norm import BatchNorm
from infogan.codes import Code, LatentSpec
from infogan.products import linear
from infogan.runtime import Precision
from infogan.thin import THIN_CHANNELS, upconv_to_few
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
    precision: Precision = "float32"  # "bf16": matrix products and convolutions under autocast; "tf32": GPU only


Kernel = Literal["torch", "winograd", "thin", "onednn"]


def _kernel(own: Placed, settings: NetworkSettings) -> Kernel:
    """The implementation of a layer on a CPU; other devices always use torch's.

    "winograd" applies wherever it is defined; "fastest" only to layers that were measured to gain, or may gain.
    """
    formulation = own.formulation
    if settings.kernels == "torch" or settings.precision == "bf16" or formulation is None:
        return "torch"
    is_fast = formulation.may_gain if settings.fast_layers is None else formulation.name in settings.fast_layers
    if isinstance(formulation, Dense):
        return "onednn" if settings.kernels == "fastest" and is_fast else "torch"
    if formulation.image_side % 2:
        return "torch"
    if settings.kernels == "winograd":
        return "winograd"
    if own.layer.kind == "upconv" and own.out_width <= THIN_CHANNELS:
        return "thin"
    return "winograd" if is_fast else "torch"


class Block(nn.Module):
    """Convolution, transposed convolution or linear layer, then batch norm and activation in the chosen order."""

    def __init__(self, own: Placed, settings: NetworkSettings, slope: float) -> None:
        super().__init__()
        layer, in_width, out_width = own.layer, own.in_width, own.out_width
        self.layer, self.slope, self.order = layer, None if own.is_output else slope, settings.batch_norm_order
        padding = 1 if layer.stride == 2 else 0
        bias = not layer.batch_norm  # batch norm would cancel a bias
        self.op: nn.Conv2d | nn.ConvTranspose2d | nn.Linear
        if layer.kind == "conv":
            self.op = nn.Conv2d(in_width, out_width, KERNEL, layer.stride, padding, bias=bias)
        elif layer.kind == "upconv":
            self.op = nn.ConvTranspose2d(in_width, out_width, KERNEL, layer.stride, 1, bias=bias)
        else:
            self.op = nn.Linear(in_width * own.in_side**2, out_width * layer.spatial**2, bias=bias)
        self.kernel = _kernel(own, settings)
        features = out_width * layer.spatial**2
        self.norm = BatchNorm(features, settings.batch_norm_eps) if layer.batch_norm else None

    def forward(self, x: Tensor, groups: int = 1) -> Tensor:
        if self.layer.kind == "linear" and x.dim() == 4:
            x = x.permute(0, 2, 3, 1).flatten(1)
        if self.layer.stride == 1 and self.layer.kind == "conv":
            x = F.pad(x, (1, 2, 1, 2))  # an even kernel at stride 1 keeps the size only with asymmetric padding
        x = self.op(x) if self.kernel == "torch" or x.device.type != "cpu" else self._on_cpu(x)
        if self.layer.stride == 1 and self.layer.kind == "upconv":
            x = x[:, :, :-1, :-1]
        if self.order == "before":
            x = self._activate(self._normalise(x, groups))
        else:
            x = self._normalise(self._activate(x), groups)
        if self.layer.spatial > 1:
            x = x.unflatten(1, (self.layer.spatial, self.layer.spatial, -1)).permute(0, 3, 1, 2)
        return x

    def _on_cpu(self, x: Tensor) -> Tensor:
        weight, bias = self.op.weight, self.op.bias
        if self.kernel == "thin":
            return upconv_to_few(x, weight, bias)
        if self.kernel == "onednn":
            x = linear(x, weight)
            return x if bias is None else x + bias
        convolve = conv4x4_stride2 if self.layer.kind == "conv" else conv_transpose4x4_stride2
        x = convolve(x, weight)
        return x if bias is None else x + bias.view(-1, 1, 1)

    def _normalise(self, x: Tensor, groups: int) -> Tensor:
        return x if self.norm is None else self.norm(x, groups)

    def _activate(self, x: Tensor) -> Tensor:
        if self.slope is None:
            return x
        return F.leaky_relu(x, self.slope) if self.slope > 0 else F.relu(x)


class Stack(nn.Sequential):
    """A sequence of blocks that passes on the number of batch-norm groups."""

    def forward(self, x: Tensor, groups: int = 1) -> Tensor:
        for block in self:
            x = block(x, groups)
        return x


def _stack(
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


def _products(settings: NetworkSettings, x: Tensor) -> AbstractContextManager[None]:
    """Context in which matrix products and convolutions of ``x`` have the precision of the settings.

    Autocast's cache of cast weights is off: each weight is used once, and a captured graph must cast it on every
    replay.
    """
    if settings.precision != "bf16":
        return nullcontext()
    return torch.autocast(x.device.type, torch.bfloat16, cache_enabled=False)


def _flat(x: Tensor) -> Tensor:
    """Flatten feature maps to rows in (H, W, C) order; rows are returned unchanged."""
    return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x


class Generator(nn.Module):
    """G: latents (N, Z) to images (N, C, H, W)."""

    def __init__(
        self, architecture: Architecture, latents: LatentSpec, settings: NetworkSettings | None = None
    ) -> None:
        super().__init__()
        settings = settings or NetworkSettings()
        architecture = adapted(architecture, vars(settings))
        channels = architecture.image_CHW[0]
        self.body, _, side = _stack(architecture.generator, latents.input_width, 1, settings, 0.0, last=channels)
        if side != architecture.image_CHW[1]:
            raise ValueError(f"generator table gives images of side {side}, not {architecture.image_CHW[1]}")
        self.output = torch.sigmoid if architecture.output == "sigmoid" else torch.tanh
        self.settings = settings

    def forward(self, inputs_NZ: Tensor) -> Tensor:
        with _products(self.settings, inputs_NZ):
            images_NCHW = self.body(inputs_NZ)
        return self.output(images_NCHW.to(inputs_NZ.dtype))


class Discriminator(nn.Module):
    """D and Q: a shared trunk with two heads (paper section 6), or a separate trunk for Q."""

    def __init__(
        self, architecture: Architecture, latents: LatentSpec, settings: NetworkSettings | None = None
    ) -> None:
        super().__init__()
        settings = settings or NetworkSettings()
        architecture = adapted(architecture, vars(settings))
        channels, side, _ = architecture.image_CHW
        self.body, width, side = _stack(architecture.trunk, channels, side, settings, settings.slope)
        num_features = width * side**2
        self.d_head = nn.Linear(num_features, 1)
        self._apart = settings.q_network == "separate-categories"
        own = [code for code in latents.codes if self._is_own(code)]
        others = [code for code in latents.codes if not self._is_own(code)]
        if not own:
            raise ValueError("q_network='separate-categories' needs a categorical code")
        self.q_hidden, q_width = self._q_hidden(architecture, num_features, settings)
        self.q_out = nn.Linear(q_width, sum(code.parameter_width for code in own))
        self.settings, self._codes = settings, latents.codes
        self.q_body: Stack | None = None
        if settings.q_network != "shared":
            self.q_body, _, _ = _stack(
                architecture.trunk, channels, architecture.image_CHW[1], settings, settings.slope
            )
        self.continuous_hidden: Stack | None = None
        self.continuous_out: nn.Linear | None = None
        if others:
            self.continuous_hidden, q_width = self._q_hidden(architecture, num_features, settings)
            self.continuous_out = nn.Linear(q_width, sum(code.parameter_width for code in others))

    @staticmethod
    def _q_hidden(architecture: Architecture, num_features: int, settings: NetworkSettings) -> tuple[Stack, int]:
        """Build Q's hidden layer, at the paper's size whatever the width multiplier.

        The growth rate of Q's logits depends on this size, and so does T80.
        """
        full_width = replace(settings, width=1.0)
        hidden, width, _ = _stack(architecture.q_hidden, num_features, 1, full_width, settings.slope)
        return hidden, width

    def _is_own(self, code: Code) -> bool:
        """Whether ``q_hidden`` and ``q_out`` compute this code: all, or with "separate-categories" only categorical
        ones.
        """
        return code.kind == "categorical" or not self._apart

    def trunk(self, images_NCHW: Tensor, groups: int = 1) -> Tensor:
        """Features (N, F), which D's head reads, and Q's too unless Q has its own network."""
        with _products(self.settings, images_NCHW):
            return _flat(self.body(images_NCHW, groups)).to(images_NCHW.dtype)

    def logits(self, features_NF: Tensor) -> Tensor:
        """D's logit for "real", (N,)."""
        with _products(self.settings, features_NF):
            return self.d_head(features_NF).squeeze(1).to(features_NF.dtype)

    def q(self, images_NCHW: Tensor, features_NF: Tensor) -> Tensor:
        """Q's raw parameters (N, P); ``LatentSpec.split`` splits them into codes.

        Q reads the trunk's features, or the images themselves if it has its own network. With "separate-categories" it
        reads categorical codes from the images and continuous ones from the features.
        """
        with _products(self.settings, features_NF):
            read_NF = features_NF if self.q_body is None else _flat(self.q_body(images_NCHW))
            parameters_NP = self.q_out(self.q_hidden(read_NF))
            if self.continuous_out is not None and self.continuous_hidden is not None:
                others_NP = self.continuous_out(self.continuous_hidden(features_NF))
                parameters_NP = self._in_order(parameters_NP, others_NP)
            return parameters_NP.to(features_NF.dtype)

    def _in_order(self, own_NP: Tensor, others_NP: Tensor) -> Tensor:
        """Merge two blocks of Q's parameters into the order of the codes."""
        parts = []
        for code in self._codes:
            block, rest = (own_NP, others_NP) if self._is_own(code) else (others_NP, own_NP)
            head, tail = block.split([code.parameter_width, block.shape[1] - code.parameter_width], dim=1)
            parts.append(head)
            own_NP, others_NP = (tail, rest) if self._is_own(code) else (rest, tail)
        return torch.cat(parts, dim=1)

    def q_of(self, images_NCHW: Tensor) -> Tensor:
        """Q's raw parameters (N, P) for images, for evaluation."""
        return self.q(images_NCHW, self.trunk(images_NCHW))

    def q_parameters(self) -> list[nn.Parameter]:
        """Parameters of Q only, without a trunk shared with D."""
        parts = (self.q_hidden, self.q_out, self.q_body, self.continuous_hidden, self.continuous_out)
        return [parameter for part in parts if part is not None for parameter in part.parameters()]

    def d_parameters(self) -> list[nn.Parameter]:
        """Parameters of the trunk and D's head."""
        return [*self.body.parameters(), *self.d_head.parameters()]


def initialise(module: nn.Module, settings: NetworkSettings, generator: torch.Generator) -> None:
    """Draw all weights from ``generator``; biases are 0 (as in the authors' code)."""
    for child in module.modules():
        if isinstance(child, BatchNorm):
            child.weight.data.normal_(
                1.0, settings.gain_std, generator=generator
            ) if settings.gain_std else child.weight.data.fill_(1)
            child.bias.data.zero_()
        elif isinstance(child, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            _initialise_weight(child, settings, generator)
            if child.bias is not None:
                child.bias.data.zero_()


def _initialise_weight(
    child: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, settings: NetworkSettings, generator: torch.Generator
) -> None:
    weight = child.weight
    std = settings.init_std / settings.width**0.5 if settings.scale_init else settings.init_std
    if settings.init == "torch":
        nn.init.kaiming_uniform_(weight, a=5**0.5, generator=generator)
    elif settings.init == "truncated" and isinstance(child, nn.Conv2d):
        nn.init.trunc_normal_(weight, 0.0, std, -2 * std, 2 * std, generator=generator)
    else:
        nn.init.normal_(weight, 0.0, std, generator=generator)
