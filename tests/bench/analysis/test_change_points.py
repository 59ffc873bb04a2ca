"""Levels of a series: chance splits a level no more often than stated, and planted changes are found in their place."""

import math

import numpy as np
import pytest

from bench.analysis.change_points import NUM_PERMUTATIONS, levels


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


@pytest.mark.parametrize(("num_low", "num"), [(5, 10), (3, 12), (4, 13)])
def test_the_p_of_a_change_is_the_share_of_all_orders_by_counting(num_low: int, num: int) -> None:
    """Of two values, only the orders with all low ones first or all last part as well as this one."""
    _, after = levels([0.0] * num_low + [1.0] * (num - num_low))
    exact = 2 / math.comb(num, num_low)
    assert after.first == num_low
    assert after.p == pytest.approx(exact, abs=3 * math.sqrt(exact / NUM_PERMUTATIONS))  # three standard errors


def test_a_change_at_more_than_one_percent_is_none_and_no_p_is_zero() -> None:
    assert len(levels([0.0] * 4 + [1.0] * 5)) == 1  # 2 of 126 orders
    assert [level.p for level in levels([0.0] * 20 + [1.0] * 20)] == [None, 1 / (1 + NUM_PERMUTATIONS)]


def test_a_change_near_an_end_weighs_as_much_as_one_in_the_middle() -> None:
    low, high = [0.0, 2.0, 1.0, 3.0], [value for k in range(10) for value in (23.0 - k, 4.0 + k)]
    assert [(level.first, level.last) for level in levels([*low, *high])] == [(0, 3), (4, 23)]


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
