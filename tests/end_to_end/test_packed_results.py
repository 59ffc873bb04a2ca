"""Cells that came as packs from another results folder are mirrored, planned, checked, reported and shown."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.analysis.results import load
from bench.tracking.connection import default_uri
from tests.end_to_end.browser import served
from tests.end_to_end.harness import Bench
from tests.end_to_end.test_gate import EXPERIMENT

SEEDS = ("--seeds", "0-4")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Five finished seeds of the gate's experiment, trained without a store."""
    bench = Bench(tmp_path_factory.mktemp("there"))
    bench.spec.write_text(bench.spec.read_text() + EXPERIMENT)
    assert "5 of 5 cells finished" in bench("run", "gate", *SEEDS, "--no-tracking")
    bench("baseline", "gate", *SEEDS, "--to", str(bench.folder / "baseline.json"))
    return bench


@pytest.fixture(scope="module")
def here(there: Bench, tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Bench:
    """Another results folder with the same cells, from several packs, since ``--max-mb`` limits the size of a file."""
    bench = Bench(tmp_path_factory.mktemp("here")).use_database(empty_database)
    bench.spec.write_text(there.spec.read_text())
    said = there("pack", "--to", str(bench.folder / "cells.zip"), "--max-mb", "0.2")
    assert "5 cells packed, without weights" in said
    files = sorted(bench.folder.glob("cells-*.zip"))
    assert len(files) > 1
    said = bench("unpack", *map(str, files))
    assert "5 cells added" in said
    assert "5 cells have no weights" in said
    assert "5 of 5 cells are mirrored in full" in bench("sync")
    return bench


def test_the_cells_count_as_done(here: Bench) -> None:
    assert "5 cells: 5 done" in here("plan", "gate", *SEEDS)
    assert "nothing to do" in here("run", "gate", *SEEDS)
    assert not list(here.results.rglob("weights.safetensors"))


def runs(bench: Bench) -> Iterator[tuple[str, dict[str, list[tuple[int, float]]]]]:
    """For each run of the store, its cell's key and the points of its metrics."""
    from mlflow import MlflowClient

    client = MlflowClient(default_uri(bench.results))
    experiment = client.get_experiment_by_name("gate-cpu")
    assert experiment is not None
    for run in client.search_runs([experiment.experiment_id]):
        assert run.info.status == "FINISHED"
        names = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert {"config.json", "environment.json", "traversals"} <= names
        history = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
        yield run.data.tags["cell_key"], {n: sorted((m.step, m.value) for m in h) for n, h in history.items()}


def test_the_store_is_as_if_they_had_been_trained_here(there: Bench, here: Bench, empty_database: Path) -> None:
    there.use_database(empty_database)
    assert "5 of 5 cells are mirrored in full" in there("sync")
    carried, original = dict(runs(here)), dict(runs(there))
    assert len(carried) == 5
    assert carried == original


def test_report_check_and_ui_take_them_as_their_own(there: Bench, here: Bench) -> None:
    assert "missing" not in here("report", "gate").replace("missing: gate, cpu: infogan: seed 5", "")
    assert (here.results / "report" / "tables" / "gate-cpu-seeds.csv").read_text().count("infogan,") == 5
    found = [[run.summary for run in load(bench.results).sweeps[0].runs] for bench in (there, here)]
    assert found[0] == found[1]  # equal to the last bit
    baseline = ("--baseline", str(there.folder / "baseline.json"))
    assert "nothing differs from the baseline" in here("check", "gate", *SEEDS, *baseline)
    with served(here.results) as addresses:
        assert set(addresses) >= {"seeds", "arms"}
