"""Throughput records: the command that makes them; made up: a baseline of known log ratios, a suite's other fields."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench import cli
from bench.throughput import gate, session
from bench.throughput.workloads import Workload

SMALL = Workload("mnist", batch_size=8, width=0.05)
BESIDE = {  # of a suite
    "cases": [],
    "sampling": {"batch_size": 500, "ms": 10.0, "images_per_s": 5e4},
    "evaluation": {"ms": 7.0},
    "cell": {
        "command": "mnist-mi", "iterations": 9, "seconds": 3.0, "parts_s": {"train": 1.0, "evaluate": 0.5},
        "beside_training_s": 2.0, "share_of_typical_cell": 0.011,
        "checkpoint": {"ms": 3.0, "size_mb": 1.0, "share_of_training": 0.01},
    },
}  # fmt: skip


def run_throughput(results: Path, line: str) -> int:
    """Run ``python -m bench throughput`` with the line's options in this process; returns its exit code."""
    return cli.app(["throughput", "--results", str(results), *line.split()], standalone_mode=False)


def logs(ratio: float, spread: float = 0.03, num: int = 40, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).normal(math.log(ratio), spread, num).tolist()


def measurement(
    workload: Mapping[str, Any], ratio: float = 0.8, half: float = 0.1, log_ratios: list[float] | None = None
) -> dict[str, Any]:
    """A workload's, with one comparison, of which the interval is ``ratio`` ± ``half``."""
    interval = {"ratio": ratio, "low": ratio - half, "high": ratio + half, "level": 0.95, "num": 40}
    both = {"log_ratios": log_ratios or [math.log(ratio)], "ratio": interval, "step_ms": 8.0, "other_ms": 10.0}
    comparison = {name: {"processor": value, "wall": value} for name, value in both.items()}
    comparison |= {"clock": "processor", "alpha": 0.0125}
    share = {"share": 0.5, "low": 0.4, "high": 0.6}
    ceiling = {"matrix_size": 1024, "matrix_library": "BLAS", "direct": share, "executed": share}
    ceiling |= dict.fromkeys(("matrix_gflops_per_s", "direct_gflop", "executed_gflop"), 9.0)
    return {
        "workload": {**workload},
        "comparisons": {"reference": comparison},
        "ceiling": ceiling | {"time_ratio": comparison},
    }


def a_record(log_ratios: list[float], **fingerprint: object) -> dict[str, Any]:
    machine = {
        "protocol": gate.PROTOCOL, "cpu": "X", "instructions": "AVX2", "cores": 2, "threads": 1, "device": "cpu",
        "gpu": None, "torch": "2.14.1",
    }  # fmt: skip
    return {
        **{"format": session.FORMAT, "kind": "paired", "command": "python -m bench throughput", "code": "0" * 16},
        **{"load": {"before": 0.0, "after": 1.0}, "git_commit": "0" * 12},
        "fingerprint": machine | fingerprint,
        "measurements": [measurement(SMALL.record(), log_ratios=log_ratios)],
    }
