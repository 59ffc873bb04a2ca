"""Levels of a series: chance splits a level no more often than stated, and planted changes are found in their place."""

import numpy as np
import pytest

from bench.analysis.change_points import levels


def test_one_level_is_one() -> None:
    (only,) = levels([1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.02])
    assert (only.first, only.last, only.median, only.p) == (0, 7, 1.0, None)
    assert len(levels([1.0] * 20)) == 1
    assert len(levels([3.0])) == 1
    assert len(levels([1.0, 1.0, 1.0, 9.0, 9.0])) == 1  # too short to have two


def test_changes_are_found_where_they_are() -> None:
    rng = np.random.default_rng(1)
    series = np.concatenate([np.full(12, 0.0), np.full(9, 0.05), np.full(15, -0.05)]) + rng.normal(0, 0.01, 36)
    found = levels(series)
    assert [(level.first, level.last) for level in found] == [(0, 11), (12, 20), (21, 35)]
    assert [level.median for level in found] == pytest.approx([0.0, 0.05, -0.05], abs=0.01)
    assert found[0].p is None
    assert all(level.p is not None and level.p <= 0.01 for level in found[1:])


def test_one_wild_check_is_no_change() -> None:
    rng = np.random.default_rng(2)
    series = rng.normal(0, 0.01, 20)
    series[11] = 3.0
    assert len(levels(series)) == 1


def test_false_alarms() -> None:
    """At most 1 % of series without a change, within three standard errors of 200."""
    rng = np.random.default_rng(3)
    alarms = sum(len(levels(rng.standard_t(2, 20))) > 1 for _ in range(200))
    assert alarms <= 2 + 3 * 1.4


@pytest.mark.parametrize(("values", "why"), [([], "values"), ([np.nan], "finite")])
def test_bad_input(values: list[float], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        levels(values)
