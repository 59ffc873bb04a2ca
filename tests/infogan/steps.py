"""Two steps side by side: the arms, trainers of small networks, what an iteration changes, and mutants of the step."""

import inspect
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.environment import multiplies_bf16
from infogan import step as step_module
from infogan.architectures import ARCHITECTURES
from infogan.blocks import Block, NetworkSettings
from infogan.codes import Categorical, Continuous, Latents, LatentSpec, Noise
from infogan.step import Players, Step, StepSettings, fused_step
from infogan.training import Trainer, TrainingConfig

SPEC = LatentSpec(Noise(8), (Categorical(10), Continuous()))
NUM_CODES = len(SPEC.codes)
INFOGAN = StepSettings(mi_weight_discriminator=(1.0, 0.3), mi_weight_generator=(1.0, 0.3))
ZERO = (0.0,) * NUM_CODES
ARMS = {
    "infogan": INFOGAN,
    "infogan-fast-q": replace(INFOGAN, learning_rate_q=1e-3),
    "gan": replace(INFOGAN, mi_weight_generator=ZERO, mi_trains_trunk=False),
    "gan-fast-q": replace(INFOGAN, mi_weight_generator=ZERO, mi_trains_trunk=False, learning_rate_q=1e-3),
    "gan-shared": replace(INFOGAN, mi_weight_generator=ZERO),
    "reused latents": replace(INFOGAN, latents="reused"),
    "Q learns with G": replace(INFOGAN, q_learns_with="generator", learning_rate_q=1e-3),
    "one batch norm": replace(INFOGAN, real_and_fake="together"),
    "tiny": replace(INFOGAN, tiny=1e-8),
    "instance noise": replace(INFOGAN, instance_noise=0.1),
    "instance noise, reused latents": replace(INFOGAN, instance_noise=0.1, latents="reused"),
}
ITERATIONS = 20
EMULATED = pytest.mark.skipif(
    not multiplies_bf16("cpu"), reason="bfloat16 is emulated here: minutes instead of seconds"
)
EVERY_IN_BF16 = ["mnist", *(pytest.param(name, marks=EMULATED) for name in ("celeba", "faces", "chairs"))]


def trainer(
    architecture: str,
    settings: StepSettings,
    kind: str,
    dtype: torch.dtype,
    network: NetworkSettings | None = None,
    batch_size: int = 8,
) -> Trainer:
    """A trainer that starts from the same weights and images whatever the kind of step and the type."""
    config = TrainingConfig(
        architecture,
        SPEC,
        settings,
        ITERATIONS,
        network or NetworkSettings(width=0.06),
        batch_size=batch_size,
        step_kind=kind,
        dtype=dtype,
    )
    images = torch.randint(
        0, 256, (5 * batch_size, *ARCHITECTURES[architecture].image_CHW), generator=torch.Generator().manual_seed(1)
    )
    return Trainer(config, images.to(torch.uint8), seed=3)


def state_after(run: Trainer, step: Step, num_iterations: int) -> dict[str, Tensor]:
    """Metrics, and of each player the change of its weights and its last gradients, after some iterations.

    Gradients are compared because the weights alone do not show whether D's gradients hold a mixture of both phases.
    """
    parts = {
        "generator": list(run.players.generator.parameters()),
        "discriminator": run.players.discriminator.d_parameters(),
        "q": run.players.discriminator.q_parameters(),
    }
    start = {name: torch.cat([p.detach().flatten() for p in listed]) for name, listed in parts.items()}
    metrics = []
    for iteration in range(num_iterations):
        run.players.begin(iteration)
        metrics.append(step(run.players, run.scaled(run.images_NCHW[run.batches.next()])))
    state = {"metrics": torch.stack(metrics)}
    for name, listed in parts.items():
        assert all(p.grad is not None for p in listed), name
        state[name] = torch.cat([p.detach().flatten() for p in listed]) - start[name]
        state[f"{name} gradient"] = torch.cat([p.grad.flatten() for p in listed if p.grad is not None])
    return state


def largest_difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """The largest relative difference (norm of the difference over the norm) among metrics, changes and gradients."""
    assert a.keys() == b.keys()
    return max(float((a[k] - b[k]).norm() / b[k].norm()) for k in a)


def without_kinks(run: Trainer) -> Trainer:
    """Make activations linear. By rounding, a unit near a ReLU's kink could take the other side and its gradient."""
    for player in (run.players.generator, run.players.discriminator):
        for block in player.modules():
            if isinstance(block, Block) and block.slope is not None:
                block.slope = 1.0
    return run


def mutant(*replacements: tuple[str, str]) -> Step:
    """The fused step with pieces of its source replaced; each piece must be there."""
    source = inspect.getsource(fused_step)
    for old, new in replacements:
        assert old in source, f"the fused step no longer contains {old!r}: update this mutant"
        source = source.replace(old, new, 1)
    namespace = dict(vars(step_module))
    exec(compile(source, "mutant", "exec"), namespace)
    return namespace["fused_step"]


D_UPDATE = "players.optimizer_discriminator.step()"
FRESH = 'if settings.latents == "fresh":'
MUTANTS: dict[str, Callable[[], Step]] = {
    "joint batch norm": lambda: mutant(("groups=2 if", "groups=1 if")),
    "swapped halves": lambda: mutant(("logits[:num], logits[num:]", "logits[num:], logits[:num]")),
    "Q reads real images": lambda: mutant(("features[num:]", "features[:num]")),
    "D not frozen": lambda: mutant(("d.requires_grad_(False)", "pass")),
    "stale fake batch": lambda: mutant(('settings.latents == "reused"', "True"), (FRESH, "if False:")),
    "lambda of G off by 10 %": lambda: mutant(("players.weights_generator", "0.9 * players.weights_generator")),
    "lambda of D off by 10 %": lambda: mutant(("players.weights_discriminator", "1.1 * players.weights_discriminator")),
    "D's loss halved": lambda: mutant(("players.gan(loss_d)", "0.5 * loss_d")),
    "G learns before D": lambda: mutant(("players.optimizer_discriminator.step()", "pass")),
    "Q updated in G's phase": lambda: mutant(
        ("players.optimizer_generator.step()", f"players.optimizer_generator.step(); {D_UPDATE}")
    ),
}  # fmt: skip
STOP_GRADIENT = ("fake_features if settings.mi_trains_trunk else fake_features.detach()", "fake_features")
WITHOUT_NOISE = {
    "real": ("players.seen(real_NCHW)", "real_NCHW"),
    "fake": ("players.seen(fake_NCHW.detach())", "fake_NCHW.detach()"),
    "G's phase": ("seen_NCHW = players.seen(fake_NCHW)", "seen_NCHW = fake_NCHW"),
    "a separate Q in G's phase": ("d.q(seen_NCHW, fake_features)", "d.q(fake_NCHW, fake_features)"),
    "a separate Q in D's phase": ("d.q(both_NCHW[num:], fake_features", "d.q(fake_NCHW, fake_features"),
}


# ---- in bfloat16

ROUNDED = NetworkSettings(width=0.25, scale_init=True, precision="bf16", kernels="fastest")
EXACT = replace(ROUNDED, precision="float32", kernels="torch")
BATCH = 64


class DrawnInFloat32(LatentSpec):
    """The same latents in every type: PyTorch draws other numbers in float64 than in float32."""

    def sample(self, num: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Latents:
        inputs, values = super().sample(num, generator)
        return Latents(inputs.to(dtype), tuple(v.to(dtype) if v.is_floating_point() else v for v in values))


def run_of(architecture: str, settings: StepSettings, kind: str, network: NetworkSettings = ROUNDED) -> Trainer:
    """A trainer in bfloat16, or with an exact network in float64. Both start alike and draw the same numbers."""
    dtype = torch.float64 if network.precision == "float32" else torch.float32
    run = trainer(architecture, settings, kind, dtype, network, BATCH)
    players = run.players
    players.spec = DrawnInFloat32(SPEC.noise, SPEC.codes)
    drawn = Players.seen
    players.seen = lambda x: x + drawn(players, torch.zeros_like(x, dtype=torch.float32)).to(x.dtype)  # type: ignore
    return run


def still(settings: StepSettings) -> StepSettings:
    """D and Q do not move, so G's phase sees the same D whatever the rounding of D's gradient."""
    return replace(settings, learning_rate_discriminator=0.0, learning_rate_q=0.0)


def smooth(monkeypatch: pytest.MonkeyPatch) -> None:
    """ELU instead of both ReLUs: no unit takes the other side of a kink, and no gradient of a bias vanishes exactly.

    With linear activations the biases before another batch norm would have no effect at all.
    """
    monkeypatch.setattr(Block, "_activate", lambda block, x: x if block.slope is None else F.elu(x))
