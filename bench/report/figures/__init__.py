"""Figures of the report as SVG and PNG. The only package of the harness's report that imports matplotlib."""

from bench.report.figures.history import draw_history
from bench.report.figures.schedule import draw_schedule
from bench.report.figures.settings import draw_settings
from bench.report.figures.style import Drawing
from bench.report.figures.sweep import draw
from bench.report.figures.throughput import draw_throughput

__all__ = ["Drawing", "draw", "draw_history", "draw_schedule", "draw_settings", "draw_throughput"]
