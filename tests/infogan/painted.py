"""A generator whose picture is a known function of its codes, so that a picture shows which codes it was made from."""

import torch
from torch import Tensor, nn

from infogan.codes import Categorical, Continuous, LatentSpec, Noise

SIZE = 28
SPEC = LatentSpec(Noise(6), (Categorical(10), Continuous(std=1.0), Continuous(std=1.0)))
MANY = LatentSpec(Noise(6), (*SPEC.codes, Continuous(std=1.0)))  # c4 does nothing; too many codes to move together
STRONG = (4, 1)  # noise dimensions that change the picture most, the strongest first


class Painted(nn.Module):
    """Category k is a bar in column 2 + 2 k; c2 brightens the left half, c3 the right one; noise the last two rows."""

    def forward(self, inputs_NZ: Tensor) -> Tensor:
        noise, categories, continuous = inputs_NZ[:, :6], inputs_NZ[:, 6:16].argmax(1), inputs_NZ[:, 16:]
        images = torch.zeros(len(inputs_NZ), 1, SIZE, SIZE)
        images[:, 0, 4:12, : SIZE // 2] = 0.5 + continuous[:, :1, None] / 8
        images[:, 0, 4:12, SIZE // 2 :] = 0.5 + continuous[:, 1:2, None] / 8
        for image, category in zip(images, categories.tolist(), strict=True):
            image[0, 14:24, 2 + 2 * category] = 1.0
        images[:, 0, 26] = (0.5 + noise[:, 4] / 8)[:, None]
        images[:, 0, 27] = (0.5 + noise[:, 1] / 16)[:, None]
        return images
