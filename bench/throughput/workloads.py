"""Workloads: one training iteration of one of the paper's networks, in one of several implementations.

Each step draws its batch and latents as in training, but on random pixels and with a thousandth of the paper's learning
rates: the arithmetic is the same, and the cost does not change over iterations.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal, cast

import torch
from torch import Tensor

from bench.environment import processor_kind
from bench.records.throughput import WorkloadRecord
from bench.run.kernels import declared
from bench.spec.settings import Kernels
from bench.throughput.as_commonly_written import AsCommonlyWritten
from bench.throughput.plain import PlainGan, plain_step
from infogan.architectures import ARCHITECTURES, Costs, choosable_layers, network_costs
from infogan.blocks import NetworkSettings
from infogan.capture import CapturedStep
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.runtime import Precision, gpu_products
from infogan.step import STEPS, StepSettings
from infogan.training import Trainer, TrainingConfig

LEARNING_RATE_DISCRIMINATOR, LEARNING_RATE_GENERATOR = 2e-7, 1e-6
NUM_BATCHES = 4  # batches of random images

# The paper's codes (section 7), noise first
LATENTS: dict[str, LatentSpec] = {
    "mnist": LatentSpec(Noise(62), (Categorical(10), *(Continuous(),) * 2)),
    "svhn": LatentSpec(Noise(124), (*(Categorical(10),) * 4, *(Continuous(),) * 4)),
    "celeba": LatentSpec(Noise(128), (Categorical(10),) * 10),
    "faces": LatentSpec(Noise(128), (Continuous(),) * 5),
    "chairs": LatentSpec(Noise(128), (*(Categorical(20),) * 3, Continuous())),
}
NETWORKS = tuple(LATENTS)


@dataclass(frozen=True)
class Workload:
    """The arithmetic of an iteration; the variant is its implementation."""

    network: str
    batch_size: int = 128
    width: float = 1.0
    kernels: Kernels = "torch"  # for the fused step; all other variants use PyTorch's
    device: str = "cpu"
    precision: Precision = "float32"  # of the fused step; all other variants compute in float32

    @property
    def name(self) -> str:
        width = "" if self.width == 1 else f" at width {self.width:g}"
        precision = "" if self.precision == "float32" else f", {self.precision}"
        return f"{self.network}{width}, batch {self.batch_size}{precision}"

    @property
    def fast_layers(self) -> tuple[str, ...] | None:
        """The committed choice for this kind of processor; unknown kinds use PyTorch's kernels here.

        In bfloat16 there is none to make, as in an experiment.
        """
        if self.kernels != "fastest" or self.device != "cpu" or self.precision == "bf16":
            return None
        layers = choosable_layers(ARCHITECTURES[self.network], LATENTS[self.network].input_width, self.width)
        return declared(processor_kind(), layers) or ()

    def costs(self) -> dict[str, Costs]:
        """Costs of G, D and Q's head."""
        latents = LATENTS[self.network]
        architecture = ARCHITECTURES[self.network]
        return network_costs(architecture, latents.input_width, latents.parameter_width, self.width)

    def record(self) -> WorkloadRecord:
        chosen = self.fast_layers
        return cast(WorkloadRecord, asdict(self) | {"fast_layers": None if chosen is None else list(chosen)})


Iterate = Callable[[], object]  # runs one iteration


def trainer(workload: Workload, step_kind: Literal["fused", "reference"]) -> Trainer:
    """A trainer on random images with the paper's settings, except for the learning rates."""
    return Trainer(training_config(workload, step_kind), pixels(workload), seed=0)


def pixels(workload: Workload) -> Tensor:
    """Random images, uint8 NCHW, the same in every process."""
    shape = (NUM_BATCHES * workload.batch_size, *ARCHITECTURES[workload.network].image_CHW)
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def training_config(workload: Workload, step_kind: Literal["fused", "reference"]) -> TrainingConfig:
    """Trainer settings: one iteration, eager, in the workload's precision."""
    latents = LATENTS[workload.network]
    weights = (1.0,) * len(latents.codes)
    settings = StepSettings(
        weights,
        weights,
        learning_rate_discriminator=LEARNING_RATE_DISCRIMINATOR,
        learning_rate_generator=LEARNING_RATE_GENERATOR,
        learning_rate_q=LEARNING_RATE_DISCRIMINATOR,
    )
    return TrainingConfig(
        workload.network,
        latents,
        settings,
        iterations=1,
        network=NetworkSettings(
            width=workload.width,
            kernels=workload.kernels,
            fast_layers=workload.fast_layers,
            precision=workload.precision,
        ),
        batch_size=workload.batch_size,
        step_kind=step_kind,
        device=workload.device,
    )


def next_batch(run: Trainer) -> Tensor:
    """The next batch of real images, as the step reads them, (N, C, H, W)."""
    return run.scaled(run.images_NCHW[run.batches.next()])


def _library(kind: Literal["fused", "reference"], workload: Workload) -> Iterate:
    run, step = trainer(workload, kind), STEPS[kind]
    return lambda: step(run.players, next_batch(run))


def _fused_graph(workload: Workload) -> Iterate:
    run = trainer(workload, "fused")
    step = CapturedStep(STEPS["fused"], run.players)
    return lambda: step(run.players, next_batch(run))


def _plain(workload: Workload) -> Iterate:
    run = trainer(workload, "reference")
    return lambda: plain_step(run.players, next_batch(run))


def _plain_gan(workload: Workload) -> Iterate:
    run = trainer(workload, "fused")
    gan = PlainGan(run.players)
    return lambda: gan.step(next_batch(run))


def _as_commonly_written(workload: Workload) -> Iterate:
    run = trainer(workload, "reference")
    loop = AsCommonlyWritten(workload.network, run.players, workload.width)

    def iterate() -> tuple[float, float]:
        return loop.step(next_batch(run).contiguous())

    return iterate


def _exact(workload: Workload) -> Workload:
    """The same in float32 with PyTorch's kernels, as people run it."""
    return replace(workload, kernels="torch", precision="float32")


_VARIANTS: dict[str, Callable[[Workload], Iterate]] = {
    "fused": lambda workload: _library("fused", workload),
    "fused_torch": lambda workload: _library("fused", replace(workload, kernels="torch")),
    "fused_fastest": lambda workload: _library("fused", replace(workload, kernels="fastest")),
    "fused_bf16": lambda workload: _library("fused", replace(workload, kernels="fastest", precision="bf16")),
    "fused_graph": _fused_graph,  # GPU only
    "reference": lambda workload: _library("reference", _exact(workload)),
    "plain": lambda workload: _plain(_exact(workload)),
    "plain_gan": lambda workload: _plain_gan(replace(workload, precision="float32")),
    "as_commonly_written": lambda workload: _as_commonly_written(_exact(workload)),
}


def iteration(variant: str, workload: Workload) -> Iterate:
    """A callable that runs one iteration of a variant; on a GPU, float32 products are exact."""
    iterate = _VARIANTS[variant](workload)
    if workload.device != "cuda":
        return iterate

    def exactly() -> object:
        with gpu_products("float32"):
            return iterate()

    return exactly
