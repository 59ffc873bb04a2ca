"""Batch normalisation with batch statistics in training and with collected, frozen statistics in evaluation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but channels, with separate statistics for ``groups`` equal parts of a batch.

    Training always uses the batch's own statistics. There are no running averages: after a few hundred iterations they
    would still be far off. For evaluation, :func:`collecting` estimates the statistics once and :func:`frozen` applies
    them.
    """

    frozen_mean: Tensor
    frozen_var: Tensor

    def __init__(self, num_features: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("frozen_mean", torch.zeros(num_features))
        self.register_buffer("frozen_var", torch.ones(num_features))
        self.eps = eps
        self.mode: Literal["batch", "collect", "frozen"] = "batch"
        self._sums: tuple[int, Tensor, Tensor] | None = None

    def forward(self, x: Tensor, groups: int = 1) -> Tensor:
        if self.mode == "frozen":
            return F.batch_norm(x, self.frozen_mean, self.frozen_var, self.weight, self.bias, False, 0.0, self.eps)
        if self.mode == "collect":
            self._accumulate(x.to(self.frozen_mean.dtype))
        if groups == 1:
            return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
        parts = [F.batch_norm(p, None, None, self.weight, self.bias, True, 0.0, self.eps) for p in x.chunk(groups)]
        return torch.cat(parts)

    def _accumulate(self, x: Tensor) -> None:
        axes = [axis for axis in range(x.dim()) if axis != 1]
        rows, mean, square = self._sums or (0, torch.zeros_like(self.frozen_mean), torch.zeros_like(self.frozen_var))
        self._sums = (rows + len(x), mean + x.mean(axes) * len(x), square + x.square().mean(axes) * len(x))

    def forget_collected(self) -> None:
        """Drop the sums of an unfinished collection."""
        self._sums = None

    def finish_collecting(self) -> None:
        """Turn the sums into the frozen mean and variance. Raises RuntimeError if no batch was seen."""
        if self._sums is None:
            raise RuntimeError("no batch was seen while collecting batch-norm statistics")
        rows, mean, square = self._sums
        self.frozen_mean.copy_(mean / rows)
        self.frozen_var.copy_((square / rows - (mean / rows).square()).clamp_min(0))
        self._sums = None


def _norms(module: nn.Module) -> list[BatchNorm]:
    return [m for m in module.modules() if isinstance(m, BatchNorm)]


@contextmanager
def _mode(module: nn.Module, mode: Literal["batch", "collect", "frozen"]) -> Iterator[None]:
    norms = _norms(module)
    before = [norm.mode for norm in norms]
    for norm in norms:
        norm.mode = mode
    try:
        yield
    finally:
        for norm, old in zip(norms, before, strict=True):
            norm.mode = old


@contextmanager
def collecting(module: nn.Module) -> Iterator[None]:
    """Context in which every batch contributes to the frozen batch-norm statistics (pooled mean and variance).

    Sums left by an earlier collection that failed are dropped.
    """
    for norm in _norms(module):
        norm.forget_collected()
    with _mode(module, "collect"):
        yield
    for norm in _norms(module):
        norm.finish_collecting()


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Context in which batch norm uses the collected statistics, so an output does not depend on its batch."""
    with _mode(nn.ModuleList(modules), "frozen"):
        yield
