"""What several commands are tried on: one cell that was really trained."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.records.folder import CellFolder
from bench.records.tasks import CellTask
from bench.run.train_cell import CellRun
from bench.spec.cells import Selection, cells
from bench.spec.tables import load_spec
from infogan import data
from tests.bench.attempts import attempt

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> CellFolder:
    """A cell of experiment mnist, two iterations of the narrowest networks, in a results folder ``latest``."""
    results = tmp_path_factory.mktemp("somewhere") / "results" / "latest"
    info = data.describe("mnist", "embedded")
    versions = {"torch": "2", "training_code": "c0de"}
    planned = cells(
        load_spec(ROOT / "experiments.toml"), "mnist", "smoke", Selection(arms=("infogan",)), info, "cpu", versions
    )
    config = json.loads(json.dumps(planned[0].config))
    config["training"]["iterations"], config["network"]["width"], config["data"]["num_images"] = 2, 0.0625, 600
    cell = replace(planned[0], config=config, measures=())
    task = CellTask(cell, results, None, {"git_commit": "0123456789ab", "packages": {}})
    folder = CellFolder.of(results, cell)
    with folder.lock("test"):
        assert attempt(CellRun(task, lambda *_: None, lambda: False)) == "done"
    return folder
