"""The committed baseline of mi-gate, reduced to the arm that converges, as most tests of the gate use it."""

from dataclasses import replace
from pathlib import Path

from bench.analysis.runs import Sweep
from bench.analysis.sweep_file import read_curves

BASELINE = Path(__file__).parents[3] / "results" / "baseline" / "mi-gate.json"


def converging() -> Sweep:
    """The runs of ``infogan``."""
    sweep = read_curves(BASELINE)
    return replace(sweep, runs=[run for run in sweep.runs if run.cell.arm == "infogan"])
