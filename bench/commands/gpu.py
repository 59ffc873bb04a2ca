"""``gpu``: everything that a GPU is wanted for in so many minutes, packed to be carried home."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.console import BadInput, Exit, escape, say
from bench.context import require_folder, require_writable
from bench.gpu.session import OtherResults, StepRecord, run_steps
from bench.gpu.steps import NAMES, Options, steps
from bench.serve.process import received_signals
from bench.spec.schema import suggest
from bench.spec.tables import load_spec
from infogan.runtime import available_device


@dataclass(frozen=True)
class Given:
    """The command line's, beside the time and the folders. ``steps``: their names; None: all."""

    spec: Path
    device: str = "cuda"
    data_dir: Path | None = None
    substitute: str | None = None
    jobs: int | None = None
    steps: Sequence[str] | None = None


def gpu(minutes: float, destination: Path, results: Path, given: Given) -> Exit:
    """Run the steps; what is finished lies in ``destination``. Raises BadInput before the first."""
    options = _checked(destination, results, given)
    wanted = NAMES if given.steps is None else given.steps
    with received_signals() as signals:
        try:
            records = run_steps(
                steps(options, wanted),
                minutes,
                destination.absolute(),
                options.results,
                stop=lambda: bool(signals),
                say=lambda text: say(escape(text)),
            )
        except OtherResults as error:
            raise BadInput(str(error)) from error
    _print_end(records, destination)
    if signals:
        return Exit.TERMINATED if signals[0] == signal.SIGTERM else Exit.INTERRUPTED
    return Exit.FAILED if any(record.status == "failed" for record in records) else Exit.OK


def _checked(destination: Path, results: Path, given: Given) -> Options:
    for name in given.steps or ():
        if name not in NAMES:
            raise BadInput(f"unknown step {name!r}{suggest(name, list(NAMES))}")
    load_spec(given.spec)
    for what, folder in (("--to", destination), ("results", results), ("data", given.data_dir)):
        if folder is not None:
            require_folder(what, folder)
    try:
        device = available_device(given.device)
    except ValueError as error:
        raise BadInput(f"{error}; --device cpu rehearses the steps") from error
    for folder in (destination, results):
        require_writable(folder)
    data_dir = given.data_dir.absolute() if given.data_dir else None
    return Options(device, results.absolute(), given.spec.absolute(), data_dir, given.substitute, given.jobs)


def _print_end(records: Sequence[StepRecord], destination: Path) -> None:
    folder = escape(str(destination))
    say(f"carry home: {folder}; summary.txt says what became of each step")
    if any(record.num_cells for record in records):
        say("at home, in this order:")
        for command in (f"unpack {folder}/*.zip", "sync", "report"):
            say(f"  python -m bench {command}", to_copy=True)
