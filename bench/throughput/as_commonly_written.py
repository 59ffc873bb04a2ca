"""The iteration as popular PyTorch ports of InfoGAN write it, rewritten from their common structure.

What they share, and what it costs: linear layers are convolutions on 1x1 images (7x7 for a linear layer that reads 7x7
features), the memory format is the default, D ends in a sigmoid with binary cross-entropy on probabilities, D's
gradients are computed in G's phase and then discarded, both losses are read as Python numbers in every iteration, Adam
is the default implementation, and batch norm keeps running averages that nothing uses. The algorithm differs from the
library's in four points: G's phase uses the fake batch of D's phase, Q learns in G's phase with G's optimiser, L_I does
not train the trunk, and G's reshaped linear layer has batch norm per channel instead of per feature.
Shape suffixes: N batch, C channels, H height, W width.
"""

import math

import torch
from torch import Tensor, nn

from infogan.architectures import ARCHITECTURES, KERNEL, Layer, scaled_width
from infogan.codes import Categorical, LatentSpec
from infogan.step import Players

SLOPE = 0.1


class _Crop(nn.Module):
    """Remove the last row and column, which an even kernel at stride 1 adds."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, :-1, :-1]


def _layers(layer: Layer, in_width: int, side: int, out_width: int) -> tuple[list[nn.Module], int]:
    """The linear map of a layer, and the side of its output."""
    bias = not layer.batch_norm
    if layer.kind == "linear":
        if layer.spatial > 1:
            return [nn.ConvTranspose2d(in_width, out_width, layer.spatial, bias=bias)], layer.spatial
        return [nn.Conv2d(in_width, out_width, side, bias=bias)], 1
    if layer.kind == "conv":
        if layer.stride == 2:
            return [nn.Conv2d(in_width, out_width, KERNEL, 2, 1, bias=bias)], side // 2
        return [nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(in_width, out_width, KERNEL, 1, bias=bias)], side
    up = nn.ConvTranspose2d(in_width, out_width, KERNEL, layer.stride, 1, bias=bias)
    return ([up], 2 * side) if layer.stride == 2 else ([up, _Crop()], side)


def _network(
    layers: tuple[Layer, ...], in_width: int, side: int, width: float, activation: nn.Module, last: int | None = None
) -> tuple[nn.Sequential, int, int]:
    modules: list[nn.Module] = []
    for index, layer in enumerate(layers):
        is_output = last is not None and index == len(layers) - 1
        out_width = last if is_output and last is not None else scaled_width(layer.width, width)
        linear, side = _layers(layer, in_width, side, out_width)
        modules += linear
        if layer.batch_norm:
            modules.append(nn.BatchNorm2d(out_width))
        if not is_output:
            modules.append(activation)
        in_width = out_width
    return nn.Sequential(*modules), in_width, side


def _generator(network: str, latents: LatentSpec, width: float) -> nn.Sequential:
    table = ARCHITECTURES[network]
    body, _, _ = _network(table.generator, latents.input_width, 1, width, nn.ReLU(), last=table.image_CHW[0])
    body.append(nn.Sigmoid() if table.output == "sigmoid" else nn.Tanh())
    return body


class _Networks:
    """G, the trunk, D's head with its sigmoid, and Q's head."""

    def __init__(self, network: str, latents: LatentSpec, width: float) -> None:
        table = ARCHITECTURES[network]
        channels, side, _ = table.image_CHW
        self.generator = _generator(network, latents, width)
        self.trunk, features, side = _network(table.trunk, channels, side, width, nn.LeakyReLU(SLOPE))
        self.d_head = nn.Sequential(nn.Conv2d(features, 1, side), nn.Sigmoid())
        hidden = _network(table.q_hidden, features, side, 1.0, nn.LeakyReLU(SLOPE))  # not scaled, as in the library
        self.q_head, features, side = hidden
        self.q_head.append(nn.Conv2d(features, latents.parameter_width, side))

    def parts(self) -> tuple[nn.Sequential, ...]:
        return self.generator, self.trunk, self.d_head, self.q_head


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


class AsCommonlyWritten:
    """Networks, optimisers and the iteration. Latents, learning rates and weights are those of ``players``."""

    def __init__(self, network: str, players: Players, width: float) -> None:
        self.players, settings = players, players.settings
        self.networks = _Networks(network, players.spec, width)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for part in self.networks.parts():
                part.apply(_initialise).to(device=players.latents.device, dtype=players.dtype)
        n, betas = self.networks, (settings.beta1, settings.beta2)
        of_d = [*n.trunk.parameters(), *n.d_head.parameters()]
        of_g = [*n.generator.parameters(), *n.q_head.parameters()]
        self.optimizer_d = torch.optim.Adam(of_d, lr=settings.learning_rate_discriminator, betas=betas)
        self.optimizer_g = torch.optim.Adam(of_g, lr=settings.learning_rate_generator, betas=betas)
        self.bce = nn.BCELoss()

    def step(self, real_NCHW: Tensor) -> tuple[float, float]:
        """One update of D and one of G and Q; returns both losses as numbers."""
        n, num = self.networks, len(real_NCHW)
        ones = torch.ones(num, device=real_NCHW.device, dtype=real_NCHW.dtype)
        latents = self.players.sample(num)

        self.optimizer_d.zero_grad()
        loss_real = self.bce(n.d_head(n.trunk(real_NCHW)).view(-1), ones)
        loss_real.backward()
        fake_NCHW = n.generator(latents.inputs_NZ.view(num, -1, 1, 1))
        loss_fake = self.bce(n.d_head(n.trunk(fake_NCHW.detach())).view(-1), torch.zeros_like(ones))
        loss_fake.backward()
        self.optimizer_d.step()
        loss_d = loss_real + loss_fake

        self.optimizer_g.zero_grad()
        features = n.trunk(fake_NCHW)
        loss_g = self.bce(n.d_head(features).view(-1), ones)
        loss_g = loss_g + self._code_loss(n.q_head(features).view(num, -1), latents.values)
        loss_g.backward()
        self.optimizer_g.step()
        return loss_d.item(), loss_g.item()

    def _code_loss(self, parameters_NP: Tensor, values: tuple[Tensor, ...]) -> Tensor:
        """Weighted sum of cross-entropies and Gaussian negative log-likelihoods."""
        loss, column = parameters_NP.new_zeros(()), 0
        for code, value, weight in zip(
            self.players.spec.codes, values, self.players.settings.mi_weight_generator, strict=True
        ):
            block = parameters_NP[:, column : column + code.parameter_width]
            column += code.parameter_width
            if isinstance(code, Categorical):
                loss = loss + weight * nn.functional.cross_entropy(block, value)
            else:
                mean, variance = block[:, 0], (2 * block[:, 1]).exp()
                log_likelihood = -0.5 * (2 * math.pi * variance).log() - (value - mean) ** 2 / (2 * variance)
                loss = loss - weight * log_likelihood.mean()
        return loss
