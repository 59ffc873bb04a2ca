"""Smoothing, thresholds and summaries of a curve against hand-computed values."""

import math

import numpy as np
import pytest

from bench.analysis.curves import area_under_curve, final_value, hump, iterations_to_threshold, smooth_centred
from tests.bench.analysis.test_statistics import INF, close

ENTROPY = math.log(10)


def test_smooth_centred():
    assert smooth_centred([1, 2, 6, 7, 2], window=3) == close(3, 5, 5)
    assert smooth_centred([3, 1, 2], window=1) == close(3, 1, 2)
    assert len(smooth_centred([1.0] * 10)) == 0
    assert len(smooth_centred([1.0] * 11)) == 1


@pytest.mark.parametrize("window", [0, -1, 2, 10])
def test_smooth_centred_refuses_a_window_without_a_centre(window):
    with pytest.raises(ValueError, match="window"):
        smooth_centred(np.ones(20), window)


@pytest.mark.parametrize(
    ("slope", "window", "fraction"), [(0.02, 11, 0.8), (0.013, 11, 0.5), (0.02, 1, 0.8), (0.05, 21, 0.9)]
)
def test_threshold_of_a_ramp_is_where_the_line_crosses(slope, window, fraction):
    curve = slope * np.arange(1, 401)
    assert iterations_to_threshold(curve, ENTROPY, fraction, window) == close(fraction * ENTROPY / slope)


def test_threshold_of_a_step():
    curve = np.where(np.arange(1, 101) > 50, 1.0, 0.0)  # the window must hold 8.8 of 11 ones: centre 53.8
    assert iterations_to_threshold(curve, 1.0) == close(53.8)
    assert iterations_to_threshold(curve, 1.0, window=1) == close(50.8)


def test_threshold_at_the_ends():
    assert iterations_to_threshold(np.ones(30), 1.0) == 6.0  # the first full window
    assert iterations_to_threshold(np.full(30, 0.79), 1.0) == INF
    assert iterations_to_threshold(np.ones(10), 1.0) == INF  # no full window
    assert iterations_to_threshold([0.0, 0.5, 0.5], 1.0, 0.5, window=1) == 2.0  # exactly there is there
    dip = np.concatenate([np.ones(40), np.zeros(40)])
    assert iterations_to_threshold(dip, 1.0) == 6.0  # the first time, whatever comes later


@pytest.mark.parametrize("bad", [math.nan, INF, -INF])
def test_broken_curves_are_errors(bad):
    curve = np.ones(30)
    curve[7] = bad
    for measure in (smooth_centred, final_value, hump):
        with pytest.raises(ValueError, match=r"finite.*7"):
            measure(curve)
    for measure in (iterations_to_threshold, area_under_curve):
        with pytest.raises(ValueError, match=r"finite.*7"):
            measure(curve, 1.0)
        with pytest.raises(ValueError, match="entropy"):
            measure(np.ones(30), 0.0)


def test_area_under_curve_clips_both_ways():
    assert area_under_curve([-1.0, 0.0, 1.0, 2.0, 3.0], 2.0) == close((0 + 0 + 0.5 + 1 + 1) / 5)


def test_final_value():
    assert final_value(np.arange(1.0, 31.0)) == close(29.0)  # the last three of 30
    assert final_value([1.0, 5.0]) == 5.0
    assert final_value(np.arange(109.0)) == close(103.5)  # 99 .. 108


def test_hump():
    curve = 2.0 - 0.01 * np.abs(np.arange(1, 101) - 40)
    height, iteration = hump(curve)
    assert iteration == 40
    assert height == close(2.0 - 0.01 * 2 * (1 + 2 + 3 + 4 + 5) / 11)
    assert hump([0.0, 3.0, 1.0], window=1) == (3.0, 2)
    with pytest.raises(ValueError, match="window=11"):
        hump(np.ones(10))
