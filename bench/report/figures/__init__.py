"""Figures of the report as SVG and PNG. The only package of the harness's report that imports matplotlib."""

from bench.report.figures.choices import draw_choices
from bench.report.figures.digits import draw_digits
from bench.report.figures.factors import draw_codes, draw_runs
from bench.report.figures.harness import draw_scaling, draw_schedule
from bench.report.figures.history import draw_history
from bench.report.figures.style import Drawing
from bench.report.figures.sweep import draw
from bench.report.figures.throughput import draw_throughput

__all__ = [
    "Drawing",
    "draw",
    "draw_choices",
    "draw_codes",
    "draw_digits",
    "draw_history",
    "draw_runs",
    "draw_scaling",
    "draw_schedule",
    "draw_throughput",
]
