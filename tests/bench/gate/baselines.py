"""The committed baseline of mi-gate, as most tests of the gate want it: the arm that converges."""

from dataclasses import replace
from pathlib import Path

from bench.analysis.runs import Sweep, read_curves

BASELINE = Path(__file__).parents[3] / "results" / "baseline" / "mi-gate.json"


def converging() -> Sweep:
    """The runs of ``infogan``."""
    sweep = read_curves(BASELINE)
    return replace(sweep, runs=[run for run in sweep.runs if run.cell.arm == "infogan"])
