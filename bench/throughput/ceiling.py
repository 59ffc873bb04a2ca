"""What the machine can do: the rate of a large matrix product, measured in the same process between the steps.

Two counts of an iteration's arithmetic. Direct: what the layers as the paper states them need. Executed: what the
products and convolutions that were really called need, fewer where Winograd-type convolutions are on.
"""

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.throughput.workloads import LATENTS, Iterate, Workload
from infogan.architectures import ARCHITECTURES, iteration_flops, network_costs

SIZES = {"cpu": 2048, "cuda": 8192}


class MatrixProduct:
    """A square float32 product; called it multiplies once."""

    def __init__(self, device: str = "cpu") -> None:
        self.size = SIZES[device]
        generator = torch.Generator(device).manual_seed(0)
        self.a = torch.randn(self.size, self.size, generator=generator, device=device)
        self.out = torch.empty_like(self.a)

    @property
    def flops(self) -> float:
        return 2.0 * self.size**3

    def __call__(self) -> None:
        torch.mm(self.a, self.a, out=self.out)


def direct_flops(workload: Workload) -> float:
    """Of one iteration with fresh latents, Q included, whatever algorithm the convolutions use."""
    latents = LATENTS[workload.network]
    costs = network_costs(ARCHITECTURES[workload.network], latents.input_width, latents.parameter_width, workload.width)
    return iteration_flops(costs, workload.batch_size)


def executed_flops(iterate: Iterate) -> float:
    """Of the products and convolutions that one iteration calls."""
    with FlopCounterMode(display=False) as counter:
        iterate()
    return float(counter.get_total_flops())
