"""The network of a factor reader, which reads all factors of a data set, and its training.

It is trained on blurred and noisy images of varied contrast, because generated images are blurry.
Shape suffixes: N images, C channels, H height, W width, F factors, M components of a factor, P outputs of a network.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from infogan.data.base import Dataset
from infogan.measures.factors.kinds import Factor
from infogan.measures.kept import initialise
from infogan.streams import stream
from infogan.training import BatchStream

NUM_FEATURES = 128
_EVALUATION_BATCH = 500
_GRID = 4  # side of the last feature map


@dataclass(frozen=True)
class Recipe:
    """Training settings of a reader. The epochs limit the steps: with 4,000 images, three readers take about 25 s."""

    iterations: int = 1200
    max_epochs: int = 8
    batch_size: int = 64
    width: int = 16
    peak_learning_rate: float = 6e-3  # of a one-cycle schedule
    weight_decay: float = 1e-2
    max_blur: float = 1.0  # share of the blurred image, with a kernel of about 1.2 pixels
    max_noise: float = 0.2  # standard deviation, relative to the range; generators early in training produce grain
    max_contrast: float = 0.15  # relative change around the image's mean; the mean itself may be a factor, so it stays
    seed: int = 0


class FactorReader(nn.Module):
    """Three convolutions, a hidden layer, outputs for all factors. In eval mode, no result depends on the batch."""

    def __init__(self, image_CHW: tuple[int, int, int], factors: tuple[Factor, ...], width: int) -> None:
        super().__init__()
        self.factors = factors
        stem = (7, 4, 3) if max(image_CHW[1:]) >= 48 else (5, 2, 2)  # to 16x16; strides cost less than pooling
        self.body = nn.Sequential(
            *(nn.Conv2d(image_CHW[0], width, *stem), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU()),
            *(nn.Conv2d(2 * width, 3 * width, 3, padding=1), nn.BatchNorm2d(3 * width), nn.ReLU()),
            nn.AdaptiveAvgPool2d(_GRID),
            nn.Flatten(),
            *(nn.Linear(3 * width * _GRID**2, NUM_FEATURES), nn.ReLU()),
        )
        self.head = nn.Linear(NUM_FEATURES, sum(factor.num_outputs for factor in factors))
        self.to(memory_format=torch.channels_last)  # twice as fast on a CPU

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Outputs (N, P) for images in [0, 1]: standardised values, cosine and sine, logits."""
        return self.head(self.body(images_NCHW))

    @torch.no_grad()
    def features(self, images_NCHW: Tensor) -> Tensor:
        """Activations of the hidden layer (N, F) for images in [0, 1], the feature space of distances."""
        return torch.cat([self.body(batch) for batch in self._batches(images_NCHW)])

    def blocks(self, outputs_NP: Tensor) -> list[tuple[Factor, Tensor]]:
        """Each factor with its outputs."""
        parts = outputs_NP.split([factor.num_outputs for factor in self.factors], dim=1)
        return list(zip(self.factors, parts, strict=True))

    @torch.no_grad()
    def components(self, images_NCHW: Tensor) -> dict[str, np.ndarray]:
        """Components of each factor's reading, (N, M) float64."""
        outputs_NP = torch.cat([self(batch) for batch in self._batches(images_NCHW)])
        return {factor.name: _components(factor, block.double()) for factor, block in self.blocks(outputs_NP)}

    def _batches(self, images_NCHW: Tensor) -> tuple[Tensor, ...]:
        if self.training:
            raise RuntimeError("a reader reads in eval mode only: in training its answers depend on the batch")
        weight = self.head.weight
        images_NCHW = images_NCHW.to(weight.device, weight.dtype, memory_format=torch.channels_last)
        return images_NCHW.split(_EVALUATION_BATCH)


def _components(factor: Factor, outputs_NP: Tensor) -> np.ndarray:
    if factor.is_discrete:
        outputs_NP = outputs_NP.softmax(dim=1)[:, 1 if factor.kind == "binary" else 0 :]
    elif factor.kind == "continuous":
        outputs_NP = outputs_NP * factor.std + factor.mean
    return outputs_NP.cpu().numpy()


def _augmented(images_NCHW: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Blur each image, change its contrast and add noise, at random."""
    draws_3N111 = torch.rand(3, len(images_NCHW), 1, 1, 1, generator=generator)
    blurred = images_NCHW
    for _ in range(2):
        blurred = F.avg_pool2d(F.pad(blurred, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    images_NCHW = torch.lerp(images_NCHW, blurred, recipe.max_blur * draws_3N111[0])
    mean_N111 = images_NCHW.mean(dim=(1, 2, 3), keepdim=True)
    gain_N111 = 1 + recipe.max_contrast * (2 * draws_3N111[1] - 1)
    noise = torch.randn(images_NCHW.shape, generator=generator) * (recipe.max_noise * draws_3N111[2])
    return (mean_N111 + (images_NCHW - mean_N111) * gain_N111 + noise).clamp_(0, 1)


def _targets(factors: tuple[Factor, ...], names: tuple[str, ...], values_NF: np.ndarray) -> list[Tensor]:
    targets = []
    for factor in factors:
        values_N = values_NF[:, names.index(factor.name)].astype(np.float64)
        if factor.is_discrete:
            targets.append(torch.from_numpy(np.searchsorted(factor.values, values_N)))
        else:
            shift, scale = (factor.mean, factor.std) if factor.kind == "continuous" else (0.0, 1.0)
            targets.append(torch.from_numpy((factor.components(values_N) - shift) / scale).float())
    return targets


def train(model: FactorReader, dataset: Dataset, recipe: Recipe) -> None:
    """Train ``model`` on a set with factors; the bits depend on the number of threads."""
    assert dataset.train.factors is not None
    initialise(model, stream(recipe.seed, "init"))
    draws = stream(recipe.seed, "data")
    images_NCHW = torch.from_numpy(dataset.train.images)
    targets = _targets(model.factors, dataset.factor_names, dataset.train.factors)
    num_steps = min(recipe.iterations, recipe.max_epochs * (len(images_NCHW) // recipe.batch_size))
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=recipe.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.peak_learning_rate, num_steps)
    batches = BatchStream(len(images_NCHW), recipe.batch_size, draws)
    model.train()
    for _ in range(num_steps):
        rows = batches.next()
        images = _augmented(images_NCHW[rows].float().div_(255), recipe, draws)
        outputs_NP = model(images.contiguous(memory_format=torch.channels_last))
        loss = torch.zeros(())
        for (factor, block), target in zip(model.blocks(outputs_NP), targets, strict=True):
            if factor.is_discrete:
                loss = loss + F.cross_entropy(block, target[rows]) / math.log(len(factor.values))
            else:
                loss = loss + F.mse_loss(block, target[rows]) * factor.num_outputs
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
