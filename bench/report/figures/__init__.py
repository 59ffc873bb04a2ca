"""Figures of the report as SVG and PNG. The only package of the harness's report that imports matplotlib."""

from bench.report.figures.codes import draw_codes
from bench.report.figures.history import draw_history
from bench.report.figures.settings import draw_settings
from bench.report.figures.style import Drawing
from bench.report.figures.sweep import draw

__all__ = ["Drawing", "draw", "draw_codes", "draw_history", "draw_settings"]
