"""Shared by all tests: one thread (as cells train), no network, caches of this session's own."""

import os
import tempfile

import pytest

_CACHE = tempfile.TemporaryDirectory(prefix="infogan-test-cache-")
os.environ["INFOGAN_CACHE"] = _CACHE.name
os.environ["INFOGAN_OFFLINE"] = "1"
os.environ.pop("INFOGAN_DATA", None)
os.environ.pop("MLFLOW_TRACKING_URI", None)
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
