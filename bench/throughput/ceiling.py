"""The machine's peak: the rate of a large matrix product, measured in the same process between the steps.

On a CPU it uses the faster library, PyTorch's BLAS or oneDNN, because MKL is slow on processors that it does not know.

An iteration's arithmetic is counted in two ways. Direct: operations of the layers as the paper states them. Executed:
operations of the products and convolutions that were really called, which are fewer with Winograd-type convolutions.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.throughput.workloads import Iterate, Workload
from infogan.architectures import iteration_flops
from infogan.products import has_onednn_product, product
from infogan.runtime import Precision

SIZES = {"cpu": 2048, "cuda": 8192}
TYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}


class MatrixProduct:
    """A square matrix product; each call multiplies once, with the library that was faster in a few trials.

    ``dtype``: type of the factors. The caller sets the precision of float32 products on a GPU.
    """

    def __init__(self, device: str = "cpu", dtype: torch.dtype = torch.float32, size: int | None = None) -> None:
        self.size = size or SIZES[device]
        generator = torch.Generator(device).manual_seed(0)
        self.a = torch.randn(self.size, self.size, generator=generator, device=device).to(dtype)
        self.out = torch.empty_like(self.a)
        # PyTorch takes oneDNN for a product in bfloat16 on a CPU
        own = "oneDNN" if device == "cpu" and dtype == torch.bfloat16 else "BLAS"
        self._multiply: dict[str, Callable[[], object]] = {own: lambda: torch.mm(self.a, self.a, out=self.out)}
        if device == "cpu" and dtype == torch.float32 and has_onednn_product():
            self._multiply["oneDNN"] = lambda: product(self.a, self.a)
        self.library = min(self._multiply, key=self._seconds) if len(self._multiply) > 1 else own

    @property
    def flops(self) -> float:
        return 2.0 * self.size**3

    @property
    def num_bytes(self) -> int:
        return self.a.nbytes + self.out.nbytes

    def __call__(self) -> None:
        self._multiply[self.library]()

    def _seconds(self, library: str) -> float:
        multiply, spent = self._multiply[library], []
        multiply()
        for _ in range(3):
            start = time.process_time()
            multiply()
            spent.append(time.process_time() - start)
        return statistics.median(spent)


def product_name(precision: Precision) -> str:
    """Name of a product among callables that take turns."""
    return f"product_{precision}"


def direct_flops(workload: Workload) -> float:
    """FLOPs of one iteration with fresh latents, including Q, independent of the convolution algorithm."""
    return iteration_flops(workload.costs(), workload.batch_size)


def executed_flops(iterate: Iterate) -> float:
    """FLOPs of the products and convolutions that one iteration calls."""
    known = {torch.ops.mkldnn._linear_pointwise: _product_flops} if has_onednn_product() else {}
    with FlopCounterMode(display=False, custom_mapping=known) as counter:
        iterate()
    return float(counter.get_total_flops())


def _product_flops(a_NI: tuple[int, int], b_OI: tuple[int, int], *_: Any, **__: Any) -> int:
    return 2 * a_NI[0] * a_NI[1] * b_OI[0]
