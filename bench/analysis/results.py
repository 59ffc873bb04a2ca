"""Read a results folder as sweeps: one definition per experiment and profile, one treatment per arm, the rest apart.

Which one is shown depends on experiments.toml, then on this version of the code, then on the order of the launches. It
never depends on the times of files, which copying changes.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.analysis.definitions import current_config, treatment_key
from bench.analysis.runs import Run, Sweep, load_run
from bench.analysis.sweep_file import CURVES, read_curves
from bench.environment import key_versions
from bench.records.find import find_cells
from bench.records.launches import read_launches
from bench.records.pack_format import PackError
from bench.records.schema import Launch
from bench.records.storage import CorruptRecord, in_words
from bench.records.unpacking import unpack
from bench.spec.cells import Cell, digest
from bench.spec.config import Config
from bench.spec.tables import Spec
from infogan.data.base import one_line

PACKS = "cells*.zip"  # in a folder without cells: the packs that hold them
ANOTHER = "another"  # replaces the definition of a launch's cell that is kept apart


@dataclass
class Loaded:
    """A results folder: what a report shows, and what it leaves out."""

    sweeps: list[Sweep] = field(default_factory=list)
    kept_apart: list[Sweep] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)  # one line for each record that does not read
    strays: list[str] = field(default_factory=list)  # one line for each copied or moved cell


@dataclass(frozen=True)
class _Candidate:
    """A run, with the configuration that experiments.toml now gives its cell."""

    run: Run
    expected: Config | None
    fits: bool  # it was trained with that one; always true without an experiments.toml


def load(
    results: Path, experiments: Iterable[str] | None = None, profile: str | None = None, spec: Spec | None = None
) -> Loaded:
    """Read records; damaged ones are named, never guessed at. Without ``spec`` any definition may be current.

    A folder without cells may hold packs of them, or the curves that are left of a sweep: these are read as well, and
    have no pictures.
    """
    if not (results / "cells").is_dir():
        return _load_kept(results, experiments, profile, spec)
    found = find_cells(results)
    loaded = Loaded(damaged=found.damaged, strays=found.strays)
    of: dict[tuple[str, str], list[_Candidate]] = {}
    for folder in found.folders:
        name = one_line(folder.path.relative_to(results).as_posix())
        try:
            run = load_run(folder)
        except (CorruptRecord, OSError) as error:
            loaded.damaged.append(f"{name}: {in_words(error)}")
            continue
        cell = run.cell
        if not _is_asked(cell, experiments, profile):
            continue
        if run.measures_damage:
            loaded.damaged.append(f"{name}: {run.measures_damage}; counted without its measures")
        expected = current_config(spec, cell, run.data.get("num_train")) if spec else None
        fits = spec is None or (expected is not None and digest(expected) == cell.key)
        of.setdefault((cell.experiment, cell.profile), []).append(_Candidate(run, expected, fits))
    try:
        launches = read_launches(results)
    except OSError as error:
        launches = []
        loaded.damaged.append(in_words(error))
    for key in sorted(of):
        shown, *apart = _parted(of[key], launches)
        loaded.sweeps.append(shown)
        loaded.kept_apart += apart
    return loaded


def _load_kept(results: Path, experiments: Iterable[str] | None, profile: str | None, spec: Spec | None) -> Loaded:
    """The sweep in a folder without cells."""
    packs = sorted(results.glob(PACKS))
    try:
        if packs:
            with tempfile.TemporaryDirectory() as folder:
                unpack(packs, Path(folder))
                loaded = load(Path(folder), experiments, profile, spec)
            for sweep in [*loaded.sweeps, *loaded.kept_apart]:
                sweep.runs[:] = [replace(run, folder=None) for run in sweep.runs]
            return loaded
        sweep = read_curves(results / CURVES)
    except FileNotFoundError:
        return Loaded()
    except (OSError, PackError) as error:
        return Loaded(damaged=[str(error)])
    except ValueError as error:
        return Loaded(damaged=[f"{CURVES}: {error}"])
    return Loaded([sweep]) if _is_asked(sweep, experiments, profile) else Loaded()


def _is_asked(found: Cell | Sweep, experiments: Iterable[str] | None, profile: str | None) -> bool:
    """Whether a cell or a sweep belongs to the experiments and the profile; None: to any."""
    return (not experiments or found.experiment in experiments) and (not profile or found.profile == profile)


def _parted(candidates: list[_Candidate], launches: list[Launch]) -> list[Sweep]:
    """One experiment's sweep to show, then those to keep apart from it."""
    by_definition: dict[str, list[_Candidate]] = {}
    for candidate in candidates:
        by_definition.setdefault(candidate.run.cell.definition_key, []).append(candidate)
    last_launch = {key: k for k, launch in enumerate(launches) for key in launch.definitions}
    versions = key_versions()

    def rank(key: str) -> tuple[bool, bool, int, int, str]:
        own = by_definition[key]
        is_of_this_version = own[0].run.cell.config.get("versions") == versions
        return any(c.fits for c in own), is_of_this_version, last_launch.get(key, -1), _num_ended(own), key

    order = sorted(by_definition, key=rank, reverse=True)
    shown, apart = _one_treatment_each(by_definition[order[0]])
    left_out = {candidate.run.cell.key for treated in apart for candidate in treated}
    own_launches = [_without(launch, left_out) for launch in launches if order[0] in launch.definitions]
    sweeps = [_sweep(shown, own_launches), *(_sweep(treated, []) for treated in apart)]
    return sweeps + [_sweep(by_definition[key], []) for key in order[1:]]


def _one_treatment_each(own: list[_Candidate]) -> tuple[list[_Candidate], list[list[_Candidate]]]:
    """Split the runs of one definition into those to show, with one treatment per group, and the other treatments.

    Shown is the treatment in experiments.toml; if no cell at all has it, that with the most ended cells.
    """
    by_treatment: dict[tuple[str, str], list[_Candidate]] = {}
    for candidate in own:
        cell = candidate.run.cell
        by_treatment.setdefault((cell.group, treatment_key(cell)), []).append(candidate)
    any_fits = any(candidate.fits for candidate in own)
    shown, apart = [], []
    best: dict[str, tuple[str, str]] = {}
    for key in sorted(by_treatment, key=lambda k: (_num_ended(by_treatment[k]), k)):
        if not any_fits or all(candidate.fits for candidate in by_treatment[key]):
            best[key[0]] = key
    for key, treated in by_treatment.items():
        if best.get(key[0]) == key:
            shown += treated
        else:
            apart.append(treated)
    return shown, apart


def _sweep(own: list[_Candidate], launches: list[Launch]) -> Sweep:
    cell = own[0].run.cell
    expected = own[0].expected if all(c.run.cell.group == cell.group for c in own) else None
    runs, is_current = [candidate.run for candidate in own], all(candidate.fits for candidate in own)
    return Sweep(
        cell.experiment, cell.profile, cell.definition, cell.definition_key, runs, launches, is_current, expected
    )


def _num_ended(own: list[_Candidate]) -> int:
    return sum(candidate.run.state in ("done", "failed") for candidate in own)


def _without(launch: Launch, keys: set[str]) -> Launch:
    """The launch, with another definition for the cells that have these keys, because they are kept apart."""
    cells = [c.model_copy(update={"definition": ANOTHER}) if c.key in keys else c for c in launch.cells]
    return launch.model_copy(update={"cells": cells})
