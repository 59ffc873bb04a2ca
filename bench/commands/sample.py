"""``sample``: draw the paper's grid of one code with a trained network."""

from pathlib import Path
from typing import Annotated

import typer

from bench.analysis.pictures import grid_png, labels_of
from bench.analysis.wanted import Wanted
from bench.commands.export import passed_over
from bench.console import BadInput, escape, say
from bench.context import DEFAULT_SPEC
from bench.models import trained
from bench.options import OfArm, OfExperiment, OfProfile
from bench.paths import nearest, require_file
from bench.records.storage import write_atomic
from bench.spec.tables import load_spec


def sample(
    source: Annotated[
        Path, typer.Argument(help="A folder that export has written, a results folder, a pack, or one cell's folder.")
    ],
    vary: Annotated[str, typer.Option(help="The code that changes from column to column: c1, c2, ...")],
    to: Annotated[Path, typer.Option(help="The PNG to write.")],
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the noise and of the other codes.")] = 0,
    zoom: Annotated[int, typer.Option(min=1, max=8, help="Screen pixels per side for each pixel of an image.")] = 2,
    experiment: OfExperiment = None,
    arm: OfArm = None,
    profile: OfProfile = None,
) -> None:
    """Draw the paper's grid of one code. Columns vary the code; each row has other noise and other codes."""
    require_file("--to", to)
    nearest("source", source)
    if to.suffix != ".png":
        raise BadInput(f"--to {to}: it writes a picture, FILE.png")
    from infogan import api

    try:
        if (source / api.CARD).exists():
            loaded = api.load(source, experiment, arm=arm, profile=profile)
        else:
            wanted = Wanted(experiment, profile, arm)
            loaded = trained(source, wanted, load_spec(DEFAULT_SPEC), passed_over).model()
        grid = loaded.traversal(vary, seed=seed).numpy()
    except api.ModelError as error:
        raise BadInput(str(error)) from error
    write_atomic(to, grid_png(grid, labels_of(vary, grid.shape[1], loaded.card["codes"], {}), zoom=zoom))
    say(f"{escape(vary)} of {escape(str(source))} drawn to {escape(str(to))}")
