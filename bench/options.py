"""Command line options that several commands share, each declared once with its help."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict, get_args, get_type_hints

import typer

from bench.console import BadInput, Exit
from bench.context import Context
from bench.spec.schema import PROFILES

Experiments = Annotated[list[str] | None, typer.Argument(help="Experiments of experiments.toml. Default: all of them.")]
GateExperiment = Annotated[str, typer.Argument(help="An experiment with a categorical code.")]
SpecOption = Annotated[Path, typer.Option(help="File that declares the experiments.", show_default="experiments.toml")]
# selection of a trained network, for export and sample
OfExperiment = Annotated[
    str | None, typer.Option(help="Experiment of the network. Default: the only one in the source.")
]
OfArm = Annotated[str | None, typer.Option(help="Its ARM or VARIANT/ARM. Default: the only one in the source.")]
OfProfile = Annotated[str | None, typer.Option(help="Its profile. Default: the only one in the source.")]
Results = Annotated[Path, typer.Option(help="Folder of the cells, the MLflow store and the report.")]
Profile = Annotated[
    str | None, typer.Option(help=f"Budget: {', '.join(PROFILES)}. Default: paper on a GPU, otherwise cpu.")
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        envvar="INFOGAN_DATA", help="Folder with the real data, laid out as in docs/DATA.md. Nothing is written there."
    ),
]
Substitute = Annotated[
    str | None,
    typer.Option(
        envvar="INFOGAN_SUBSTITUTE",
        help="Data sets that may be missing from the data folder, separated by commas, or all. A download or a "
        "substitute then replaces them. Every other set must be in the folder.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1024,
        help="Cells at a time. Default: one per core; on a GPU, as its memory allows; on a cluster, as many as fit.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change a setting of training, network or profile for every cell, such as training.beta1=0.9. Values are "
        "written as in TOML. Can be repeated.",
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(help="A folder of images to use instead of the data of the named experiments (docs/DATA.md)."),
]
Resize = Annotated[
    bool, typer.Option("--resize", help="Crop larger images of --images to their middle square and average that down.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto: cuda if there is a GPU.")]


PATH_VARIABLES = ("INFOGAN_DATA", "INFOGAN_CACHE")  # environment variables that hold paths


def expanded(before: str, argument: str) -> str:
    """An argument with a leading "~" expanded, which the shell does not do after "=" or inside quotes.

    ``before``: the argument before it. Raises BadInput for an empty value, which as a path would be the current folder,
    and for an unknown user, instead of creating a folder named "~user".
    """
    flag, equals, value = argument.partition("=") if argument.startswith("-") else ("", "", argument)
    if not value and (equals or not flag):
        raise BadInput(f"nothing is given after {flag + equals or before}: leave it out, or write what is meant")
    path = os.path.expanduser(value)
    if path.startswith("~"):
        raise BadInput(f"{argument}: there is no such home folder; write ./{value} for a file of that name")
    return f"{flag}{equals}{path}"


class SeedOptions(TypedDict):
    """Which seeds to run, and where. Defaults are those of :class:`bench.context.Context`."""

    spec: SpecOption
    results: Results
    profile: Profile
    seeds: Annotated[str | None, typer.Option(help="Only these seeds: 0-4 or 0,2,5-9.")]
    settings: Settings
    data_dir: DataDir
    substitute: Substitute
    device: Device
    jobs: Jobs
    together: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="Number of seeds of an arm that one process may train; each gets the random draws, and on a CPU "
            "the bits, that it has alone. Default: 1; on a GPU up to 5, whose kernels run in parallel.",
        ),
    ]
    executor: Annotated[
        str,
        typer.Option(
            help="local: processes on this machine. ray: tasks on a cluster, with the results on shared storage "
            "(docs/CLUSTER.md).",
        ),
    ]
    no_tracking: Annotated[
        bool,
        typer.Option(
            "--no-tracking", help="Mirror nothing to MLflow, which then need not be installed. `sync` can do it later."
        ),
    ]
    ray_address: Annotated[
        str | None,
        typer.Option(help="HOST:PORT of the cluster's head. Default: RAY_ADDRESS, or the cluster on this machine."),
    ]


class GateOptions(SeedOptions):
    """Options of commands that select arms too."""

    arms: Annotated[str | None, typer.Option(help="Only these arms, separated by commas.")]


class ImageOptions(TypedDict):
    """The user's own images. The gate does not have these options, since its baseline belongs to one data set."""

    images: Images
    resize: Resize


class CompareOptions(SeedOptions, ImageOptions):
    """Options of compare, whose arguments name the arms."""


class CellOptions(GateOptions, ImageOptions):
    """Options of commands on any experiment, with variants; the gate's experiments have none."""

    variants: Annotated[str | None, typer.Option(help="Only these variants, separated by commas.")]


def with_options(command: Callable[..., Exit | None]) -> Callable[..., Exit | None]:
    """Turn a command's ``**options: Unpack[...]`` into one typer option per key, in the order of Context's parameters.

    Typer reads options from the signature and does not support keyword dictionaries. Other commands stay as they are.
    """
    signature = inspect.signature(command)
    *own, options = signature.parameters.values()
    if options.kind is not inspect.Parameter.VAR_KEYWORD:
        return command
    (table,) = get_args(options.annotation)
    annotations: dict[str, Any] = get_type_hints(table, include_extras=True)
    shared = [
        parameter.replace(annotation=annotations[name])
        for name, parameter in inspect.signature(Context).parameters.items()
        if name in annotations
    ]
    command.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
    return command
