"""Fabricated throughput records: a gate's baseline with known log ratios."""

import math

import numpy as np

from bench.throughput import gate, session
from bench.throughput.workloads import Workload

SMALL = Workload("mnist", batch_size=8, width=0.05)


def logs(ratio: float, spread: float = 0.03, num: int = 40, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).normal(math.log(ratio), spread, num).tolist()


def a_record(log_ratios: list[float], **fingerprint: object) -> dict:
    comparison = {"log_ratios": {"processor": log_ratios, "wall": log_ratios}, "alpha": 0.0125}
    machine = {
        "protocol": gate.PROTOCOL, "cpu": "X", "instructions": "AVX2", "cores": 2, "threads": 1, "device": "cpu",
        "gpu": None, "torch": "2.14.1",
    }  # fmt: skip
    measurement = {"workload": SMALL.record(), "comparisons": {"reference": comparison}}
    return {
        "format": session.FORMAT,
        "kind": "paired",
        "fingerprint": machine | fingerprint,
        "measurements": [measurement],
    }
