"""Rehearses ``python -m bench gpu`` on a CPU: the real steps at smoke size, whose packs are then unpacked elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.gpu.session import MAX_PACK_BYTES
from bench.gpu.steps import NAMES
from tests.builders import SHIPPED, TINY
from tests.end_to_end.harness import Bench


def summary(folder: Path) -> dict[str, dict[str, Any]]:
    """The steps of the summary, by name."""
    return {step["name"]: step for step in json.loads((folder / "summary.json").read_text())["steps"]}


def two_benches(folder: Path, spec: str) -> tuple[Bench, Bench]:
    """One bench for the GPU's machine and one at home, with the same experiments."""
    benches = []
    for name in ("there", "home"):
        (folder / name).mkdir()
        benches.append(Bench(folder / name))
        benches[-1].spec.write_text(spec)
    return benches[0], benches[1]


def test_two_steps_leave_a_pack_that_counts_at_home(tmp_path: Path) -> None:
    spec = TINY.replace("experiments.tiny", "experiments.mnist-mi").replace("profiles.cpu]", "profiles.smoke]")
    (there, home), carried = two_benches(tmp_path, spec.replace("ITERATIONS", "12")), tmp_path / "carry"
    steps = ("--steps", "machine,figure-1", "--device", "cpu", "--minutes", "40")
    assert "machine: done after" in there("gpu", *steps, "--to", str(carried))
    found = summary(carried)
    assert {name: step["status"] for name, step in found.items()} == {"machine": "done", "figure-1": "done"}
    assert (found["figure-1"]["num_cells"], found["figure-1"]["files"]) == (1, ["figure-1.zip"])
    assert "no GPU: a rehearsal" in (carried / "summary.txt").read_text()
    assert "1 of 1 cells finished" in (carried / "log.txt").read_text()
    assert "1 cell added" in home.here("unpack", str(carried / "figure-1.zip"))
    listed = home.here("plan", "mnist-mi", "--profile", "smoke", "--seeds", "0", "--arms", "infogan", "--no-tracking")
    assert "1 cell: 1 done" in listed


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_three_minutes_rehearse_every_step(tmp_path: Path) -> None:
    """A step that is not finished in time is cut, and the summary says so. None fails, even on a busy machine."""
    (there, home), carried = two_benches(tmp_path, SHIPPED.read_text()), tmp_path / "carry"
    there("gpu", "--device", "cpu", "--minutes", "3", "--to", str(carried))
    found = summary(carried)
    assert list(found) == list(NAMES)
    assert {step["status"] for step in found.values()} <= {"done", "cut"}
    assert found["machine"]["status"] == "done"
    assert found["figure-1"]["limit_s"] > 0
    rows = json.loads((carried / "speed.json").read_text())["rows"]
    assert [row for row in rows if "error" in row] == []
    packed = [file for step in found.values() if step["num_cells"] for file in step["files"]]
    assert all((carried / file).stat().st_size <= MAX_PACK_BYTES for file in packed)
    if packed:
        home("unpack", *(str(carried / file) for file in packed))
        home("report")
