"""A measuring session: set up the process, measure workloads, and return records as JSON."""

import os
import random
import statistics
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import torch

from bench import environment
from bench.console import BadInput
from bench.records.throughput import (
    FORMAT,
    Ceiling,
    Comparison,
    Fingerprint,
    Measurement,
    PairedRecord,
    RatioRecord,
    Record,
    Share,
    read,
)
from bench.throughput import gate, paired
from bench.throughput.ceiling import TYPES, MatrixProduct, direct_flops, executed_flops, product_name
from bench.throughput.paired import Clock, Pairs
from bench.throughput.workloads import Workload, iteration
from infogan.cores import usable_cores
from infogan.data.base import one_line
from infogan.runtime import Precision, prepare_worker
from infogan.version import library_versions

YARDSTICKS = ("as_commonly_written", "plain", "plain_gan")
BF16_AGAINST = ("reference", "as_commonly_written", "fused_float32")
YARDSTICK_LOOKS = (6, 12, 24)  # these are not gated, so a precision of a few per cent is enough
LARGE_FLOPS = 5e10  # an iteration of more (not MNIST's) gets these few looks against the reference too, if not gated
WARM_UP_CALLS = 2  # iterations of a slow step before its first block

Announce = Callable[[str], None]


def prepare(device: str, threads: int) -> None:
    """Prepare the process like that of a cell, with exact products on a GPU and the given number of threads."""
    prepare_worker(device)
    torch.set_num_threads(threads)


def fingerprint(device: str) -> Fingerprint:
    """Everything that must be equal for two measurements to be compared."""
    return {
        "protocol": gate.PROTOCOL,
        "cpu": environment.cpu_model(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "device": device,
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "torch": library_versions()["torch"],
    }


def synchroniser(device: str) -> paired.Call:
    return torch.cuda.synchronize if device == "cuda" else paired.nothing


class Session:
    """Measurements that share a process, its threads and its device."""

    def __init__(self, device: str, threads: int, announce: Announce, seed: int = 0) -> None:
        prepare(device, threads)
        self.device, self.announce = device, announce
        self.clock: Clock = gate.clocks(device, threads)[0]
        self.rng = random.Random(seed)
        self.load_before = _load()

    def pairs(self, a: paired.Call, b: paired.Call, decided: paired.Decided | None = None, **options: Any) -> Pairs:
        """Measure two callables, by default until the interval is narrow enough."""
        decided = decided or paired.is_precise(self.clock)
        return paired.measure(a, b, decided, rng=self.rng, synchronise=synchroniser(self.device), **options)

    def measure(self, workload: Workload, baseline: PairedRecord | None = None) -> list[Measurement]:
        """Measure the fused step of a workload against the reference, the yardsticks and the matrix product.

        First in float32, then in bfloat16 where the device multiplies it. Float32 against the reference is measured in
        pairs, as the gate needs; everything else takes turns, since one block of the ports' loop serves both.
        """
        workload = replace(workload, precision="float32")
        fused = iteration("fused", workload)
        reference = self.against_reference(workload, baseline, fused)
        own_kernels = () if workload.kernels == "torch" else ("fused_torch",)
        others: dict[Precision, tuple[str, ...]] = {"float32": (*YARDSTICKS, *own_kernels)}
        calls: dict[str, paired.Call] = {"fused_float32": fused}
        if environment.multiplies_bf16(self.device):
            others["bf16"] = BF16_AGAINST
            calls["fused_bf16"] = iteration("fused", replace(workload, precision="bf16"))
        products = {precision: MatrixProduct(self.device, TYPES[precision]) for precision in others}
        names = dict.fromkeys(name for listed in others.values() for name in listed)
        calls |= {name: iteration(name, workload) for name in names if name not in calls}
        calls |= {product_name(precision): product for precision, product in products.items()}
        wanted = [(f"fused_{p}", name) for p, listed in others.items() for name in (*listed, product_name(p))]
        round_s = len(calls) * (reference["step_ms"]["wall"] + reference["other_ms"]["wall"]) / 2e3
        least_min = (YARDSTICK_LOOKS[0] + WARM_UP_CALLS) * round_s / 60
        self.announce(f"{workload.name}: {', '.join(calls)} take turns, about {least_min:.1f} minutes or more")
        pairs = paired.turns(
            calls,
            wanted,
            paired.is_precise(self.clock),
            looks=YARDSTICK_LOOKS,
            rng=self.rng,
            synchronise=synchroniser(self.device),
        )
        measurements: list[Measurement] = []
        for precision, listed in others.items():
            own, step = replace(workload, precision=precision), f"fused_{precision}"
            comparisons = {name: self._comparison(pairs[step, name]) for name in listed}
            if precision == "float32":
                comparisons = {"reference": reference, **comparisons}
            ceiling = self._ceiling(own, calls[step], products[precision], pairs[step, product_name(precision)])
            measurements.append({"workload": own.record(), "comparisons": comparisons, "ceiling": ceiling})
        return measurements

    def against_reference(
        self, workload: Workload, baseline: PairedRecord | None = None, fused: paired.Call | None = None
    ) -> Comparison:
        """The pairs behind step_time_ratio; with a baseline, as many as the gate needs."""
        self.announce(f"{workload.name}: fused against reference")
        decided = self._decided_against(baseline, workload) if baseline else None
        fused = fused or iteration("fused", workload)
        looks = YARDSTICK_LOOKS if baseline is None and direct_flops(workload) > LARGE_FLOPS else paired.LOOKS
        return self._comparison(self.pairs(fused, iteration("reference", workload), decided, looks=looks))

    def _ceiling(self, workload: Workload, iterate: paired.Call, product: MatrixProduct, pairs: Pairs) -> Ceiling:
        """Share of the matrix product's rate, in direct and executed operations, with intervals from the pairs."""
        direct, executed = direct_flops(workload), executed_flops(iterate)
        times = pairs.ratio(self.clock)

        def share(flops: float) -> Share:
            of_product = flops / product.flops
            return {"share": of_product / times.ratio, "low": of_product / times.high, "high": of_product / times.low}

        return {
            "matrix_size": product.size,
            "matrix_library": product.library,
            "matrix_gflops_per_s": product.flops / statistics.median(pairs.b_s[self.clock]) / 1e9,
            "direct_gflop": direct / 1e9,
            "executed_gflop": executed / 1e9,
            "direct": share(direct),
            "executed": share(executed),
            "time_ratio": self._comparison(pairs),
        }

    def _comparison(self, pairs: Pairs) -> Comparison:
        return {
            "clock": self.clock,
            "alpha": pairs.alpha,
            "ratio": {clock: cast(RatioRecord, asdict(pairs.ratio(clock))) for clock in paired.CLOCKS},
            "log_ratios": {clock: [round(v, 6) for v in pairs.log_ratios(clock)] for clock in paired.CLOCKS},
            "step_ms": {c: 1e3 * statistics.median(pairs.a_s[c]) for c in paired.CLOCKS},
            "other_ms": {c: 1e3 * statistics.median(pairs.b_s[c]) for c in paired.CLOCKS},
        }

    def _decided_against(self, baseline: PairedRecord, workload: Workload) -> paired.Decided:
        """A rule to stop when the gate has an answer, or at the first look if it cannot have one."""
        here = fingerprint(self.device)

        def decided(pairs: Pairs) -> bool:
            reference = {"reference": self._comparison(pairs)}
            verdict = gate.against(baseline, here, {"workload": workload.record(), "comparisons": reference})
            return verdict.outcome != "inconclusive" or not verdict.ratios

        return decided

    def record(self, kind: str) -> Record:
        """Fields of every record of this session: the machine, and its load before and now."""
        return {
            "format": FORMAT,
            "kind": kind,
            "command": environment.command_line(),
            "fingerprint": fingerprint(self.device),
            "load": {"before": self.load_before, "after": _load()},
            "code": environment.key_versions()["training_code"],
            "git_commit": environment.git_commit(),
        }


def _load() -> float:
    """Mean number of running processes over the last minute."""
    return round(os.getloadavg()[0], 2)


def read_baseline(path: Path) -> PairedRecord:
    """Read a stored record. Raises BadInput."""
    try:
        record: PairedRecord | None = read(path, ("paired",))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise BadInput(one_line(f"{path}: {error}")) from error
    if record is None:
        raise BadInput(f"{path}: not a record of `python -m bench throughput`")
    return record
