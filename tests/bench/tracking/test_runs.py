"""A cell's run beside those of others: what users edited, copies of results, sweeps that start at the same time."""

import os
import shutil
from pathlib import Path
from typing import Any, ClassVar

from bench.records.folder import CellFolder
from bench.records.schema import Result
from bench.tracking.connection import default_uri
from bench.tracking.content import COLOUR, NOTE
from bench.tracking.mirror import sync
from bench.tracking.store import mirror_cell
from tests.bench.tracked_cells import assert_holds, begin, done_cell, finish, make_cell, make_history, the_run


def run_id_of(folder: CellFolder) -> str:
    """The run that the folder's record names."""
    return str((folder.tracking() or {})["run_id"])


def test_what_a_user_edits_in_a_run_is_kept_and_a_changed_view_is_renewed(results: Path, client: Any) -> None:
    folder = begin(results, make_cell(), 20)
    assert mirror_cell(client, folder)
    run, view = the_run(client), "mlflow.sharedViewState.seeds"
    edited = {NOTE: "the one of the talk", COLOUR: "#000000"}
    for name, value in edited.items():
        client.set_tag(run.info.run_id, name, value)
    client.set_tag(run.info.run_id, "git_commit", "of earlier code")
    before = client.get_experiment(run.info.experiment_id).tags
    client.set_experiment_tag(run.info.experiment_id, view, "of earlier code")
    client.set_experiment_tag(run.info.experiment_id, NOTE, "of the talk")
    assert mirror_cell(client, finish(folder))
    tags = the_run(client).data.tags
    assert {name: tags[name] for name in edited} == edited
    assert tags["git_commit"] == "0123456789ab"
    assert client.get_experiment(run.info.experiment_id).tags == before | {NOTE: "of the talk"}


def test_a_deleted_experiment_is_named_and_filled_once_it_is_restored(results: Path, client: Any) -> None:
    folder = done_cell(results, make_cell())
    assert mirror_cell(client, folder)
    experiment_id = the_run(client).info.experiment_id
    client.delete_experiment(experiment_id)
    (left,) = sync(results, [folder], default_uri(results))
    assert left.reason == "MLflow experiment toy-smoke was deleted; restore it, then sync again"
    client.restore_experiment(experiment_id)
    assert sync(results, [folder], default_uri(results)) == []


def test_an_experiment_that_another_sweep_has_just_made_is_shared(results: Path) -> None:
    from mlflow import MlflowClient

    class Late(MlflowClient):
        """A client whose experiments are made by somebody else a moment before."""

        def create_experiment(self, *values: Any, **named: Any) -> str:
            super().create_experiment(*values, **named)
            return str(super().create_experiment(*values, **named))

    client, folder = Late(tracking_uri=default_uri(results)), done_cell(results, make_cell())
    assert mirror_cell(client, folder)
    assert the_run(client).info.run_id == run_id_of(folder)


def test_a_copy_of_a_finished_cell_shares_its_run(results: Path, client: Any, tmp_path: Path) -> None:
    """It has no record of the mirror, as results from a pack."""
    mine = done_cell(tmp_path / "mine", make_cell())
    assert mirror_cell(client, mine)
    shutil.copytree(tmp_path / "mine", tmp_path / "theirs", ignore=shutil.ignore_patterns("tracking.json"))
    theirs = CellFolder.of(tmp_path / "theirs", make_cell())
    assert mirror_cell(client, theirs)
    assert run_id_of(theirs) == run_id_of(mine) == the_run(client).info.run_id


def test_of_two_equal_runs_a_folder_keeps_its_own(results: Path, client: Any, tmp_path: Path) -> None:
    """Both began before they could be told apart, and ended with the same points."""
    folders = [begin(tmp_path / who, make_cell(), 20) for who in ("mine", "theirs")]
    for folder in folders:
        assert mirror_cell(client, folder)
    own = [run_id_of(folder) for folder in folders]
    for folder in map(finish, folders):
        assert mirror_cell(client, folder)
    for folder in folders:
        assert mirror_cell(client, folder)
    assert [run_id_of(folder) for folder in folders] == own
    assert own[0] != own[1]


def test_the_times_of_a_run_are_those_of_the_cells_record(results: Path, client: Any) -> None:
    """The record began at second 1000 and ended at second 1500; a point is as many ms later as iterations."""
    folder = done_cell(results, make_cell())
    os.utime(folder.path / "cell.json", (1000, 1000))
    os.utime(folder.path / "result.json", (1500, 1500))
    assert mirror_cell(client, folder)
    run = the_run(client)
    assert (run.info.start_time, run.info.end_time) == (1_000_000, 1_500_000)
    times = {point.step: point.timestamp for point in client.get_metric_history(run.info.run_id, "mi/c1")}
    assert times == {step: 1_000_000 + step for step in range(1, 61)}


def test_a_record_that_a_clock_set_back_ended_before_it_began_has_no_negative_time(results: Path, client: Any) -> None:
    folder = done_cell(results, make_cell())
    os.utime(folder.path / "cell.json", (1000, 1000))
    os.utime(folder.path / "result.json", (500, 500))
    assert mirror_cell(client, folder)
    assert the_run(client).info.end_time == 1_000_000


def test_a_cell_that_succeeds_after_a_failure_no_longer_says_its_error(results: Path, client: Any) -> None:
    """Nothing was mirrored between the two ends."""
    folder = begin(results, make_cell(), 20)
    folder.write_result(Result(status="failed", error="OSError", message="disk full"))
    assert mirror_cell(client, folder)
    assert the_run(client).data.tags["error"] == "OSError: disk full"
    assert mirror_cell(client, finish(folder))
    run = the_run(client)
    assert (run.info.status, "error" in run.data.tags) == ("FINISHED", False)


def test_a_point_is_sent_once_and_more_than_a_thousand_in_parts(results: Path) -> None:
    """A history has five metrics here, their sums over codes and a share, so eight points an iteration, and times."""
    from mlflow import MlflowClient

    class Counting(MlflowClient):
        """A client that keeps how many points each of its calls sent."""

        sent: ClassVar[list[int]] = []

        def log_batch(self, *values: Any, **named: Any) -> None:
            self.sent += [len(named["metrics"])] if "metrics" in named else []
            super().log_batch(*values, **named)

    client, memory = Counting(tracking_uri=default_uri(results)), {}
    folder = begin(results, make_cell(), 150)
    for num, sent in ((150, [1000, 206]), (160, [80]), (160, [])):
        client.sent.clear()
        folder.write_history(make_history(folder.cell(), num))
        assert mirror_cell(client, folder, memory)
        assert client.sent == sent
    assert_holds(client, run_id_of(folder), "mi/c1", make_history(folder.cell(), 160).column("mi/c1"))
