"""Proof that the throughput gate works: no false alarm, no slowdown missed.

``python -m bench.publish.throughput_proof`` runs it.

A run measures a step of about 50 ms against a stored measurement, in a process of its own, as the command line does.
A/A runs measure the same code again; slowed runs measure a fused step that takes 10 % more processor time.
"""

import json
import multiprocessing
import time
from collections import Counter

from bench.publish.documents import parser_of
from bench.records.throughput import Measurement, PairedRecord
from bench.throughput import gate
from bench.throughput.gate import SpeedVerdict
from bench.throughput.paired import Call
from bench.throughput.session import Session
from bench.throughput.workloads import Workload, iteration

STEP = Workload("mnist", batch_size=32, width=0.25)


def slowed(call: Call, factor: float) -> Call:
    """``call`` with a busy wait that stretches each call's processor time by ``factor``."""

    def slower() -> object:
        started = time.process_time()
        result = call()
        until = started + factor * (time.process_time() - started)
        while time.process_time() < until:
            pass
        return result

    return slower


def one_run(seed: int, baseline: PairedRecord | None, factor: float) -> tuple[PairedRecord, SpeedVerdict | None]:
    """A new measurement of the step, with the gate's verdict where there is a baseline."""
    session = Session("cpu", 1, lambda _: None, seed)
    fused = iteration("fused", STEP)
    comparison = session.against_reference(STEP, baseline, slowed(fused, factor) if factor != 1 else fused)
    measurement: Measurement = {"workload": STEP.record(), "comparisons": {"reference": comparison}}
    record: PairedRecord = {**session.record("paired"), "measurements": [measurement]}
    if baseline is None:
        return record, None
    return record, gate.against(baseline, record["fingerprint"], measurement)


def prove(num_runs: int, runs_a_baseline: int) -> dict[str, Counter[str]]:
    """Outcomes of that many A/A runs and as many slowed by 10 %, in turn, with a fresh baseline every so often."""
    counts: dict[str, Counter[str]] = {"A/A": Counter(), "slower by 10 %": Counter()}
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        baseline: PairedRecord | None = None
        for number in range(num_runs):
            if number % runs_a_baseline == 0:
                baseline, _ = pool.apply(one_run, (1000 + number, None, 1.0))
            for name, factor in (("A/A", 1.0), ("slower by 10 %", 1.1)):
                record, verdict = pool.apply(one_run, (number, baseline, factor))
                assert verdict is not None  # with a baseline
                counts[name][verdict.outcome] += 1
                comparison = record["measurements"][0]["comparisons"]["reference"]
                shown = {"run": number, "case": name, "outcome": verdict.outcome, "reason": verdict.reason}
                shown |= {"pairs": comparison["ratio"]["wall"]["num"], "step_ms": comparison["step_ms"]["processor"]}
                print(json.dumps(shown | {"load": record["load"]}), flush=True)
    return counts


def main() -> None:
    """Print every run and the counts."""
    parser = parser_of("throughput_proof", __doc__)
    parser.add_argument("--runs", type=int, default=20, help="of each kind (default: %(default)s)")
    parser.add_argument(
        "--runs-a-baseline", type=int, default=5, help="runs until it is measured anew (default: %(default)s)"
    )
    options = parser.parse_args()
    for name, counts in prove(options.runs, options.runs_a_baseline).items():
        print(f"{name}: " + ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())))


if __name__ == "__main__":
    main()
