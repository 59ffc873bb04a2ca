"""``python -m bench``: a command here parses, then calls a plain function. ``--help`` lists the exit codes."""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated, Unpack

import typer
from typer.exceptions import TyperException

from bench.commands import compare, export, packs, sample
from bench.console import BadInput, Exit, guard_streams
from bench.context import DEFAULT_RESULTS, DEFAULT_SPEC, Context, named
from bench.options import (
    PATH_VARIABLES,
    CellOptions,
    DataDir,
    Device,
    Experiments,
    GateOptions,
    Jobs,
    Profile,
    Results,
    Settings,
    SpecOption,
    expanded,
    with_options,
)
from bench.records.locks import Locked
from bench.run.executors.base import ExecutorError
from bench.spec.tables import SpecError
from infogan.data import DataError
from infogan.data.base import home_dir, one_line

# what a disk answers: full, over its quota, a file too large, read-only, forbidden, broken; and limits of a process
DISK_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.callback()
def _about() -> None:
    """Reproduce InfoGAN (Chen et al., 2016): train every cell, mirror it to MLflow, answer the paper's claims.

    A cell is one (experiment, variant, arm, seed). [bold]plan[/bold] lists cells and changes no result,
    [bold]run[/bold] trains what is missing and can be stopped and repeated at any time, [bold]report[/bold] writes the
    claim table.

    Exit codes: 0 all well; 1 a cell failed, or the gate found a regression; 2 bad input, nothing was changed;
    3 the gate is inconclusive; 4 trained but not fully tracked; 130 or 143 interrupted.
    """


@app.command()
@with_options
def plan(
    experiments: Experiments = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Measure: train every kind of cell for a moment, as many as --jobs.")
    ] = False,
    price_per_hour: Annotated[
        float | None,
        typer.Option(min=0, help="With --estimate: what the machine costs an hour.", show_default=False),
    ] = None,
    **options: Unpack[CellOptions],
) -> None:
    """List the cells with their state, and what the missing ones will take. Changes nothing in the results."""
    if price_per_hour is not None and not estimate:
        raise BadInput("--price-per-hour needs --estimate: a guess is no basis for a price")
    from bench.commands import plan as command

    context = Context(experiments, **options, download=estimate)
    command.plan(context)
    if estimate:
        from bench.commands.estimate import plan_measured

        raise typer.Exit(int(plan_measured(context, price_per_hour)))


@app.command()
@with_options
def run(
    experiments: Experiments = None,
    checkpoint_every_s: Annotated[float, typer.Option(min=1, help="Seconds between checkpoints of a cell.")] = 60.0,
    checkpoint_every: Annotated[
        int | None, typer.Option(min=1, help="Iterations between checkpoints, beside the seconds.", show_default=False)
    ] = None,
    **options: Unpack[CellOptions],
) -> None:
    """Train every cell that is missing, mirror all to MLflow. Ctrl-C loses nothing: the next run goes on."""
    from bench.commands import run as command

    context = Context(named(experiments), **options, download=True, trains=True)
    raise typer.Exit(int(command.run(context, checkpoint_every_s, checkpoint_every)))


@app.command()
def report(
    experiments: Experiments = None,
    spec: SpecOption = DEFAULT_SPEC,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder that holds cells; it gets the report. With --to also a pack, and as many as one likes.",
            show_default=str(DEFAULT_RESULTS),
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Only this profile; default: all that are there.", show_default=False)
    ] = None,
    settings: Settings = None,
    to: Annotated[
        Path | None,
        typer.Option(help="One page over all folders, each claim by its best evidence: FILE.html.", show_default=False),
    ] = None,
) -> None:
    """Write the report (index.html, report.md, claims.json) from what is there, and say what it answers."""
    from bench.commands import report as command

    command.report(experiments, spec, results or [DEFAULT_RESULTS], profile, settings or (), to)


@app.command()
def sync(results: Results = DEFAULT_RESULTS) -> None:
    """Complete the MLflow mirror of every recorded cell. Ends with 4 where something is still missing."""
    from bench.commands import sync as command

    raise typer.Exit(int(command.sync(results)))


app.command()(packs.pack)
app.command()(packs.unpack)


@app.command()
def ui(
    results: Results = DEFAULT_RESULTS,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Default: a free one.", show_default=False)] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the addresses.")] = False,
) -> None:
    """Serve the MLflow pages of the results on this machine alone, until Ctrl-C."""
    from bench.serve.ui import show

    raise typer.Exit(int(show(results, port, open_browser=not no_browser)))


@app.command()
def server(
    folder: Annotated[Path, typer.Option(help="Holds database, artifacts, logs.")] = Path("results/server"),
    store: Annotated[
        str,
        typer.Option(
            envvar="MLFLOW_BACKEND_STORE_URI",
            help="postgresql (made in the folder), sqlite, or the address of a database; one with a password belongs "
            "into the variable, not here.",
            show_default="postgresql",
        ),
    ] = "postgresql",
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
    allowed_hosts: Annotated[
        str | None,
        typer.Option(
            help="Names under which clients may reach it too, exactly, separated by commas; localhost and private "
            "addresses always may.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer.")] = 1,
    token: Annotated[bool, typer.Option("--token", help="Answer only who brings the token in the folder.")] = False,
) -> None:
    """Serve one tracking store for all sweeps, until Ctrl-C: MLflow with PostgreSQL and an artifact folder."""
    from bench.serve.server import Options, serve

    raise typer.Exit(int(serve(Options(folder, store, host, port, allowed_hosts, workers, token))))


GateExperiment = Annotated[str, typer.Argument(help="Which experiment; it needs a categorical code.")]
Train = Annotated[bool, typer.Option("--run", help="Train the missing seeds first.")]
app.command()(with_options(compare.compare))
app.command()(export.export)
app.command()(sample.sample)


@app.command()
@with_options
def check(
    experiment: GateExperiment = "mi-gate",
    baseline_file: Annotated[
        Path | None,
        typer.Option("--baseline", help="Default: results/baseline/EXPERIMENT.json.", show_default=False),
    ] = None,
    train: Train = False,
    record: Annotated[
        bool, typer.Option("--record", help="Add the result to the committed history beside the baselines too.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="1 too where it is slower, or L_I lower, within what is tolerated.")
    ] = False,
    json: Annotated[
        str | None,
        typer.Option("--json", help="A file for the JSON too; -: print it, the rest goes to the standard error."),
    ] = None,
    **options: Unpack[GateOptions],
) -> None:
    """Has MI convergence regressed? 0 ok, 1 regressed, 2 bad use, 3 inconclusive, which is never "passed".

    Five new seeds are held against the baseline's ten: T80, its ratio with an exact interval, and the final L_I. When
    that is not ok, five more decide once; with --run they are trained at once, without it they are named. What is
    tolerated but changed is said: "ok, but slower: 4 % [2, 6]".
    """
    from bench.commands import gate as command

    how = command.CheckOptions(train, record, strict, json)
    raise typer.Exit(int(command.check(experiment, baseline_file, how, **options)))


@app.command()
def history(
    experiment: GateExperiment = "mi-gate",
    file: Annotated[
        Path | None, typer.Option("--file", help="Default: RESULTS/history.jsonl.", show_default=False)
    ] = None,
    results: Results = DEFAULT_RESULTS,
) -> None:
    """List and draw the checks over commits: T80's ratio, throughput, and where their level changed.

    ``check`` adds a line to RESULTS/history.jsonl each time, with --record also to results/baseline/history.jsonl.
    """
    from bench.commands import history as command

    raise typer.Exit(int(command.history(experiment, file or results / "history.jsonl", results / "history")))


@app.command()
@with_options
def baseline(
    experiment: GateExperiment = "mi-gate",
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Default: results/baseline/EXPERIMENT.json.", show_default=False),
    ] = None,
    train: Train = False,
    **options: Unpack[GateOptions],
) -> None:
    """Store finished runs as the baseline that ``check`` compares with. Not after a red check: that would hide it."""
    from bench.commands import gate as command

    raise typer.Exit(int(command.baseline(experiment, to, train=train, **options)))


@app.command()
def bisect(
    experiment: GateExperiment = "mi-gate",
    good: Annotated[str, typer.Option(help="A commit that is well; the others are held against it.")] = ...,  # type: ignore[assignment]
    bad: Annotated[str, typer.Option(help="A later commit that has regressed.")] = "HEAD",
    strict: Annotated[
        bool, typer.Option("--strict", help="A change for the worse that is tolerated counts as bad.")
    ] = False,
    baseline_file: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            help="The good commit must not be bad against it. Default: the committed one, if there is one.",
            show_default=False,
        ),
    ] = None,
    spec: SpecOption = DEFAULT_SPEC,
    results: Results = DEFAULT_RESULTS,
    profile: Profile = None,
    device: Device = "auto",
    jobs: Annotated[int | None, typer.Option(min=1, max=1024, help="Cells at a time.", show_default=False)] = None,
    data_dir: Annotated[
        Path | None, typer.Option(envvar="INFOGAN_DATA", help="Folder with the real data.", show_default=False)
    ] = None,
) -> None:
    """Find the first commit that the gate calls regressed: 0 found, 2 nothing to search, 3 not decided.

    The rule is that of this checkout's experiments.toml; the settings that a commit trains with are its own.
    Every commit trains in a work tree of its own, under RESULTS/bisect. An inconclusive one gets five more seeds, then
    it is skipped. What was trained is kept: the same command goes on after an interruption.
    """
    from bench.commands import bisect as command

    options = command.Options(results, profile, data_dir, device, jobs)
    code = command.bisect(experiment, good, bad, options, spec=spec, baseline_file=baseline_file, strict=strict)
    raise typer.Exit(int(code))


@app.command()
def throughput(
    results: Results = DEFAULT_RESULTS,
    networks: Annotated[str, typer.Option(help="Networks to measure, separated by commas.")] = "mnist",
    batch_size: Annotated[int, typer.Option(min=2, max=65536, help="Images of a batch.")] = 128,
    width: Annotated[float, typer.Option(help="Width multiplier of the networks.")] = 1.0,
    threads: Annotated[int, typer.Option(min=1, max=1024, help="Threads of torch; cells train on one.")] = 1,
    kernels: Annotated[
        str,
        typer.Option(
            help="Of the fused step: torch, winograd or fastest, as experiments have them; other steps have torch's."
        ),
    ] = "fastest",
    device: Device = "auto",
    against: Annotated[
        Path | None, typer.Option(help="A stored record to compare with; decides the exit code.", show_default=False)
    ] = None,
    suite: Annotated[bool, typer.Option("--suite", help="All networks, batches and threads, with a figure.")] = False,
    card: Annotated[
        bool, typer.Option("--card", help="Rows of a GPU: eager, graph, three precisions, one seed and five.")
    ] = False,
) -> None:
    """Measure the fused step against other ways to write it and against the machine's matrix products."""
    from bench.commands import throughput as command

    options = command.Options(networks, batch_size, width, threads, kernels, device, against, suite, card)
    raise typer.Exit(command.throughput(results, options))


@app.command()
def cost(spec: SpecOption = DEFAULT_SPEC, results: Results = DEFAULT_RESULTS, profile: Profile = None) -> None:
    """Measure what codes and Q add to a plain GAN's iteration, on one CPU thread, for claim S6a of the report."""
    from bench.commands import cost as command

    command.cost(spec, results, profile)


@app.command()
def gpu(
    to: Annotated[Path, typer.Option("--to", help="Folder to carry home: packs, speeds, summary, log.")],
    minutes: Annotated[float, typer.Option(min=0.1, max=10080, help="How long there is a GPU.")] = 10.0,
    results: Annotated[Path, typer.Option(help="Folder that holds the cells; the next call goes on from it.")] = Path(
        "results/gpu"
    ),
    spec: SpecOption = DEFAULT_SPEC,
    device: Annotated[str, typer.Option(help="cuda; cpu rehearses all of it at smoke size.")] = "cuda",
    data_dir: DataDir = None,
    jobs: Jobs = None,
    steps: Annotated[
        str | None, typer.Option(help="Only these steps, separated by commas.", show_default=False)
    ] = None,
) -> None:
    """Do on a GPU, without network or MLflow, what one is wanted for: tests, speeds, Figures 1 and 2, then the rest.

    Each step has a limit of its own and fails alone; what is finished is packed at once. docs/GPU.md shows it all.
    """
    from bench.commands import gpu as command

    only = None if steps is None else [name.strip() for name in steps.split(",")]
    raise typer.Exit(int(command.gpu(minutes, to, results, command.Given(spec, device, data_dir, jobs, only))))


def main() -> None:
    """Entry point: a user's mistake is one line and exit code 2."""
    guard_streams()
    try:
        os.environ.setdefault("HOME", str(home_dir()))  # MLflow does not start without one
        for name in PATH_VARIABLES:
            if name in os.environ:
                os.environ[name] = expanded(os.environ[name])
        arguments = [expanded(argument) for argument in sys.argv[1:]]
        sys.exit(app(arguments, standalone_mode=False))  # what a typer.Exit holds; None, which is 0, without one
    except TyperException as error:  # of the command line itself; without a message it has shown the help
        message = one_line(" ".join(error.format_message().split()))
        if message:
            context = getattr(error, "ctx", None)
            hint = f" ({context.command_path} --help)" if context else ""
            print(f"error: {message}{hint}", file=sys.stderr)
        sys.exit(int(Exit.BAD_INPUT))
    except (BadInput, SpecError, DataError, ExecutorError, Locked) as error:
        print(f"error: {one_line(' '.join(str(error).split()))}", file=sys.stderr)
        sys.exit(int(Exit.BAD_INPUT))
    except typer.Abort:
        print("error: aborted", file=sys.stderr)
        sys.exit(int(Exit.FAILED))
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(int(Exit.FAILED))
    except (MemoryError, ImportError) as error:  # a limit of memory or of open files, which libraries meet as they load
        if isinstance(error, ModuleNotFoundError):
            raise
        print(f"error: {one_line(' '.join(str(error).split())) or 'out of memory'}", file=sys.stderr)
        sys.exit(int(Exit.FAILED))
