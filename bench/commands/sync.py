"""``sync``: complete the MLflow mirror of every recorded cell."""

from pathlib import Path

from bench.console import BadInput, Exit, console, escape, is_watched, say
from bench.context import require_mlflow
from bench.options import Results
from bench.paths import DEFAULT_RESULTS, require_folder, require_writable
from bench.records.find import find_cells
from bench.records.locks import results_lock
from bench.tracking import connection as tracking
from bench.tracking import mirror


def sync(results: Results = DEFAULT_RESULTS) -> Exit:
    """Complete the MLflow mirror of every recorded cell. Exit code 4 if something is still missing."""
    require_folder("results", results)
    if not (results / "cells").is_dir():
        raise BadInput(f"{results} holds no cells")
    require_mlflow("copy the results to a machine that has it, or install it")
    uri = tracking.resolve_uri(results)
    require_writable(results)
    with results_lock(results):
        try:
            return _sync(results.absolute(), uri)
        except KeyboardInterrupt:
            say("stopped: run the same command to continue; nothing is sent twice")
            return Exit.INTERRUPTED


def _sync(results: Path, uri: str) -> Exit:
    from rich.progress import Progress

    found = find_cells(results)
    folders = found.folders
    for line in [*found.strays, *found.damaged]:
        say(f"[yellow]left out:[/yellow] {escape(line)}")
    with Progress(*Progress.get_default_columns(), console=console, disable=not is_watched()) as progress:
        bar = progress.add_task("mirroring", total=len(folders))
        left = mirror.sync(results, folders, uri, lambda done: progress.update(bar, completed=done))
    for line in mirror.in_lines(left):
        say(f"[yellow]not fully tracked:[/yellow] {escape(line)}")
    say(f"{len(folders) - len(left)} of {len(folders)} cells are mirrored in full")
    return Exit.NOT_TRACKED if left or found.damaged else Exit.OK
