"""A generator whose "image" is a set of known functions of the latents."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn


class Known(nn.Module):
    """An "image" (N, 1, 1, S) of S known functions of the latents."""

    def __init__(self, *functions: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.functions = functions
        self.precision = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, inputs_NZ: Tensor) -> Tensor:
        return torch.stack([f(inputs_NZ) for f in self.functions], dim=1)[:, None, None]


def values(images_NCHW: Tensor) -> dict[str, np.ndarray]:
    """The functions' values, by name: p0, p1, ..."""
    return {f"p{i}": images_NCHW[:, 0, 0, i].numpy() for i in range(images_NCHW.shape[3])}
