"""``python -m bench throughput``: what the record holds, what is compared, what is refused, and the suite."""

import json
import math
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench import environment
from bench.commands import throughput as command
from bench.console import BadInput
from bench.records.schema import Result, Seconds
from bench.records.throughput import SuiteRow
from bench.report.throughput import missing, read_records, tables
from bench.throughput import gate, overhead, paired, session, suite, workloads
from bench.throughput.workloads import Workload
from tests.bench.throughput_records import a_record, logs, run_throughput
from tests.bench.tracked_cells import done_cell, make_cell

ROOT = Path(__file__).parents[3]


needs_bf16 = pytest.mark.skipif(not environment.multiplies_bf16("cpu"), reason="no products in bfloat16 here")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use few, short blocks, since these tests are about what is written."""
    monkeypatch.setattr(paired, "WARM_UP_S", 0.0)
    monkeypatch.setattr(paired, "BLOCK_S", 0.0)
    monkeypatch.setattr(paired, "LOOKS", (6,))
    monkeypatch.setattr(session, "YARDSTICK_LOOKS", (6,))
    monkeypatch.setattr("bench.throughput.ceiling.SIZES", {"cpu": 64})


@pytest.fixture
def without_yardsticks(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the fused step and the reference only, as the gate needs no other."""
    monkeypatch.setattr(session, "YARDSTICKS", ())


SMALL = "--batch-size 4 --width 0.03 --kernels torch --device cpu"


@pytest.mark.usefixtures("quick")
def test_the_record_holds_log_ratios_shares_and_the_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_throughput(tmp_path, f"--networks mnist,faces {SMALL}") == 0
    record = json.loads((tmp_path / "throughput" / "paired.json").read_text())
    precisions = ["float32", "bf16"] if environment.multiplies_bf16("cpu") else ["float32"]
    assert [(m["workload"]["network"], m["workload"]["precision"]) for m in record["measurements"]] == [
        (network, precision) for network in ("mnist", "faces") for precision in precisions
    ]
    assert set(gate.SAME_MACHINE) == set(record["fingerprint"])
    assert record["fingerprint"]["threads"] == 1
    assert set(record["load"]) == {"before", "after"}
    for measurement in record["measurements"]:
        others = {"float32": {"plain", "plain_gan"}, "bf16": {"fused_float32"}}[measurement["workload"]["precision"]]
        assert set(measurement["comparisons"]) == {"reference", "as_commonly_written", *others}
        for comparison in measurement["comparisons"].values():
            for clock in paired.CLOCKS:
                values, ratio = comparison["log_ratios"][clock], comparison["ratio"][clock]
                assert ratio["num"] == len(values) == 6
                assert ratio["ratio"] == pytest.approx(math.exp(np.median(values)), rel=1e-5)
        ceiling = measurement["ceiling"]
        rate = ceiling["matrix_gflops_per_s"]
        ms = measurement["ceiling"]["time_ratio"]["step_ms"]["processor"]
        assert ceiling["direct"]["share"] == pytest.approx(ceiling["direct_gflop"] / rate / ms * 1e3, rel=0.9)
        assert ceiling["executed_gflop"] == pytest.approx(ceiling["direct_gflop"], rel=0.1)
    text = capsys.readouterr().out
    assert text.count("step_time_ratio") == 2
    assert "GFLOP direct" in text
    assert "GFLOP executed" in text
    assert (command.NO_BF16 in text) == ("bf16" not in precisions)
    assert str(ROOT) not in json.dumps(record)


@pytest.fixture
def without_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor whose instructions do not multiply bfloat16."""
    monkeypatch.setattr(environment, "_cpuinfo", lambda: {"flags": "avx2 fma"})


@pytest.mark.usefixtures("without_yardsticks", "without_bf16")
def test_a_device_without_bf16_leaves_its_rows_out_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_throughput(tmp_path, SMALL) == 0
    assert capsys.readouterr().out.count(command.NO_BF16) == 1
    records = read_records(tmp_path / "throughput")
    assert records.unreadable == []
    assert all(row[1] != "bf16" for row in tables(records)[0].rows)
    assert any(line.startswith("the fused step in bf16: ") for line in missing(records))
    assert not any("fused_bf16" in case.steps for case in suite.cases("cpu", 2))


@needs_bf16
@pytest.mark.usefixtures("quick")
def test_both_precisions_stand_in_the_report_and_are_set_against_each_other(tmp_path: Path) -> None:
    """The step in bfloat16 is one of its own, and its ceiling that of a product in its type."""
    assert run_throughput(tmp_path, SMALL) == 0
    record = json.loads((tmp_path / "throughput" / "paired.json").read_text())
    exact, rounded = record["measurements"]
    comparison = rounded["comparisons"]["fused_float32"]
    assert comparison["other_ms"] == exact["ceiling"]["time_ratio"]["step_ms"]  # of the same blocks
    assert comparison["step_ms"] == rounded["ceiling"]["time_ratio"]["step_ms"]
    assert rounded["ceiling"]["direct_gflop"] == exact["ceiling"]["direct_gflop"]
    assert (rounded["ceiling"]["matrix_library"], rounded["workload"]["fast_layers"]) == ("oneDNN", None)
    speeds = tables(read_records(tmp_path / "throughput"))[0]
    assert [row[:2] for row in speeds.rows] == [["mnist", "float32"], ["mnist", "bf16"]]
    shown = dict(zip(speeds.keys, speeds.values[1], strict=True))
    assert shown["images_per_s"] == pytest.approx(4e3 / rounded["ceiling"]["time_ratio"]["step_ms"]["processor"])
    assert shown["of_fused_float32"] == comparison["ratio"]["processor"]["ratio"]


@pytest.mark.usefixtures("quick")
def test_a_large_network_takes_few_pairs_unless_it_is_gated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "LOOKS", (12,))
    monkeypatch.setattr(paired, "PRECISE", math.inf)
    tiny, here = Workload("mnist", 4, 0.03), session.Session("cpu", 1, lambda _: None)
    baseline = a_record(logs(0.8), **session.fingerprint("cpu"))
    for flops, gated_by, num in ((0.0, None, 6), (0.0, baseline, 12), (math.inf, None, 12)):
        monkeypatch.setattr(session, "LARGE_FLOPS", flops)
        assert here.against_reference(tiny, gated_by)["ratio"]["wall"]["num"] == num


@pytest.mark.usefixtures("without_yardsticks")
def test_against_a_record_of_another_machine_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps(a_record(logs(0.8))))
    assert run_throughput(tmp_path, f"--against {file} {SMALL}") == 3
    assert "inconclusive mnist: the baseline is from another machine: cpu: 'X', now" in capsys.readouterr().out


@pytest.mark.usefixtures("without_yardsticks")
@pytest.mark.parametrize(("ratio", "code"), [(1000.0, 0), (1e-3, 1)])
def test_against_a_record_of_this_machine_the_outcome_is_the_exit_code(tmp_path: Path, ratio: float, code: int) -> None:
    here = session.fingerprint("cpu")
    baseline = a_record(logs(ratio), **here)
    baseline["measurements"][0]["workload"] = Workload("mnist", 4, 0.03).record()
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps(baseline))
    assert run_throughput(tmp_path, f"--against {file} {SMALL}") == code


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--networks mnits", "unknown network 'mnits'.*did you mean 'mnist'"),
        ("--kernels fast", "unknown kernels 'fast'.*choose from torch, winograd, fastest"),
        ("--width 0", "--width must be above 0"),
        ("--threads 1000", "--threads 1000 is more than the"),
        ("--device tpu", "unknown device 'tpu'"),
        ("--suite --against x.json", "--against is for single measurements"),
        ("--suite --threads 1", "--threads is for single measurements"),
        ("--against missing.json", "missing.json: No such file"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        run_throughput(tmp_path, line)
    assert "\n" not in str(caught.value)


def test_a_baseline_is_not_the_file_that_the_measurement_replaces(tmp_path: Path) -> None:
    file = tmp_path / "throughput" / "paired.json"
    file.parent.mkdir()
    file.write_text(json.dumps(a_record(logs(0.8))))
    before = file.read_bytes()
    with pytest.raises(BadInput, match="copy that file elsewhere first"):
        run_throughput(tmp_path, f"--against {file}")
    assert file.read_bytes() == before


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e5])
def test_a_baseline_with_impossible_numbers_is_refused(tmp_path: Path, bad: float) -> None:
    file = tmp_path / "baseline.json"
    for values in ([0.1] * 39 + [bad], []):
        record = a_record([0.1] * 40)
        record["measurements"][0]["comparisons"]["reference"]["log_ratios"]["processor"] = values
        file.write_text(json.dumps(record))
        with pytest.raises(BadInput, match=r"measurements\.0\.comparisons\.reference\.log_ratios\.processor"):
            session.read_baseline(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a record"),
        ('{"kind": "suite", "format": 1}', "not a record"),
        ('{"kind": "paired", "format": 1, "fingerprint": {}, "measurements": []}', "paired.command: Field required"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "b.json"
    file.write_text(content)
    with pytest.raises(BadInput, match=message):
        session.read_baseline(file)


def test_every_reader_refuses_a_record_with_one_wrong_field(tmp_path: Path) -> None:
    """One schema for the gate and for the report, whichever fields each of them uses."""
    record, file = a_record(logs(0.8)), tmp_path / "paired.json"
    file.write_text(json.dumps(record))
    assert session.read_baseline(file) == record == read_records(tmp_path).paired
    record["measurements"][0]["comparisons"]["reference"]["ratio"]["processor"]["num"] = "40"
    file.write_text(json.dumps(record))
    why = "paired.measurements.0.comparisons.reference.ratio.processor.num: Input should be a valid integer"
    with pytest.raises(BadInput, match=re.escape(why)):
        session.read_baseline(file)
    assert read_records(tmp_path).unreadable == [f"throughput/paired.json: {why}"]


def test_bad_use_ends_with_2_through_the_command_line(tmp_path: Path) -> None:
    arguments = ["throughput", "--networks", "dcgan", "--results", str(tmp_path / "new")]
    run = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (run.returncode, len(run.stderr.strip().splitlines())) == (2, 1)
    assert "unknown network 'dcgan'" in run.stderr
    assert not (tmp_path / "new").exists()


def test_the_suite_measures_every_step_and_each_network_it_names() -> None:
    cases = suite.cases("cpu", 2)
    assert {case.workload.network for case in cases} == {"mnist", "chairs", "svhn", "celeba"}
    assert {case.workload.batch_size for case in cases if case.workload.network == "mnist"} == {32, 128}
    assert {step for case in cases for step in case.steps} <= workloads._VARIANTS.keys()
    assert {case.threads for case in cases} == {1, 2}
    assert any("fused_bf16" in case.steps for case in cases) == environment.multiplies_bf16("cpu")
    assert all(case.threads == 1 for case in suite.cases("cpu", 1))
    assert all(case.workload.kernels == "torch" for case in suite.cases("cuda", 8))


@pytest.mark.usefixtures("quick")
def test_a_case_gives_a_row_a_step_a_table_and_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.report.figures.throughput import draw_throughput

    monkeypatch.setattr(suite, "ROUNDS", 2)
    rows = []
    steps = [*suite.STEPS, "fused_bf16"]
    for size in (2, 4):
        rows += suite.measure_case(suite.Case(Workload("mnist", size, 0.03), steps=tuple(steps)), random.Random(0))
    assert [row["step"] for row in rows[:6]] == steps
    rates = {row["step"]: row["matrix_gflops_per_s"] for row in rows[:6]}
    assert rates.pop("fused_bf16") not in rates.values()  # a product of its own
    assert len(set(rates.values())) == 1
    assert all(row["of_fused"] == 1 for row in rows if row["step"] == "fused")
    table = suite.to_csv(rows).splitlines()
    assert table[0] == ",".join(SuiteRow.__annotations__)
    assert len(table) == 13
    drawing = draw_throughput({"rows": rows})
    assert drawing is not None
    assert b"at that of a product in bf16" in drawing.svg
    assert drawing.svg.lstrip().startswith(b"<?xml")
    assert drawing.png.startswith(b"\x89PNG")


# ---------------------------------------------------------------- an interruption, a machine without MLflow
@pytest.fixture
def short_suite(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite of one tiny case."""
    case = suite.Case(Workload("mnist", 4, 0.03), steps=("fused", "reference"))
    monkeypatch.setattr(suite, "cases", lambda device, cores: [case])
    monkeypatch.setattr(suite, "ROUNDS", 2)


@pytest.mark.usefixtures("short_suite")
def test_a_suite_whose_small_cell_fails_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For example because the folder of the data has no MNIST. What was measured before is kept."""
    monkeypatch.setenv("INFOGAN_DATA", str(tmp_path))
    monkeypatch.setattr(suite, "sampling_ms", lambda device: {"batch_size": 1, "ms": 1.0, "images_per_s": 1.0})
    monkeypatch.setattr(suite, "evaluation_ms", lambda device: {"ms": 1.0})
    assert run_throughput(tmp_path, "--suite --device cpu") == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("failed: a small cell ended with 2: error: mnist")
    assert read_records(tmp_path / "throughput").suite is not None


@pytest.mark.usefixtures("short_suite")
def test_a_suite_that_is_cut_leaves_what_it_has_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report shows it as well: a GPU's ten minutes may end before the suite does."""

    def taken_away(device: str) -> dict[str, float]:
        raise KeyboardInterrupt

    monkeypatch.setattr(suite, "sampling_ms", taken_away)
    with pytest.raises(KeyboardInterrupt):
        suite.run_suite(tmp_path, "cpu", Console(quiet=True))
    records = read_records(tmp_path)
    assert records.suite is not None
    assert [row["step"] for row in records.suite["rows"]] == ["fused", "reference"]
    assert records.unreadable == []
    assert [table.name for table in tables(records) if table.rows] == ["throughput-suite"]


@pytest.mark.parametrize(("code", "is_fine"), [(0, True), (4, True), (1, False)])
def test_a_small_cell_counts_without_mlflow(monkeypatch: pytest.MonkeyPatch, code: int, is_fine: bool) -> None:
    """If it is not installed, the cell runs untracked. If the store does not answer, it ends with exit code 4."""
    asked: list[str] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        asked.extend(command)
        results = Path(command[command.index("--results") + 1])
        seconds = Seconds(train=0.1, checkpoint=0.0, evaluate=0.0, prepare=0.0)
        done_cell(results, make_cell()).write_result(Result(status="done", iterations=60, seconds=seconds))
        return subprocess.CompletedProcess(command, code, "said", "")

    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setattr(overhead.subprocess, "run", run)
    monkeypatch.setattr(overhead, "checkpoint_ms", lambda device, folder: {"ms": 1.0, "size_mb": 1.0})
    if is_fine:
        assert overhead.cell_overhead("cpu")["command"].endswith("--no-tracking")
    else:
        with pytest.raises(overhead.CellFailed, match="a small cell ended with 1: said"):
            overhead.cell_overhead("cpu")
    assert "--no-tracking" in asked
