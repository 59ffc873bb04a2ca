"""Figures of the report as SVG and PNG. The only package of the harness's report that imports matplotlib."""
