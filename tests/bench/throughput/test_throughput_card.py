"""The rows of ``throughput --card``, rehearsed on a CPU: what each trains and records; a failure stops no other."""

import json
import random
from pathlib import Path

import pytest
import torch

from bench.console import BadInput
from bench.report.throughput import NO_GPU, missing, read_records, tables
from bench.throughput import card, paired
from bench.throughput.ceiling import direct_flops
from bench.throughput.workloads import Workload
from tests.bench.throughput_records import run_throughput
from tests.infogan.emulated_gpu import emulate

TINY = Workload("mnist", 4, 0.03)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "WARM_UP_S", 0.0)
    monkeypatch.setattr(paired, "BLOCK_S", 0.0)
    monkeypatch.setattr(card, "STRETCH", {"cpu": 1})
    monkeypatch.setattr(card, "ROUNDS", {"cpu": 1})
    monkeypatch.setattr(card, "PRODUCT_SIZES", {"cpu": 64})


def test_rows_cover_graphs_precisions_seeds_orders_and_the_popular_port() -> None:
    """These are the configurations for a GPU, which can be made without one."""
    on_gpu = Workload("mnist", device="cuda")
    configs = [(row, card.config_of(row, on_gpu)) for row in card.ROWS if not row.is_popular]
    assert {(c.capture, c.network.precision, row.num_seeds) for row, c in configs if row.order == "own"} == {
        ("off", "float32", 1), *(("graph", p, n) for p in ("float32", "tf32", "bf16") for n in (1, 5)),
    }  # fmt: skip
    own = {c.network.precision: c.memory_format for row, c in configs if row.order == "own"}
    other = {c.network.precision: c.memory_format for row, c in configs if row.order == "other"}
    assert own["float32"] == torch.contiguous_format
    assert all(own[p] != other[p] for p in own)
    assert sum(row.is_popular for row in card.ROWS) == 2
    assert all(card.config_of(row, TINY).capture == "off" for row in card.ROWS)  # a CPU has no graphs


def test_a_row_is_measured() -> None:
    for row in (card.measure_row(row, TINY, random.Random(0)) for row in card.ROWS[3:5]):
        assert 0 < row["ms_low"] <= row["ms"] <= row["ms_high"]
        assert 0 < row["share_low"] <= row["share"] <= row["share_high"]
        assert row["images_per_s"] == pytest.approx(4e3 / row["ms"])


def test_a_row_is_of_one_seeds_iteration_and_its_share_of_the_product_measured_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In nine rounds an iteration of one seed takes 1 to 9 ms; the products beside them take half a second."""
    multiply_adds = 2 * card.PRODUCT_SIZES["cpu"] ** 3
    for row in card.ROWS[3:5]:
        stretch_s = card.STRETCH["cpu"] * row.num_seeds * 1e-3
        times = {"row": {"wall": [ms * stretch_s for ms in range(1, 10)]}, "product": {"wall": [0.5] * 9}}
        monkeypatch.setattr(card.paired, "rounds", lambda *_, times=times: times)
        measured = card.measure_row(row, TINY, random.Random(0))
        assert measured["ms"] == pytest.approx(5)
        assert measured["images_per_s"] == pytest.approx(800)
        assert measured["product_tflops_per_s"] == pytest.approx(multiply_adds / 0.5 / 1e12)
        assert measured["share"] == pytest.approx(direct_flops(TINY) / 5e-3 / (multiply_adds / 0.5))


def test_a_row_that_cannot_run_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure_row, said = card.measure_row, list[str]()

    def fails_once(row: card.Row, workload: Workload, rng: random.Random) -> dict[str, object]:
        if row.name == "graph":
            raise RuntimeError("operation not permitted\nwhen stream is capturing")
        return measure_row(row, workload, rng)

    monkeypatch.setattr(card, "measure_row", fails_once)
    assert card.measure_card(tmp_path / "card.json", TINY, said.append, card.ROWS[:2]) == 1
    eager, graph = json.loads((tmp_path / "card.json").read_text())["rows"]
    assert eager["ms"] > 0
    assert graph["error"] == "RuntimeError: operation not permitted when stream is capturing"
    assert said[1].startswith("graph, float32: not measured: RuntimeError")


def test_the_command_writes_every_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_throughput(tmp_path, "--card --batch-size 4 --width 0.03 --device cpu") == 0
    record = json.loads((tmp_path / "throughput" / "card.json").read_text())
    assert (record["kind"], len(record["rows"])) == ("card", len(card.ROWS))
    assert f"{len(card.ROWS)} of {len(card.ROWS)} rows measured" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--card --suite", "leave --suite out"),
        ("--card --kernels fastest", "leave --kernels out"),
        ("--card --networks mnist,svhn", "one network"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        run_throughput(tmp_path, line)


def test_the_report_shows_every_row_and_which_could_not_run(tmp_path: Path) -> None:
    assert card.measure_card(tmp_path / "card.json", TINY, lambda text: None, card.ROWS[:1]) == 0
    record = json.loads((tmp_path / "card.json").read_text())
    record["rows"].append({"name": "graph", "precision": "bf16", "num_seeds": 5, "error": "RuntimeError: no graph"})
    record["fingerprint"]["gpu"] = "A Card"
    (tmp_path / "card.json").write_text(json.dumps(record))
    records = read_records(tmp_path)
    assert records.unreadable == []
    (table,) = tables(records)
    assert table.caption.startswith("mnist, batch 4, width 0.03, on A Card.")
    assert [row[0] for row in table.rows] == ["eager", "graph"]
    assert table.rows[1][3] == "not measured: RuntimeError: no graph"
    assert not any(NO_GPU in line for line in missing(records))


def test_on_an_emulated_gpu_every_row_runs_and_mixes_no_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows in bfloat16 are left out, since the emulated device has no autocast for it."""
    rows = tuple(row for row in card.ROWS if row.precision != "bf16")
    monkeypatch.setattr(card, "STRETCH", {"cuda": 1})
    monkeypatch.setattr(card, "ROUNDS", {"cuda": 1})
    monkeypatch.setattr(card, "PRODUCT_SIZES", {"cuda": 64})
    with emulate(monkeypatch) as gpu:
        for name, answer in (("empty_cache", None), ("reset_peak_memory_stats", None), ("max_memory_allocated", 2**20)):
            monkeypatch.setattr(torch.cuda, name, lambda answer=answer: answer)
        said: list[str] = []
        workload = Workload("mnist", 4, 0.03, device="cuda")
        failed = card.measure_card(tmp_path / "card.json", workload, said.append, rows)
    assert (failed, gpu.problems) == (0, []), said
    record = json.loads((tmp_path / "card.json").read_text())
    assert record["fingerprint"]["gpu"] == "emulated"
    product_bytes = 2 * 4 * 64**2  # a row's peak is without the product's matrices
    assert all(row["peak_mb"] == 1 - product_bytes / 2**20 for row in record["rows"])
