"""The undisturbed sweep with which the tests of several files compare theirs."""

from pathlib import Path

import pytest

from tests.conftest import MadeOnce
from tests.end_to_end.faults import ITERATIONS, RUN
from tests.end_to_end.harness import Bench


@pytest.fixture(scope="session")
def undisturbed(made_once: MadeOnce, empty_database: Path) -> Bench:
    """A finished sweep that nothing disturbed, with one cell after the other. Tests only read it."""

    def fill(folder: Path) -> None:
        Bench(folder, ITERATIONS).use_database(empty_database)(*RUN, "--jobs", "1")

    return Bench(made_once("undisturbed", fill), ITERATIONS)
