"""``export``: write the trained networks of a cell as a folder that ``infogan.load`` reads."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from bench.analysis.wanted import Wanted
from bench.console import BadInput, escape, say
from bench.context import DEFAULT_SPEC
from bench.models import LoadedCell, trained
from bench.options import OfArm, OfExperiment, OfProfile
from bench.paths import nearest, require_file, require_folder
from bench.records.storage import write_atomic, write_plain_json
from bench.spec.tables import load_spec

ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def export(
    source: Annotated[Path, typer.Argument(help="A results folder, a pack with weights, or one cell's folder.")],
    to: Annotated[Path, typer.Option(help="The folder to make.")],
    experiment: OfExperiment = None,
    arm: OfArm = None,
    seed: Annotated[str | None, typer.Option(help="Its seed: a number, median or best. Default: best.")] = None,
    profile: OfProfile = None,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Also write the generator as ONNX, checked with onnxruntime (extra: onnx).")
    ] = False,
    spec: Annotated[
        Path, typer.Option(help="File that declares the claims.", show_default="experiments.toml")
    ] = DEFAULT_SPEC,
) -> None:
    """Write a finished cell's networks as a folder that infogan.load reads, with a card that says what they are.

    The best seed makes the fewest errors on the training digits. If that was not
    measured, it is the seed whose codes hold the most information. The median
    seed is the middle one in that order.
    """
    lacking = [name for name in ONNX_PACKAGES if onnx and find_spec(name) is None]
    if lacking:
        raise BadInput(f"--onnx needs {', '.join(lacking)}: pip install infogan-bench[onnx]")
    require_folder("--to", to)
    if to.exists() and any(to.iterdir()):
        raise BadInput(f"--to {to} is not empty; name another folder")
    if not to.exists():
        require_file("--to", to)
    nearest("source", source)
    found = trained(source, Wanted(experiment, profile, arm, seed), load_spec(spec), passed_over)
    _write(to, found, onnx=onnx)
    size = sum(file.stat().st_size for file in to.iterdir())
    say(f"{escape(found.name)} exported to {escape(str(to))}: {size / 1e6:.1f} MB")


def passed_over(line: str) -> None:
    """Print that a damaged cell is skipped."""
    say(f"[yellow]skipped:[/yellow] {escape(line)}")


def _write(to: Path, found: LoadedCell, *, onnx: bool) -> None:
    """Write the folder atomically, and only if it can be loaded. Raises BadInput."""
    from infogan import api, exchange

    whole = to.absolute()
    whole.parent.mkdir(parents=True, exist_ok=True)
    incoming = whole.with_name(f".{whole.name}.{os.getpid()}")
    try:
        write_atomic(incoming / api.WEIGHTS, found.weights)
        write_plain_json(incoming / api.CARD, found.card)
        model = api.load(incoming)
        if onnx:
            exchange.write_onnx(model, incoming / exchange.ONNX)
        incoming.replace(whole)
    except api.ModelError as error:
        raise BadInput(str(error).replace(str(incoming), str(to))) from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
