"""Claim S6a: verdicts on made-up records, and one real measurement of the smallest network."""

import math
from html import unescape
from pathlib import Path

import pytest
from rich.console import Console

from bench.claims.cost import RECORD, Cost, judge_cost, read_cost
from bench.context import DEFAULT_SPEC
from bench.records.storage import write_plain_json
from bench.report import write_report
from bench.spec.criteria import CostTable
from bench.spec.tables import load_spec
from bench.throughput import cost as measuring
from bench.throughput import paired


@pytest.fixture(scope="module")
def claim() -> CostTable:
    found = load_spec(DEFAULT_SPEC).cost
    assert found
    return found


def cost(low: float, high: float, num_pairs: int = 20) -> Cost:
    network = {"network": "mnist", "ratio": (low + high) / 2, "low": low, "high": high, "level": 0.95}
    network |= {"num_pairs": num_pairs, "infogan_ms": 11.0, "gan_ms": 10.0, "infogan_parameters": 5}
    network |= {"gan_parameters": 4, "infogan_gflop": 1.1, "gan_gflop": 1.0}
    machine = {"protocol": 2, "cpu": "a processor", "instructions": "AVX2", "cores": 2, "threads": 1}
    machine |= {"device": "cpu", "gpu": None, "torch": "2"}
    measured = {"batch_size": 16, "width": 1.0, "clock": "processor", "kernels": "fastest", "load": "1 to 1"}
    return Cost.model_validate({"format": 1, "networks": [network], "fingerprint": machine, **measured})


def test_the_whole_interval_decides(claim: CostTable) -> None:
    def verdict(held: Cost | None) -> str:
        return str(judge_cost(claim, held)[0].verdict)

    assert verdict(cost(1.01, 1.10)) == "reproduced"
    assert verdict(cost(1.101, 1.2)) == "not reproduced"
    assert verdict(cost(1.05, 1.15)) == "not measured"
    assert verdict(cost(1.01, 1.05, num_pairs=claim.min_pairs - 1)) == "not measured"
    assert verdict(None) == "not measured"


def test_the_report_shows_the_claim_and_its_networks(tmp_path: Path) -> None:
    spec = load_spec(DEFAULT_SPEC)
    write_plain_json(tmp_path / "results" / RECORD, cost(1.01, 1.05).model_dump())
    found = write_report(tmp_path / "results", spec, tmp_path)
    assert [(c.id, c.arm, str(c.verdict)) for c in found.claims] == [("S6a", "mnist", "reproduced")]
    for file in (found.html, found.markdown):
        text = file.read_text()
        assert "What codes and Q cost" in text
        assert "upper end 1.050 meets at most 1.1" in text
        assert "11.0 / 10.0" in text
        assert "kernels fastest, on a processor (AVX2), 2 cores, 1 thread, torch 2; load 1 to 1." in unescape(text)
    assert "mnist" in (tmp_path / "tables" / "cost.csv").read_text()
    assert write_report(tmp_path / "results", spec, tmp_path, ["faces"]).claims == []  # without experiment mnist
    assert write_report(tmp_path / "empty", spec, tmp_path).claims == []  # no cells, no measurement


def test_a_real_measurement_is_read_judged_and_not_repeated(claim: CostTable, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(measuring, "NETWORKS", ("mnist",))
    small = claim.model_copy(update={"width": 0.0625, "batch_size": 2, "profiles": {"smoke": 8}})
    assert read_cost(tmp_path) is None
    with (tmp_path / "log").open("w") as log:
        measuring.measure_cost(tmp_path, small, "smoke", Console(file=log))
    held = read_cost(tmp_path)
    assert held
    assert held.kernels == "fastest"  # as cells train
    network = held.networks[0]
    ratios = sorted(network.log_ratios)
    assert len(ratios) == network.num_pairs == 8
    assert network.ratio == pytest.approx(math.exp((ratios[3] + ratios[4]) / 2))
    # the second and the seventh of 8 hold the median unless 7 or 8 pairs lie on one side of it
    assert (network.low, network.high) == pytest.approx((math.exp(ratios[1]), math.exp(ratios[6])), rel=1e-5)
    assert network.level == pytest.approx(1 - 2 * (1 + 8) / 2**8)
    assert network.infogan_parameters > network.gan_parameters
    assert network.infogan_gflop > network.gan_gflop > 0
    assert judge_cost(small, held)[0].reason == f"8 pairs, {claim.min_pairs} needed"
    written = (tmp_path / RECORD).read_bytes()
    with (tmp_path / "log").open("w") as log:
        measuring.measure_cost(tmp_path, small, "smoke", Console(file=log))
    assert "measured already" in (tmp_path / "log").read_text()
    assert (tmp_path / RECORD).read_bytes() == written


def test_pairs_end_once_the_claim_can_be_judged(claim: CostTable, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(measuring, "NETWORKS", ("mnist",))
    plain = claim.model_copy(update={"width": 0.0625, "batch_size": 2, "profiles": {"smoke": 40}, "at_most": 1e6})
    with (tmp_path / "log").open("w") as log:
        for _ in range(2):
            measuring.measure_cost(tmp_path, plain, "smoke", Console(file=log))
    held = read_cost(tmp_path)
    assert held
    assert held.networks[0].num_pairs == claim.min_pairs
    assert str(judge_cost(plain, held)[0].verdict) == "reproduced"
    assert "measured already" in (tmp_path / "log").read_text()  # the second time nothing is measured


@pytest.mark.parametrize(("slower_by", "expected"), [(1.05, True), (1.15, True), (None, False)])
def test_only_a_bound_outside_the_interval_ends_them(claim: CostTable, slower_by: float | None, expected: bool) -> None:
    pairs = paired.Pairs(alpha=paired.ALPHA / 2)
    for k in range(claim.min_pairs):
        ratio = slower_by or (1.05, 1.15)[k % 2]
        pairs.a_s["processor"].append(ratio)
        pairs.b_s["processor"].append(1.0)
    assert measuring.decided(claim)(pairs) is expected
    assert measuring.looks(claim, 8) == (8,)
    assert measuring.looks(claim, 40) == (claim.min_pairs, 40)


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 0}', '{"format": 1}'])
def test_a_file_that_is_no_record_is_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).parent.mkdir()
    (tmp_path / RECORD).write_text(content)
    with pytest.raises(ValueError, match=r"throughput/cost.json: ") as raised:
        read_cost(tmp_path)
    assert "\n" not in str(raised.value)
