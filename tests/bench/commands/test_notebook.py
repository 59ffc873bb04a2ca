"""The notebook of examples/: its code runs unchanged, on a trained network of the smallest size."""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bench.records.folder import CellFolder

ROOT = Path(__file__).parents[3]
NOTEBOOK = ROOT / "examples" / "use_a_network.ipynb"


def cells() -> list[dict[str, Any]]:
    notebook = json.loads(NOTEBOOK.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    return notebook["cells"]


def test_the_notebook_runs_and_shows_pictures(
    trained: CellFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cells run in order in one namespace, as a kernel runs them; its parameters are set after their cell."""
    monkeypatch.syspath_prepend(str(ROOT))  # restores what the notebook adds
    plt.switch_backend("agg")
    given = {"ROOT": str(ROOT), "RESULTS": str(trained.path), "EXPERIMENT": None, "SEED": None}
    names: dict[str, Any] = {}
    num_figures = 0
    try:
        for k, cell in enumerate(cells()):
            if cell["cell_type"] != "code":
                continue
            exec(compile("".join(cell["source"]), f"{NOTEBOOK.name}, cell {k}", "exec"), names)
            if "parameters" in cell["metadata"].get("tags", ()):
                assert given.keys() | {"ARM"} == {name for name in names if name.isupper()}
                names |= given
            for number in plt.get_fignums():
                plt.figure(number).canvas.draw()
                assert np.asarray(plt.figure(number).canvas.buffer_rgba())[..., :3].std() > 1  # type: ignore[attr-defined]
                num_figures += 1
            plt.close("all")
    finally:
        plt.close("all")
    assert num_figures == 4
    assert names["by_category"].shape == (10, 1, 28, 28)
    assert len(names["seen"]) == 1000
    said = capsys.readouterr().out
    assert "c1 categorical 10 H(c) = 2.30 nats" in said
    assert "of 200 generated images; chance is 10%" in said


def test_the_committed_notebook_holds_no_outputs() -> None:
    """Outputs would be another machine's, and megabytes large."""
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert "`make demo`" in "".join(cells()[0]["source"])
