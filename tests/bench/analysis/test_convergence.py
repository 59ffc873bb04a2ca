"""The measure of Section 6's "faster", by hand: when a share of an improvement is reached, and what has none."""

import math

import numpy as np
import pytest

from bench.analysis.convergence import improvement, iterations_to_share
from bench.records.schema import Measured
from bench.spec.vocabulary import CLAIMED

PROBED = [1, 5, 10, 50, 75, 100]


def cell(kid: list[float], rises_at: int = 20, weight: float = 1.0, probed: list[int] | None = None):
    """A run of 100 iterations whose L_I jumps from 0 to 2 nats at an iteration."""
    config = {"training": {"iterations": 100, "mi_weight_generator": [weight]}}
    curve = np.where(np.arange(1, 101) >= rises_at, 2.0, 0.0)
    series = {"iteration": probed or PROBED, "kid": kid, "digit_error": [0.5] * len(kid)}
    return config, curve, {"trajectory": Measured(series=series)}


def test_a_share_of_the_way_is_read_between_probes_on_a_logarithmic_axis() -> None:
    assert iterations_to_share([1, 100], [0, 1], 0.5) == pytest.approx(10)
    assert iterations_to_share([1, 10, 100], [3, 3, 1], 0.5) == pytest.approx(10 * math.sqrt(10))
    assert iterations_to_share([1, 10, 100], [0, 2, 1], 0.8) == pytest.approx(10**0.4)  # the first crossing counts
    assert math.isnan(iterations_to_share([1, 10], [1, 1], 0.5))


def test_the_ratio_is_by_hand_and_blind_to_the_scale_of_kid() -> None:
    kid = [1.0, 1.0, 1.0, 0.5, 0.2, 0.0]
    found = improvement(*cell(kid))
    assert found["improvement_mi_80"] == pytest.approx(10 * 5**0.8)  # L_I rises between 10 and 50
    assert found["improvement_kid_80"] == pytest.approx(75)
    assert found["improvement_ratio_80"] == pytest.approx(10 * 5**0.8 / 75)
    # in the first half of the run, KID improves only between 10 and 50, like L_I
    assert found["improvement_kid_80_half"] == pytest.approx(10 * 5**0.8)
    assert found["improvement_ratio_80_half"] == pytest.approx(1)
    assert found.keys() == {name for name in CLAIMED if name.startswith("improvement_")}
    scaled = improvement(*cell([7 * k - 3 for k in kid]))
    assert scaled == pytest.approx(found)


def test_information_at_a_probe_is_the_mean_of_eleven_iterations_around_it() -> None:
    """L_I jumps at 15, so the probe at 10 sees one such iteration of 5 to 15, and the jump is reached after it."""
    found = improvement(*cell([1.0, 0.9, 0.8, 0.5, 0.2, 0.0], rises_at=15))
    at_10 = 2 / 11
    assert found["improvement_mi_80"] == pytest.approx(10 * 5 ** ((1.6 - at_10) / (2 - at_10)))


def test_a_part_of_the_run_with_two_probes_has_no_number() -> None:
    found = improvement(*cell([1.0, 0.5, 0.2, 0.0], probed=[1, 50, 75, 100]))
    assert found
    assert not [name for name in found if name.endswith("_half")]


def test_what_has_no_improvement_has_no_ratio() -> None:
    kid = [1.0, 0.9, 0.8, 0.5, 0.2, 0.0]
    assert improvement(*cell(kid, weight=0.0)) == {}  # a baseline is not trained on L_I
    assert improvement(*cell(kid[::-1])) == {}  # KID grew
    assert improvement(*cell(kid[:-1], probed=PROBED[:-1])) == {}  # the last probe is missing
    config, curve, _ = cell(kid)
    assert improvement(config, curve, {}) == {}  # trained without probes
