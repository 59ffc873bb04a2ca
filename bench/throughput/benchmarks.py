"""The same workloads under pytest-benchmark, for --benchmark-compare and --benchmark-histogram.

``make bench`` runs this after the suite; ``make test`` does not collect it. Rows are measured separately, so on a busy
machine they are not comparable with each other; for ratios use ``python -m bench throughput``, which interleaves.
"""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.throughput import overhead, session
from bench.throughput.workloads import Workload, iteration

ROUNDS, WARM_UP = 5, 2
STEPS = ("fused_fastest", "fused", "reference", "plain_gan", "as_commonly_written")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    session.prepare("cpu", 1)


@pytest.mark.parametrize("batch_size", [32, 128])
@pytest.mark.parametrize("step", STEPS)
def test_mnist_iteration(benchmark: BenchmarkFixture, step: str, batch_size: int) -> None:
    benchmark.extra_info["torch"] = torch.__version__
    benchmark.pedantic(iteration(step, Workload("mnist", batch_size)), rounds=ROUNDS, warmup_rounds=WARM_UP)


@pytest.mark.parametrize("name", ["sample", "frozen bound"])
def test_mnist_beside_training(benchmark: BenchmarkFixture, name: str) -> None:
    make = {"sample": overhead.sampler, "frozen bound": overhead.evaluator}[name]
    rounds = ROUNDS if name == "sample" else 1
    benchmark.pedantic(make("cpu"), rounds=rounds, warmup_rounds=rounds - 1)
