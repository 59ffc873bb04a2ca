"""The growth that ``python -m bench.publish.scaling`` finds in known costs."""

import math

import pytest

from bench.publish.scaling import COLUMNS, MAX_SLOPE, SIZES, slope
from bench.report.figures.harness import draw_scaling

GROWTH = {
    "linear": (lambda n: 3.0 + 0.2 * n, 1.0),
    "quadratic": (lambda n: 3.0 + 0.01 * n * n, 1.83),  # not 2: slope() compares n^2 - 25 with n - 5
    "logarithmic": (lambda n: math.log(n), 0.37),
}


@pytest.mark.parametrize("name", GROWTH)
def test_known_costs_have_their_power(name: str) -> None:
    cost, power = GROWTH[name]
    sizes = list(SIZES)
    assert slope(sizes, [cost(n) for n in sizes]) == pytest.approx(power, abs=0.01)
    assert (power > MAX_SLOPE) == (name == "quadratic")


def test_what_does_not_grow_has_no_power() -> None:
    assert slope([5, 15, 50], [1.0, 0.9, 1.0]) is None


def test_a_start_that_was_slow_by_chance_is_not_taken_for_growth() -> None:
    """Each cell costs 1 ms, after a start of 0.5 s that happened to take 0.6 s in the two smallest sweeps."""
    sizes = list(SIZES)
    costs = [0.1 * (n <= 15) + 0.5 + 0.001 * n for n in sizes]
    assert costs[0] > costs[2] < costs[3]
    assert slope(sizes, costs) == pytest.approx(1, abs=0.01)


def test_the_figure_has_plain_numbers_at_its_axes() -> None:
    rows = [dict.fromkeys(COLUMNS, 0.4 * n) | {"cells": n} for n in SIZES]
    drawing = draw_scaling(rows, COLUMNS)
    assert b"<!-- 100 -->" in drawing.svg  # a comment holds the text that a path draws
    assert b"mathdefault" not in drawing.svg
