"""Generator, discriminator and Q, built from the tables of :mod:`infogan.architectures`.

Shape suffixes: N batch, C channels, H height, W width, F features, Z generator input, P Q's output.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from infogan.architectures import Architecture, adapted
from infogan.batch_norm import BatchNorm
from infogan.blocks import NetworkSettings, Stack, stack
from infogan.codes import Code, LatentSpec


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
        self.body, _, side = stack(architecture.generator, latents.input_width, 1, settings, 0.0, last=channels)
        if side != architecture.image_CHW[1]:
            raise ValueError(f"generator table gives images of side {side}, not {architecture.image_CHW[1]}")
        self.output = torch.sigmoid if architecture.output == "sigmoid" else torch.tanh
        self.settings = settings

    def forward(self, inputs_NZ: Tensor) -> Tensor:
        return self.output(self.body(inputs_NZ))


class Discriminator(nn.Module):
    """D and Q: a shared trunk with two heads (paper section 6), or a separate trunk for Q."""

    def __init__(
        self, architecture: Architecture, latents: LatentSpec, settings: NetworkSettings | None = None
    ) -> None:
        super().__init__()
        settings = settings or NetworkSettings()
        architecture = adapted(architecture, vars(settings))
        channels, side, _ = architecture.image_CHW
        self.body, width, side = stack(architecture.trunk, channels, side, settings, settings.slope)
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
            self.q_body, _, _ = stack(architecture.trunk, channels, architecture.image_CHW[1], settings, settings.slope)
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
        hidden, width, _ = stack(architecture.q_hidden, num_features, 1, full_width, settings.slope)
        return hidden, width

    def _is_own(self, code: Code) -> bool:
        """Whether ``q_hidden`` and ``q_out`` compute this code: all, or with "separate-categories" only categorical
        ones.
        """
        return code.kind == "categorical" or not self._apart

    def trunk(self, images_NCHW: Tensor, groups: int = 1) -> Tensor:
        """Features (N, F), which D's head reads, and Q's too unless Q has its own network."""
        return _flat(self.body(images_NCHW, groups))

    def logits(self, features_NF: Tensor) -> Tensor:
        """D's logit for "real", (N,)."""
        return self.d_head(features_NF).squeeze(1)

    def q(self, images_NCHW: Tensor, features_NF: Tensor) -> Tensor:
        """Q's raw parameters (N, P); ``LatentSpec.split`` splits them into codes.

        Q reads the trunk's features, or the images themselves if it has its own network. With "separate-categories" it
        reads categorical codes from the images and continuous ones from the features.
        """
        read_NF = features_NF if self.q_body is None else _flat(self.q_body(images_NCHW))
        parameters_NP = self.q_out(self.q_hidden(read_NF))
        if self.continuous_out is None or self.continuous_hidden is None:
            return parameters_NP
        return self._in_order(parameters_NP, self.continuous_out(self.continuous_hidden(features_NF)))

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
