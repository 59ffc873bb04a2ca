"""Proof that the gate works, on the real curves of a baseline: false alarms and power over every split of its seeds.

``python -m bench.publish.gate_proof [BASELINE.json]`` prints the tables of docs/POWER.md. Here half of the seeds
play the baseline, the other half the new runs, their curves stretched in time by a known factor and some of them kept
from converging. Error rates on fresh seeds come from :mod:`bench.publish.gate_simulation`.
"""

import sys
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from bench.analysis.runs import Run, Sweep
from bench.analysis.statistics import OUTCOMES
from bench.analysis.sweep_file import read_curves
from bench.commands.baseline import default_baseline
from bench.context import DEFAULT_SPEC
from bench.gate.compare import compare
from bench.gate.watched import watched_arms
from bench.publish.documents import markdown_table, parser_of
from bench.publish.gate_simulation import change_table, procedure_table, watched_table
from bench.spec.criteria import GateTable
from bench.spec.tables import load_spec
from infogan.data.base import one_line

FACTORS = (1.0, 1.1, 1.2, 1.5, 2.0)
FAILED = (0, 1, 2, 3)
FAILING_SHARE = 0.75  # a seed that fails stays at this share of its curve, below the threshold of 0.8 H(c)


def stretched(run: Run, factor: float) -> Run:
    """A run made slower by ``factor``: its value at iteration t is the old one at t / factor."""
    assert run.history is not None
    iterations = np.arange(1, len(run.history) + 1)
    slower = [np.interp(iterations / factor, iterations, column) for column in run.history.values.T]
    return replace(run, history=replace(run.history, values=np.stack(slower, axis=1)))


def failing(run: Run) -> Run:
    """A run kept below the threshold."""
    assert run.history is not None
    values = run.history.values.copy()
    values[:, run.history.names.index("mi/c1")] *= FAILING_SHARE
    return replace(run, history=replace(run.history, values=values))


def outcomes(sweep: Sweep, rule: GateTable, factor: float, num_failed: int, every: int = 1) -> Counter[str]:
    """Outcomes over all ways to take half of the seeds as new (or over each ``every``-th of them)."""
    counts: Counter[str] = Counter()
    slower = [stretched(run, factor) for run in sweep.runs]
    broken = [failing(run) for run in slower]
    num = len(sweep.runs)
    for chosen in list(combinations(range(num), num // 2))[::every]:
        new = [(broken if k < num_failed else slower)[i] for k, i in enumerate(chosen)]
        base = [run for i, run in enumerate(sweep.runs) if i not in chosen]
        seeds = tuple(run.cell.seed for run in new)
        counts[compare(rule, replace(sweep, runs=base), replace(sweep, runs=new), seeds).outcome] += 1
    return counts


def table(sweep: Sweep, rule: GateTable) -> str:
    """Markdown: a row per factor, a column per number of failed seeds, cells regressed / inconclusive / ok."""
    rows = []
    for factor in FACTORS:
        cells = []
        for num_failed in FAILED:
            counts = outcomes(sweep, rule, factor, num_failed)
            cells.append(" / ".join(str(counts[o]) for o in OUTCOMES))
        rows.append([f"x{factor:g}", *cells])
    return markdown_table(["slower by", *(f"{n} of {len(sweep.runs) // 2} fail" for n in FAILED)], rows)


def main() -> int:
    """0: the tables were printed; 2: no baseline."""
    parser = parser_of("gate_proof", __doc__)
    parser.add_argument("baseline", nargs="?", type=Path, default=default_baseline("mi-gate"), help="a baseline's file")
    parser.add_argument("--draws", type=int, default=20_000, help="of each cell of the simulated tables")
    options = parser.parse_args()
    if options.draws < 1:
        parser.error(f"--draws must be 1 or more, got {options.draws}")
    try:
        baseline = read_curves(options.baseline)
    except (OSError, ValueError) as error:
        print(one_line(f"error: {options.baseline} is not a baseline: {error}"), file=sys.stderr)
        return 2
    rule = load_spec(DEFAULT_SPEC).experiments["mi-gate"].gate
    groups = baseline.groups()
    watched = {
        (one.arm, one.measure): np.array([run.summary[one.measure] for run in groups.get(one.arm, ())])
        for one in rule.watched
    }
    baseline = replace(baseline, runs=[run for run in baseline.runs if run.cell.group not in watched_arms(rule)])
    real = np.array([run.summary["t80"] for run in baseline.runs])
    print(f"The procedure, {options.draws:,} draws a cell: regressed / inconclusive / ok, in per cent\n")
    print(procedure_table(rule, real, options.draws), end="\n\n")
    print(f"Five pairs, {options.draws:,} draws a cell: how often a change is shown, in per cent\n")
    print(change_table(rule, options.draws), end="\n\n")
    if all(map(len, watched.values())):  # an older baseline has none
        print(f"What is watched, {options.draws:,} draws a cell: regressed / inconclusive / ok, in per cent\n")
        print(watched_table(rule, watched, options.draws), end="\n\n")
    print("All splits of the baseline's seeds, five against five: regressed / inconclusive / ok\n")
    seeds = [run.cell.seed for run in baseline.runs]
    print(table(baseline, rule.model_copy(update=dict.fromkeys(("baseline_seeds", "new_seeds", "more_seeds"), seeds))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
