"""Input and output of a family of measures: a trained cell, and the measured numbers.

Batch norm is frozen throughout: G's on prior samples, Q's on shuffled training images when it reads real ones. A number
that does not apply (no continuous code, no labels) is absent, never NaN.
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
    """Numbers by name, with details as plain JSON values.

    ``series``: columns of equal length, one of them ``iteration``, for quantities measured during training.
    """

    values: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)  # by prefix of the absent numbers' names; "": all of them
    grids: dict[str, np.ndarray] = field(default_factory=dict)  # image grids (rows, columns, H, W, C) uint8 by name
    series: dict[str, list[float]] = field(default_factory=dict)


@dataclass
class Trained:
    """A trained cell with its data. ``untrained`` returns the discriminator as it was before training."""

    generator: Generator
    discriminator: Discriminator
    spec: LatentSpec
    dataset: Dataset
    num_images: int  # number of training images that the cell used, from the first
    seed: int
    scaled: Callable[[Tensor], Tensor]  # uint8 images to what D reads
    unscaled: Callable[[Tensor], Tensor]  # G's output to [0, 1]
    untrained: Callable[[], Discriminator]
    probes: dict[str, np.ndarray] = field(default_factory=dict)  # see infogan.measures.probes, by ``iteration-name``

    @property
    def device(self) -> torch.device:
        return next(self.generator.parameters()).device

    def stream(self) -> torch.Generator:
        """A random stream for one family, always from its start, so that families do not affect each other."""
        return stream(self.seed, "evaluation", self.device)

    @cached_property
    def classifier(self) -> TrainedClassifier:
        """A classifier trained on the data set's labelled images, or loaded from the cache."""
        return digit_classifier(self.dataset)

    def first_categorical(self) -> int | None:
        return next((i for i, code in enumerate(self.spec.codes) if isinstance(code, Categorical)), None)

    def real(self, images_NCHW: np.ndarray) -> Tensor:
        """Scale real uint8 images to D's input."""
        return self.scaled(torch.from_numpy(images_NCHW).to(self.device))

    @torch.no_grad()
    def samples(self, num: int, draws: torch.Generator) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Samples (N, C, H, W) in [0, 1] from the calibrated, frozen generator, and their code values."""
        latents = self.spec.sample(num, draws, next(self.generator.parameters()).dtype)
        return self.unscaled(generated(self.generator, latents.inputs_NZ)), latents.values
