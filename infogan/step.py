"""One training iteration: an update of D and Q, then an update of G (paper equation 6; order as in the authors' code).

Two functions share one signature and compute the same result. :func:`reference_step` reads like the paper;
:func:`fused_step` is the fast one that trains. A test checks that they agree over 20 iterations in float64, and that it
would notice a mutation of either.
Shape suffixes: N batch, C channels, H height, W width, M metrics.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal

import torch
from torch import Tensor, nn

from infogan.blocks import rounding_once
from infogan.codes import Latents, LatentSpec
from infogan.networks import Discriminator, Generator
from infogan.objectives import discriminator_loss, generator_loss, regularised


@dataclass(frozen=True)
class StepSettings:
    """Settings of the training step. The arms of an experiment differ in these."""

    mi_weight_discriminator: tuple[float, ...]  # lambda per code in the phase that updates D and Q
    mi_weight_generator: tuple[float, ...]  # lambda per code in the phase that updates G; 0: as in a plain GAN
    learning_rate_discriminator: float = 2e-4
    learning_rate_generator: float = 1e-3
    learning_rate_q: float = 2e-4  # for Q's head: D's rate in the paper's tables, G's rate in equation 6
    mi_trains_trunk: bool = True  # False: L_I does not train the trunk (stop-gradient)
    beta1: float = 0.5
    beta2: float = 0.999
    adam_eps: float = 1e-8
    latents: Literal["fresh", "reused"] = "fresh"  # "reused": G's phase uses the fake batch of D's phase
    q_learns_with: Literal["discriminator", "generator"] = "discriminator"  # "generator": L_I is in G's loss only
    real_and_fake: Literal["apart", "together"] = "apart"  # batch-norm statistics in D; "together": one set for both
    instance_noise: float = 0.0  # standard deviation of the normal noise added to every image that D and Q see
    tiny: float = 0.0  # added to probabilities before a logarithm (1e-8 in the authors' code); 0: exact, on logits
    warm_up_iterations: int = 0  # number of first iterations that train on L_I alone
    give_up: Literal["never", "authors"] = "never"  # "authors": see infogan/giving_up.py


@dataclass
class Players:
    """Networks, optimisers and the random stream of the latents: everything that an iteration changes."""

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
    gan_weight: Tensor | None  # weight of the GAN losses: 0 during the warm-up, then 1; None: no warm-up

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
        """Create the optimisers of the paper's tables: D's holds the trunk, D's head and Q's head; G's holds G.

        With ``q_learns_with="generator"`` Q's head belongs to G's optimiser instead, as in popular ports. Raises
        ValueError if the number of weights is not the number of codes, or if nothing would train Q.
        """
        num_codes = len(spec.codes)
        for name in ("mi_weight_discriminator", "mi_weight_generator"):
            if len(getattr(settings, name)) != num_codes:
                raise ValueError(f"{name} needs one value for each of {num_codes} codes, got {getattr(settings, name)}")
        with_generator = settings.q_learns_with == "generator"
        if with_generator and not all(settings.mi_weight_generator):
            raise ValueError("q_learns_with='generator' needs every mi_weight_generator above 0: nothing else trains Q")
        device, dtype = latents.device, next(generator.parameters()).dtype
        common: dict[str, Any] = {
            "betas": (settings.beta1, settings.beta2),
            "eps": settings.adam_eps,
            "fused": fused_adam,
            "foreach": False,
            "capturable": fused_adam and device.type == "cuda",
        }
        groups_d: list[dict[str, Any]] = [
            {"params": discriminator.d_parameters(), "lr": settings.learning_rate_discriminator}
        ]
        groups_g: list[dict[str, Any]] = [
            {"params": list(generator.parameters()), "lr": settings.learning_rate_generator}
        ]
        group_q = {"params": discriminator.q_parameters(), "lr": settings.learning_rate_q}
        (groups_g if with_generator else groups_d).append(group_q)
        return cls(
            generator,
            discriminator,
            torch.optim.Adam(groups_g, **common),
            torch.optim.Adam(groups_d, **common),
            spec,
            settings,
            latents,
            torch.tensor(settings.mi_weight_discriminator, dtype=dtype, device=device),
            torch.tensor(settings.mi_weight_generator, dtype=dtype, device=device),
            dtype,
            torch.zeros((), dtype=dtype, device=device) if settings.warm_up_iterations else None,
        )

    def begin(self, iteration: int) -> None:
        """Set the GAN weight for the next iteration, after ``iteration`` finished ones.

        The weight lives on the device, so a captured CUDA graph sees the change.
        """
        if self.gan_weight is not None:
            self.gan_weight.fill_(float(iteration >= self.settings.warm_up_iterations))

    def gan(self, loss: Tensor) -> Tensor:
        """Scale a GAN loss by its weight in this iteration."""
        return loss if self.gan_weight is None else self.gan_weight * loss

    def sample(self, num: int) -> Latents:
        return self.spec.sample(num, self.latents, self.dtype)

    def seen(self, images_NCHW: Tensor) -> Tensor:
        """Images as D and Q see them in training: with instance noise (Sonderby et al. 2016, arXiv 1610.04490).

        The noise hides differences that are too small to see. It is drawn from the latents' stream.
        """
        if not self.settings.instance_noise:
            return images_NCHW
        noise_NCHW = torch.randn(
            images_NCHW.shape, generator=self.latents, device=images_NCHW.device, dtype=images_NCHW.dtype
        )
        return images_NCHW + self.settings.instance_noise * noise_NCHW

    @property
    def generator_reads_q(self) -> bool:
        return any(self.settings.mi_weight_generator)

    @property
    def q_learns_with_generator(self) -> bool:
        return self.settings.q_learns_with == "generator"


FAKE_MAX = "fake/max"  # largest D(x) in D's fake batch, a probability; recorded only for the give-up rule


def metric_names(spec: LatentSpec, settings: StepSettings | None = None) -> tuple[str, ...]:
    """Names of a step's metrics, in order: GAN losses, L_I per code in nats, 1 - MSE / Var(c) per continuous code, and
    the metrics that the give-up rule needs.
    """
    named = zip(spec.names, spec.codes, strict=True)
    explained = [f"explained/{name}" for name, code in named if code.kind == "continuous"]
    fake = [FAKE_MAX] if settings is not None and settings.give_up == "authors" else []
    return ("loss/discriminator", "loss/generator", *(f"mi/{name}" for name in spec.names), *explained, *fake)


def _metrics(
    players: Players, losses: tuple[Tensor, Tensor], bounds: Tensor, explained: Tensor, fake_logits_N: Tensor
) -> Tensor:
    """Metrics of one iteration, (M,), in the order of :func:`metric_names`."""
    fake = [] if players.settings.give_up == "never" else [torch.sigmoid(fake_logits_N.max())[None]]
    return torch.cat([torch.stack(losses), bounds, explained, *fake]).detach()


def _set_gradients(loss: Tensor, optimizer: torch.optim.Adam) -> None:
    """Set the gradients of ``loss`` for the parameters of this optimiser only."""
    parameters: list[nn.Parameter] = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient


def reference_step(players: Players, real_NCHW: Tensor) -> Tensor:
    """One iteration in the order of the paper; each network runs on each batch separately. Returns metrics (M,).

    The reported L_I is that of D's phase: on fresh latents, with batch statistics, before the update.
    """
    g, d, spec, settings = players.generator, players.discriminator, players.spec, players.settings
    num, tiny = len(real_NCHW), settings.tiny

    latents = players.sample(num)
    fake_NCHW = g(latents.inputs_NZ)
    seen_real_NCHW, seen_fake_NCHW = players.seen(real_NCHW), players.seen(fake_NCHW.detach())
    if settings.real_and_fake == "apart":
        real_features = d.trunk(seen_real_NCHW)
        fake_features = d.trunk(seen_fake_NCHW)
    else:
        real_features, fake_features = d.trunk(torch.cat([seen_real_NCHW, seen_fake_NCHW])).chunk(2)
    fake_logits = d.logits(fake_features)
    loss_d = discriminator_loss(d.logits(real_features), fake_logits, tiny)
    parameters_q = d.q(seen_fake_NCHW, fake_features if settings.mi_trains_trunk else fake_features.detach())
    bounds = spec.bounds_nats(parameters_q, latents.values, tiny)
    explained = spec.explained(parameters_q, latents.values)
    objective = players.gan(loss_d)
    if not players.q_learns_with_generator:
        objective = regularised(objective, bounds, players.weights_discriminator)
    _set_gradients(objective, players.optimizer_discriminator)
    players.optimizer_discriminator.step()

    if settings.latents == "fresh":
        latents = players.sample(num)
        fake_NCHW = g(latents.inputs_NZ)
    seen_fake_NCHW = players.seen(fake_NCHW)
    fake_features = d.trunk(seen_fake_NCHW)
    loss_g = generator_loss(d.logits(fake_features), tiny)
    objective = players.gan(loss_g)
    if players.generator_reads_q:
        bounds_g = spec.bounds_nats(d.q(seen_fake_NCHW, fake_features), latents.values, tiny)
        objective = regularised(objective, bounds_g, players.weights_generator)
    _set_gradients(objective, players.optimizer_generator)
    players.optimizer_generator.step()

    return _metrics(players, (loss_d, loss_g), bounds, explained, fake_logits)


Step = Callable[[Players, Tensor], Tensor]


def _generator_rounded_once(step: Step) -> Step:
    """In bfloat16, both phases use the same rounded copy of G's weights: only the end of an iteration changes them."""

    @wraps(step)
    def with_copies(players: Players, real_NCHW: Tensor) -> Tensor:
        with rounding_once(players.generator):
            return step(players, real_NCHW)

    return with_copies


@_generator_rounded_once
def fused_step(players: Players, real_NCHW: Tensor) -> Tensor:
    """The same iteration, faster. Returns metrics (M,).

    Real and fake images pass D in one batch (batch norm keeps statistics for each half), D is frozen while G learns, no
    unused gradient is computed, and nothing synchronises with the device.
    """
    g, d, spec, settings = players.generator, players.discriminator, players.spec, players.settings
    num, tiny, q_waits = len(real_NCHW), settings.tiny, players.q_learns_with_generator

    latents = players.sample(num)
    with torch.set_grad_enabled(settings.latents == "reused"):
        fake_NCHW = g(latents.inputs_NZ)
    both_NCHW = torch.cat([players.seen(real_NCHW), players.seen(fake_NCHW.detach())])
    features = d.trunk(both_NCHW, groups=2 if settings.real_and_fake == "apart" else 1)
    logits = d.logits(features)
    loss_d = discriminator_loss(logits[:num], logits[num:], tiny)
    fake_features = features[num:]
    with torch.set_grad_enabled(not q_waits):
        parameters_q = d.q(both_NCHW[num:], fake_features if settings.mi_trains_trunk else fake_features.detach())
        bounds = spec.bounds_nats(parameters_q, latents.values, tiny)
    with torch.no_grad():
        explained = spec.explained(parameters_q, latents.values)
    players.optimizer_discriminator.zero_grad(set_to_none=True)
    objective = players.gan(loss_d)
    (objective if q_waits else regularised(objective, bounds, players.weights_discriminator)).backward()
    players.optimizer_discriminator.step()

    d.requires_grad_(False)
    if q_waits:
        for parameter in d.q_parameters():
            parameter.requires_grad_(True)
    if settings.latents == "fresh":
        latents = players.sample(num)
        fake_NCHW = g(latents.inputs_NZ)
    seen_NCHW = players.seen(fake_NCHW)
    fake_features = d.trunk(seen_NCHW)
    loss_g = generator_loss(d.logits(fake_features), tiny)
    objective = players.gan(loss_g)
    if players.generator_reads_q:
        bounds_g = spec.bounds_nats(d.q(seen_NCHW, fake_features), latents.values, tiny)
        objective = regularised(objective, bounds_g, players.weights_generator)
    players.optimizer_generator.zero_grad(set_to_none=True)
    objective.backward()
    players.optimizer_generator.step()
    d.requires_grad_(True)

    return _metrics(players, (loss_d, loss_g), bounds, explained, logits[num:])


STEPS: dict[str, Step] = {"reference": reference_step, "fused": fused_step}
