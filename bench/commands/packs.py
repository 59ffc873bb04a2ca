"""``pack`` and ``unpack``: write finished cells as archives, and add them to other results."""

from pathlib import Path
from typing import Annotated

import typer

from bench.console import BadInput, escape, plural, say
from bench.options import Results
from bench.paths import DEFAULT_RESULTS, require_file, require_folder, require_writable
from bench.records.packs import pack as write_pack
from bench.records.unpacking import unpack as add_packs

BYTES_OF_MB = 1_000_000


def pack(
    results: Annotated[Path, typer.Argument(help="Folder of the cells.")],
    to: Annotated[Path, typer.Option(help="The archive to write, for example cells.zip.")],
    weights: Annotated[
        bool,
        typer.Option("--weights", help="Include the trained networks, which export, sample and new measures need."),
    ] = False,
    max_mb: Annotated[
        float | None,
        typer.Option(min=0.1, max=1e6, help="Largest size of a file. A larger pack is split into FILE-1, FILE-2, ..."),
    ] = None,
) -> None:
    """Write the finished cells as one archive to carry elsewhere: records, curves, measures and pictures."""
    require_folder("results", results)
    if not (results / "cells").is_dir():
        raise BadInput(f"{results} holds no cells")
    require_file("--to", to)
    max_bytes = None if max_mb is None else int(max_mb * BYTES_OF_MB)
    packed = write_pack(results.absolute(), to, weights=weights, max_bytes=max_bytes)
    for line in packed.left_out:
        say(f"[yellow]left out:[/yellow] {escape(line)}")
    for path in packed.files:
        say(f"{escape(str(path))}: {path.stat().st_size / BYTES_OF_MB:.1f} MB")
    without = "" if weights else ", without weights: --weights includes them"
    say(f"{plural(len(packed.cells), 'cell')} packed{without}")


def unpack(
    files: Annotated[list[Path], typer.Argument(help="Archives that pack has written.")],
    results: Results = DEFAULT_RESULTS,
) -> None:
    """Add the cells of archives to a results folder. Nothing is overwritten: a cell that differs is an error."""
    require_folder("results", results)
    absolute = results.absolute()
    unpacked = add_packs(files, absolute, before_writing=lambda: require_writable(absolute))
    for name in unpacked.completed:
        say(f"{escape(name)}: existed already; missing files were added")
    for name in unpacked.skipped:
        say(f"{escape(name)}: exists already, with the same bits")
    counts = f"{plural(len(unpacked.added), 'cell')} added, {len(unpacked.skipped)} existed already"
    if unpacked.completed:
        counts += f", {len(unpacked.completed)} completed"
    say(f"{counts}; records in {escape(str(results))}")
    if unpacked.without_weights:
        are = "has no weights: it is" if unpacked.without_weights == 1 else "have no weights: they are"
        say(f"{plural(unpacked.without_weights, 'cell')} {are} finished, but cannot be measured again")
