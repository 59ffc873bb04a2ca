"""An experiment with two claims, and its runs with measures made up for a test."""

from typing import Any

from bench.analysis.runs import Run, Sweep
from bench.records.schema import Measured, Result
from bench.spec.criteria import BlankTable
from bench.spec.tables import Spec
from tests.builders import experiment_text, history_of, planned

CLAIMS = """
measures = ["digits", "samples"]
variants = { one = {}, other = {} }
profiles = { cpu = { iterations = 20 } }

[[experiments.two.claims]]
id = "F9a"
text = "The best run, chosen on other samples."
source = "nowhere"
arms = ["infogan"]
variants = ["one"]
min_seeds = 5
min_iterations = 10

[[experiments.two.claims.conditions]]
measure = "sample_nmi"
over = "best seed"
chosen_by = "sample_purity"
at_least = 0.8
basis = "A bound made up for this test."

[[experiments.two.claims]]
id = "F9b"
text = "The median run."
source = "nowhere"
arms = ["infogan"]
min_seeds = 5
min_iterations = 10

[[experiments.two.claims.conditions]]
measure = "sample_nmi"
over = "median seed"
at_least = 0.8
basis = "A bound made up for this test."
"""


EXPERIMENT = experiment_text("two", CLAIMS, noise="{ size = 4 }", seeds="[0, 1, 2, 3, 4]")
DIVERGED = "diverged"


def sweep(
    spec: Spec, purity: list[Any], nmi: list[Any], num_done: int = 5, precision: list[Any] | None = None
) -> Sweep:
    """Five seeds of both variants, with the same measures in each. None means that a measure is missing."""
    runs = []
    for cell in planned(spec, "two"):
        measured = {"sample_purity": purity[cell.seed], "sample_nmi": nmi[cell.seed]}
        measured["precision"] = precision[cell.seed] if precision else None
        values = {name: value for name, value in measured.items() if value not in (None, DIVERGED)}
        history = history_of(dict.fromkeys(("loss/discriminator", "loss/generator", "mi/c1"), 0.0), 20)
        state, result = "done" if cell.seed < num_done else "partial", None
        if nmi[cell.seed] == DIVERGED:
            state, result = "failed", Result(status="failed", error="NonFiniteLoss")
        measures = {"digits": Measured(values=values)}
        runs.append(Run(cell, state, {}, {"is_papers": False}, history, result, measures=measures))
    return Sweep("two", "cpu", runs[0].cell.definition, runs[0].cell.definition_key, runs)


BLANK = BlankTable(measure="precision", below=0.01, basis="Made up for this test.")
