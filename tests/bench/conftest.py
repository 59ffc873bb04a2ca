"""A results folder with its MLflow database, and cells that end quickly."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.run import keep
from bench.tracking.connection import connect, default_uri
from infogan.measures.bound import frozen_bounds_nats


@pytest.fixture
def results(tmp_path: Path, empty_database: Path) -> Path:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def client(results: Path) -> Any:
    return connect(default_uri(results))


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells trained in this process use fewer samples for pictures, health and L_I, which halves their time."""
    monkeypatch.setattr(keep, "SNAPSHOT_SAMPLES", 128)
    monkeypatch.setattr(keep, "NUM_SAMPLES", 100)
    monkeypatch.setattr(keep, "frozen_bounds_nats", partial(frozen_bounds_nats, num_samples=256))
