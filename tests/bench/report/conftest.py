"""Shared by the report's tests."""

import pytest

from bench.spec.tables import Spec, load_spec
from tests.builders import SHIPPED


@pytest.fixture(scope="session")
def spec() -> Spec:
    """The shipped file."""
    return load_spec(SHIPPED)
