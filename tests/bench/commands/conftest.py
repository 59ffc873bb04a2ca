"""One really trained cell, on which several commands are tested."""

import json
from dataclasses import replace

import pytest

from bench.records.folder import CellFolder
from bench.records.tasks import CellTask
from infogan import data
from tests.bench import attempts
from tests.builders import SHIPPED, planned


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> CellFolder:
    """A cell of experiment mnist: two iterations of the narrowest networks, in a results folder ``latest``."""
    results = tmp_path_factory.mktemp("somewhere") / "results" / "latest"
    first = planned(SHIPPED, "mnist", "smoke", data=data.describe("mnist", "embedded"), arms=("infogan",))[0]
    config = json.loads(json.dumps(first.config))
    config["training"]["iterations"], config["network"]["width"], config["data"]["num_images"] = 2, 0.0625, 600
    cell = replace(first, config=config, measures=())
    return attempts.trained(CellTask(cell, results, None, {"git_commit": "0123456789ab", "packages": {}}))
