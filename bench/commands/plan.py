"""``plan``: list the cells with their states, and estimate how long the missing ones take."""

from collections.abc import Sequence
from typing import Annotated, Unpack

import typer
from rich.table import Table

from bench.commands.estimate import plan_measured
from bench.commands.overview import print_data, print_estimate
from bench.console import BadInput, Exit, console, escape, new_table
from bench.context import Context
from bench.options import CellOptions, Experiments
from bench.run.plan import PlannedCell
from bench.run.plan import plan as plan_cells
from bench.spec.selection import seeds_in_words

STYLES = {
    "done": "green",
    "failed": "red",
    "diverged": "red",
    "unsynced": "yellow",
    "unmeasured": "yellow",
    "partial": "yellow",
    "running": "cyan",
}


def plan(
    experiments: Experiments = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Measure the time: train every kind of cell briefly, --jobs at a time.")
    ] = False,
    price_per_hour: Annotated[
        float | None, typer.Option(min=0, max=1e6, help="With --estimate: price of the machine per hour.")
    ] = None,
    **options: Unpack[CellOptions],
) -> Exit:
    """List the cells with their states, and how long the missing ones will take. Changes nothing in the results."""
    if price_per_hour is not None and not estimate:
        raise BadInput("--price-per-hour needs --estimate: without measured times the price would be a guess")
    context = Context(experiments, **options, download=estimate)
    planned = plan_cells(context.results, context.cells, context.uri)
    print_data(context)
    console.print(_table(planned))
    print_estimate(context, planned, context.share.jobs)
    return plan_measured(context, price_per_hour) if estimate else Exit.OK


def _table(planned: Sequence[PlannedCell]) -> Table:
    """A line for the seeds of an arm that are in the same state."""
    seeds: dict[tuple[str, ...], list[int]] = {}
    for item in planned:
        cell = item.cell
        kind = cell.experiment, cell.profile, cell.group, str(cell.iterations), item.state, item.detail
        seeds.setdefault(kind, []).append(cell.seed)
    table = new_table("experiment", "profile", "arm", "seeds", "iterations", "state", "")
    for (*names, iterations, state, detail), own in seeds.items():
        styled = f"[{STYLES.get(state, 'dim')}]{state}[/]"
        table.add_row(*map(escape, names), seeds_in_words(own), iterations, styled, escape(detail))
    return table
