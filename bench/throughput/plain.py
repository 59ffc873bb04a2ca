"""Two references on the library's own networks: a plain training loop, and a GAN without codes and Q.

Shape suffixes: N batch, C channels, H height, W width, Z generator input.
"""

from typing import Any

import torch
from torch import Tensor

from infogan.objectives import discriminator_loss, generator_loss, regularised
from infogan.step import Players


def plain_step(players: Players, real_NCHW: Tensor) -> Tensor:
    """An unfused but careful implementation; its result is that of the reference step.

    Channels-last memory, losses on logits, D frozen while G learns, no graph of G in D's phase, no synchronisation with
    the device. Real and fake images pass D separately, and Adam is PyTorch's default.
    """
    g, d, spec, settings = players.generator, players.discriminator, players.spec, players.settings
    num = len(real_NCHW)

    latents = players.sample(num)
    with torch.no_grad():
        fake_NCHW = g(latents.inputs_NZ)
    players.optimizer_discriminator.zero_grad()
    real_logits = d.logits(d.trunk(real_NCHW))
    features = d.trunk(fake_NCHW)
    loss_d = discriminator_loss(real_logits, d.logits(features))
    parameters_q = d.q(fake_NCHW, features if settings.mi_trains_trunk else features.detach())
    bounds = spec.bounds_nats(parameters_q, latents.values)
    regularised(loss_d, bounds, players.weights_discriminator).backward()
    players.optimizer_discriminator.step()

    d.requires_grad_(False)
    latents = players.sample(num)
    players.optimizer_generator.zero_grad()
    fake_NCHW = g(latents.inputs_NZ)
    features = d.trunk(fake_NCHW)
    loss_g = generator_loss(d.logits(features))
    bounds_g = spec.bounds_nats(d.q(fake_NCHW, features), latents.values)
    regularised(loss_g, bounds_g, players.weights_generator).backward()
    players.optimizer_generator.step()
    d.requires_grad_(True)
    return torch.stack([loss_d, loss_g]).detach()


class PlainGan:
    """A GAN on the same generator and discriminator, with all of the generator's input as noise and no Q.

    It is written like the fused step, so the difference in time is the cost of codes and Q.
    """

    def __init__(self, players: Players) -> None:
        self.g, self.d = players.generator, players.discriminator
        self.latents, self.dtype = players.latents, players.dtype
        self.input_width = players.spec.input_width
        self.optimizer_g = players.optimizer_generator
        options: dict[str, Any] = {k: v for k, v in players.optimizer_generator.defaults.items() if k != "params"}
        options["lr"] = players.settings.learning_rate_discriminator
        self.optimizer_d = torch.optim.Adam(self.d.d_parameters(), **options)

    def noise(self, num: int) -> Tensor:
        generator = self.latents
        noise_NZ = torch.rand(num, self.input_width, generator=generator, device=generator.device, dtype=self.dtype)
        return noise_NZ.mul_(2).sub_(1)

    def step(self, real_NCHW: Tensor) -> Tensor:
        """One update of D and one of G; returns both losses."""
        g, d, num = self.g, self.d, len(real_NCHW)
        with torch.no_grad():
            fake_NCHW = g(self.noise(num))
        logits = d.logits(d.trunk(torch.cat([real_NCHW, fake_NCHW]), groups=2))
        loss_d = discriminator_loss(logits[:num], logits[num:])
        self.optimizer_d.zero_grad(set_to_none=True)
        loss_d.backward()
        self.optimizer_d.step()

        d.requires_grad_(False)
        loss_g = generator_loss(d.logits(d.trunk(g(self.noise(num)))))
        self.optimizer_g.zero_grad(set_to_none=True)
        loss_g.backward()
        self.optimizer_g.step()
        d.requires_grad_(True)
        return torch.stack([loss_d, loss_g]).detach()
