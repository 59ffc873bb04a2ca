"""How many cells share a GPU, and how many of them a process: limited by the GPU's free memory and the host's cores.

A cell leaves most of a large GPU idle, and spends more time measuring on the host than training. A GPU runs kernels of
one process in parallel, but those of different processes in turns. The estimate of a cell's memory is conservative, as
if each had its own process. It has not been verified on a GPU yet.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from bench.run.work import num_parameters
from bench.spec.cells import Cell
from infogan.architectures import Networks
from infogan.own.networks import architecture_of

PROCESS_BYTES = 2e9  # per process: CUDA context, workspaces of libraries, the allocator's reserve
STATE_BYTES = 4 * 5  # per parameter: value, gradient, two moments of Adam, and a second network during measures
FEATURE_BYTES = 4 * 12  # per feature and image: activations of five passes, gradients and batch norm's copies
SHARE_OF_FREE = 0.9  # share of the free memory that cells may use
MOST_TOGETHER = 5  # seeds of an arm per process; without graphs, one thread cannot launch the kernels of several
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # read when libraries load


@dataclass(frozen=True)
class Share:
    """Number of cells at a time, the reason in a few words, and the number of seeds of an arm per process."""

    jobs: int
    reason: str = ""
    together: int = 1


def cell_bytes(cell: Cell) -> float:
    """Estimated GPU memory of one cell, in bytes."""
    config = cell.config
    architecture = architecture_of(config)
    channels, height, width = architecture.image_CHW
    networks = Networks.of(architecture, 1, config["network"]["width"])
    features = sum(layer.out_width * layer.out_side**2 for layer in (*networks.generator, *networks.trunk))
    state = STATE_BYTES * num_parameters(cell)
    images = config["data"]["num_images"] * channels * height * width
    return PROCESS_BYTES + state + images + FEATURE_BYTES * features * config["training"]["batch_size"]


def share(cells: Sequence[Cell], free_bytes: float, cores: int) -> Share:
    """Number of cells at a time, from the largest cell, the GPU's ``free_bytes`` of memory and the host's ``cores``."""
    largest = max(map(cell_bytes, cells))
    held = max(1, int(SHARE_OF_FREE * free_bytes // largest))
    reason = f"{free_bytes / 1e9:.0f} GB of its memory are free, a cell takes about {largest / 1e9:.1f}; {cores} cores"
    jobs = min(held, max(1, cores))
    is_captured = all(cell.config["training"].get("capture", "off") != "off" for cell in cells)
    return Share(jobs, reason, min(MOST_TOGETHER, jobs) if is_captured else 1)


def limit_threads(jobs: int, cores: int) -> None:
    """Share the host's cores among the processes that this one will start, unless the user has set the limits.

    Otherwise each would use one thread per core for its measures.
    """
    for name in THREAD_LIMITS:
        os.environ.setdefault(name, str(max(1, cores // jobs)))


def free_memory_bytes() -> float:
    """Free memory of the current GPU, in bytes."""
    import torch

    return float(torch.cuda.mem_get_info()[0])
