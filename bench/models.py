"""Load trained networks from cells: find the cell, read its weights and card, build the model."""

import contextlib
import hashlib
import pickle
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.analysis.results import PACKS
from bench.analysis.results import load as load_results
from bench.analysis.runs import Run, Sweep, load_run, median_of, ranked
from bench.analysis.sweep_file import CURVES
from bench.claims.judge import judge
from bench.console import BadInput
from bench.context import DEFAULT_SPEC, require_profile
from bench.environment import command
from bench.paths import of_spec
from bench.records.folder import CellFolder
from bench.records.storage import CorruptRecord, in_words
from bench.records.unpacking import unpack
from bench.spec.schema import is_digits, suggest
from bench.spec.tables import Spec, SpecError, load_spec
from infogan.own.networks import architecture_of

if TYPE_CHECKING:
    from infogan.model import Model

LICENCE = "MIT"  # of the code and the trained networks; see LICENSE
OTHER_RESULTS = "results/with-weights", "results/with-weights-2"  # proposed where cells came without weights


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


@dataclass(frozen=True)
class LoadedCell:
    """The networks of a finished cell: ``weights`` as safetensors, with a ``card`` and a readable ``name``."""

    name: str
    card: dict[str, Any]
    weights: bytes

    def model(self, device: str = "cpu") -> "Model":
        """Build the model. Raises infogan.ModelError if card and weights do not fit."""
        from infogan import api

        return api.assembled(self.card, self.weights, self.name, device=device)


def load(
    source: str | Path,
    experiment: str | None = None,
    *,
    arm: str | None = None,
    seed: int | str | None = None,
    profile: str | None = None,
    device: str = "cpu",
) -> "Model":
    """Load the model of a finished cell from a results folder, a pack with weights, or the folder of one cell.

    ``infogan.load``, which documents the parameters, finds this function by entry point (pyproject.toml). Raises
    infogan.ModelError, a ValueError with one line.
    """
    from infogan import api

    asked = {"experiment": experiment, "profile": profile, "arm": arm, "seed": seed}
    wanted = Wanted(**{name: str(value) for name, value in asked.items() if value is not None}, is_python=True)
    try:
        return trained(Path(source), wanted, load_spec(DEFAULT_SPEC), warnings.warn).model(device)
    except (BadInput, SpecError) as error:
        raise api.ModelError(str(error)) from error


def trained(source: Path, wanted: Wanted, spec: Spec, tell: Callable[[str], None]) -> LoadedCell:
    """Read the networks of the selected cell; ``tell`` receives a line per damaged cell. Raises BadInput."""
    require_profile(wanted.profile)
    seed = wanted.seed
    if seed not in (None, "best", "median") and not is_digits(seed):
        raise BadInput(f"{wanted.given('seed')}: expected best, median or a number")
    with _opened(source) as place:
        sweep, run = _found(place, source, wanted, spec, tell)
        name = f"{run.cell.experiment}/{run.cell.profile}/{run.cell.name}"
        recorded = _weights(run, name, spec.given.path)
        known = spec.experiments.get(run.cell.experiment)
        claims = [claim for claim in judge(known, sweep) if claim.group == run.cell.group] if known else []
        try:
            card = _card(run)
        except (LookupError, TypeError, ValueError) as error:
            raise BadInput(f"{name}: cell.json lacks a setting of its networks: {error}") from error
        weights = _safe(recorded, name)
    verdicts = [
        {"claim": c.id, "text": c.text, "verdict": str(c.verdict), "data": c.verdict.data.words}
        | {"budget": c.verdict.budget.words, "seeds": f"{c.seeds_holding} of {c.num_seeds}"}
        for c in claims
    ]
    card |= {"weights_sha256": hashlib.sha256(weights).hexdigest(), "verdicts": verdicts}
    return LoadedCell(name, card, weights)


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[Path]:
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


def _found(place: Path, source: Path, wanted: Wanted, spec: Spec, tell: Callable[[str], None]) -> tuple[Sweep, Run]:
    """The selected run and its sweep. Raises BadInput."""
    if (place / "cell.json").exists():
        return _of_folder(place, source, wanted, spec)
    loaded = load_results(place, spec=spec)
    for line in [*loaded.damaged, *loaded.strays]:
        tell(line)
    experiment = _only("experiment", wanted, {s.experiment for s in loaded.sweeps}, source)
    sweeps = [sweep for sweep in loaded.sweeps if sweep.experiment == experiment]
    profile = _only("profile", wanted, {s.profile for s in sweeps}, source)
    sweep = next(s for s in sweeps if s.profile == profile)
    group = _only("arm", wanted, set(sweep.groups()), source)
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
        loaded = load_results(results, [cell.experiment], cell.profile, spec)
        for sweep in [*loaded.sweeps, *loaded.kept_apart]:
            if any(other.cell.key == cell.key for other in sweep.runs):
                return sweep, run
    return Sweep(cell.experiment, cell.profile, cell.definition, cell.definition_key, [run]), run


def _only(field: str, wanted: Wanted, there: set[str], source: Path) -> str:
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
        raise BadInput(f"{source} holds no cell of {field} {name!r}{suggest(name, sorted(there))}")
    return str(name)


def chosen(sweep: Sweep, group: str, seed: str) -> Run:
    """The run of a seed, or the best or the lower median of the finished runs. Raises BadInput."""
    runs = sweep.groups()[group]
    if seed not in ("best", "median"):
        found = [run for run in runs if str(run.cell.seed) == (seed.lstrip("0") or "0")]
        if not found:
            raise BadInput(f"no cell has seed {seed}; choose from {', '.join(str(run.cell.seed) for run in runs)}")
        return found[0]
    best_first = ranked(sweep.done(group))
    if not best_first:
        raise BadInput(f"no cell of {group} is finished (states: {', '.join(sorted({r.state for r in runs}))})")
    return best_first[0] if seed == "best" else median_of(best_first)


def _weights(run: Run, name: str, spec: Path) -> bytes:
    """The recorded weights. Raises BadInput if they are missing."""
    folder, cell = run.folder, run.cell
    assert folder is not None  # runs read from a results folder have one
    if run.state != "done":
        raise BadInput(
            f"{name} is {'diverged' if run.diverged else run.state}: only a finished cell has trained networks"
        )
    if folder.lacks_weights():
        how = ["--profile", cell.profile, "--arms", cell.arm, "--seeds", cell.seed]
        how += ["--variants", cell.variant] if cell.variant else []
        # in another folder, since here the cell counts as done
        other = next(place for place in OTHER_RESULTS if not folder.path.is_relative_to(Path(place).absolute()))
        raise BadInput(
            f"{name} came without its weights: pack with --weights where it was trained, or train it in another folder "
            f"and load that: {command('run', cell.experiment, *how, '--results', other, *of_spec(spec))}"
        )
    try:
        return folder.weights()
    except FileNotFoundError as error:
        raise BadInput(f"{name}: its weights are missing") from error
    except (CorruptRecord, OSError) as error:
        raise BadInput(f"{name}: {in_words(error)}") from error


def _safe(weights: bytes, name: str) -> bytes:
    """Convert a cell's weights to plain safetensors. Raises BadInput if they are invalid."""
    from safetensors import SafetensorError

    from infogan.weights import packed, recorded

    unreadable = pickle.UnpicklingError, SafetensorError
    try:
        return packed(recorded(weights))
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, EOFError, *unreadable) as error:
        raise BadInput(f"{name}: its weights are invalid: {type(error).__name__}: {error}") from error


def _card(run: Run) -> dict[str, Any]:
    """The card: everything needed to use the networks and to know their origin."""
    from infogan import api

    cell, config = run.cell, run.cell.config
    return {
        "format": api.FORMAT,
        **{"experiment": cell.experiment, "profile": cell.profile, "variant": cell.variant, "arm": cell.arm},
        **{"seed": cell.seed, "key": cell.key, "licence": LICENCE},
        **{name: config[name] for name in ("codes", "noise", "architecture", "network", "data", "versions")},
        **({"own": config["own"]} if "own" in config else {}),
        "image_CHW": list(architecture_of(config).image_CHW),
        "is_papers_data": bool(run.data.get("is_papers")),
        "budget": {name: config["training"][name] for name in ("iterations", "batch_size")},
        "mi_frozen_nats": run.result and run.result.mi_frozen_nats,
        "commit": run.environment.get("git_commit"),
    }
