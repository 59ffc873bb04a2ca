"""A results folder with its MLflow database."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from bench.tracking.connection import connect, default_uri


@pytest.fixture
def results(tmp_path: Path, empty_database: Path) -> Path:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def client(results: Path) -> Any:
    return connect(default_uri(results))
