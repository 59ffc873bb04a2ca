"""``gpu``: run everything that needs a GPU within a time limit, and pack the results."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.console import BadInput, Exit, escape, say
from bench.context import listed
from bench.environment import command
from bench.gpu.session import StepRecord, run_steps
from bench.gpu.steps import NAMES, Options, steps
from bench.paths import of_spec, require_folder, require_writable
from bench.run.data import require_sets
from bench.serve.process import received_signals
from bench.spec.schema import suggest
from bench.spec.tables import load_spec
from infogan.runtime import available_device


def gpu(minutes: float, destination: Path, options: Options, wanted: Sequence[str] = NAMES) -> Exit:
    """Run the wanted steps; results are in ``destination``. Raises BadInput before the first step."""
    options = _checked(destination, options, wanted)
    with received_signals() as signals:
        todo, folder = steps(options, wanted), destination.absolute()
        records = run_steps(todo, minutes, folder, options.results, stop=lambda: bool(signals), say=_say)
    _print_end(records, destination, options.spec)
    if signals:
        return Exit.of_signal(signals[0])
    return Exit.FAILED if any(record.status == "failed" for record in records) else Exit.OK


def _say(text: str) -> None:
    say(escape(text))


def _checked(destination: Path, given: Options, wanted: Sequence[str]) -> Options:
    for name in wanted:
        if name not in NAMES:
            raise BadInput(f"unknown step {name!r}{suggest(name, list(NAMES))}")
    load_spec(given.spec)
    for what, folder in (("--to", destination), ("results", given.results), ("data", given.data_dir)):
        if folder is not None:
            require_folder(what, folder)
    if given.data_dir is not None and not given.data_dir.exists():
        raise BadInput(f"data folder {given.data_dir} does not exist")
    require_sets(listed(given.substitute) or ())
    try:
        device = available_device(given.device)
    except ValueError as error:
        raise BadInput(f"{error}; --device cpu rehearses the steps") from error
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
