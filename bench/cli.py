"""``python -m bench``: each command parses its options and calls a function. ``--help`` lists the exit codes."""

import errno
import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Unpack

import typer
from typer.exceptions import TyperException

from bench.commands import compare, export, packs, sample, serve
from bench.console import BadInput, Exit, guard_streams
from bench.context import DEFAULT_SPEC, Context, named
from bench.gpu.steps import NAMES
from bench.options import (
    PATH_VARIABLES,
    CellOptions,
    CostProfile,
    DataDir,
    Device,
    Experiments,
    GateOptions,
    Images,
    Jobs,
    Profile,
    Resize,
    Results,
    Settings,
    SpecOption,
    Substitute,
    ToRun,
    expanded,
    with_options,
)
from bench.paths import DEFAULT_RESULTS
from bench.records.locks import Locked
from bench.run.executors.base import ExecutorError
from bench.spec.images import replacement
from bench.spec.tables import SpecError
from infogan.architectures import ARCHITECTURES
from infogan.data import DataError
from infogan.data.base import home_dir, one_line

# errors of a disk (full, over quota, file too large, read-only, forbidden, broken) and limits of a process
DISK_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.callback()
def _about() -> None:
    """Reproduce InfoGAN (Chen et al., 2016): train its networks, track them in MLflow, answer the paper's claims.

    A cell is one training run: an experiment, a variant, an arm and a seed.
    [bold]plan[/bold] lists the cells. [bold]run[/bold] trains those that are missing; stop and repeat it
    at any time. [bold]report[/bold] answers the claims.

    Exit codes:
      0         all is well
      1         a cell failed, or the gate found a regression
      2         bad input, found before any training (by bisect perhaps later)
      3         the gate or compare cannot tell
      4         trained, but not fully tracked
      130, 143  interrupted
    """


@app.command()
@with_options
def plan(
    experiments: Experiments = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Measure the time: train every kind of cell briefly, --jobs at a time.")
    ] = False,
    price_per_hour: Annotated[
        float | None,
        typer.Option(min=0, max=1e6, help="With --estimate: price of the machine per hour.", show_default=False),
    ] = None,
    **options: Unpack[CellOptions],
) -> None:
    """List the cells with their states, and how long the missing ones will take. Changes nothing in the results."""
    if price_per_hour is not None and not estimate:
        raise BadInput("--price-per-hour needs --estimate: without measured times the price would be a guess")
    from bench.commands import plan as command

    context = Context(experiments, **options, download=estimate)
    command.plan(context)
    if estimate:
        from bench.commands.estimate import plan_measured

        raise typer.Exit(int(plan_measured(context, price_per_hour)))


@app.command()
@with_options
def run(
    experiments: ToRun = None,
    checkpoint_every_s: Annotated[float, typer.Option(min=1, help="Seconds between checkpoints of a cell.")] = 60.0,
    checkpoint_every: Annotated[
        int | None, typer.Option(min=1, help="Also write a checkpoint every N iterations.", show_default=False)
    ] = None,
    **options: Unpack[CellOptions],
) -> None:
    """Train every cell that is missing and mirror all to MLflow. Ctrl-C loses nothing: the next run continues."""
    from bench.commands import run as command

    context = Context(named(experiments, options["results"], options["spec"]), **options, download=True, trains=True)
    raise typer.Exit(int(command.run(context, checkpoint_every_s, checkpoint_every)))


@app.command()
def report(
    experiments: Experiments = None,
    spec: SpecOption = DEFAULT_SPEC,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of the cells; the report is written there. With --to: any number of folders or packs.",
            show_default=str(DEFAULT_RESULTS),
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Only this profile. Default: every profile that has cells.", show_default=False)
    ] = None,
    settings: Settings = None,
    images: Images = None,
    resize: Resize = False,
    to: Annotated[
        Path | None,
        typer.Option(
            help="FILE.html: one page over all folders, with the best evidence for each claim.", show_default=False
        ),
    ] = None,
) -> None:
    """Write the report (index.html, report.md, claims.json) on the recorded cells, and print its answers."""
    from bench.commands import report as command

    replaced = replacement(experiments, images, resize)
    command.report(experiments, spec, results or [DEFAULT_RESULTS], profile, settings or (), to, replaced)


@app.command()
def sync(results: Results = DEFAULT_RESULTS) -> None:
    """Complete the MLflow mirror of every recorded cell. Exit code 4 if something is still missing."""
    from bench.commands import sync as command

    raise typer.Exit(int(command.sync(results)))


app.command()(packs.pack)
app.command()(packs.unpack)


app.command()(serve.ui)
app.command()(serve.server)
GateExperiment = Annotated[str, typer.Argument(help="An experiment with a categorical code.")]
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
        typer.Option(
            "--baseline",
            help="Baseline to compare with. Default: results/baseline/EXPERIMENT.json.",
            show_default=False,
        ),
    ] = None,
    train: Train = False,
    record: Annotated[
        bool, typer.Option("--record", help="Also add the result to the committed history beside the baselines.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit code 1 also for a tolerated change for the worse: slower, or a lower L_I."),
    ] = False,
    json: Annotated[
        str | None,
        typer.Option(
            "--json", help="Also write the JSON to this file. -: print it, and everything else on standard error."
        ),
    ] = None,
    **options: Unpack[GateOptions],
) -> None:
    """Has MI convergence regressed? 0 ok, 1 regressed, 2 bad input, 3 inconclusive, which is never "passed".

    Five new seeds are compared with the baseline's ten: the ratio of T80 with its
    exact interval, and the final L_I. If the answer is not ok, five more seeds
    decide once. With --run they are trained at once; without it they are named.
    A tolerated change is still reported: "ok, but slower: 4 % [2, 6]".
    """
    from bench.commands import gate as command

    how = command.CheckOptions(train, record, strict, json)
    raise typer.Exit(int(command.check(experiment, baseline_file, how, **options)))


@app.command()
def history(
    experiment: GateExperiment = "mi-gate",
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Checks to list. Default: RESULTS/history.jsonl.", show_default=False),
    ] = None,
    results: Results = DEFAULT_RESULTS,
) -> None:
    """List and draw the checks over the commits: T80's ratio, throughput, and where their level changed.

    Each check adds a line to RESULTS/history.jsonl. With --record it also adds
    the line to results/baseline/history.jsonl.
    """
    from bench.commands import history as command

    raise typer.Exit(int(command.history(experiment, results, file)))


@app.command()
@with_options
def baseline(
    experiment: GateExperiment = "mi-gate",
    to: Annotated[
        Path | None,
        typer.Option("--to", help="File to write. Default: results/baseline/EXPERIMENT.json.", show_default=False),
    ] = None,
    train: Train = False,
    **options: Unpack[GateOptions],
) -> None:
    """Store finished runs as the baseline of check. Never do this after a red check: it would hide the finding."""
    from bench.commands import gate as command

    raise typer.Exit(int(command.baseline(experiment, to, train=train, **options)))


@app.command()
def bisect(
    experiment: GateExperiment = "mi-gate",
    good: Annotated[str, typer.Option(help="A good commit; the others are compared with it.")] = ...,  # type: ignore[assignment]
    bad: Annotated[str, typer.Option(help="A later commit that has regressed.")] = "HEAD",
    strict: Annotated[bool, typer.Option("--strict", help="Count a tolerated change for the worse as bad.")] = False,
    baseline_file: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            help="Baseline that the good commit must pass. Default: the committed one, if it exists.",
            show_default=False,
        ),
    ] = None,
    spec: SpecOption = DEFAULT_SPEC,
    results: Results = DEFAULT_RESULTS,
    profile: Profile = None,
    device: Device = "auto",
    jobs: Jobs = None,
    data_dir: DataDir = None,
    substitute: Substitute = None,
) -> None:
    """Find the first commit that the gate calls regressed: 0 found, 2 nothing to search, 3 not decided.

    The rule is that of this checkout's experiments.toml. Each commit trains with
    its own settings, in a work tree of its own under RESULTS/bisect. An
    inconclusive commit gets five more seeds and is then skipped. All that was
    trained is kept: after an interruption the same command continues.
    """
    from bench.commands import bisect as command

    options = command.Options(results, profile, data_dir, device, jobs, substitute)
    code = command.bisect(experiment, good, bad, options, spec=spec, baseline_file=baseline_file, strict=strict)
    raise typer.Exit(int(code))


@app.command()
def throughput(
    results: Results = DEFAULT_RESULTS,
    networks: Annotated[
        str, typer.Option(help=f"Networks to measure, separated by commas: {', '.join(ARCHITECTURES)}.")
    ] = "mnist",
    batch_size: Annotated[int, typer.Option(min=2, max=65536, help="Images per batch.")] = 128,
    width: Annotated[float, typer.Option(help="Width multiplier of the networks, at most 8.")] = 1.0,
    threads: Annotated[int, typer.Option(min=1, max=1024, help="Number of torch threads. Cells train on one.")] = 1,
    kernels: Annotated[
        str,
        typer.Option(
            help="Kernels of the fused step: torch, winograd or fastest, as in experiments. Other steps use torch."
        ),
    ] = "fastest",
    device: Device = "auto",
    against: Annotated[
        Path | None,
        typer.Option(
            help="A stored record to compare with. Exit code: 0 not slower, 1 slower, 3 inconclusive.",
            show_default=False,
        ),
    ] = None,
    suite: Annotated[
        bool, typer.Option("--suite", help="Measure all networks, batch sizes and numbers of threads, with a figure.")
    ] = False,
    card: Annotated[
        bool, typer.Option("--card", help="Measure one GPU: eager and graph, three precisions, one seed and five.")
    ] = False,
) -> None:
    """Compare the speed of the fused step with other ways to write it, and with the machine's matrix products.

    Its records are in RESULTS/throughput.
    """
    from bench.commands import throughput as command

    options = command.Options(networks, batch_size, width, threads, kernels, device, against, suite, card)
    raise typer.Exit(command.throughput(results, options))


@app.command()
def cost(spec: SpecOption = DEFAULT_SPEC, results: Results = DEFAULT_RESULTS, profile: CostProfile = None) -> None:
    """Measure what codes and Q add to the time of a plain GAN's iteration, on one CPU thread (claim S6a).

    The record is RESULTS/throughput/cost.json. If this machine has made it for
    this code, nothing is measured.
    """
    from bench.commands import cost as command

    command.cost(spec, results, profile)


@app.command()
def gpu(
    to: Annotated[Path, typer.Option("--to", help="Folder to carry home: packs, speeds, summary, log.")],
    minutes: Annotated[float, typer.Option(min=0.1, max=10080, help="Minutes for which the GPU is available.")] = 10.0,
    results: Annotated[Path, typer.Option(help="Folder of the cells. The next call continues from it.")] = Path(
        "results/gpu"
    ),
    spec: SpecOption = DEFAULT_SPEC,
    device: Annotated[str, typer.Option(help="cuda, or cpu to rehearse every step at smoke size.")] = "cuda",
    data_dir: DataDir = None,
    substitute: Substitute = None,
    jobs: Jobs = None,
    steps: Annotated[
        str | None,
        typer.Option(help=f"Only these steps, separated by commas: {', '.join(NAMES)}.", show_default=False),
    ] = None,
) -> None:
    """Run everything that needs a GPU, without network or MLflow: tests, speeds, Figures 1 and 2, then the rest.

    Each step has its own time limit, and a failed step does not stop the others.
    Finished cells are packed at once. docs/GPU.md has the details.
    """
    from bench.commands import gpu as command

    wanted = NAMES if steps is None else [name.strip() for name in steps.split(",")]
    options = command.Options(device, results, spec, data_dir, substitute, jobs)
    raise typer.Exit(int(command.gpu(minutes, to, options, wanted)))


def main() -> None:
    """Entry point. A mistake in the input becomes one line and exit code 2."""
    guard_streams()
    try:
        os.environ.setdefault("HOME", str(home_dir()))  # MLflow does not start without HOME
        for name in PATH_VARIABLES:
            if os.environ.get(name):  # absolute: bisect and gpu start commands in other folders
                os.environ[name] = os.path.abspath(expanded(name, os.environ[name]))
        arguments = [expanded(*pair) for pair in pairwise(["bench", *sys.argv[1:]])]
        sys.exit(app(arguments, standalone_mode=False))  # the code of a typer.Exit, else None, which means 0
    except TyperException as error:  # a wrong command line; without a message, the help was shown
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
        too_long = error.errno == errno.ENAMETOOLONG  # a path that the user gave
        if error.errno not in DISK_ERRORS and not too_long:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(int(Exit.BAD_INPUT if too_long else Exit.FAILED))
    except (MemoryError, ImportError) as error:  # a limit of memory or open files, hit while a library loads
        if isinstance(error, ModuleNotFoundError):
            raise
        print(f"error: {one_line(' '.join(str(error).split())) or 'out of memory'}", file=sys.stderr)
        sys.exit(int(Exit.FAILED))
