"""Drawings with known factors, and a trained cell whose generator draws them as a known function of its latents."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.data import Dataset, Part
from infogan.data.base import make_dataset
from infogan.measures.factors.reader_network import Recipe
from infogan.measures.trained import Trained

NAMES = ("azimuth", "glasses", "rotation", "tilt")
SPEC = LatentSpec(Noise(2), (Categorical(4), Continuous(), Continuous()))  # columns: z1, z2, c1 one-hot, c2, c3
RECIPE = Recipe(iterations=200, max_epochs=40, width=8)


def drawn(azimuth: Tensor, glasses: Tensor, rotation: Tensor, tilt: Tensor) -> Tensor:
    """Draw the factors: a bar at the azimuth, a square for glasses, a bright corner for the tilt, a hand that turns."""
    azimuth, glasses, rotation, tilt = (v[:, None, None].float() for v in (azimuth, glasses, rotation, tilt))
    y, x = torch.meshgrid(torch.linspace(-1, 1, 24), torch.linspace(-1, 1, 24), indexing="ij")
    bar = torch.exp(-(((x - 0.7 * azimuth) / 0.15) ** 2)) * (y > 0.5)
    square = ((x < -0.6) & (y < -0.6)) * glasses
    corner = ((x > 0.6) & (y < -0.6)) * tilt
    hand = torch.exp(-((x - 0.35 * rotation.cos()) ** 2 + (y + 0.2 - 0.35 * rotation.sin()) ** 2) / 0.02)
    return (bar + square + corner + hand).clamp(0, 1)[:, None]


def part(num: int, seed: int) -> Part:
    rng = np.random.default_rng(seed)
    columns = [rng.uniform(-1, 1, num), rng.integers(2, size=num), rng.uniform(0, 6.283, num), rng.uniform(0, 1, num)]
    images = (drawn(*map(torch.from_numpy, columns)) * 255).byte().numpy()
    return Part(images, factors=np.stack(columns, axis=1).astype(np.float32))


class KnownRenderer:
    """Draws images with one factor controlled."""

    def fixed(self, factor: str) -> np.ndarray:
        groups = [part(24, 100 + group).factors for group in range(8)]
        column = NAMES.index(factor)
        for values_NF in groups:
            values_NF[:, column] = values_NF[0, column]
        return np.stack([rendered(values_NF) for values_NF in groups])

    def swept(self, factor: str, num_columns: int) -> np.ndarray:
        rows = np.repeat(part(3, 7).factors[:, None], num_columns, axis=1)
        low = -1 if factor == "azimuth" else 0
        rows[:, :, NAMES.index(factor)] = np.linspace(low, 6.283 if factor == "rotation" else 1, num_columns)
        return np.stack([rendered(values_NF) for values_NF in rows])


def rendered(values_NF: np.ndarray) -> np.ndarray:
    return (drawn(*map(torch.from_numpy, values_NF.T.copy())) * 255).byte().numpy()


class KnownGenerator(nn.Module):
    """c2 is the azimuth, c3 turns the hand half a turn, the upper two of four categories wear glasses, z1 tilts."""

    def __init__(self) -> None:
        super().__init__()
        self.precision = nn.Parameter(torch.zeros(()))

    def forward(self, inputs_NZ: Tensor) -> Tensor:
        z1, glasses = inputs_NZ[:, 0], inputs_NZ[:, 4:6].sum(dim=1)
        return drawn(inputs_NZ[:, 6], glasses, -math.pi / 2 * inputs_NZ[:, 7] + 1, (z1 + 1) / 2)


class KnownDiscriminator(nn.Module):
    """Q reads the azimuth from the bar into c2 and the glasses from their corner into c1; c3 stays 0."""

    def q_of(self, images_NCHW: Tensor) -> Tensor:
        bar_NW = images_NCHW[:, 0, 20:].mean(dim=1)
        place_N = (bar_NW * torch.linspace(-1, 1, 24)).sum(dim=1) / bar_NW.sum(dim=1) / 0.7
        wears_N = 20 * (images_NCHW[:, 0, 1, 1] - 0.5)
        nothing_N = torch.zeros_like(place_N)
        block = [-wears_N, -wears_N, wears_N, wears_N, place_N, nothing_N, nothing_N, nothing_N]
        return torch.stack(block, dim=1)


def drawn_dataset() -> Dataset:
    dataset = make_dataset("drawings", "test", "", False, part(800, 0), part(200, 1), NAMES)
    return replace(dataset, controlled=KnownRenderer())


def cell(dataset: Dataset, spec: LatentSpec = SPEC, generator: nn.Module | None = None) -> Trained:
    return Trained(
        generator=generator or KnownGenerator(),
        discriminator=KnownDiscriminator(),
        spec=spec,
        dataset=dataset,
        num_images=len(dataset.train.images),
        seed=0,
        scaled=lambda images: images.float() / 255,
        unscaled=lambda images: images.clamp(0, 1),
        untrained=KnownDiscriminator,
    )
