"""The line that a check adds to history.jsonl: its content, its place, and which throughput ratio it may include."""

import hashlib
import json
import math
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import environment
from bench.analysis.runs import Run, Sweep
from bench.analysis.statistics import RatioInterval
from bench.analysis.sweep_file import read_curves
from bench.analysis.throughput import newest_ratio
from bench.commands import gate as gate_commands
from bench.context import Context
from bench.gate import files as gate_files
from bench.gate.compare import compare, inconclusive
from bench.gate.history import read_history
from bench.records.schema import Result
from bench.records.storage import write_plain_json
from bench.spec.criteria import GateTable
from bench.throughput.session import Session
from bench.throughput.workloads import Workload
from tests.bench.gate.baselines import BASELINE, converging
from tests.bench.throughput_records import measurement
from tests.builders import begun, ended

SEEDS = (0, 1, 2, 3, 4)
RULE = GateTable(baseline_seeds=list(range(10)), new_seeds=list(SEEDS), more_seeds=[5, 6, 7, 8, 9])
RATIO = {"ratio": 0.9, "low": 0.88, "high": 0.92}


@pytest.fixture(scope="module")
def here() -> Sweep:
    """The baseline's runs, as if this machine and code had made them."""
    base = converging()
    runs = []
    for run in base.runs:
        config = run.cell.config | {"versions": environment.key_versions()}
        runs.append(replace(run, cell=replace(run.cell, config=config), environment=environment.record("cpu")))
    return replace(base, runs=runs)


def a_record(kind: str = "paired", ratio: float = 0.9, **changed: Any) -> dict[str, Any]:
    """A throughput record as this machine would write it; ``changed``: new fields of its fingerprint or of itself."""
    session = Session("cpu", 1, lambda _: None)
    if kind == "paired":
        workloads = [Workload(network, kernels="torch").record() for network in ("svhn", "mnist")]
        record = session.record(kind) | {"measurements": [measurement(w, ratio, 0.02) for w in workloads]}
    else:
        row = {"network": "mnist", "batch_size": 32, "width": 1.0, "threads": 1, "clock": "processor"}
        of_fused = {"of_fused": 1.25, "of_fused_low": 1.0, "of_fused_high": 2.0}
        rows = [row | {"step": step} | of_fused for step in ("plain", "reference")]
        record = session.record(kind) | {"rows": rows}
    for name, value in changed.items():
        (record["fingerprint"] if name in record["fingerprint"] else record)[name] = value
    return record


def put(results: Path, name: str, record: dict[str, Any], age_s: int = 0) -> None:
    path = results / "throughput" / name
    path.parent.mkdir(exist_ok=True)
    write_plain_json(path, record)
    os.utime(path, (1e9 - age_s, 1e9 - age_s))


def ratio_of(results: Path, run: Run) -> float | None:
    found = newest_ratio(results, run)
    return found.ratio if found else None


def line(results: Path, sweep: Sweep) -> dict[str, Any]:
    check = compare(RULE, sweep, replace(sweep, runs=sweep.runs[:5]), SEEDS)
    gate_files.write(check, RULE, sweep, results, [results / "history.jsonl"])
    return json.loads((results / "history.jsonl").read_text().splitlines()[-1])


def test_the_line_holds_commit_versions_ratio_and_outcome(here: Sweep, tmp_path: Path) -> None:
    written = line(tmp_path, here)
    assert written["commit"] == environment.git_commit()
    assert written["torch"] == environment.key_versions()["torch"]
    assert written["training_code"] == environment.key_versions()["training_code"]
    assert written["outcome"] == "ok"
    assert written["arms"]["infogan"]["low"] < written["arms"]["infogan"]["ratio"] < written["arms"]["infogan"]["high"]


def test_an_interval_without_a_bound_is_read_again(here: Sweep, tmp_path: Path) -> None:
    """With few seeds both ends are open, 0 and infinity, which a line stores as null."""
    few = replace(here, runs=here.runs[:2])
    check = compare(RULE, here, few, SEEDS[:2])
    ratios = [
        replace(arm, t80=replace(arm.t80, ratio=RatioInterval(1.0, 0.0, math.inf, 1.0, 10, 2))) for arm in check.arms
    ]
    gate_files.write(replace(check, arms=ratios), RULE, few, tmp_path, [tmp_path / "history.jsonl"])
    (read,) = read_history(tmp_path / "history.jsonl")
    assert [(arm.ratio, arm.low, arm.high) for arm in read.arms.values()] == [(1.0, None, None)]


@pytest.mark.parametrize("record", [True, False])
def test_the_committed_history_gets_it_on_request(
    here: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: bool
) -> None:
    monkeypatch.setattr(gate_commands, "BASELINES", tmp_path / "committed")
    (tmp_path / "committed").mkdir()
    new = replace(here, runs=here.runs[:5])
    check = compare(RULE, here, new, SEEDS)
    gate_commands.conclude(check, RULE, new, tmp_path / "results", record=record)
    own = (tmp_path / "results" / "history.jsonl").read_text()
    assert len(own.splitlines()) == 1
    committed = tmp_path / "committed" / "history.jsonl"
    assert (committed.read_text() if committed.exists() else "") == (own if record else "")


def test_a_check_of_cells_names_its_baseline_and_takes_all_that_have_ended(tmp_path: Path) -> None:
    """The baseline's own curves as ten seeds' cells, nine of them done and one diverged: all ten are compared."""
    known = {(run.cell.group, run.cell.seed): run for run in read_curves(BASELINE).runs}
    for cell in Context(["mi-gate"], results=tmp_path, seeds="0-9", device="cpu").cells:
        if run := known.get((cell.group, cell.seed)):
            assert run.history is not None
            folder = begun(tmp_path, cell, run.history, environment=run.environment)
            if (cell.group, cell.seed) == ("infogan", 9):
                folder.write_result(Result(status="failed", error="NonFiniteLoss", message="loss is nan"))
            else:
                ended(folder)
    gate_commands.check("mi-gate", BASELINE, results=tmp_path, device="cpu")
    (read,) = read_history(tmp_path / "history.jsonl")
    assert read.baseline == hashlib.sha256(BASELINE.read_bytes()).hexdigest()[:12]
    assert (read.arms["infogan"].num_new, read.arms["infogan"].bound) == (10, "")
    checked = json.loads((tmp_path / "check" / "mi-gate.json").read_text())
    assert (checked["baseline"], checked["arms"][0]["t80"]["failed_new"]) == (read.baseline, 1)


def record_checks(results: Path, name: str, num: int) -> None:
    for _ in range(num):
        gate_files.write(inconclusive(name, "a test"), RULE, None, results, [results / "history.jsonl"])


def test_checks_of_two_processes_lose_no_line(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    names = ["one", "two"] * 20
    processes = [context.Process(target=record_checks, args=(tmp_path, name, 20)) for name in names[:2]]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    read = read_history(tmp_path / "history.jsonl")
    assert sorted(line.experiment for line in read) == sorted(names)


def test_the_line_holds_the_ratio_with_interval_and_workload(here: Sweep, tmp_path: Path) -> None:
    assert line(tmp_path, here)["throughput"] is None
    put(tmp_path, "paired.json", a_record())
    assert line(tmp_path, here)["throughput"] == RATIO | {
        "network": "mnist",
        "batch_size": 128,
        "width": 1.0,
        "kernels": "torch",
        "clock": "processor",
    }


def test_the_suite_says_nothing_of_the_step_that_cells_train_with(here: Sweep, tmp_path: Path) -> None:
    put(tmp_path, "suite.json", a_record("suite"))
    assert newest_ratio(tmp_path, here.runs[0]) is None


def test_the_newest_counts(here: Sweep, tmp_path: Path) -> None:
    put(tmp_path, "paired.json", a_record(), age_s=10)
    put(tmp_path, "kept.json", a_record(ratio=0.91))
    assert ratio_of(tmp_path, here.runs[0]) == 0.91
    put(tmp_path, "kept.json", a_record(ratio=0.91), age_s=20)
    assert ratio_of(tmp_path, here.runs[0]) == 0.9


@pytest.mark.parametrize(
    "changed",
    [
        {"cpu": "another"},
        {"cores": 999},
        {"torch": "2.0"},
        {"gpu": "one"},
        {"device": "cuda"},
        {"threads": 2},
        {"code": "x"},
    ],
)
def test_another_machines_or_codes_ratio_is_not_this_runs(here: Sweep, tmp_path: Path, changed: dict[str, Any]) -> None:
    put(tmp_path, "paired.json", a_record(**changed))
    assert newest_ratio(tmp_path, here.runs[0]) is None
    put(tmp_path, "older.json", a_record(ratio=0.91), age_s=10)
    assert ratio_of(tmp_path, here.runs[0]) == 0.91


def test_damaged_and_foreign_files_are_passed_over(here: Sweep, tmp_path: Path) -> None:
    put(tmp_path, "paired.json", a_record(), age_s=10)
    for name, text in {"a": "{", "b": "[]", "c": "{}", "d": '{"fingerprint": null}'}.items():
        (tmp_path / "throughput" / f"{name}.json").write_text(text)
    run: Run = here.runs[0]
    assert ratio_of(tmp_path, run) == 0.9
    other = replace(run, cell=replace(run.cell, config=run.cell.config | {"architecture": "celeba"}))
    assert newest_ratio(tmp_path, other) is None
