"""Which layers a sweep computes in another way than PyTorch: those that gain on the launcher's processor.

Measured once for a processor and a torch, kept in the cache, then part of every cell's configuration: a resumed cell,
or one of a cluster's other machines, has the same formulations and so the same bits.
"""

import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench import environment
from bench.spec.cells import digest
from infogan.architectures import Dense, Strided
from infogan.data.base import cache_dir, write_cached
from infogan.version import library_versions

FORMAT = 1
WORTH = 0.97  # of a ratio of times: another formulation, with other roundings, must earn its place

Layers = Sequence[Strided | Dense]
Measure = Callable[[Layers, int], list[float]]


def fast_layers(
    layers: Layers,
    batch_size: int,
    *,
    announce: Callable[[str], None] = lambda text: None,
    measure: Measure | None = None,
) -> tuple[str, ...]:
    """Names of those ``layers`` that gain here, at ``batch_size`` images; measures what the cache does not know."""
    path = cache_dir() / "kernels" / f"{digest(_machine())[:16]}.json"
    ratios = _read(path)
    missing = [layer for layer in layers if _entry(layer, batch_size) not in ratios]
    if missing:
        announce(f"measuring which of {len(missing)} layers this processor does faster another way: once, into {path}")
        measured = (measure or _in_a_process)(missing, batch_size)
        ratios |= {_entry(layer, batch_size): ratio for layer, ratio in zip(missing, measured, strict=True)}
        known = {name: ratio for name, ratio in ratios.items() if math.isfinite(ratio)}
        write_cached(path, json.dumps({"machine": _machine(), "ratios": known}, indent=1).encode())
    return tuple(layer.name for layer in layers if ratios[_entry(layer, batch_size)] < WORTH)


def _machine() -> dict[str, Any]:
    return {
        "format": FORMAT,
        "cpu": environment.cpu_model(),
        "kind": digest(environment.cpu_kind())[:16],
        "torch": library_versions(("torch",))["torch"],
    }


def _entry(layer: Strided | Dense, batch_size: int) -> str:
    return f"{layer.name} batch {batch_size}"


def _read(path: Path) -> dict[str, float]:
    """The cache's ratios; none where it cannot be read or holds anything else."""
    try:
        content = json.loads(path.read_bytes())
        ratios = content["ratios"] if content["machine"] == _machine() else {}
        return {name: float(ratio) for name, ratio in ratios.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _in_a_process(layers: Layers, batch_size: int) -> list[float]:
    """In a process of its own: one thread and a cell's heap, which this one must not have. Infinite where it dies."""
    try:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return pool.submit(_measured, layers, batch_size).result()
    except BrokenProcessPool:
        return [math.inf] * len(layers)


def _measured(layers: Layers, batch_size: int) -> list[float]:
    from infogan.kernels import time_ratios  # torch is the process's, not the launcher's

    return time_ratios(layers, batch_size)
