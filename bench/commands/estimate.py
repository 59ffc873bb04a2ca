"""``plan --estimate``: estimate the remaining work from short trials of each kind of cell."""

from bench.commands.overview import size_text
from bench.commands.run import executor_of, task_maker
from bench.console import Exit, console, escape, new_table, plural, received_signals, say
from bench.context import Context
from bench.run import estimate
from bench.run.executors.base import StopRequest
from bench.run.plan import plan
from bench.run.time_left import duration


def plan_measured(context: Context, price_per_hour: float | None) -> Exit:
    """Estimate and print time, disk space and price of the remaining cells, from short trials of each kind."""
    planned = plan(context.results, context.cells, context.uri)
    num_kinds = len({estimate.kind_of(item.cell) for item in planned if item.to_train})
    if not num_kinds:
        say("no cell is left to train, so there is nothing to estimate")
        return Exit.OK
    task_of = task_maker(context, 60.0, None)
    kinds = f"{plural(num_kinds, 'kind')} of cell"
    scratch = None if context.placement.is_local else context.results.parent  # must be on shared storage
    with executor_of(context) as executor, received_signals() as signals:
        jobs = executor.jobs
        say(f"measuring {kinds} on this machine, {jobs} at a time: some iterations of each, and everything around them")
        with console.status("measuring"):
            measured = estimate.measure(planned, task_of, executor, StopRequest(signals), scratch)
    if signals:
        return Exit.of_signal(signals[0])
    for failure in measured.failures:
        say(f"[red]failed:[/red] {escape(failure)}")
    columns = "to train", "cells", "ms/iteration", "s/cell outside", "time", "disk", "at most"
    table = new_table(*columns, right=True)
    known = [item for item in planned if item.to_train and estimate.kind_of(item.cell) in measured.kinds]
    groups = {name: [item for item in known if item.cell.experiment == name] for name in context.names}
    groups = {name: items for name, items in groups.items() if items}
    if len(groups) > 1:
        groups["all"] = known
    for name, items in groups.items():
        table.add_row(escape(name), *_measured_row(estimate.left(context.results, items, measured, jobs)))
    console.print(table)
    if known:
        total = estimate.left(context.results, known, measured, jobs)
        hours, price = total.seconds / 3600, ""
        if price_per_hour is not None:
            price = f", {hours * price_per_hour:.2f} at {price_per_hour:g} an hour"
        say(f"{hours:.2f} hours with {jobs} at a time{price} (measured here just now, {kinds})")
    return Exit.FAILED if measured.failures else Exit.OK


def _measured_row(left: estimate.Left) -> list[str]:
    low, high = left.iteration_ms
    span = f"{low:.1f}" if high < 1.005 * low else f"{low:.1f} to {high:.1f}"
    sizes = [size_text(left.kept_bytes), size_text(left.peak_bytes)]
    return [str(left.num_cells), span, f"{left.outside_s:.1f}", duration(left.seconds), *sizes]
