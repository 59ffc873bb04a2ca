"""The experiments file with two more claims."""

import pytest

from bench.spec.tables import Spec, load_spec
from tests.bench.claims.two_claims import EXPERIMENT
from tests.builders import SHIPPED


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    file = tmp_path_factory.mktemp("claims") / "experiments.toml"
    file.write_text(SHIPPED.read_text() + EXPERIMENT)
    return load_spec(file)
