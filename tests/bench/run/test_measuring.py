"""Measures of a finished cell are recorded by family. If their code changes, they are made again without training."""

import errno
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.results import load
from bench.analysis.sweep_file import read_curves, write_curves
from bench.records.folder import CellFolder
from bench.records.tasks import CellTask
from bench.report.atlases import parsed
from bench.report.inventory import missing_cells
from bench.run import cell_atlas, cell_training
from bench.run import plan as grid
from bench.run.executors.worker import conclude
from bench.run.train_cell import CellRun
from bench.spec import cells as cell_module
from bench.spec.cells import Cell
from bench.spec.resolve import Machine, cells
from bench.spec.selection import Selection
from bench.spec.tables import load_spec
from bench.tracking.content import measure_points
from infogan import atlas, data
from infogan.measures import families, trained, usable
from infogan.measures.catalogue import FAMILIES
from infogan.measures.digits import family as digit_family
from infogan.measures.digits.classifier import Recipe, digit_classifier
from infogan.measures.quality import family as samples
from tests import builders
from tests.bench.attempts import attempt

SPEC = Path(__file__).parents[3] / "experiments.toml"
SMALL = """iterations = 3
width = 0.0625
num_images = 600"""


@pytest.fixture(autouse=True)
def small(few_samples: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the same code with fewer samples and a classifier that has hardly been trained."""
    monkeypatch.setattr(digit_family, "NUM_SAMPLES", 200)
    monkeypatch.setattr(samples, "NUM_SAMPLES", 200)
    monkeypatch.setattr(atlas, "POSITIONS", (-2.0, 2.0))
    monkeypatch.setattr(digit_family, "SELECTION_ROWS", 16)
    monkeypatch.setattr(digit_family, "SCORING_ROWS", 16)
    monkeypatch.setattr(digit_family, "NUM_CALIBRATION_IMAGES", 500)
    monkeypatch.setattr(trained, "digit_classifier", partial(digit_classifier, recipe=Recipe(iterations=30)))


QUICK = ("samples", "usable")


def planned(tmp_path: Path, arm: str = "infogan") -> Cell:
    """A small cell with all measures of experiment mnist, which take most of its time; QUICK names the quickest two."""
    text = SPEC.read_text()
    start = text.index("[experiments.mnist.profiles.smoke]")
    old = text[start : text.index("seeds", start)]
    file = tmp_path / "experiments.toml"
    file.write_text(text.replace(old, f"[experiments.mnist.profiles.smoke]\n{SMALL}\n", 1))
    info = data.describe("mnist", "embedded")
    return builders.planned(file, "mnist", "smoke", data=info, arms=(arm,), seeds=(0,))[0]


def run(cell: Cell, results: Path) -> tuple[str, list[str]]:
    """Attempt the cell once in this process; returns its outcome and the kinds of its events."""
    kinds: list[str] = []
    task = CellTask(cell, results, None, {"git_commit": "0", "packages": {}})
    folder = CellFolder.of(results, cell)
    with folder.lock("test"):
        outcome = attempt(CellRun(task, lambda kind, _: kinds.append(kind), lambda: False))
    return outcome, kinds


def test_beside_others_a_cell_is_trained_and_left_to_be_measured(tmp_path: Path) -> None:
    cell = planned(tmp_path)
    task, told = CellTask(cell, tmp_path, None, {"git_commit": "0", "packages": {}}), []
    for _ in CellRun(task, lambda kind, _: told.append(kind), lambda: False, num_together=2).turns():
        assert "trained" not in told  # it yields to other cells only while it trains
    assert told[-1] == "trained"
    (item,) = grid.plan(tmp_path, [cell], None)
    assert (item.state, CellFolder.of(tmp_path, cell).measures()) == ("unmeasured", {})


def test_a_cell_is_trained_measured_and_measured_again_without_training(tmp_path: Path, monkeypatch) -> None:
    cell, results = planned(tmp_path), tmp_path / "results"
    assert cell.measures == ("digits", "strokes", "samples", "trajectory", "usable")
    assert run(cell, results)[0] == "done"
    folder = CellFolder.of(results, cell)
    measured = folder.measures()
    for family, entry in measured.items():
        assert (entry.values or {}).keys() <= FAMILIES[family].keys()
        assert all(math.isfinite(value) for value in (entry.values or {}).values())
    for name in ("digit_error", "sample_nmi", "digits_covered", "kid"):
        assert name in load(results).sweeps[0].runs[0].summary
    assert [item.state for item in grid.plan(results, [cell], "sqlite:///none.db")] == ["unsynced"]
    assert parsed(folder.atlas()).codes[0].num_places == 10 * 2 * 2

    assert missing_cells(load(results).sweeps[0], None) == []
    trained = (folder.path / "history.npz").read_bytes()
    monkeypatch.setattr(cell_module, "code_digest", lambda names: "other code")
    assert [item.state for item in grid.plan(results, [cell], "sqlite:///none.db")] == ["unmeasured"]
    outcome, kinds = run(cell, results)
    assert outcome == "done"
    assert "progress" not in kinds
    assert (folder.path / "history.npz").read_bytes() == trained
    again = folder.measures()
    assert {f: e.values for f, e in again.items()} == {f: e.values for f, e in measured.items()}
    assert all(again[family].key != measured[family].key for family in measured)

    sweep = load(results).sweeps[0]
    assert any("probes of 1 cell come from another version" in line for line in missing_cells(sweep, None))

    points = measure_points(again)
    assert points["measure/digit_error"] == {0: (again["digits"].values or {})["digit_error"]}
    write_curves(tmp_path / "curves.json", load(results).sweeps[0])
    assert read_curves(tmp_path / "curves.json").runs[0].summary["kid"] == (again["samples"].values or {})["kid"]


def test_records_that_cannot_be_read_now_leave_a_finished_cell_done(tmp_path: Path, monkeypatch) -> None:
    cell, results = replace(planned(tmp_path), measures=("usable",)), tmp_path / "results"
    run(cell, results)
    folder = CellFolder.of(results, cell)
    before = folder.result()

    def broken(_: CellFolder) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(CellFolder, "weights", broken)
        assert run(cell, results) == ("failed", ["failed"])
    assert folder.result() == before
    assert conclude(CellTask(cell, results, None, {}), "it died", stopping=False)[0] == "done"


@pytest.mark.slow
def test_a_cell_that_is_trained_again_is_measured_again(tmp_path: Path) -> None:
    cell, results = planned(tmp_path), tmp_path / "results"
    run(cell, results)
    folder = CellFolder.of(results, cell)
    folder.write_measures("digits", folder.measures()["digits"].model_copy(update={"error": "of the old weights"}))
    (folder.path / "weights.safetensors").unlink()
    task = CellTask(cell, results, None, {})
    assert conclude(task, "it died", stopping=False) == ("failed", "it died")  # it had to train and did not
    outcome, kinds = run(cell, results)
    assert outcome == "done"
    assert "progress" in kinds
    assert folder.measures()["digits"].error is None


def test_an_atlas_is_drawn_with_the_measures_and_its_absence_or_failure_unmakes_no_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell, results = replace(planned(tmp_path), measures=("digits",)), tmp_path / "results"

    def broken(*_: object, **__: object) -> atlas.Atlas:
        raise ValueError("too large")

    with monkeypatch.context() as patch:
        patch.setattr(cell_atlas, "draw_atlas", broken)
        outcome, kinds = run(cell, results)
    assert outcome == "done"
    assert kinds[-2:] == ["note", "done"]  # the note reports the failure
    folder = CellFolder.of(results, cell)
    assert not folder.has_atlas()
    before = folder.end_digest()
    assert [item.state for item in grid.plan(results, [cell], None)] == ["done"]
    assert run(cell, results)[0] == "done"
    assert folder.has_atlas()
    assert folder.end_digest() == before  # so the mirror has nothing to add
    (folder.path / "weights.safetensors").unlink()
    # trained again, perhaps with other bits: the old pictures must not stay
    run(replace(cell, measures=()), results)
    assert not folder.has_atlas()


def test_a_number_that_json_lacks_fails_its_family_alone(tmp_path: Path, monkeypatch) -> None:
    cell, results = replace(planned(tmp_path), measures=QUICK), tmp_path / "results"
    sound = families.FAMILIES["usable"]

    def broken(given: trained.Trained) -> trained.Measured:
        return replace(sound(given), details={"nested": [math.nan]})

    with monkeypatch.context() as patch:
        patch.setitem(families.FAMILIES, "samples", broken)
        outcome, _ = run(cell, results)
    entry = CellFolder.of(results, cell).measures()["samples"]
    assert outcome == "failed"
    assert "not JSON compliant" in (entry.error or "")
    assert entry.details == {}
    assert CellFolder.of(results, cell).unmeasured(cell) == ["samples"]
    assert run(cell, results)[0] == "done"


def test_a_checkpoint_is_due_once_its_multiple_is_passed(tmp_path: Path, monkeypatch) -> None:
    """A GPU is read only once in several iterations, which need not be multiples of --checkpoint-every."""
    info, versions = data.describe("mnist", "embedded"), {"torch": "2", "training_code": "c0de"}
    selection = Selection(arms=("infogan",), seeds=(0,))
    cell = cells(load_spec(SPEC), "mnist-mi", "smoke", selection, info, Machine("cpu", versions))[0]
    assert cell.iterations == 24
    original = cell_training.paused
    monkeypatch.setattr(cell_training, "paused", lambda trainer, log_every, **rest: original(trainer, 5, **rest))
    task = CellTask(cell, tmp_path, None, {"git_commit": "0", "packages": {}}, checkpoint_every=7)
    saved: list[int] = []

    def report(kind: str, values: dict[str, Any]) -> None:
        if kind == "durable":
            saved.append(values["iteration"])

    with CellFolder.of(tmp_path, cell).lock("test"):
        assert attempt(CellRun(task, report, lambda: False)) == "done"
    assert saved == [10, 15, 24]  # the first reads after 7, 14 and 21


def test_a_measure_that_fails_is_told_and_leaves_training_and_other_measures(tmp_path: Path, monkeypatch) -> None:
    cell, results = replace(planned(tmp_path), measures=QUICK), tmp_path / "results"

    def broken(_: trained.Trained) -> trained.Measured:
        raise ValueError("constant images")

    with monkeypatch.context() as patch:
        patch.setitem(families.FAMILIES, "samples", broken)
        outcome, kinds = run(cell, results)
    assert outcome == "failed"
    assert kinds[-1] == "failed"
    folder = CellFolder.of(results, cell)
    assert folder.state() == "done"
    assert folder.unmeasured(cell) == ["samples"]
    item = grid.plan(results, [cell], "sqlite:///none.db")[0]
    assert (item.state, item.to_train, item.to_run) == ("unmeasured", False, True)
    assert "constant images" in item.detail
    other = folder.measures()["usable"]
    assert run(cell, results)[0] == "done"
    assert folder.measures()["usable"] == other  # only what was missing is measured


def test_a_baseline_keeps_its_generators_for_fresh_qs(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(usable, "ITERATIONS_OF_A_CELL", 2)
    monkeypatch.setattr(usable, "NUM_EVALUATED", 50)
    cell, results = replace(planned(tmp_path, "gan"), measures=("usable",)), tmp_path / "results"
    assert run(cell, results)[0] == "done"
    folder = CellFolder.of(results, cell)
    kept = {name.partition("-")[0] for name in folder.probes() if "-generator/" in name}
    entry = folder.measures()["usable"]
    assert sorted(map(int, kept)) == entry.series["iteration"] == [1, 3]
    assert (entry.values or {})["usable_linear_nats"] == entry.series["usable_linear_nats"][-1]
    assert measure_points(folder.measures())["measure/usable/usable_linear_nats"].keys() == {1, 3}
