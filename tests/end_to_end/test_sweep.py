"""A whole sweep on the command line: records, mirror, report, a repeated run, and the same bits with one job or two."""

import json
import shlex
import shutil
from pathlib import Path

import pytest

from bench.analysis.sweep_file import read_curves
from bench.context import Context
from bench.records.folder import CellFolder
from bench.records.schema import Result
from tests.end_to_end.faults import ITERATIONS
from tests.end_to_end.harness import Bench, same_bits


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> tuple[Bench, str]:
    bench = Bench(tmp_path_factory.mktemp("a sweep"), ITERATIONS).use_database(empty_database)
    return bench, bench("run", "tiny", "--jobs", "2")


def test_every_cell_is_done_and_said(swept: tuple[Bench, str]) -> None:
    bench, output = swept
    assert "4 of 4 cells finished" in output
    assert "A substitute for MNIST" in output
    given = f"--results {shlex.quote(str(bench.results))} --spec {shlex.quote(str(bench.spec))}"
    assert f"the report with pictures: python -m bench report {given}\n" in output
    assert " on a substitute: " in output  # a claim and its answer, in words
    assert set(bench.cells()) == {"infogan/seed-0", "infogan/seed-1", "gan/seed-0", "gan/seed-1"}
    for folder in bench.cells().values():
        names = {p.name for p in folder.iterdir()}
        assert names == {
            "cell.json",
            "history.npz",
            "lease",
            "result.json",
            "tracking.json",
            "snapshots.npz",
            "traversals.npz",
            "weights.safetensors",
        }
    for record in bench.records().values():
        assert record["status"] == "done"
        assert record["iterations"] == ITERATIONS
        assert set(record["mi_frozen_nats"]) == {"c1", "c2"}
        assert record["health"]["status"] in ("ok", "collapsed")  # after so few iterations both are possible
        assert record["health"]["variety"] > 0
        assert record["health"]["distinctness"] > 0


def test_plan_sees_it_and_a_second_run_does_nothing(swept: tuple[Bench, str]) -> None:
    bench, _ = swept
    assert "4 cells: 4 done" in bench.here("plan", "tiny")
    before = {p: p.stat().st_mtime_ns for p in bench.results.rglob("*.json")}
    assert "nothing to do" in bench.here("run", "tiny")
    assert {p: p.stat().st_mtime_ns for p in bench.results.rglob("*.json")} == before
    planned = bench.here("plan", "tiny", "--arms", "gan", "--seeds", "0-3")
    rows = [line.split()[3:] for line in planned.splitlines() if line.startswith("tiny ")]
    assert rows == [["0-1", str(ITERATIONS), "done"], ["2-3", str(ITERATIONS), "missing"]]
    assert "4 cells: 2 done, 2 missing" in planned


def test_the_store_holds_every_point_once(swept: tuple[Bench, str]) -> None:
    from mlflow import MlflowClient

    bench, _ = swept
    client = MlflowClient(f"sqlite:///{bench.results}/mlflow.db")
    experiment = client.get_experiment_by_name("tiny-cpu")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.run_name for run in runs} == set(bench.cells())
    for run in runs:
        assert run.info.status == "FINISHED"
        assert run.data.tags["synced"] == "true"
        assert run.data.tags["health"] in ("ok", "collapsed")
        assert run.data.params["arm"] == run.info.run_name.split("/")[0]
        history = CellFolder(bench.cells()[run.info.run_name]).history()
        assert history is not None
        for name in history.names:
            points = sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, name))
            assert [step for step, _ in points] == list(range(1, ITERATIONS + 1))
            assert [value for _, value in points] == pytest.approx(history.column(name).tolist())
        assert {a.path for a in client.list_artifacts(run.info.run_id)} >= {
            "weights.safetensors",
            "traversals",
            "config.json",
        }


def test_the_report_judges_every_claim(swept: tuple[Bench, str]) -> None:
    bench, _ = swept
    output = bench("report")
    claims = json.loads((bench.results / "report" / "claims.json").read_text())
    assert [(c["id"], c["arm"]) for c in claims] == [("F1", "infogan"), ("F1", "gan")]
    keys = "id arm variant text verdict data budget value low high unit num_seeds criterion reason"
    assert all(set(keys.split()) <= claim.keys() for claim in claims)
    assert claims[0]["verdict"] == "reproduced on a substitute"
    assert claims[0]["budget"].startswith("reduced")
    assert claims[0]["num_seeds"] == 2
    assert "F1" in output
    page = (bench.results / "report" / "index.html").read_text()
    assert "A sweep of seconds" in page
    assert str(bench.results) not in page


def test_one_job_or_two_give_the_same_bits(swept: tuple[Bench, str], undisturbed: Bench, tmp_path: Path) -> None:
    bench, _ = swept
    alone = Bench(tmp_path, ITERATIONS)
    alone("run", "tiny", "--arms", "gan", "--seeds", "1", "--jobs", "1", "--no-tracking")
    one_job = undisturbed.cells() | alone.cells()
    assert set(one_job) == {"infogan/seed-0", "infogan/seed-1", "gan/seed-1"}
    for name, folder in one_job.items():
        assert same_bits(folder, bench.cells()[name])
    assert not same_bits(bench.cells()["infogan/seed-0"], bench.cells()["infogan/seed-1"])


@pytest.mark.slow
def test_another_definition_is_kept_apart(swept: tuple[Bench, str], tmp_path: Path, empty_database: Path) -> None:
    """Somebody changes a rate between two runs. The old cell stays, nothing is mixed, and the report names the rate."""
    bench = Bench(tmp_path, iterations=12).use_database(empty_database)
    bench("run", "tiny", "--arms", "gan", "--seeds", "0")
    bench.spec.write_text(
        bench.spec.read_text().replace("learning_rate_generator = 1e-3", "learning_rate_generator = 2e-3")
    )
    planned = bench.here("plan", "tiny", "--arms", "gan", "--seeds", "0")
    assert "1 missing" in planned
    assert "records of other settings, data, versions or kinds of processor are here for 1 missing cell" in planned
    bench("run", "tiny", "--arms", "gan", "--seeds", "0")
    assert len(list((bench.results / "cells").rglob("cell.json"))) == 2
    bench("report")
    assert "learning_rate_generator" in (bench.results / "report" / "report.md").read_text()


def test_a_cell_that_diverges_fails_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, iterations=20)
    output = bench("run", "tiny", "--arms", "broken,infogan", "--seeds", "0", "--no-tracking", code=1)
    assert "non-finite value at iteration" in output
    assert "1 of 2 cells finished" in output
    failure = bench.records()["broken/seed-0"]
    assert failure["error"] == "NonFiniteLoss"
    assert "NonFiniteLoss" in failure["traceback"]
    assert failure["iteration"] >= 2
    assert bench.records()["infogan/seed-0"]["status"] == "done"
    listed = " ".join(bench.here("plan", "tiny", "--arms", "broken", "--seeds", "0").split())
    assert "1 cell: 1 diverged" in listed
    assert f"non-finite value at iteration {failure['iteration']}" in listed


def test_a_cell_that_diverged_is_not_trained_again_and_baseline_takes_it(tmp_path: Path) -> None:
    """It would diverge again, at the same iteration: a result about its seed. A cell that crashed is retried."""
    bench = Bench(tmp_path, iterations=20)
    both = ("tiny", "--arms", "broken,infogan", "--seeds", "0", "--no-tracking")
    to = ("--to", str(tmp_path / "baseline.json"))
    assert "baseline of 2 runs, 1 of them diverged, written" in bench("baseline", *both, "--run", *to)
    assert {r.cell.name: r.diverged for r in read_curves(tmp_path / "baseline.json").runs} == {
        "broken/seed-0": True,
        "infogan/seed-0": False,
    }
    folder, before = bench.cells()["broken/seed-0"], bench.records()
    output = " ".join(bench("run", *both, code=1).split())
    assert "nothing was left to train" in output
    assert "failed: broken/seed-0: diverged: non-finite value at iteration" in output
    assert f"to train it anew, remove {folder}" in output
    assert bench.records() == before
    crashed = CellFolder(folder, None, CellFolder(folder).cell().key)
    crashed.write_result(Result(status="failed", error="WorkerDied", message="killed"))
    assert "0 of 1 cells finished" in bench("run", *both, code=1)
    assert bench.records()["broken/seed-0"]["error"] == "NonFiniteLoss"
    shutil.rmtree(folder)
    assert "0 of 1 cells finished" in bench("run", *both, code=1)
    assert bench.records()["broken/seed-0"]["iteration"] == before["broken/seed-0"]["iteration"]


def test_a_context_resolves_without_torch(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    context = Context(["tiny"], spec=bench.spec, results=bench.results)
    assert context.profiles == {"tiny": "cpu"}
    assert not bench.results.exists()
