"""Which trained cell a user means: in a results folder, a pack, or the folder of one cell."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.results import PACKS, load
from bench.analysis.runs import Run, Sweep, load_run, median_of, ranked
from bench.analysis.sweep_file import CURVES
from bench.console import BadInput, plural
from bench.records.folder import CellFolder
from bench.records.storage import CorruptRecord, in_words
from bench.records.unpacking import unpack
from bench.spec.schema import suggest
from bench.spec.tables import Spec


@dataclass(frozen=True)
class Wanted:
    """Selection of a cell. None: the only one there is; for the seed, the best."""

    experiment: str | None = None
    profile: str | None = None
    arm: str | None = None  # ARM or VARIANT/ARM
    seed: str | None = None
    is_python: bool = False  # whether messages name function parameters or command line options

    def named(self, field: str) -> str:
        """A field's name as the user writes it: ``seed=`` or ``--seed``."""
        return f"{field}=" if self.is_python else f"--{field}"

    def given(self, field: str) -> str:
        """A field and its value as the user writes them: ``arm='gan'`` or ``--arm gan``."""
        value = getattr(self, field)
        return f"{field}={value if value.isdecimal() else repr(value)}" if self.is_python else f"--{field} {value}"


@contextlib.contextmanager
def opened(source: Path) -> Iterator[Path]:
    """A folder with cells or of one cell; packs are unpacked temporarily. Raises BadInput."""
    if not source.exists():
        raise BadInput(f"{source} does not exist")
    packs = sorted(source.glob(PACKS)) if source.is_dir() else [source]
    if source.is_dir() and ((source / "cells").is_dir() or (source / "cell.json").exists()):
        yield source.absolute()
    elif packs:
        with tempfile.TemporaryDirectory() as folder:
            unpack(packs, Path(folder))
            yield Path(folder)
    elif (source / CURVES).exists():
        raise BadInput(f"{source} keeps only curves, no networks: train a cell with python -m bench run and name that")
    else:
        raise BadInput(f"{source} is not a cell's folder, and it holds neither cells nor packs")


def chosen_run(place: Path, source: Path, wanted: Wanted, spec: Spec, tell: Callable[[str], None]) -> tuple[Sweep, Run]:
    """The selected run and its sweep. Raises BadInput."""
    if (place / "cell.json").exists():
        return _of_folder(place, source, wanted, spec)
    loaded = load(place, spec=spec)
    for line in [*loaded.damaged, *loaded.strays]:
        tell(line)
    experiment = _only("experiment", wanted, {s.experiment for s in loaded.sweeps}, source)
    sweeps = [sweep for sweep in loaded.sweeps if sweep.experiment == experiment]
    profile = _only("profile", wanted, {s.profile for s in sweeps}, source)
    sweep = next(s for s in sweeps if s.profile == profile)
    others = [
        run
        for other in loaded.kept_apart
        if (other.experiment, other.profile) == (experiment, profile)
        for run in other.runs
        if wanted.arm in (None, run.cell.group)
    ]
    passed_over = _passed_over(others, source)
    group = _only("arm", wanted, set(sweep.groups()), source, passed_over)
    if passed_over and not sweep.is_current:  # then the launch decided, not the file of experiments
        tell(f"{experiment}/{profile}{passed_over}")
    return sweep, chosen(sweep, group, wanted.seed or "best")


def _of_folder(place: Path, source: Path, wanted: Wanted, spec: Spec) -> tuple[Sweep, Run]:
    """The run in one cell's folder, with its sweep if the folder is inside a results folder. Raises BadInput."""
    try:
        run = load_run(CellFolder(place))
    except (CorruptRecord, OSError) as error:
        raise BadInput(f"{source}: {in_words(error)}") from error
    cell = run.cell
    held = Wanted(cell.experiment, cell.profile, cell.group, str(cell.seed))
    for name in ("experiment", "profile", "arm", "seed"):
        if getattr(wanted, name) not in (None, getattr(held, name)):
            what = f"{cell.experiment}/{cell.profile}/{cell.name}"
            raise BadInput(f"{source} is one cell, {what}, which does not match {wanted.given(name)}")
    results = place.parents[len(cell.folder.parts) - 1] if len(place.parents) >= len(cell.folder.parts) else place
    if (results / cell.folder) == place:
        loaded = load(results, [cell.experiment], cell.profile, spec)
        for sweep in [*loaded.sweeps, *loaded.kept_apart]:
            if any(other.cell.key == cell.key for other in sweep.runs):
                return sweep, run
    return Sweep(cell.experiment, cell.profile, cell.definition, cell.definition_key, [run]), run


def _passed_over(others: list[Run], source: Path) -> str:
    """What a message adds where cells of other settings, data or versions could be meant; empty if there are none."""
    if not others:
        return ""
    cells, which = plural(len(others), "cell"), f"{others[0].cell.folder} in {source}"
    return f": {cells} of other settings, data or versions passed over; to take one, name its folder, such as {which}"


def _only(field: str, wanted: Wanted, there: set[str], source: Path, passed_over: str = "") -> str:
    """The selected value of a field, or the only one there is. Raises BadInput."""
    name = getattr(wanted, field)
    if not there:
        raise BadInput(f"{source} holds no undamaged cell")
    if name is None and len(there) == 1:
        return min(there)
    if name is None:
        choices = ", ".join(sorted(there))
        raise BadInput(f"{source} holds several {field}s; choose one with {wanted.named(field)}: {choices}")
    if name not in there:
        raise BadInput(f"{source} holds no cell of {field} {name!r}{passed_over or suggest(name, sorted(there))}")
    return str(name)


def chosen(sweep: Sweep, group: str, seed: str) -> Run:
    """The run of a seed, or the best or the lower median of the finished runs. Raises BadInput."""
    runs = sweep.groups()[group]
    if seed not in ("best", "median"):
        of_seed = [run for run in runs if str(run.cell.seed) == (seed.lstrip("0") or "0")]
        if not of_seed:
            raise BadInput(f"no cell has seed {seed}; choose from {', '.join(str(run.cell.seed) for run in runs)}")
        return of_seed[0]
    best_first = ranked(sweep.done(group))
    if not best_first:
        raise BadInput(f"no cell of {group} is finished (states: {', '.join(sorted({r.state for r in runs}))})")
    return best_first[0] if seed == "best" else median_of(best_first)
