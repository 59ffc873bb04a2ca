"""The report: one self-contained page, Markdown, figures and tables, on whatever results are there. Cheap to import."""

from bench.report.build import Report, report_of_sweeps, write_report

__all__ = ["Report", "report_of_sweeps", "write_report"]
