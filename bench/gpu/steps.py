"""The steps of ``python -m bench gpu``, in order, each with its largest share of the time.

On a GPU they are the paper's first two figures at the paper's budget, then the other data sets as time allows. On a CPU
the same steps run as a rehearsal, at smoke size.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.environment import ROOT
from bench.records.folder import THROUGHPUT
from bench.throughput import CARD_RECORD

WHOLE = 1.0  # all the time that is left


@dataclass(frozen=True)
class StepOptions:
    """Options of the user; steps need absolute paths."""

    device: str
    results: Path
    spec: Path
    data_dir: Path | None = None
    substitute: str | None = None  # data sets that may be substituted
    jobs: int | None = None


@dataclass(frozen=True)
class Step:
    """One command. ``results``: folder of the cells that it trains; ``record``: a file to carry home.

    ``share``: at most this share of the whole time; None: an equal part of what is left for this and the later steps.
    """

    name: str
    command: tuple[str, ...]
    share: float | None = WHOLE
    results: Path | None = None
    record: Path | None = None


FIGURES = (  # step, experiment, seeds on a GPU, share of the time on a GPU, variant for a rehearsal
    ("figure-1", "mnist-mi", "0-4", 0.15, None),
    ("figure-2", "mnist", "0-4", WHOLE, None),
    ("faces", "faces", None, WHOLE, "azimuth-authors"),
    ("svhn", "svhn", None, WHOLE, None),
    ("celeba", "celeba", None, WHOLE, None),
    ("chairs", "chairs", None, WHOLE, "rotation-authors"),
)
NAMES = ("machine", "tests", "speed", *(name for name, *_ in FIGURES))


def steps(options: StepOptions, wanted: Sequence[str] = NAMES) -> list[Step]:
    """The ``wanted`` steps, in order."""
    listed = [
        Step("machine", (sys.executable, "-m", "bench.gpu.machine", options.device), 0.1),
        Step("tests", _tests(), 0.15),
        _speed(options),
        *(_figure(options, *figure) for figure in FIGURES),
    ]
    return [step for step in listed if step.name in wanted]


def gpu_tests() -> list[Path]:
    """Test files with GPU tests; others may import packages that the GPU's machine lacks."""
    return [file for file in sorted((ROOT / "tests").rglob("test_*.py")) if "pytest.mark.gpu" in file.read_text()]


def _tests() -> tuple[str, ...]:
    # ignore the options and plugins in pyproject.toml
    plain = ("-o", "addopts=", "-W", "ignore::pytest.PytestConfigWarning", "-p", "no:cacheprovider")
    return (sys.executable, "-m", "pytest", "-q", "-m", "gpu", *plain, *map(str, gpu_tests() or [ROOT / "tests"]))


def _speed(options: StepOptions) -> Step:
    folder = options.results / "speed"
    size = () if options.device == "cuda" else ("--width", "0.03", "--batch-size", "4")
    command = _bench("throughput", "--card", "--device", options.device, "--results", str(folder), *size)
    return Step("speed", command, 0.18, record=folder / THROUGHPUT / CARD_RECORD)


def _figure(
    options: StepOptions, name: str, experiment: str, seeds: str | None, share: float, rehearsed: str | None
) -> Step:
    """The step of a figure. On a CPU it trains one cell: one seed, one arm, one variant."""
    folder, on_gpu = options.results / name, options.device == "cuda"
    given = [] if on_gpu else ["--seeds", "0", "--arms", "infogan"]
    given += ["--variants", rehearsed] if not on_gpu and rehearsed else []
    given += ["--seeds", seeds] if on_gpu and seeds else []
    given += ["--data-dir", str(options.data_dir)] if options.data_dir else []
    given += ["--substitute", options.substitute] if options.substitute else []
    given += ["--jobs", str(options.jobs)] if options.jobs else []
    command = _bench(
        "run", experiment, "--spec", str(options.spec), "--profile", "paper" if on_gpu else "smoke", "--device",
        options.device, "--no-tracking", "--checkpoint-every-s", "600", "--results", str(folder), *given,
    )  # fmt: skip
    return Step(name, command, share if on_gpu else None, results=folder)


def _bench(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "bench", *arguments)
