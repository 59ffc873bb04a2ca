"""One training iteration: an update of D and Q, then an update of G (paper equation 6; order as in the authors' code).

Two functions with one signature and one result. :func:`reference_step` reads like the paper; :func:`fused_step` is what
trains. A test holds them equal over 20 iterations in float64, and that test fails on mutants of either.
Shape suffixes: N batch, C channels, H height, W width, M metrics.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from infogan.codes import Latents, LatentSpec
from infogan.networks import Discriminator, Generator
from infogan.objectives import discriminator_loss, generator_loss, regularised


@dataclass(frozen=True)
class StepSettings:
    """Optimisation; an arm of an experiment differs from another in one of these."""

    mi_weight_discriminator: tuple[float, ...]  # lambda per code in the phase that updates D and Q
    mi_weight_generator: tuple[float, ...]  # lambda per code in the phase that updates G; 0: a plain GAN's generator
    learning_rate_discriminator: float = 2e-4
    learning_rate_generator: float = 1e-3
    learning_rate_q: float = 2e-4  # of Q's head: D's rate in the paper's tables, G's rate in its equation 6
    mi_trains_trunk: bool = True  # False: Q reads D's features through a stop-gradient
    beta1: float = 0.5
    beta2: float = 0.999
    adam_eps: float = 1e-8
    latents: Literal["fresh", "reused"] = "fresh"  # "reused": G's phase takes the fake batch that D's phase has drawn


@dataclass
class Players:
    """Everything an iteration changes, and the stream its latents come from."""

    generator: Generator
    discriminator: Discriminator
    optimizer_generator: torch.optim.Adam
    optimizer_discriminator: torch.optim.Adam
    spec: LatentSpec
    settings: StepSettings
    latents: torch.Generator
    weights_discriminator: Tensor
    weights_generator: Tensor
    dtype: torch.dtype

    @classmethod
    def create(
        cls,
        generator: Generator,
        discriminator: Discriminator,
        spec: LatentSpec,
        settings: StepSettings,
        latents: torch.Generator,
        *,
        fused_adam: bool,
    ) -> "Players":
        """Optimisers as the paper has them: D's holds the trunk, D's head and Q's head; G's holds G."""
        num_codes = len(spec.codes)
        for name in ("mi_weight_discriminator", "mi_weight_generator"):
            if len(getattr(settings, name)) != num_codes:
                raise ValueError(f"{name} needs one value for each of {num_codes} codes, got {getattr(settings, name)}")
        device, dtype = latents.device, next(generator.parameters()).dtype
        common: dict[str, Any] = {
            "betas": (settings.beta1, settings.beta2),
            "eps": settings.adam_eps,
            "fused": fused_adam,
            "foreach": False,
            "capturable": fused_adam and device.type == "cuda",
        }
        groups = [
            {"params": discriminator.d_parameters(), "lr": settings.learning_rate_discriminator},
            {"params": discriminator.q_parameters(), "lr": settings.learning_rate_q},
        ]
        return cls(
            generator,
            discriminator,
            torch.optim.Adam(generator.parameters(), lr=settings.learning_rate_generator, **common),
            torch.optim.Adam(groups, **common),
            spec,
            settings,
            latents,
            torch.tensor(settings.mi_weight_discriminator, dtype=dtype, device=device),
            torch.tensor(settings.mi_weight_generator, dtype=dtype, device=device),
            dtype,
        )

    def sample(self, num: int) -> Latents:
        return self.spec.sample(num, self.latents, self.dtype)

    @property
    def generator_reads_q(self) -> bool:
        return any(self.settings.mi_weight_generator)


def metric_names(spec: LatentSpec) -> tuple[str, ...]:
    """Names of a step's metrics, in order: GAN losses, L_I per code in nats, 1 - MSE / Var(c) per continuous code."""
    named = zip(spec.names, spec.codes, strict=True)
    explained = [f"explained/{name}" for name, code in named if code.kind == "continuous"]
    return ("loss/discriminator", "loss/generator", *(f"mi/{name}" for name in spec.names), *explained)


def _set_gradients(loss: Tensor, parameters: list[nn.Parameter]) -> None:
    """Gradients of ``loss`` with respect to these parameters and no others."""
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient


def reference_step(players: Players, real_NCHW: Tensor) -> Tensor:
    """The iteration in the order of the paper, each network run on each batch apart; returns metrics (M,).

    L_I is that of D's phase: fresh latents, batch statistics, before the update.
    """
    g, d, spec, settings = players.generator, players.discriminator, players.spec, players.settings
    num = len(real_NCHW)

    latents = players.sample(num)
    fake_NCHW = g(latents.inputs_NZ)
    real_features = d.trunk(real_NCHW)
    fake_features = d.trunk(fake_NCHW.detach())
    loss_d = discriminator_loss(d.logits(real_features), d.logits(fake_features))
    parameters_q = d.q(fake_features if settings.mi_trains_trunk else fake_features.detach())
    bounds = spec.bounds_nats(parameters_q, latents.values)
    explained = spec.explained(parameters_q, latents.values)
    _set_gradients(regularised(loss_d, bounds, players.weights_discriminator), [*d.d_parameters(), *d.q_parameters()])
    players.optimizer_discriminator.step()

    if settings.latents == "fresh":
        latents = players.sample(num)
        fake_NCHW = g(latents.inputs_NZ)
    fake_features = d.trunk(fake_NCHW)
    loss_g = generator_loss(d.logits(fake_features))
    objective = loss_g
    if players.generator_reads_q:
        bounds_g = spec.bounds_nats(d.q(fake_features), latents.values)
        objective = regularised(loss_g, bounds_g, players.weights_generator)
    _set_gradients(objective, list(g.parameters()))
    players.optimizer_generator.step()

    return torch.cat([torch.stack([loss_d, loss_g]), bounds, explained]).detach()


def fused_step(players: Players, real_NCHW: Tensor) -> Tensor:
    """The same iteration, faster: real and fake pass D together (batch norm has statistics for each half), D is frozen
    while G learns, no gradient is computed to be thrown away, and nothing waits for the device; returns metrics (M,).
    """
    g, d, spec, settings = players.generator, players.discriminator, players.spec, players.settings
    num = len(real_NCHW)

    latents = players.sample(num)
    with torch.set_grad_enabled(settings.latents == "reused"):
        fake_NCHW = g(latents.inputs_NZ)
    features = d.trunk(torch.cat([real_NCHW, fake_NCHW.detach()]), groups=2)
    logits = d.logits(features)
    loss_d = discriminator_loss(logits[:num], logits[num:])
    fake_features = features[num:]
    parameters_q = d.q(fake_features if settings.mi_trains_trunk else fake_features.detach())
    bounds = spec.bounds_nats(parameters_q, latents.values)
    with torch.no_grad():
        explained = spec.explained(parameters_q, latents.values)
    players.optimizer_discriminator.zero_grad(set_to_none=True)
    regularised(loss_d, bounds, players.weights_discriminator).backward()
    players.optimizer_discriminator.step()

    d.requires_grad_(False)
    if settings.latents == "fresh":
        latents = players.sample(num)
        fake_NCHW = g(latents.inputs_NZ)
    fake_features = d.trunk(fake_NCHW)
    loss_g = generator_loss(d.logits(fake_features))
    objective = loss_g
    if players.generator_reads_q:
        bounds_g = spec.bounds_nats(d.q(fake_features), latents.values)
        objective = regularised(loss_g, bounds_g, players.weights_generator)
    players.optimizer_generator.zero_grad(set_to_none=True)
    objective.backward()
    players.optimizer_generator.step()
    d.requires_grad_(True)

    return torch.cat([torch.stack([loss_d, loss_g]), bounds, explained]).detach()


Step = Callable[[Players, Tensor], Tensor]
STEPS: dict[str, Step] = {"reference": reference_step, "fused": fused_step}
