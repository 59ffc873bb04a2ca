"""Folders and files that the command line names: usable, or refused in one line; and commands on a results folder."""

import os
from functools import cache
from pathlib import Path

from bench import environment
from bench.console import BadInput, escape, say
from bench.records.storage import sync_folder
from bench.spec.reading import BUILTIN

DEFAULT_RESULTS = Path("results/latest")


def require_folder(what: str, path: Path) -> None:
    """Raise BadInput if ``path`` is not a folder and cannot become one; it need not exist yet."""
    found = nearest(what, path)
    if not found.is_dir():
        inside = "" if found == path.absolute() else f": {found.name} is a file"
        raise BadInput(f"{what} {path} is not a folder{inside}")


def require_file(what: str, path: Path) -> None:
    """Raise BadInput if no file can be written at ``path``: it is a folder, or its own folder is unusable."""
    found = nearest(what, path)
    if found == path.absolute() and found.is_dir():
        raise BadInput(f"{what} {path} is a folder; name a file in it")
    require_folder(f"{what}: the folder", path.parent)
    place = found.parent if found.is_file() else found  # a file is replaced in its folder, a device written to
    if not os.access(place, os.W_OK):
        raise BadInput(f"{what} {path} cannot be written: {place} is read-only for this account")


def nearest(what: str, path: Path) -> Path:
    """The path, or the nearest folder above it that exists. Raises BadInput if this account may not look there."""
    try:
        return next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    except OSError as error:
        raise BadInput(f"{what} {path} cannot be used: {error.strerror}") from error


def require_writable(results: Path) -> None:
    """Create the results folder if needed. Raises BadInput if it cannot be written."""
    require_folder("results", results)
    try:
        results.mkdir(parents=True, exist_ok=True)
        probe = results / f".probe-{os.getpid()}"
        try:
            probe.write_bytes(b"x")
        finally:
            probe.unlink(missing_ok=True)
        if not sync_folder(results):
            _warn_of_folder(results)
    except OSError as error:
        raise BadInput(f"results folder {results} cannot be written: {error.strerror}") from error


@cache
def _warn_of_folder(results: Path) -> None:
    """Print the warning, once per folder."""
    say(
        f"[yellow]not safe from a power cut:[/yellow] the file system of {escape(str(results))} cannot make renames "
        "durable (fsync of a folder), so a power cut may lose the last records; see docs/CLUSTER.md"
    )


def on_results(results: Path, *words: object, spec: Path = BUILTIN) -> str:
    """A command on these results and this file of experiments, to copy: each is named where it is not the default.

    ``spec``: only for commands that have ``--spec``.
    """
    is_default = results.absolute() == DEFAULT_RESULTS.absolute()
    given = [] if is_default else ["--results", results.absolute()]
    return environment.command(*words, *given, *of_spec(spec))


def of_spec(spec: Path) -> list[object]:
    """``--spec`` with a file of experiments that is not the default; of the default nothing."""
    return [] if spec.resolve() == BUILTIN else ["--spec", spec.absolute()]
