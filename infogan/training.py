"""The training loop. It draws batches, runs steps, keeps the history, and resumes from a checkpoint bit for bit.

It logs nothing and writes no files: the caller decides what to do between two reads.
Shape suffixes: N images, C channels, H height, W width, B batch, T iterations, M metrics.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from infogan.architectures import ARCHITECTURES
from infogan.blocks import NetworkSettings
from infogan.capture import AutoStep, CapturedStep
from infogan.codes import LatentSpec
from infogan.giving_up import EPOCH_ITERATIONS, given_up_at
from infogan.networks import Discriminator, Generator, initialise
from infogan.runtime import gpu_products
from infogan.step import STEPS, Players, Step, StepSettings, metric_names
from infogan.streams import stream


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that defines a run except its images and seed."""

    architecture: str
    latents: LatentSpec
    step: StepSettings
    iterations: int
    network: NetworkSettings = field(default_factory=NetworkSettings)
    batch_size: int = 128
    step_kind: Literal["fused", "reference"] = "fused"
    # "graph": one CUDA graph per iteration; "auto": the same on a GPU, eager if that fails; not run on a GPU yet
    capture: Literal["off", "graph", "auto"] = "off"
    device: str = "cpu"
    dtype: torch.dtype = torch.float32

    @property
    def memory_format(self) -> torch.memory_format:
        """Memory format of images and weights: contiguous for exact float32 on a GPU, else channels last."""
        is_exact = self.device == "cuda" and self.network.precision == "float32"
        return torch.contiguous_format if is_exact else torch.channels_last


class NonFiniteLoss(RuntimeError):
    """A loss or a bound became NaN or infinite."""

    def __init__(self, iteration: int, values: dict[str, float]) -> None:
        self.iteration, self.values = iteration, values
        listed = ", ".join(f"{name}={value:g}" for name, value in values.items())
        super().__init__(f"non-finite value at iteration {iteration}: {listed}")


class Progress(NamedTuple):
    """State after ``iteration`` updates; metrics are those of the last one."""

    iteration: int
    metrics: dict[str, float]


class BatchStream:
    """Indices of shuffled batches, epoch after epoch. Each image occurs at most once per epoch; the last partial batch
    is dropped.
    """

    def __init__(self, num_images: int, batch_size: int, generator: torch.Generator) -> None:
        if batch_size > num_images:
            raise ValueError(f"batch size {batch_size} exceeds the number of training images, {num_images}")
        self.num_images, self.batch_size, self.generator = num_images, batch_size, generator
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._epoch_state = self.generator.get_state()
        self._order = torch.randperm(self.num_images, generator=self.generator, device=self.generator.device)
        self._position = 0

    def next(self) -> Tensor:
        """Indices of the next batch, (B,)."""
        if self._position + self.batch_size > self.num_images:
            self._begin_epoch()
        indices = self._order[self._position : self._position + self.batch_size]
        self._position += self.batch_size
        return indices

    def state_dict(self) -> dict[str, Any]:
        return {"epoch_state": self._epoch_state, "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.set_state(state["epoch_state"].cpu())  # a checkpoint may have been loaded onto a GPU
        self._begin_epoch()
        self._position = state["position"]


class Trainer:
    """Trains one cell: one configuration with one seed.

    ``images_NCHW`` are uint8. They move to the device once, and each batch is scaled there: to [0, 1] for a sigmoid
    output, to [-1, 1] for tanh. Raises ValueError if the images do not fit the architecture, or the capture the device.
    """

    def __init__(self, config: TrainingConfig, images_NCHW: Tensor, seed: int) -> None:
        architecture = ARCHITECTURES[config.architecture]
        if tuple(images_NCHW.shape[1:]) != architecture.image_CHW:
            raise ValueError(
                f"{config.architecture} needs images {architecture.image_CHW}, got {tuple(images_NCHW.shape[1:])}"
            )
        if images_NCHW.dtype != torch.uint8:
            raise ValueError(f"images must be uint8, got {images_NCHW.dtype}")
        self.config, self.seed = config, seed
        self.images_NCHW = images_NCHW.to(config.device)
        self.scale, self.shift = (1 / 255, 0.0) if architecture.output == "sigmoid" else (2 / 255, -1.0)
        self.metric_names = metric_names(config.latents, config.step)
        self.players = self._create_players()
        self.batches = BatchStream(len(images_NCHW), config.batch_size, stream(seed, "data", config.device))
        self.iteration = 0
        self._history_TM = torch.zeros(
            config.iterations, len(self.metric_names), dtype=config.dtype, device=config.device
        )
        self._checked = 0
        self.given_up_at: int | None = None  # iteration at which the give-up rule ended the run
        self._step = self._create_step()

    def _create_players(self) -> Players:
        config = self.config
        architecture = ARCHITECTURES[config.architecture]
        generator = Generator(architecture, config.latents, config.network)
        discriminator = Discriminator(architecture, config.latents, config.network)
        init = stream(self.seed, "init")  # always drawn on the CPU, so that every device starts from the same weights
        for network in (generator, discriminator):
            initialise(network, config.network, init)
            network.to(device=config.device, dtype=config.dtype)
            network.to(memory_format=config.memory_format)
        latents = stream(self.seed, "latents", config.device)
        fused_adam = config.step_kind == "fused"
        return Players.create(generator, discriminator, config.latents, config.step, latents, fused_adam=fused_adam)

    def _create_step(self) -> Step:
        step, capture = STEPS[self.config.step_kind], self.config.capture
        if capture == "graph":
            return CapturedStep(step, self.players)
        if capture == "auto" and self.config.device == "cuda" and self.config.step_kind == "fused":
            return AutoStep(step, self.players)
        return step

    @property
    def capture_note(self) -> str | None:
        """Why ``capture="auto"`` fell back to eager launches, in one line; None if it did not."""
        return self._step.note if isinstance(self._step, AutoStep) else None

    @property
    def done(self) -> bool:
        """Whether the last iteration is reached or the run was given up."""
        return self.iteration >= self.config.iterations or self.given_up_at is not None

    def scaled(self, images: Tensor) -> Tensor:
        """Scale uint8 images to the range that D reads, in the networks' memory format."""
        images = images.to(self.config.dtype).mul_(self.scale)
        if self.shift:
            images.add_(self.shift)
        return images.contiguous(memory_format=self.config.memory_format)

    def run(self, log_every: int = 25, also_at: Sequence[int] = ()) -> Iterator[Progress]:
        """Train to the last iteration; yield every ``log_every`` iterations, at those in ``also_at``, and at the end.

        The host waits for the device only there. Raises NonFiniteLoss with the first bad iteration.
        """
        stops = sorted(set(also_at))
        while not self.done:
            self.enqueue(self.until_read(log_every, stops))
            yield self.read()

    def until_read(self, log_every: int, stops: Sequence[int] = ()) -> int:
        """Number of iterations until the next read. ``stops`` must be sorted."""
        ends = [self.iteration + log_every - self.iteration % log_every, self.config.iterations]
        ends += stops[(later := bisect_right(stops, self.iteration)) : later + 1]
        if self.config.step.give_up != "never":  # the rule needs a read at the end of each epoch
            ends.append(self.iteration + EPOCH_ITERATIONS - self.iteration % EPOCH_ITERATIONS)
        return min(ends) - self.iteration

    def enqueue(self, num: int) -> None:
        """Launch the next ``num`` iterations, or those that are left, without waiting for the device."""
        config = self.config
        num = 0 if self.done else min(num, config.iterations - self.iteration)
        with gpu_products(config.network.precision) if config.device == "cuda" else nullcontext():
            for _ in range(num):
                self.players.begin(self.iteration)
                images = self.scaled(self.images_NCHW[self.batches.next()])
                self._history_TM[self.iteration] = self._step(self.players, images)
                self.iteration += 1

    def read(self) -> Progress:
        """Wait for the enqueued iterations. Raises NonFiniteLoss with the first bad iteration since the last read."""
        rows = self._history_TM[self._checked : self.iteration].cpu()
        bad = (~torch.isfinite(rows)).any(dim=1).nonzero()
        if len(bad):
            first = int(bad[0])
            raise NonFiniteLoss(self._checked + first + 1, self._named(rows[first]))
        self._checked = self.iteration
        if self.config.step.give_up != "never" and self.iteration % EPOCH_ITERATIONS == 0:
            self.given_up_at = given_up_at(self.history(), self.config.latents, self.config.step)
        return Progress(self.iteration, self._named(rows[-1]))

    def _named(self, row_M: Tensor) -> dict[str, float]:
        return dict(zip(self.metric_names, row_M.tolist(), strict=True))

    def history(self) -> np.ndarray:
        """Metrics of every iteration so far, (T, M), columns as in ``metric_names``."""
        return self._history_TM[: self.iteration].cpu().numpy()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a bit-exact resume needs."""
        p = self.players
        return {
            "iteration": self.iteration,
            "generator": p.generator.state_dict(),
            "discriminator": p.discriminator.state_dict(),
            "optimizer_generator": p.optimizer_generator.state_dict(),
            "optimizer_discriminator": p.optimizer_discriminator.state_dict(),
            "latents": p.latents.get_state(),
            "batches": self.batches.state_dict(),
            "history": self._history_TM[: self.iteration],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of ``state_dict``; the configuration must be the same."""
        p = self.players
        p.generator.load_state_dict(state["generator"])
        p.discriminator.load_state_dict(state["discriminator"])
        p.optimizer_generator.load_state_dict(state["optimizer_generator"])
        p.optimizer_discriminator.load_state_dict(state["optimizer_discriminator"])
        p.latents.set_state(state["latents"].cpu())
        self.batches.load_state_dict(state["batches"])
        self.iteration = self._checked = state["iteration"]
        self._history_TM[: self.iteration] = state["history"]
        self.given_up_at = given_up_at(self.history(), self.config.latents, self.config.step)
        self._step = self._create_step()  # a captured step refers to the optimisers' old tensors
