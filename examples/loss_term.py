"""The mode-seeking term of Mao et al. 2019 (arXiv 1903.05628, equation 3): other inputs are to give other pictures."""

import torch
from torch import Tensor

from infogan.own.trainer import add_term
from infogan.step import Players, fused_step

WEIGHT, PAIRS = 0.1, 32


class ModeSeeking:
    """A step: the library's iteration, with a term more in the generator's loss."""

    metrics = ("loss/mode-seeking",)  # a curve of its own beside the library's

    def __init__(self, players: Players, generator: torch.Generator) -> None:
        self.players = players
        add_term(players.optimizer_generator, self.term)

    def term(self) -> Tensor:
        """Distance of two inputs over the distance of their pictures: small where the picture follows the input."""
        one, two = self.players.sample(PAIRS), self.players.sample(PAIRS)
        pictures = self.players.generator(torch.cat([one.inputs_NZ, two.inputs_NZ]))
        apart = (pictures[:PAIRS] - pictures[PAIRS:]).abs().mean()
        ratio = (one.inputs_NZ - two.inputs_NZ).abs().mean() / (apart + 1e-5)
        self.value = ratio.detach()
        return WEIGHT * ratio

    def __call__(self, players: Players, real_NCHW: Tensor) -> Tensor:
        metrics_M = fused_step(players, real_NCHW)
        return torch.cat([metrics_M, self.value[None]])
