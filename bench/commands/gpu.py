"""``gpu``: run everything that needs a GPU within a time limit, and pack the results."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from bench.console import BadInput, Exit, escape, received_signals, say, say_as_is
from bench.context import DEFAULT_SPEC, names_in
from bench.environment import command
from bench.gpu.session import StepRecord, run_steps
from bench.gpu.steps import NAMES, StepOptions
from bench.gpu.steps import steps as steps_of
from bench.options import DataDir, Jobs, SpecOption, Substitute
from bench.paths import of_spec, require_folder, require_writable
from bench.placement import found_device
from bench.run.data import require_sets
from bench.spec.schema import suggest
from bench.spec.tables import load_spec


def gpu(
    to: Annotated[Path, typer.Option(help="Folder to carry home: packs, speeds, summary, log.")],
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
        str | None, typer.Option(help=f"Only these steps, separated by commas: {', '.join(NAMES)}.")
    ] = None,
) -> Exit:
    """Run everything that needs a GPU, without network or MLflow: tests, speeds, Figures 1 and 2, then the rest.

    Each step has its own time limit, and a failed step does not stop the others.
    Finished cells are packed at once. docs/GPU.md has the details.
    """
    wanted = names_in(steps) or NAMES
    options = _checked(to, StepOptions(device, results, spec, data_dir, substitute, jobs), wanted)
    with received_signals() as signals:
        todo, folder = steps_of(options, wanted), to.absolute()
        records = run_steps(todo, minutes, folder, options.results, stop=lambda: bool(signals), say=say_as_is)
    _print_end(records, to, options.spec)
    if signals:
        return Exit.of_signal(signals[0])
    return Exit.FAILED if any(record.status == "failed" for record in records) else Exit.OK


def _checked(destination: Path, given: StepOptions, wanted: Sequence[str]) -> StepOptions:
    for name in wanted:
        if name not in NAMES:
            raise BadInput(f"unknown step {name!r}{suggest(name, list(NAMES))}")
    load_spec(given.spec)
    for what, folder in (("--to", destination), ("results", given.results), ("data", given.data_dir)):
        if folder is not None:
            require_folder(what, folder)
    if given.data_dir is not None and not given.data_dir.exists():
        raise BadInput(f"data folder {given.data_dir} does not exist")
    require_sets(names_in(given.substitute) or ())
    device = found_device(given.device, "; --device cpu rehearses the steps")
    for folder in (destination, given.results):
        require_writable(folder)
    data_dir = given.data_dir.absolute() if given.data_dir else None
    results, spec = given.results.absolute(), given.spec.absolute()
    return replace(given, device=device, results=results, spec=spec, data_dir=data_dir)


def _print_end(records: Sequence[StepRecord], destination: Path, spec: Path) -> None:
    folder = escape(str(destination))
    say(f"carry home: {folder}; summary.txt says what became of each step")
    if any(record.num_cells for record in records):
        say("at home, in this order:")
        report = command("report", *of_spec(spec))
        for line in (f"{command('unpack', destination)}/*.zip", command("sync"), report):
            say(f"  {escape(line)}", to_copy=True)
