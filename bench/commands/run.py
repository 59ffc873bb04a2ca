"""The commands as plain functions: cli.py parses for them, tests call them. They print and return exit codes."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from bench import environment
from bench.context import BadInput, Context, data_record, require_folder, require_profile
from bench.records.folder import find_cells
from bench.run import plan as grid
from bench.run.executors.base import Executor, StopRequest
from bench.run.plan import Exit
from bench.spec import cells as cell_module
from bench.spec.tables import load_spec
from bench.tracking import mirror
from bench.tracking import store as tracking

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.claims.judge import ClaimResult
    from bench.records.tasks import CellTask
    from bench.run.estimate import Left
    from bench.spec.cells import Cell

console = Console()


def say(text: str) -> None:
    """One line, wrapped by the terminal alone, so that a log keeps it whole."""
    console.print(text, soft_wrap=True, highlight=False)


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"


def _print_data(context: Context) -> None:
    for name, info in context.infos.items():
        style = "green" if info.is_papers else "yellow"
        say(f"[bold]{escape(name)}[/bold]: [{style}]{escape(info.note)}[/{style}] (digest {info.digest[:12]})")


def _print_estimate(context: Context, planned: list[grid.PlannedCell], jobs: int) -> None:
    from bench.run.progress import duration

    counts = {state: sum(p.state == state for p in planned) for state in dict.fromkeys(p.state for p in planned)}
    say(f"{len(planned)} cells: " + ", ".join(f"{n} {state}" for state, n in counts.items()))
    if any(p.to_train for p in planned):
        left = grid.estimate(context.results, planned, jobs)
        basis = "from the cells finished here" if left.measured else "a guess from the arithmetic, nothing measured yet"
        sizes = f"disk {_size(left.kept_bytes)}, at most {_size(left.peak_bytes)} on the way"
        say(f"still to train: about {duration(left.seconds)} with {jobs} at a time ({basis}); {sizes}")


def plan(context: Context) -> None:
    """List cells with their states."""
    planned = grid.plan(context.results, context.cells, context.uri)
    _print_data(context)
    table = Table(box=None, pad_edge=False)
    for column in ("experiment", "profile", "arm", "seed", "iterations", "state", ""):
        table.add_column(column)
    styles = {
        "done": "green",
        "failed": "red",
        "unsynced": "yellow",
        "unmeasured": "yellow",
        "partial": "yellow",
        "running": "cyan",
    }
    for item in planned:
        c = item.cell
        state = f"[{styles.get(item.state, 'dim')}]{item.state}[/]"
        detail = escape(item.detail[:80])
        table.add_row(c.experiment, c.profile, c.group, str(c.seed), str(c.iterations), state, detail)
    console.print(table)
    _print_estimate(context, planned, context.jobs)


def plan_measured(context: Context, price_per_hour: float | None = None) -> Exit:
    """Time, disk and price of what is left, from cells of each kind trained here for a moment."""
    from bench.run import estimate
    from bench.serve.process import received_signals

    planned = grid.plan(context.results, context.cells, context.uri)
    num_kinds = len({estimate.kind_of(item.cell) for item in planned if item.to_train})
    if not num_kinds:
        say("nothing to train, nothing to measure")
        return Exit.OK
    task_of = task_maker(context, 60.0, None)
    kinds = f"{num_kinds} {'kind' if num_kinds == 1 else 'kinds'} of cell"
    scratch = None if context.executor == "local" else context.results.parent  # on the shared storage
    with _executor(context) as executor, received_signals() as signals:
        jobs = executor.jobs
        with console.status(f"measuring {kinds}, {jobs} at a time"):
            measured = estimate.measure(planned, task_of, executor, StopRequest(signals), scratch)
    if signals:
        return Exit.TERMINATED if signals[0] == signal.SIGTERM else Exit.INTERRUPTED
    for failure in measured.failures:
        say(f"[red]failed:[/red] {escape(failure)}")
    table = Table(box=None, pad_edge=False)
    for column in ("to train", "cells", "ms/iteration", "s/cell outside", "time", "disk", "at most"):
        table.add_column(column, justify="left" if column == "to train" else "right")
    known = [item for item in planned if item.to_train and estimate.kind_of(item.cell) in measured.kinds]
    groups = {name: [item for item in known if item.cell.experiment == name] for name in context.names}
    groups = {name: items for name, items in groups.items() if items}
    if len(groups) > 1:
        groups["all"] = known
    for name, items in groups.items():
        table.add_row(name, *_measured_row(estimate.left(context.results, items, measured, jobs)))
    console.print(table)
    if known:
        total = estimate.left(context.results, known, measured, jobs)
        price = f", {total.seconds / 3600 * price_per_hour:.2f} at {price_per_hour:g} an hour" if price_per_hour else ""
        say(f"{total.seconds / 3600:.2f} hours with {jobs} at a time{price} (measured here, now, {kinds})")
    return Exit.FAILED if measured.failures else Exit.OK


def _measured_row(left: "Left") -> list[str]:
    from bench.run.progress import duration

    low, high = left.iteration_ms
    span = f"{low:.1f}" if high < 1.005 * low else f"{low:.1f} to {high:.1f}"
    sizes = [_size(left.kept_bytes), _size(left.peak_bytes)]
    return [str(left.num_cells), span, f"{left.outside_s:.1f}", duration(left.seconds), *sizes]


def require_writable(results: Path) -> None:
    """Raises BadInput where the results folder cannot be written."""
    unwritable = grid.check_writable(results)
    if unwritable:
        raise BadInput(unwritable)


def run(context: Context, checkpoint_every_s: float = 60.0, checkpoint_every: int | None = None) -> Exit:
    """Train what is missing and mirror all of it."""
    with _executor(context) as executor:
        return _run(context, executor, checkpoint_every_s, checkpoint_every)


@contextmanager
def _executor(context: Context) -> Iterator[Executor]:
    """Where the context wants its cells to run. Raises ExecutorError."""
    if context.executor == "local":
        from bench.run.executors.local import LocalExecutor

        yield LocalExecutor(context.jobs)
        return
    from bench.run.executors.cluster import RayExecutor
    from bench.run.executors.cluster_connection import connected

    with connected(context.ray_address):
        yield RayExecutor(context.wanted_jobs, {context.resources(name) for name in context.names})


def _run(context: Context, executor: Executor, checkpoint_every_s: float, checkpoint_every: int | None) -> Exit:
    require_writable(context.results)
    planned = grid.plan(context.results, context.cells, context.uri)
    _print_data(context)
    _print_estimate(context, planned, executor.jobs)
    todo = [item for item in planned if item.to_run]
    left, free = grid.estimate(context.results, planned, executor.jobs), grid.free_bytes(context.results)
    if left.peak_bytes > free:
        raise BadInput(f"needs {_size(left.peak_bytes)} on disk, {_size(free)} are free at {context.results}")
    if not todo and all(item.state == "done" for item in planned):
        say("nothing to do: every cell is done and mirrored")
        return Exit.OK
    outcome = _train(context, executor, planned, todo, checkpoint_every_s, checkpoint_every)
    _print_outcome(context, outcome, len(todo))
    return outcome.exit_code


def _train(
    context: Context,
    executor: Executor,
    planned: list[grid.PlannedCell],
    todo: list[grid.PlannedCell],
    every_s: float,
    every: int | None,
) -> grid.Outcome:
    from bench.run.progress import display_for

    task_of = task_maker(context, every_s, every)
    tasks = [task_of(item.cell, context.results) for item in todo]
    measured_only = {item.cell.key for item in todo if not item.to_train}
    with display_for(tasks, console, measured_only) as display:
        return grid.run(context.results, planned, tasks, executor, display, context.uri)


def task_maker(context: Context, every_s: float, every: int | None) -> "Callable[[Cell, Path], CellTask]":
    """From a cell and its results folder to what a worker needs."""
    from bench.records.tasks import CellTask

    # a cluster's workers record where they are themselves
    recorded = environment.record(context.device) if context.executor == "local" else {}
    infos = {name: data_record(info) for name, info in context.infos.items()}
    needs = {name: context.resources(name) for name in context.names}

    def task_of(cell: "Cell", results: Path) -> "CellTask":
        own = infos[cell.experiment], every_s, every, needs[cell.experiment]
        return CellTask(cell, results, context.data_dir, recorded, *own)

    return task_of


def _print_outcome(context: Context, outcome: grid.Outcome, num_tasks: int) -> None:
    for name in outcome.failed:
        say(f"[red]failed:[/red] {escape(name)}; `python -m bench plan` shows why, result.json holds the traceback")
    for line in outcome.untracked:
        say(f"[yellow]not fully tracked:[/yellow] {escape(line)}")
    if outcome.untracked:
        say("the cells themselves are safe; `python -m bench sync` completes the mirror")
    finished = f"{outcome.done} of {num_tasks} cells finished" if num_tasks else "nothing was left to train"
    say(f"{finished}; records in {escape(str(context.results))}")


def cost(spec: Path, results: Path, profile: str | None) -> None:
    """Measure the cost of codes and Q, unless this machine's record of it is there."""
    claim = load_spec(spec).cost
    if claim is None:
        raise BadInput(f"{spec} has no table [cost]")
    profile = profile or "cpu"
    require_profile(profile, claim.profiles)
    require_writable(results)
    from bench.throughput.cost import measure_cost

    measure_cost(results.absolute(), claim, profile, console)


def report(experiments: list[str] | None, spec: Path, results: Path, profile: str | None) -> None:
    """Write the report on what is there and print its claim table."""
    from bench.report import write_report

    loaded = load_spec(spec)
    for name in experiments or []:
        cell_module.experiment_table(loaded, name)
    require_profile(profile)
    require_folder("results", results)
    if not results.exists():
        raise BadInput(f"{results} does not exist; `python -m bench run` makes it")
    require_writable(results)
    written = write_report(results.absolute(), loaded, experiments=experiments, profile=profile)
    print_claims(written.claims)
    for line in written.left_out:
        say(escape(line))
    for line in written.missing:
        say(f"[yellow]missing:[/yellow] {escape(line)}")
    say(f"report: {escape(str(written.html))}")


def print_claims(claims: "list[ClaimResult]") -> None:
    """The claim table on the console, in the report's words."""
    from bench.report.verdicts import claim_rows

    table = Table(box=None, pad_edge=False)
    for column in ("claim", "arm", "verdict", "value", "seeds"):  # long words wrap: no verdict is ever cut
        table.add_column(column, no_wrap=column == "claim", overflow="fold")
    styles = {"yes": "green", "part": "yellow", "none": "dim"}
    for row in claim_rows(claims):
        for arm in row.arms:
            verdict = f"[{styles.get(arm.badge.kind, 'red')}]{escape(arm.badge.text)}[/]"
            value = escape(f"{arm.value} {arm.unit}".rstrip())
            table.add_row(row.id, escape(arm.arm), verdict, value, arm.holding)
    if claims:
        console.print(table)
    for data, budget in dict.fromkeys((c.data, c.budget) for c in claims):
        say(f"data: {data}; budget: {budget}")


def sync(results: Path) -> Exit:
    """Complete the mirror of every recorded cell."""
    if not (results / "cells").is_dir():
        raise BadInput(f"{results} holds no cells")
    results = results.absolute()
    folders = list(find_cells(results))
    with Progress(*Progress.get_default_columns(), console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("mirroring", total=len(folders))
        left = mirror.sync(
            results, folders, tracking.resolve_uri(results), lambda done, _: progress.update(bar, completed=done)
        )
    for item in left:
        say(f"[yellow]not fully tracked:[/yellow] {escape(str(item))}")
    say(f"{len(folders) - len(left)} of {len(folders)} cells are mirrored in full")
    return Exit.NOT_TRACKED if left else Exit.OK
