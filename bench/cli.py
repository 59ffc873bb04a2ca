"""``python -m bench``: plan, run, report, sync. A command parses, then calls a plain function.

Exit codes: 0 all well; 1 a cell failed; 2 bad input, nothing was changed; 4 trained but not fully tracked;
130 or 143 interrupted.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from bench import cells as cell_module
from bench import environment, grid, mirror, tracking
from bench.cells import Cell, Selection, parse_seeds
from bench.grid import Exit
from bench.spec import PROFILES, Spec, SpecError, load_spec, suggest
from bench.storage import Locked
from infogan import data
from infogan.runtime import available_device, usable_cores

if TYPE_CHECKING:
    from bench.claims import ClaimResult

DEFAULT_SPEC = Path(__file__).parent.parent / "experiments.toml"
DEFAULT_RESULTS = Path("results/latest")

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
console = Console()


class BadInput(Exception):
    """The user's mistake, in one line."""


Experiments = Annotated[
    list[str] | None, typer.Argument(help="Experiments of experiments.toml; none: all.", show_default=False)
]
SpecOption = Annotated[
    Path, typer.Option("--spec", help="Which file declares the experiments.", show_default="experiments.toml")
]
Results = Annotated[Path, typer.Option("--results", help="Folder that holds cells, MLflow store and report.")]
Profile = Annotated[
    str | None,
    typer.Option(help=f"Budget: {', '.join(PROFILES)}. Default: paper on a GPU, cpu otherwise.", show_default=False),
]
Arms = Annotated[str | None, typer.Option(help="Only these arms, separated by commas.", show_default=False)]
Seeds = Annotated[str | None, typer.Option(help="Only these seeds: 0-4 or 0,2,5-9.", show_default=False)]
DataDir = Annotated[
    Path | None,
    typer.Option(
        envvar="INFOGAN_DATA", help="Folder with the real data in torchvision's layout; only read.", show_default=False
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, max=1024, help="Cells at a time. Default: one per core, one on a GPU.", show_default=False),
]


@app.callback()
def _about() -> None:
    """Reproduce InfoGAN (Chen et al., 2016): train every cell, mirror it to MLflow, answer the paper's claims.

    A cell is one (experiment, variant, arm, seed). [bold]plan[/bold] lists cells and changes nothing, [bold]run[/bold]
    trains what is missing and can be stopped and repeated at any time, [bold]report[/bold] writes the claim table.
    """


class _Context:
    """What every command resolves from its options first."""

    def __init__(
        self,
        experiments: list[str] | None,
        spec: Path,
        results: Path,
        profile: str | None,
        arms: str | None,
        seeds: str | None,
        data_dir: Path | None,
        device: str,
        *,
        download: bool,
    ) -> None:
        self.spec = load_spec(spec)
        self.results = results.absolute()
        self.data_dir = data_dir.absolute() if data_dir else None
        try:
            self.device = available_device(device)
        except ValueError as error:
            raise BadInput(str(error)) from error
        self.profile = profile or ("paper" if self.device == "cuda" else "cpu")
        if self.profile not in PROFILES:
            raise BadInput(f"unknown profile {self.profile!r}{suggest(self.profile, list(PROFILES))}")
        self.selection = Selection(
            arms=tuple(part.strip() for part in arms.split(",")) if arms else None,
            seeds=parse_seeds(seeds) if seeds is not None else None,
        )
        self.names = list(dict.fromkeys(experiments or self.spec.experiments))
        for name in self.names:
            cell_module.profile_table(cell_module.experiment_table(self.spec, name), name, self.profile)
        self.uri = tracking.resolve_uri(self.results)
        self.infos = {name: self._data(name, download=download) for name in self.names}
        self.cells = [cell for name in self.names for cell in self._cells(name)]

    def _data(self, name: str, *, download: bool) -> data.DataInfo:
        table = self.spec.experiments[name]
        look_up = data.prepare if download else data.describe
        info = look_up(table.data, table.source, self.data_dir)
        budget = table.profiles[self.profile].num_images  # type: ignore[index]
        wanted = min(budget or info.num_train, info.num_train)
        batch_size = max(cell_module.merged_training(self.spec, table, None, arm)["batch_size"] for arm in table.arms)
        if batch_size > wanted:
            raise BadInput(
                f"{name}: batch_size = {batch_size} exceeds the {wanted} training images of profile {self.profile}"
            )
        return info

    def _cells(self, name: str) -> list[Cell]:
        versions = environment.key_versions()
        return cell_module.cells(self.spec, name, self.profile, self.selection, self.infos[name], self.device, versions)


def _jobs(jobs: int | None, device: str) -> int:
    return jobs or (1 if device == "cuda" else usable_cores())


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"


def _print_data(context: _Context) -> None:
    for name, info in context.infos.items():
        style = "green" if info.is_papers else "yellow"
        console.print(
            f"[bold]{escape(name)}[/bold] on [{style}]{escape(info.note)}[/{style}] digest {info.digest[:12]}",
            highlight=False,
        )


@app.command()
def plan(
    experiments: Experiments = None,
    spec: SpecOption = DEFAULT_SPEC,
    results: Results = DEFAULT_RESULTS,
    profile: Profile = None,
    arms: Arms = None,
    seeds: Seeds = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    jobs: Jobs = None,
) -> None:
    """List the cells with their state, and what the missing ones will take. Changes nothing."""
    context = _Context(experiments, spec, results, profile, arms, seeds, data_dir, device, download=False)
    planned = grid.plan(context.results, context.cells, context.uri)
    _print_data(context)
    table = Table(box=None, pad_edge=False)
    for column in ("experiment", "profile", "arm", "seed", "iterations", "state", ""):
        table.add_column(column)
    styles = {"done": "green", "failed": "red", "unsynced": "yellow", "partial": "yellow", "running": "cyan"}
    for item in planned:
        c = item.cell
        state = f"[{styles.get(item.state, 'dim')}]{item.state}[/]"
        table.add_row(c.experiment, c.profile, c.group, str(c.seed), str(c.iterations), state, escape(item.detail[:80]))
    console.print(table)
    _print_estimate(context, planned, _jobs(jobs, context.device))


def _print_estimate(context: _Context, planned: list[grid.PlannedCell], jobs: int) -> None:
    from bench.progress import duration

    counts = {state: sum(p.state == state for p in planned) for state in dict.fromkeys(p.state for p in planned)}
    console.print(f"{len(planned)} cells: " + ", ".join(f"{n} {state}" for state, n in counts.items()), highlight=False)
    left = grid.estimate(context.results, planned, jobs)
    if any(p.to_train for p in planned):
        basis = (
            "from the cells finished here"
            if left.measured
            else "a guess from the arithmetic, before anything was measured here"
        )
        console.print(
            f"still to train: about {duration(left.seconds)} with {jobs} at a time ({basis}); "
            f"disk {_size(left.kept_bytes)}, at most {_size(left.peak_bytes)} on the way",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


@app.command()
def run(
    experiments: Experiments = None,
    spec: SpecOption = DEFAULT_SPEC,
    results: Results = DEFAULT_RESULTS,
    profile: Profile = None,
    arms: Arms = None,
    seeds: Seeds = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    jobs: Jobs = None,
    checkpoint_every_s: Annotated[float, typer.Option(min=1, help="Seconds between checkpoints of a cell.")] = 60.0,
    checkpoint_every: Annotated[
        int | None, typer.Option(min=1, help="Iterations between checkpoints, beside the seconds.", show_default=False)
    ] = None,
) -> None:
    """Train every cell that is missing, mirror all to MLflow. Ctrl-C loses nothing: the next run goes on."""
    context = _Context(experiments, spec, results, profile, arms, seeds, data_dir, device, download=True)
    unwritable = grid.check_writable(context.results)
    if unwritable:
        raise BadInput(unwritable)
    planned = grid.plan(context.results, context.cells, context.uri)
    _print_data(context)
    jobs = _jobs(jobs, context.device)
    _print_estimate(context, planned, jobs)
    todo = [item for item in planned if item.to_train]
    left = grid.estimate(context.results, planned, jobs)
    free = grid.free_bytes(context.results)
    if left.peak_bytes > free:
        raise BadInput(f"needs {_size(left.peak_bytes)} on disk, {_size(free)} are free at {context.results}")
    if not todo and all(item.state == "done" for item in planned):
        console.print("nothing to do: every cell is done and mirrored")
        return
    outcome = _train(context, planned, todo, jobs, checkpoint_every_s, checkpoint_every)
    _print_outcome(context, outcome, len(todo))
    raise typer.Exit(int(outcome.exit_code))


def _train(
    context: _Context,
    planned: list[grid.PlannedCell],
    todo: list[grid.PlannedCell],
    jobs: int,
    every_s: float,
    every: int | None,
) -> grid.Outcome:
    from bench.executors.local import LocalExecutor
    from bench.progress import display_for
    from bench.tasks import CellTask

    recorded = environment.record(context.device)
    infos = {name: data_record(info) for name, info in context.infos.items()}
    tasks = [
        CellTask(i.cell, context.results, context.data_dir, recorded, infos[i.cell.experiment], every_s, every)
        for i in todo
    ]
    with display_for(tasks, console) as display:
        return grid.run(context.results, planned, tasks, LocalExecutor(jobs), display, context.uri)


def data_record(info: data.DataInfo) -> dict[str, Any]:
    """What a cell's record says of its data."""
    return {
        "name": info.name,
        "source": info.source,
        "note": info.note,
        "digest": info.digest,
        "is_papers": info.is_papers,
    }


def _print_outcome(context: _Context, outcome: grid.Outcome, num_tasks: int) -> None:
    for name in outcome.failed:
        console.print(
            f"[red]failed:[/red] {escape(name)}; `python -m bench plan` shows why, its result.json holds the traceback",
            soft_wrap=True,
        )
    for line in outcome.untracked:
        console.print(f"[yellow]not fully tracked:[/yellow] {escape(line)}", soft_wrap=True)
    if outcome.untracked:
        console.print("the cells themselves are safe; `python -m bench sync` completes the mirror")
    console.print(
        f"{outcome.done} of {num_tasks} cells finished; records in {context.results}", soft_wrap=True, highlight=False
    )


@app.command()
def report(
    experiments: Experiments = None,
    spec: SpecOption = DEFAULT_SPEC,
    results: Results = DEFAULT_RESULTS,
    profile: Annotated[
        str | None, typer.Option(help="Only this profile; default: all that are there.", show_default=False)
    ] = None,
) -> None:
    """Write the report (index.html, report.md, claims.json) from what is there, and print the claim table."""
    from bench.report import write_report

    loaded = load_spec(spec)
    for name in experiments or []:
        cell_module.experiment_table(loaded, name)
    if profile is not None and profile not in PROFILES:
        raise BadInput(f"unknown profile {profile!r}{suggest(profile, list(PROFILES))}")
    unwritable = grid.check_writable(results)
    if unwritable:
        raise BadInput(unwritable)
    written = write_report(results.absolute(), loaded, experiments=experiments, profile=profile)
    print_claims(written.claims)
    for line in written.missing:
        console.print(f"[yellow]missing:[/yellow] {escape(line)}", soft_wrap=True, highlight=False)
    console.print(f"report: {written.html}", soft_wrap=True, highlight=False)


def print_claims(claims: "list[ClaimResult]") -> None:
    """The claim table on the console."""
    table = Table(box=None, pad_edge=False)
    for column in ("claim", "arm", "verdict", "value", "seeds", "data", "budget"):
        table.add_column(column)
    for c in claims:
        style = (
            "green"
            if c.verdict.startswith("reproduced")
            else "yellow"
            if c.verdict.startswith("partly")
            else "dim"
            if c.verdict == "not measured"
            else "red"
        )
        value = "-" if c.value is None else f"{c.value:.3g} [{c.low:.3g}, {c.high:.3g}] {c.unit}"
        group = c.arm if c.variant is None else f"{c.variant}/{c.arm}"
        table.add_row(
            c.id, group, f"[{style}]{c.verdict}[/]", value, f"{c.seeds_holding} of {c.num_seeds}", c.data, c.budget
        )
    if claims:
        console.print(table)


@app.command()
def sync(results: Results = DEFAULT_RESULTS) -> None:
    """Complete the MLflow mirror of every recorded cell. Ends with 4 where something is still missing."""
    from bench.records import find_cells

    if not (results / "cells").is_dir():
        raise BadInput(f"{results} holds no cells")
    results = results.absolute()
    uri = tracking.resolve_uri(results)
    folders = list(find_cells(results))
    with Progress(*Progress.get_default_columns(), console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("mirroring", total=len(folders))

        def on_progress(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        left = mirror.sync(results, folders, uri, on_progress)
    for item in left:
        console.print(f"[yellow]not fully tracked:[/yellow] {escape(str(item))}", soft_wrap=True)
    console.print(f"{len(folders) - len(left)} of {len(folders)} cells are mirrored in full")
    raise typer.Exit(int(Exit.NOT_TRACKED if left else Exit.OK))


def main() -> None:
    """Entry point: a user's mistake is one line and exit code 2."""
    try:
        app()
    except (BadInput, SpecError, data.DataError, Locked) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(int(Exit.BAD_INPUT))
    except BrokenPipeError:  # `... | head`: the reader has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(Exit.OK))


__all__ = ["Spec", "app", "main"]
