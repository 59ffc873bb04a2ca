"""How figures become files: paths of SVGs in fewer bytes, with the same shapes."""

import io
import re

import numpy as np
from fontTools.pens.recordingPen import RecordingPen
from fontTools.svgLib.path import parse_path
from matplotlib import rc_context
from matplotlib.figure import Figure

from bench.report.figures.style import STYLE, shortened

PATHS = re.compile(rb' d="([^"]*)"')


def drawn(path: bytes) -> list[tuple[str, np.ndarray]]:
    """Pen strokes of a path as fontTools, which did not write it, reads it."""
    pen = RecordingPen()
    parse_path(path.decode(), pen)
    return [(stroke, np.array(points)) for stroke, points in pen.value]


def figure() -> Figure:
    drawing = Figure(figsize=(4, 3))
    axes = drawing.subplots()
    x = np.linspace(0, 20, 400)
    axes.plot(x, np.sin(x), marker="o", markevery=50, label="a")
    axes.fill_between(x, -1, np.cos(x), alpha=0.2)
    axes.plot([1, 2, np.nan, 3, 4], [0, 1, np.nan, 1, 0])
    axes.legend()
    return drawing


def test_paths_have_the_same_strokes_within_half_a_tenth_in_fewer_bytes() -> None:
    with rc_context(STYLE):
        drawing = figure()
        drawing.savefig(written := io.BytesIO(), format="svg")
    whole = PATHS.findall(written.getvalue())
    assert len(whole) > 15
    for path in whole:
        short = shortened(path)
        for (stroke, points), (other, others) in zip(drawn(path), drawn(short), strict=True):
            assert stroke == other
            np.testing.assert_allclose(others, points, atol=0.0501)
    assert sum(map(len, map(shortened, whole))) < 0.5 * sum(map(len, whole))


def test_a_path_of_every_command() -> None:
    written = b"M 1.04 2 \nM 1 2 \nL 1.5 2.2 \nL -0.05 3 \nQ 1 2 3 4 \nC 1 1 2 2 3 3 \nz\nM 5 5 \nL 6 6 "
    assert shortened(written) == b"m1 2m0 0l.5 .2-1.5 .8q1-1 3 1c-2-3-1-2 0-1zm4 3l1 1"
