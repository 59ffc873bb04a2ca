"""How many cells share a GPU, as many as its free memory holds, and no more than the host has cores; and how many of
them a process.

A cell leaves most of a large GPU idle, and measures on the host for longer than it trains. A GPU runs kernels of one
process side by side, those of several processes in turns. The estimate of a cell's memory is on the safe side, as if
each had a process of its own. Nothing of this was held against a GPU yet.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from bench.run.plan import cell_costs
from bench.spec.cells import Cell
from infogan.architectures import Networks
from infogan.own.networks import architecture_of

PROCESS_BYTES = 2e9  # of a process: CUDA's context, its libraries' work space, what an allocator holds in reserve
STATE_BYTES = 4 * 5  # of a parameter: itself, its gradient, two moments of Adam, and another network while measuring
FEATURE_BYTES = 4 * 12  # of a feature of an image: kept by five passes, with gradients and batch norm's copies
SHARE_OF_FREE = 0.9  # of the free memory that cells may fill
MOST_TOGETHER = 5  # seeds of an arm in a process; without a graph one thread cannot launch the kernels of several
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # libraries read them as they load


@dataclass(frozen=True)
class Share:
    """Cells at a time, why so many in a few words, and how many seeds of an arm a process may hold."""

    jobs: int
    reason: str = ""
    together: int = 1


def cell_bytes(cell: Cell) -> float:
    """What one cell takes of a GPU's memory, estimated."""
    config = cell.config
    architecture = architecture_of(config)
    channels, height, width = architecture.image_CHW
    networks = Networks.of(architecture, 1, config["network"]["width"])
    features = sum(layer.out_width * layer.out_side**2 for layer in (*networks.generator, *networks.trunk))
    state = STATE_BYTES * sum(costs.parameters for costs in cell_costs(cell).values())
    images = config["data"]["num_images"] * channels * height * width
    return PROCESS_BYTES + state + images + FEATURE_BYTES * features * config["training"]["batch_size"]


def share(cells: Sequence[Cell], free_bytes: float, cores: int) -> Share:
    """How many cells at a time: by the largest one, the GPU's ``free_bytes`` of memory, the host's ``cores``."""
    largest = max(map(cell_bytes, cells))
    held = max(1, int(SHARE_OF_FREE * free_bytes // largest))
    reason = f"{free_bytes / 1e9:.0f} GB of its memory are free, a cell takes about {largest / 1e9:.1f}; {cores} cores"
    jobs = min(held, max(1, cores))
    is_captured = all(cell.config["training"].get("capture", "off") != "off" for cell in cells)
    return Share(jobs, reason, min(MOST_TOGETHER, jobs) if is_captured else 1)


def limit_threads(jobs: int, cores: int) -> None:
    """Have the processes that this one starts share the host's cores, where the user has not said otherwise.

    Without this each of them takes a thread a core for what it measures.
    """
    for name in THREAD_LIMITS:
        os.environ.setdefault(name, str(max(1, cores // jobs)))


def free_memory_bytes() -> float:
    """Free memory of the current GPU, bytes."""
    import torch

    return float(torch.cuda.mem_get_info()[0])
