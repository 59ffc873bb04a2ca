"""The report: one self-contained page, Markdown, figures and tables, on whatever results are there. Cheap to import."""

from bench.report.build import Report, write_report
from bench.report.combined import Combined, names_of, write_combined

__all__ = ["Combined", "Report", "names_of", "write_combined", "write_report"]
