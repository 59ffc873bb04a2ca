"""What a family of measures gets, a trained cell, and what it gives, its numbers.

Batch norm is frozen throughout: G's over prior samples, Q's over shuffled training images where it reads real ones. A
number that does not apply (no continuous code, no labels) is absent, never NaN.
Shape suffixes: N images, C channels, H height, W width.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infogan.codes import Categorical, LatentSpec
from infogan.data.base import Dataset
from infogan.measures.digits.classifier import TrainedClassifier, digit_classifier
from infogan.measures.images import generated
from infogan.networks import Discriminator, Generator
from infogan.streams import stream


@dataclass
class Measured:
    """Numbers by name, and what stands behind them as plain JSON values.

    ``series``: columns of equal length, of which ``iteration`` is one, of what was measured during training.
    """

    values: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)  # why numbers with this beginning are absent; "": why all are
    grids: dict[str, np.ndarray] = field(default_factory=dict)  # pictures (rows, columns, H, W, C) uint8 by name
    series: dict[str, list[float]] = field(default_factory=dict)


@dataclass
class Trained:
    """A trained cell with its data. ``untrained`` makes the discriminator as it was before training."""

    generator: Generator
    discriminator: Discriminator
    spec: LatentSpec
    dataset: Dataset
    num_images: int  # of the training images, those that the cell saw
    seed: int
    scaled: Callable[[Tensor], Tensor]  # uint8 images to what D reads
    unscaled: Callable[[Tensor], Tensor]  # what G gives to [0, 1]
    untrained: Callable[[], Discriminator]
    probes: dict[str, np.ndarray] = field(default_factory=dict)  # infogan.measures.probes, by ``iteration-name``

    @property
    def device(self) -> torch.device:
        return next(self.generator.parameters()).device

    def stream(self) -> torch.Generator:
        """Random numbers of a family of this cell: from the start of the stream, so whatever other families run."""
        return stream(self.seed, "evaluation", self.device)

    @cached_property
    def classifier(self) -> TrainedClassifier:
        """A classifier of the data set's own labelled images; from the cache where there is one."""
        return digit_classifier(self.dataset)

    def first_categorical(self) -> int | None:
        return next((i for i, code in enumerate(self.spec.codes) if isinstance(code, Categorical)), None)

    def real(self, images_NCHW: np.ndarray) -> Tensor:
        """Real images as D reads them."""
        return self.scaled(torch.from_numpy(images_NCHW).to(self.device))

    @torch.no_grad()
    def samples(self, num: int, draws: torch.Generator) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Images in [0, 1] of the calibrated, frozen generator, (N, C, H, W), and their code values."""
        latents = self.spec.sample(num, draws, next(self.generator.parameters()).dtype)
        return self.unscaled(generated(self.generator, latents.inputs_NZ)), latents.values
