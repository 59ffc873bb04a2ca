"""The throughput gate decides by its rule.

No test here asserts a time, except the slow one at the end, which shows that the gate detects a slowdown.
"""

import math

import pytest

from bench.throughput import gate
from tests.bench.throughput_records import a_record, logs


@pytest.mark.parametrize(
    ("ratio", "spread", "expected"),
    [
        (1.0, 0.03, "ok"),
        (0.7, 0.03, "ok"),
        (1.03, 0.03, "ok"),  # slower, but by less than the tolerance, and the interval excludes the margin
        (1.12, 0.03, "regressed"),
        (1.0, 0.6, "inconclusive"),
        (1.12, 0.6, "inconclusive"),
    ],
)
def test_outcome_of_a_ratio_of_ratios(ratio: float, spread: float, expected: str) -> None:
    outcome, found = gate.compare_log_ratios(logs(0.8, spread), logs(0.8 * ratio, spread, seed=1))
    assert outcome == expected
    assert found.ratio == pytest.approx(ratio, rel=4 * spread / math.sqrt(40))


def test_a_shift_of_ten_per_cent_is_measured_exactly() -> None:
    base = logs(0.8)
    _, found = gate.compare_log_ratios(base, [value + math.log(1.1) for value in base])
    assert found.ratio == pytest.approx(1.1)


def test_a_regression_on_either_clock_is_one_and_the_first_clock_says_ok() -> None:
    same, slower, wild = logs(0.8, seed=1), logs(0.92, seed=1), logs(0.8, 0.9, seed=1)
    base = {"processor": logs(0.8), "wall": logs(0.8)}
    outcomes = {
        ("same", "same"): "ok",
        ("same", "wild"): "ok",
        ("wild", "same"): "inconclusive",
        ("same", "slower"): "regressed",
        ("slower", "same"): "regressed",
    }
    values = {"same": same, "slower": slower, "wild": wild}
    for (processor, wall), expected in outcomes.items():
        new: gate.LogRatios = {"processor": values[processor], "wall": values[wall]}
        assert gate.compare(base, new, ("processor", "wall")).outcome == expected, (processor, wall)


def test_processor_time_counts_on_one_thread_of_a_cpu_only() -> None:
    assert gate.clocks("cpu", 1) == ("processor", "wall")
    assert gate.clocks("cpu", 2) == ("wall",)
    assert gate.clocks("cuda", 1) == ("wall",)


@pytest.mark.parametrize("changed", [{"cpu": "Y"}, {"cores": 4}, {"threads": 2}, {"torch": "2.15.0"}, {"gpu": "Z"}])
def test_another_machine_is_inconclusive_and_the_difference_named(changed: dict[str, object]) -> None:
    new = a_record(logs(0.8))
    verdict = gate.against(a_record(logs(0.8), **changed), new["fingerprint"], new["measurements"][0])
    ((name, value),) = changed.items()
    assert verdict.outcome == "inconclusive"
    assert f"{name}: {value!r}, now" in verdict.reason


def test_another_workload_is_inconclusive() -> None:
    new = a_record(logs(0.8))
    new["measurements"][0]["workload"]["batch_size"] = 16
    verdict = gate.against(a_record(logs(0.8)), new["fingerprint"], new["measurements"][0])
    assert (verdict.outcome, verdict.ratios) == ("inconclusive", {})


def test_a_record_without_a_precision_is_one_of_float32_and_compared_with_no_other() -> None:
    old, new = a_record(logs(0.8)), a_record(logs(0.8, seed=1))
    del old["measurements"][0]["workload"]["precision"]
    assert gate.against(old, new["fingerprint"], new["measurements"][0]).outcome == "ok"
    new["measurements"][0]["workload"]["precision"] = "bf16"
    verdict = gate.against(old, new["fingerprint"], new["measurements"][0])
    assert (verdict.outcome, verdict.ratios) == ("inconclusive", {})


def test_against_the_same_machine_the_logs_decide() -> None:
    for ratio, expected in ((0.8, "ok"), (0.9, "regressed")):
        new = a_record(logs(ratio, seed=1))
        assert gate.against(a_record(logs(0.8)), new["fingerprint"], new["measurements"][0]).outcome == expected


def test_the_worst_outcome_of_several_networks_decides() -> None:
    assert gate.worst(["ok", "ok"]) == "ok"
    assert gate.worst(["ok", "inconclusive"]) == "inconclusive"
    assert gate.worst(["inconclusive", "regressed", "ok"]) == "regressed"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_gate_finds_a_slowdown_of_ten_per_cent_and_no_other() -> None:
    """A short version of ``python -m bench.publish.throughput_proof``, whose counts are in NOTES.md."""
    from bench.publish.throughput_proof import prove

    counts = prove(3, 3)
    assert counts["A/A"]["regressed"] == 0
    assert counts["slower by 10 %"]["regressed"] >= 2
