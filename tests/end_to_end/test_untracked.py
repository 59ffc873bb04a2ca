"""Without MLflow, cells are trained, gated and reported; they are mirrored later, where it is installed."""

from pathlib import Path

import pytest

from tests.end_to_end.harness import Bench

GAN = ("tiny", "--arms", "gan", "--seeds", "0")
SYNC_LATER = "sync later: python -m bench sync"


@pytest.fixture
def without_mlflow(tmp_path: Path) -> dict[str, str]:
    """Environment variables with which a process, and those that it starts, cannot import MLflow."""
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['mlflow'] = None\n")
    return {"PYTHONPATH": str(folder)}


@pytest.mark.slow
def test_without_mlflow_a_run_is_untracked_or_refused(
    tmp_path: Path, without_mlflow: dict[str, str], empty_database: Path
) -> None:
    bench = Bench(tmp_path, environment=without_mlflow)
    for command in (["run", *GAN], ["baseline", *GAN, "--run"]):
        refused = bench(*command, code=2)
        assert refused.startswith("error: mlflow is not installed here: add --no-tracking")
        assert refused.count("\n") == 1
        assert not bench.results.exists()

    output = bench("run", *GAN, "--no-tracking")
    assert output.count(SYNC_LATER) == 1
    assert "tracking:" not in output
    assert "1 cell: 1 unsynced" in bench("plan", *GAN)
    assert "1 cell: 1 done" in bench("plan", *GAN, "--no-tracking")
    bench("baseline", *GAN, "--run", "--no-tracking", "--to", str(tmp_path / "baseline.json"))
    assert not (bench.results / "mlflow.db").exists()
    assert bench("sync", code=2).startswith("error: mlflow is not installed here: ")

    at_home = Bench(tmp_path).use_database(empty_database)
    assert "1 of 1 cells are mirrored in full" in at_home("sync")
    assert "1 cell: 1 done" in at_home("plan", *GAN)
