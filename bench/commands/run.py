"""``run``: train missing cells, mirror all of them, and print the outcome."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Unpack

import typer

from bench import environment
from bench.commands.overview import print_data, print_estimate, size_text
from bench.commands.report import say_answers
from bench.console import BadInput, Exit, console, escape, say
from bench.context import Context, named
from bench.options import CellOptions
from bench.paths import on_results, require_writable
from bench.records.tasks import CellTask
from bench.report.sentences import answers_of
from bench.run.executors.base import Executor
from bench.run.executors.cluster_connection import connected
from bench.run.launch import Launched, launch
from bench.run.plan import plan
from bench.run.progress import display_for
from bench.run.share_gpu import limit_threads
from bench.spec.cells import Cell
from bench.tracking.mirror import in_lines
from infogan.cores import usable_cores


def run(
    experiments: Annotated[
        list[str] | None, typer.Argument(help="Experiments of experiments.toml, or the word all.")
    ] = None,
    checkpoint_every_s: Annotated[float, typer.Option(min=1, help="Seconds between checkpoints of a cell.")] = 60.0,
    checkpoint_every: Annotated[
        int | None, typer.Option(min=1, help="Also write a checkpoint every N iterations.")
    ] = None,
    **options: Unpack[CellOptions],
) -> Exit:
    """Train every cell that is missing and mirror all to MLflow. Ctrl-C loses nothing: the next run continues."""
    context = Context(named(experiments, options["results"], options["spec"]), **options, download=True, trains=True)
    return train_missing(context, checkpoint_every_s, checkpoint_every)


def train_missing(context: Context, checkpoint_every_s: float = 60.0, checkpoint_every: int | None = None) -> Exit:
    """Train missing cells and mirror all of them."""
    with executor_of(context) as executor:
        return _run(context, executor, checkpoint_every_s, checkpoint_every)


@contextmanager
def executor_of(context: Context) -> Iterator[Executor]:
    """The executor that the context selects. Raises ExecutorError."""
    if context.placement.is_local:
        from bench.run.executors.local import LocalExecutor

        if context.placement.device != "cpu":
            limit_threads(context.share.jobs, usable_cores())
        yield LocalExecutor(context.share.jobs, context.share.together)
        return
    from bench.run.executors.cluster import RayExecutor

    with connected(context.placement.ray_address):
        yield RayExecutor(context.placement.jobs, {context.resources(name) for name in context.names})


def _run(context: Context, executor: Executor, checkpoint_every_s: float, checkpoint_every: int | None) -> Exit:
    require_writable(context.results)
    planned = plan(context.results, context.cells, context.uri)
    print_data(context)
    left, free = print_estimate(context, planned, executor.jobs), shutil.disk_usage(context.results).free
    if left and left.peak_bytes > free:
        raise BadInput(
            f"the run needs {size_text(left.peak_bytes)} on disk; {size_text(free)} are free at {context.results}"
        )
    if all(item.state == "done" for item in planned):
        say(f"nothing to do: every cell is done{' and mirrored' if context.uri is not None else ''}")
        _say_answer(context)
        return Exit.OK
    task_of = task_maker(context, checkpoint_every_s, checkpoint_every)
    tasks = [task_of(item.cell, context.results) for item in planned if item.to_run]
    with display_for(tasks, console, left.works if left else {}, executor.jobs) as display:
        outcome = launch(context.results, planned, tasks, executor, display, context.uri)
    _print_outcome(context, outcome, len(tasks))
    return outcome.exit_code


def task_maker(context: Context, every_s: float, every: int | None) -> Callable[[Cell, Path], CellTask]:
    """A function that makes a worker's task from a cell and its results folder."""
    # workers of a cluster record their own environment
    recorded = environment.record(context.placement.device) if context.placement.is_local else {}
    needs = {name: context.resources(name) for name in context.names}

    def task_of(cell: Cell, results: Path) -> CellTask:
        folder = context.data_dirs[cell.experiment]
        own = context.spec.given.own.folders
        return CellTask(cell, results, folder, recorded, every_s, every, needs[cell.experiment], own)

    return task_of


def _print_outcome(context: Context, outcome: Launched, num_tasks: int) -> None:
    if outcome.lost:
        say(f"[red]stopped:[/red] {escape(outcome.lost)}; the cells there now were not made by this run")
        return
    for name in outcome.failed:
        shown = escape(context.again("plan", *context.names, profile=True))
        say(f"[red]failed:[/red] {escape(name)}; `{shown}` shows why, and result.json has the traceback")
    for line in in_lines(outcome.untracked):
        say(f"[yellow]not fully tracked:[/yellow] {escape(line)}")
    if num := len(outcome.untracked):
        say(
            f"{num} {'cell is' if num == 1 else 'cells are'} not fully tracked, but safe: "
            f"`{escape(on_results(context.results, 'sync'))}` completes the mirror"
        )
    if context.uri is None:
        say(f"not tracked, as you asked; to sync later: {escape(on_results(context.results, 'sync'))}")
    finished = f"{outcome.done} of {num_tasks} cells finished" if num_tasks else "nothing was left to train"
    say(f"{finished}; records in {escape(str(context.results))}")
    if outcome.exit_code in (Exit.INTERRUPTED, Exit.TERMINATED):
        bits = ", to the same bits" if context.placement.device == "cpu" else ""  # kernels of a GPU add in any order
        say(f"stopped: run the same command to continue from the checkpoints{bits}")
    else:
        _say_answer(context)


def _say_answer(context: Context) -> None:
    """Print what the recorded cells answer so far, and the command that writes the report."""
    found = answers_of(context.results, context.spec, context.profiles)
    say_answers(found)
    if found.judged or found.headlines or found.too_short:
        names = context.names if context.spec.given.file else []  # --set and --images are of these experiments
        say(f"the report with pictures: {escape(context.again('report', *names))}", to_copy=True)
