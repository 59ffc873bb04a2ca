"""A cell on an emulated GPU, from its first batch to its measures: no mixed devices, probes where planned."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.records.folder import CellFolder
from bench.records.tasks import CellTask
from bench.run.train_cell import CellRun
from bench.spec.resolve import Machine, cells
from bench.spec.selection import Selection
from bench.spec.tables import load_spec
from infogan import data
from infogan.measures import trained
from infogan.measures.digits import family as digit_family
from infogan.measures.digits.classifier import Recipe, digit_classifier
from infogan.measures.probes import by_iteration, probe_iterations
from infogan.measures.quality import family as samples
from tests.bench.attempts import attempt
from tests.infogan.emulated_gpu import emulate

ITERATIONS = 30  # more than the iterations between two reads from a GPU


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the same code on fewer samples and with a barely trained classifier."""
    for module in (digit_family, samples):
        monkeypatch.setattr(module, "NUM_SAMPLES", 200)
    monkeypatch.setattr(digit_family, "SELECTION_ROWS", 16)
    monkeypatch.setattr(digit_family, "SCORING_ROWS", 16)
    monkeypatch.setattr(digit_family, "NUM_CALIBRATION_IMAGES", 500)
    monkeypatch.setattr(trained, "digit_classifier", partial(digit_classifier, recipe=Recipe(iterations=30)))


@pytest.mark.slow
@pytest.mark.usefixtures("_small")
def test_a_cell_trains_and_is_measured_on_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[3] / "experiments.toml").read_text()
    start = text.index("[experiments.mnist.profiles.smoke]")
    old = text[start : text.index("seeds", start)]
    small = f"iterations = {ITERATIONS}\nwidth = 0.0625\nnum_images = 600"
    file = tmp_path / "experiments.toml"
    file.write_text(text.replace(old, f"[experiments.mnist.profiles.smoke]\n{small}\n", 1))
    chosen = Selection(arms=("infogan",), seeds=(0,))
    info = data.describe("mnist", "embedded")
    cell = cells(load_spec(file), "mnist", "smoke", chosen, info, Machine("cuda", {}))[0]
    assert cell.config["training"]["capture"] == "auto"
    folder, told = CellFolder.of(tmp_path, cell), []
    task = CellTask(cell, tmp_path, None, {"git_commit": "0", "packages": {}})

    def report(kind: str, values: dict[str, Any]) -> None:
        told.append((kind, values))

    with folder.lock("test"), emulate(monkeypatch) as gpu:
        assert attempt(CellRun(task, report, lambda: False)) == "done", told[-3:]
    assert gpu.problems == []
    assert sorted(by_iteration(folder.probes())) == probe_iterations(ITERATIONS)
    assert {name: entry.error for name, entry in folder.measures().items() if entry.error} == {}
    assert folder.measures().keys() == set(cell.measures)
    result = folder.result()
    assert result is not None
    assert not [note for note in result.notes if "graph" in note]
