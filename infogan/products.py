"""Matrix products of linear layers by oneDNN instead of PyTorch's BLAS. For CPUs.

PyTorch's x86 wheels multiply float32 matrices with Intel's MKL and convolve with oneDNN. On an AMD EPYC, MKL reaches
less than half the rate of oneDNN (bench/throughput/NOTES.md). The operator that PyTorch's compiler uses for linear
layers gives access to oneDNN's product: the same function with different rounding.
Shape suffixes: N rows, I inputs, O outputs.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


@cache
def has_onednn_product() -> bool:
    """Whether this PyTorch has the operator with oneDNN behind it. The operator is not public API."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    try:
        product(torch.ones(2, 2), torch.ones(2, 2))
    except RuntimeError:  # includes NotImplementedError
        return False
    return True


def product(a_NI: Tensor, b_OI: Tensor) -> Tensor:
    """`a @ b.T` (N, O) for float32 matrices on a CPU."""
    return torch.ops.mkldnn._linear_pointwise(a_NI, b_OI, None, "none", [], "")


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs_NI: Tensor, weight_OI: Tensor) -> Tensor:
        ctx.save_for_backward(inputs_NI, weight_OI)
        return product(inputs_NI, weight_OI)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_NO: Tensor) -> tuple[Tensor | None, Tensor | None]:
        inputs_NI, weight_OI = ctx.saved_tensors
        needs_inputs, needs_weight = ctx.needs_input_grad
        return (
            product(gradient_NO, weight_OI.t()) if needs_inputs else None,
            product(gradient_NO.t(), inputs_NI.t()) if needs_weight else None,
        )


def linear(inputs_NI: Tensor, weight_OI: Tensor) -> Tensor:
    """`F.linear(inputs, weight)` by oneDNN; falls back to `F.linear` for types other than float32 or without oneDNN."""
    if inputs_NI.dtype != torch.float32 or not has_onednn_product():
        return F.linear(inputs_NI, weight_OI)
    return _Linear.apply(inputs_NI, weight_OI)
