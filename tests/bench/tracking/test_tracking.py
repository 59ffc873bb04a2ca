"""One cell in a real store: every point once, whatever was killed, repeated or damaged before."""

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.records.schema import HealthRecord, Result
from bench.tracking import content as mirrored
from bench.tracking import uri as store_uri
from bench.tracking.connection import default_uri
from bench.tracking.store import is_synced, mirror_cell
from bench.tracking.uri import redacted
from tests.bench.tracked_cells import (
    CONTINUOUS,
    ITERATIONS,
    assert_holds,
    begin,
    done_cell,
    finish,
    make_cell,
    make_history,
    stored,
    the_run,
)


def test_health_is_a_tag_and_points_of_the_cells_that_have_it(results: Path, client: Any) -> None:
    old, new = done_cell(results, make_cell(seed=0)), done_cell(results, make_cell(seed=1))
    health = HealthRecord(status="collapsed", reason="r", variety=0.5, distinctness=0.001, saturation=0.25)
    result = new.result()
    assert result is not None
    new.write_result(result.model_copy(update={"health": health}))
    assert mirror_cell(client, old)
    assert mirror_cell(client, new)
    runs = {
        run.data.params["seed"]: run
        for run in client.search_runs([client.get_experiment_by_name("toy-smoke").experiment_id])
    }
    assert "health" not in runs["0"].data.tags
    assert not {"summary/variety", "summary/collapsed"} & runs["0"].data.metrics.keys()
    assert runs["1"].data.tags["health"] == "collapsed"
    expected = {"variety": 0.5, "distinctness": 0.001, "saturation": 0.25, "collapsed": 1.0}
    assert {f"summary/{name}": value for name, value in expected.items()}.items() <= runs["1"].data.metrics.items()


def test_a_done_cell_is_mirrored_in_full(results: Path, client: Any) -> None:
    folder = done_cell(results, make_cell(seed=3))
    assert not is_synced(folder, default_uri(results))
    assert mirror_cell(client, folder)

    run, history = the_run(client), make_history(folder.cell())
    assert run.info.run_name == "infogan/seed-3"
    assert run.info.status == "FINISHED"
    assert run.info.end_time >= run.info.start_time
    labels = {"experiment": "toy", "variant": "-", "arm": "infogan", "seed": "3", "group": "infogan"}
    assert labels.items() <= run.data.tags.items()
    assert labels.items() <= run.data.params.items()
    tags = {"cell_key": folder.cell().key, "git_commit": "0123456789ab", "data_source": "embedded", "synced": "true"}
    assert tags.items() <= run.data.tags.items()
    assert "2000 images of mnist" in run.data.tags["mlflow.note.content"]
    params = {"training.learning_rate_q": "0.0002", "codes.c2.kind": "continuous", "noise.prior": "uniform"}
    assert params.items() <= run.data.params.items()
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("mnist", "ab" * 16)
    assert "embedded" in dataset.dataset.source

    run_id, categorical = run.info.run_id, history.column("mi/c1").astype(np.float64)
    for name in history.names:
        assert_holds(client, run_id, name, history.column(name))
    assert_holds(client, run_id, "mi/categorical", categorical)
    assert_holds(client, run_id, "mi/continuous", history.column("mi/c2"))
    assert_holds(client, run_id, "mi/fraction", categorical / math.log(10))
    assert stored(client, run_id, "time/step_ms") == [(25, 2.5), (50, 5.0)]
    metrics = run.data.metrics
    assert metrics["summary/t80_reached"] == 1
    assert 8 < metrics["summary/t80"] < 18  # 1 - exp(-t / 8) = 0.8 at 12.9
    assert run.data.tags["t80"] == f"{metrics['summary/t80']:.1f}"
    assert metrics["summary/t80_censored"] == metrics["summary/t80"]
    assert metrics["summary/mi_final"] == metrics["summary/mi_final_nats"] == pytest.approx(math.log(10), abs=0.01)

    artifacts = {a.path: a.file_size for path in (None, "traversals") for a in client.list_artifacts(run_id, path)}
    assert set(artifacts) == {
        "config.json", "environment.json", "images", "traversals", "traversals/c1.png", "traversals/c2.png",
        "weights.safetensors",
    }  # fmt: skip
    assert artifacts["weights.safetensors"] == len(next(results.rglob("weights.safetensors")).read_bytes())
    assert (results / "artifacts" / "toy-smoke" / run_id / "artifacts" / "config.json").exists()

    tags = client.get_experiment(run.info.experiment_id).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    arms, seeds = (json.loads(tags[f"mlflow.sharedViewState.{key}"]) for key in ("arms", "seeds"))
    assert [c["metricKey"] for c in arms["compareRunCharts"]] == [
        "mi/categorical", "mi/continuous", "summary/t80", "summary/mi_final", "loss/discriminator", "loss/generator",
    ]  # fmt: skip
    assert arms["groupBy"]["groupByKeys"] == [{"mode": "param", "groupByData": "arm"}]
    assert "groupBy" not in seeds

    record = folder.tracking()
    assert record is not None
    assert (record["run_id"], record["status"]) == (run_id, "synced")
    num_stored = sum(len(client.get_metric_history(run_id, m)) for m in metrics)
    assert record["points"] == num_stored
    assert is_synced(folder, default_uri(results))
    assert not is_synced(folder, "http://127.0.0.1:5000")
    assert not is_synced(begin(results, make_cell(seed=4), 20), default_uri(results))


def images_of(client: Any, run_id: str) -> list[tuple[str, int]]:
    """Key and step of every image file, including small copies."""
    names = [artifact.path.removeprefix("images/") for artifact in client.list_artifacts(run_id, "images")]
    return sorted((name.split("+step+")[0], int(name.split("+")[2])) for name in names)


def test_traversals_are_images_over_steps_and_each_is_logged_once(results: Path, client: Any) -> None:
    folder = begin(results, make_cell(), ITERATIONS)
    grid = np.zeros((2, 10, 28, 28, 1), dtype=np.uint8)
    for iteration in (20, 40):
        folder.write_snapshot(iteration, {"c1": grid})
    finish(folder)
    assert mirror_cell(client, folder)
    run = the_run(client)
    wanted = [(f"c{code} varies", step) for code, step in ((1, 20), (1, 40), (1, ITERATIONS), (2, ITERATIONS))]
    assert images_of(client, run.info.run_id) == sorted(wanted * 2)
    assert run.data.tags["mlflow.loggedImages"] == "True"
    (folder.path / "tracking.json").unlink()
    small = next(a.path for a in client.list_artifacts(run.info.run_id, "images") if "compressed" in a.path)
    next(results.glob(f"artifacts/*/{run.info.run_id}/artifacts/{small}")).unlink()  # killed between the two files
    assert mirror_cell(client, folder)
    again = images_of(client, run.info.run_id)
    assert set(again) == set(wanted)
    assert len(again) == 2 * len(wanted) + 1  # the pair again, beside what was left of the first


def test_what_an_arm_changes_stands_first_among_the_parameters(results: Path, client: Any) -> None:
    cell = make_cell()
    training = cell.config["training"] | {"learning_rate_q": 0.5}
    definition = {"codes": cell.config["codes"], "training": cell.config["training"]}
    folder = done_cell(results, replace(cell, config=cell.config | {"training": training}, definition=definition))
    assert mirror_cell(client, folder)
    params = the_run(client).data.params
    assert {name: value for name, value in params.items() if name.startswith("arm.")} == {
        "arm.training.learning_rate_q": "0.5"
    }


def active_runs(client: Any) -> set[str]:
    return {run.info.run_id for run in client.search_runs([client.get_experiment_by_name("toy-smoke").experiment_id])}


def test_mirrored_twice_changes_nothing(results: Path, client: Any) -> None:
    folder = done_cell(results, make_cell())
    assert mirror_cell(client, folder)
    before, record = the_run(client), folder.tracking()
    assert mirror_cell(client, folder)
    after = the_run(client)
    assert before.data.metrics.keys() == after.data.metrics.keys()
    assert len(stored(client, after.info.run_id, "mi/c1")) == ITERATIONS
    assert folder.tracking() == record


def test_a_mirror_killed_half_way_is_completed_without_duplicates(results: Path, client: Any) -> None:
    """The store then holds the start of each curve, part of the next batch, and points after a gap."""
    from mlflow.entities import Metric

    folder = begin(results, make_cell(), 20)
    assert mirror_cell(client, folder)
    run = the_run(client)
    assert (run.info.status, len(stored(client, run.info.run_id, "mi/c1"))) == ("KILLED", 20)
    finish(folder)
    values = make_history(folder.cell()).column("mi/c1").tolist()
    after_the_kill = [Metric("mi/c1", values[step - 1], 123456, step) for step in (21, 22, 23, 41, 42)]
    client.log_batch(run.info.run_id, metrics=after_the_kill, synchronous=True)
    client.update_run(run.info.run_id, "RUNNING")  # as a SIGKILL leaves it

    assert mirror_cell(client, folder)
    assert the_run(client).info.run_id == run.info.run_id
    assert the_run(client).info.status == "FINISHED"
    assert_holds(client, run.info.run_id, "mi/c1", make_history(folder.cell()).column("mi/c1"))


@pytest.mark.parametrize(
    ("step", "offset"), [(7, 0.0), (7, 0.5), (ITERATIONS + 1, 0.0)], ids=["twice", "other", "extra"]
)
def test_a_run_with_other_points_is_set_aside(results: Path, client: Any, step: int, offset: float) -> None:
    folder = done_cell(results, make_cell())
    assert mirror_cell(client, folder)
    spoiled = the_run(client).info.run_id
    values = make_history(folder.cell()).column("mi/c1").tolist()
    client.log_metric(spoiled, "mi/c1", values[min(step, ITERATIONS) - 1] + offset, timestamp=123456, step=step)

    assert mirror_cell(client, folder)
    assert the_run(client).info.run_id != spoiled
    assert client.get_run(spoiled).info.lifecycle_stage == "deleted"
    assert_holds(client, the_run(client).info.run_id, "mi/c1", make_history(folder.cell()).column("mi/c1"))


def test_a_cell_in_training_is_running_and_memory_sends_only_news(results: Path, client: Any) -> None:
    folder, memory = begin(results, make_cell(), 20), {}
    with folder.lock("worker"):
        assert mirror_cell(client, folder, memory)
        assert the_run(client).info.status == "RUNNING"
        folder.write_history(make_history(folder.cell(), 35))
        assert mirror_cell(client, folder, memory)
    assert_holds(client, the_run(client).info.run_id, "mi/c1", make_history(folder.cell(), 35).column("mi/c1"))
    assert (folder.tracking() or {})["status"] == "incomplete"


def test_a_failed_cell_and_its_repetition_share_one_run(results: Path, client: Any) -> None:
    folder = begin(results, make_cell(), 20)
    folder.write_result(Result(status="failed", error="NonFiniteLoss", message="loss is nan at 23"))
    assert mirror_cell(client, folder)
    failed = the_run(client)
    assert (failed.info.status, failed.data.tags["error"]) == ("FAILED", "NonFiniteLoss: loss is nan at 23")
    assert is_synced(folder, default_uri(results))

    folder.remove_result()
    assert mirror_cell(client, folder)
    assert not {"error", "synced"} & the_run(client).data.tags.keys()
    assert mirror_cell(client, finish(folder))
    repeated = the_run(client)
    assert (repeated.info.run_id, repeated.info.status) == (failed.info.run_id, "FINISHED")


def test_a_new_end_is_not_synced_until_it_is_mirrored(results: Path, client: Any) -> None:
    folder = begin(results, make_cell(), 20)
    folder.write_result(Result(status="failed", error="OSError", message=""))
    assert mirror_cell(client, folder)
    finish(folder)
    assert not is_synced(folder, default_uri(results))


def test_two_folders_with_the_same_cell_share_a_store(results: Path, client: Any, tmp_path: Path) -> None:
    """Two people with one server have equal curves but other step times. Neither changes the other's run."""
    mine, theirs = (done_cell(tmp_path / who, make_cell()) for who in ("mine", "theirs"))
    history = make_history(theirs.cell())
    history.step_ms[:] *= 2
    theirs.write_history(history)
    for folder in (mine, theirs, mine):
        assert mirror_cell(client, folder)
    run_ids = {(folder.tracking() or {})["run_id"] for folder in (mine, theirs)}
    assert len(run_ids) == 2
    assert {client.get_run(run_id).info.lifecycle_stage for run_id in run_ids} == {"active"}


def test_two_folders_training_the_same_cell_have_a_run_each(results: Path, client: Any, tmp_path: Path) -> None:
    """They train at the same time, so neither's points contradict the other's yet."""
    mine, theirs = (begin(tmp_path / who, make_cell(), 20) for who in ("mine", "theirs"))
    for folder in (mine, theirs):
        assert mirror_cell(client, folder)
    run_ids = [(folder.tracking() or {})["run_id"] for folder in (mine, theirs)]
    assert run_ids[0] != run_ids[1]
    history = make_history(finish(theirs).cell())
    history.step_ms[:] *= 2
    theirs.write_history(history)
    for folder in (finish(mine), theirs, mine):
        assert mirror_cell(client, folder)
    assert [(folder.tracking() or {})["run_id"] for folder in (mine, theirs)] == run_ids
    assert {client.get_run(run_id).info.lifecycle_stage for run_id in run_ids} == {"active"}


def test_a_run_made_just_before_a_kill_is_found_again(results: Path, client: Any) -> None:
    """The store has the run, but the folder does not name it yet."""
    folder = begin(results, make_cell(), 20)
    assert mirror_cell(client, folder)
    before = the_run(client).info.run_id
    (folder.path / "tracking.json").unlink()
    assert mirror_cell(client, finish(folder))
    assert the_run(client).info.run_id == before


def test_a_cell_begun_anew_leaves_one_active_run_of_its_seed(results: Path, client: Any) -> None:
    """Its folder was removed, and the same bits took other times; a neighbour's run stays as it is."""
    first, neighbour = done_cell(results, make_cell()), done_cell(results, make_cell(seed=1))
    for folder in (first, neighbour):
        assert mirror_cell(client, folder)
    orphan, kept = ((folder.tracking() or {})["run_id"] for folder in (first, neighbour))
    shutil.rmtree(first.path)
    again = done_cell(results, make_cell())
    history = make_history(again.cell())
    history.step_ms[:] *= 2
    again.write_history(history)
    assert mirror_cell(client, again)
    assert active_runs(client) == {(again.tracking() or {})["run_id"], kept}
    assert orphan not in active_runs(client)
    assert client.get_run(orphan).data.tags["superseded"] == "its record was removed, and the cell was started again"


def test_a_seed_of_another_definition_has_its_run_while_its_record_is_there(results: Path, client: Any) -> None:
    old, new = done_cell(results, make_cell()), done_cell(results, make_cell(codes=(CONTINUOUS,)))
    for folder in (old, new):
        assert mirror_cell(client, folder)
    assert len(active_runs(client)) == 2
    shutil.rmtree(old.path)
    assert mirror_cell(client, new)
    assert active_runs(client) == {(new.tracking() or {})["run_id"]}


def test_memory_keeps_no_ended_cell(results: Path, client: Any) -> None:
    memory: dict[str, Any] = {}
    running, ended = begin(results, make_cell(0), 20), done_cell(results, make_cell(1))
    for folder in (running, ended):
        assert mirror_cell(client, folder, memory)
    assert list(memory) == [running.cell().key]


def test_a_folder_without_its_record_finds_its_run_again(results: Path, client: Any) -> None:
    folder = done_cell(results, make_cell())
    assert mirror_cell(client, folder)
    before = the_run(client).info.run_id
    (folder.path / "tracking.json").unlink()
    assert mirror_cell(client, folder)
    assert the_run(client).info.run_id == before
    assert is_synced(folder, default_uri(results))


def test_a_t80_that_is_not_reached_has_no_point_and_is_reported(results: Path, client: Any) -> None:
    assert mirror_cell(client, done_cell(results, make_cell(), learns=False))
    run = the_run(client)
    metrics = run.data.metrics
    assert "summary/t80" not in metrics
    assert (metrics["summary/t80_censored"], metrics["summary/t80_reached"]) == (ITERATIONS, 0)
    assert run.data.tags["t80"] == f"not reached in {ITERATIONS} iterations"
    assert all(math.isfinite(value) and abs(value) < 1e6 for name, value in metrics.items() if "summary" in name)


def test_without_a_categorical_code_there_is_no_t80(results: Path, client: Any) -> None:
    folder = done_cell(results, make_cell(codes=(CONTINUOUS, CONTINUOUS)))
    assert mirror_cell(client, folder)
    run, history = the_run(client), make_history(folder.cell())
    assert not {"mi/categorical", "mi/fraction", "summary/t80"} & run.data.metrics.keys()
    total = history.column("mi/c1").astype(np.float64) + history.column("mi/c2")
    assert_holds(client, run.info.run_id, "mi/continuous", total)
    assert run.data.metrics["summary/mi_final"] == pytest.approx(2 * (0.5 + 0.575), abs=1e-5)  # means of 55..60
    view = json.loads(client.get_experiment(run.info.experiment_id).tags["mlflow.sharedViewState.seeds"])
    assert [c["metricKey"] for c in view["compareRunCharts"]][:2] == ["mi/continuous", "summary/mi_final"]


def test_inf_is_left_out_of_the_points() -> None:
    cell = make_cell()
    history = make_history(cell)
    history.values[2, 0] = np.inf
    points = mirrored.recorded_points(cell.config, history)["loss/discriminator"]
    assert points.keys() == set(range(1, ITERATIONS + 1)) - {3}


def test_credentials_are_neither_stored_nor_printed(results: Path) -> None:
    uri = "postgresql+psycopg2://someone:s3cret%2Fword@db.example:5432/mlflow?password=other"
    assert redacted(uri) == "postgresql+psycopg2://db.example:5432/mlflow"
    text = store_uri.reason(RuntimeError(f"cannot use {uri} with s3cret/word"), uri)
    assert "s3cret" not in text
    assert "other" not in text
    assert redacted(default_uri(results)) == default_uri(results)


def test_a_server_that_answers_with_an_error_is_not_reported_as_silent() -> None:
    """The messages are those of MLflow's client for the two cases."""
    asked = "API request to http://127.0.0.1:1/x failed with exception HTTPConnectionPool(host='127.0.0.1', port=1): "
    answered = RuntimeError(asked + "Max retries exceeded (Caused by ResponseError('too many 500 error responses'))")
    refused = RuntimeError(asked + "Max retries exceeded (Caused by NewConnectionError('Connection refused'))")
    assert store_uri.reason(answered, "http://127.0.0.1:1") == "tracking server answers with error 500, see its log"
    assert store_uri.reason(refused, "http://127.0.0.1:1") == "tracking server does not answer"


def test_importing_the_module_imports_no_mlflow() -> None:
    code = "import sys, bench.tracking.store; sys.exit(bool({'mlflow', 'torch', 'PIL', 'pandas'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
