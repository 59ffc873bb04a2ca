"""Records to runs and sweeps: what reports, claims and the gate read.

A sweep shares one definition, and each of its arms one treatment: cells of another are kept apart.
"""

import json
import lzma
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from bench.analysis.convergence import improvement
from bench.analysis.definitions import treatment
from bench.analysis.summary import categorical_entropy_nats, measured_values, mi_curve, summarise
from bench.environment import DataRecord, Environment
from bench.records.folder import CellFolder, State
from bench.records.history import History
from bench.records.schema import Launch, Measures, Result, fitted, fitting, measures_of
from bench.records.storage import CorruptRecord, in_words, write_atomic
from bench.spec.cells import FORMAT, Cell, digest
from bench.spec.config import Config, Definition

CURVE_DIGITS = 5  # nats to 1e-5: far below the noise between minibatches
COMPRESSED_DIGITS = 4  # still below it, in four fifths of the bytes
PACKS = "cells*.zip"  # in a folder without cells: the packs that hold them
CURVES = "curves.json.xz"  # in a folder whose cells are gone: what is left of them
MAX_CURVES = 1 << 28  # bytes, decompressed


@dataclass(frozen=True)
class Run:
    """One cell as recorded."""

    cell: Cell
    state: State
    environment: Environment
    data: DataRecord
    history: History | None
    result: Result | None
    folder: CellFolder | None = None
    measures: Measures = field(default_factory=dict)  # as recorded
    measures_damage: str = ""  # why there are none, in words, where their record is damaged

    @cached_property
    def summary(self) -> dict[str, float]:
        """Measures so far; empty before the first checkpoint."""
        if self.history is None or not len(self.history):
            return {}
        config, history = self.cell.config, self.history
        found = summarise(config, history, self.result) | measured_values(self.measures)
        return found | improvement(config, mi_curve(config, history), self.measures)

    @property
    def diverged(self) -> bool:
        """Failed because a loss stopped being a number: a result about the seed, unlike a crash."""
        return self.state == "failed" and self.result is not None and self.result.diverged


@dataclass(frozen=True)
class Sweep:
    """Runs of one experiment at one profile with one definition."""

    experiment: str
    profile: str
    definition: Definition
    definition_key: str
    runs: list[Run]
    launches: list[Launch] = field(default_factory=list)
    is_current: bool = True  # all runs are what experiments.toml now asks for, as far as that is known
    expected: Config | None = None  # of runs of one group: the configuration that it now gives the first

    @property
    def launcher_share(self) -> float | None:
        """Processor time of tracking and progress over training time, of the launches that trained these cells."""
        trained = [launch for launch in self.launches if launch.train_s]
        train_s = sum(launch.train_s for launch in trained)
        return sum(launch.launcher_cpu_s for launch in trained) / train_s if train_s else None

    @property
    def entropy_nats(self) -> float:
        """H(c) of the categorical codes together."""
        return categorical_entropy_nats(self.definition)

    def groups(self) -> dict[str, list[Run]]:
        """Runs by variant and arm, each sorted by seed."""
        groups: dict[str, list[Run]] = {}
        for run in sorted(self.runs, key=lambda r: (r.cell.group, r.cell.seed)):
            groups.setdefault(run.cell.group, []).append(run)
        return groups

    def done(self, group: str) -> list[Run]:
        """Finished runs of one group, sorted by seed."""
        return [run for run in self.groups().get(group, []) if run.state == "done"]

    def t80(self, group: str) -> dict[int, float]:
        """T80 by seed of the finished runs and of those that diverged, in iterations; empty without a categorical code.

        Infinity: later than the budget, as a seed counts that diverged.
        """
        if not self.entropy_nats:
            return {}
        runs = self.groups().get(group, [])
        finished = {run.cell.seed: run.summary["t80"] for run in runs if run.state == "done" and "t80" in run.summary}
        return finished | {run.cell.seed: math.inf for run in runs if run.diverged}

    def median_curve(self, group: str) -> np.ndarray | None:
        """Median over finished seeds of the categorical L_I at each iteration that all of them have, (T,) nats."""
        histories = [(r.cell.config, r.history) for r in self.done(group) if r.history is not None]
        curves = [mi_curve(config, history) for config, history in histories]
        present = [c for c in curves if c is not None]
        length = min(map(len, present), default=0)  # a run may have been given up
        return np.median(np.stack([c[:length] for c in present]), axis=0) if length else None


def load_run(folder: CellFolder) -> Run:
    """One cell's records. Raises CorruptRecord, also where sound ones do not fit together; or OSError."""
    identity, state, damage = folder.identity(), folder.state(), ""
    if state == "done":
        folder.require_whole_history()
    try:
        measures = folder.sound_measures()
    except (CorruptRecord, OSError) as error:
        measures, damage = {}, in_words(error)
    recorded = folder.history(), folder.result(), folder, measures, damage
    run = Run(identity.cell(), state, identity.environment, identity.data, *recorded)
    try:
        require_usable(run)
    except ValueError as error:
        raise CorruptRecord(f"its records {error}") from error
    return run


def require_usable(run: Run) -> None:
    """Raises ValueError for a run whose records lack what reports and the gate compute from them."""
    try:
        described = run.cell.comparison, run.summary, run.cell.definition_key
        if run.state == "done" and run.cell.comparison["codes"] and not described[1]:
            raise KeyError("history")
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"do not fit together: {type(error).__name__}: {error}") from error


def ranked(runs: Iterable[Run]) -> list[Run]:
    """Finished runs of an arm, the best first; equal ones stay in the order of their seeds.

    Few errors on the training digits, which no held-out image chooses, make a run good; then information.
    """

    def worth(run: Run) -> tuple[float, float]:
        frozen = (run.result and run.result.mi_frozen_nats) or {}
        information_nats = run.summary.get("mi_frozen_nats", sum(frozen.values()))
        return -run.summary.get("digit_error_train", 1.0), information_nats

    return sorted(runs, key=worth, reverse=True)


def median_of(best_first: list[Run]) -> Run:
    """The lower median of ranked runs. Raises IndexError where there is none."""
    return best_first[len(best_first) // 2]


# ---- compact curves: a sweep in one JSON file, for committed references and baselines
def to_json(sweep: Sweep, digits: int = CURVE_DIGITS) -> dict[str, Any]:
    """A finished sweep with every seed's curves, rounded to ``digits``; weights and images stay behind.

    A seed that diverged before its first checkpoint has no curves, and is there all the same: claims count it.
    """
    ended = [run for run in sweep.runs if run.state in ("done", "failed")]
    finished = [run for run in ended if run.history is not None or run.diverged]
    return {
        "format": FORMAT,
        "experiment": sweep.experiment,
        "profile": sweep.profile,
        "definition": sweep.definition,
        "environment": finished[0].environment if finished else {},
        "data": finished[0].data if finished else {},
        "launches": [launch.model_dump(exclude_unset=True) for launch in sweep.launches],
        "runs": [_run_to_json(run, digits) for run in sorted(finished, key=lambda r: (r.cell.group, r.cell.seed))],
    }


def _run_to_json(run: Run, digits: int) -> dict[str, Any]:
    history, result = run.history, run.result.as_json() if run.result else {}
    result.pop("traceback", None)
    shared: Mapping[str, object] = run.cell.definition
    changed = {k: v for k, v in run.cell.config.items() if k not in shared or shared[k] != v}
    columns: dict[str, Any] = {}
    timing: dict[str, Any] = {"step_iterations": [], "step_ms": []}
    if history is not None:
        columns = {name: _rounded(history.column(name), digits) for name in history.names}
        timing = {"step_iterations": history.step_iterations.tolist(), "step_ms": _rounded(history.step_ms, digits)}
    kept = {"key", "values", "reasons", "series"}
    measures = {f: entry.model_dump(include=kept, exclude_defaults=True) for f, entry in run.measures.items()}
    return {
        "state": run.state, "config": changed, "result": result, "measures": measures, "curves": columns, **timing
    }  # fmt: skip


def _rounded(values: np.ndarray, digits: int) -> list[float | None]:
    return [round(float(v), digits) if math.isfinite(v) else None for v in values]


def from_json(raw: dict[str, Any]) -> Sweep:
    """Inverse of :func:`to_json` up to rounding. Raises ValueError for another format or a damaged one."""
    try:
        return _from_json(raw)
    except (LookupError, TypeError, AttributeError, ArithmeticError, CorruptRecord) as error:
        raise ValueError(f"no sweep's curves: {type(error).__name__}: {error}") from error


def _from_json(raw: dict[str, Any]) -> Sweep:
    if raw["format"] != FORMAT:
        raise ValueError(f"record format {raw['format']}, this version reads {FORMAT}")
    definition, environment = raw["definition"], cast(Environment, raw["environment"])
    if not isinstance(definition, dict) or not isinstance(environment, dict):
        raise TypeError("definition and environment are tables")
    runs = []
    for entry in raw["runs"]:
        config = cast(Config, definition | entry["config"])
        cell = Cell(config, cast(Definition, definition))
        result = fitted(Result, "result", entry["result"]) if entry["result"] else None
        measures = measures_of(entry.get("measures", {}))
        runs.append(Run(cell, entry["state"], environment, raw["data"], _history(entry), result, None, measures))
        require_usable(runs[-1])
    _require_one_treatment(runs)
    key, launches = digest(definition), fitting(Launch, raw.get("launches", []))
    return Sweep(raw["experiment"], raw["profile"], cast(Definition, definition), key, runs, launches)


def _require_one_treatment(runs: list[Run]) -> None:
    """Raises ValueError for curves that mix two treatments of an arm, or hold a seed twice."""
    treatments: dict[str, str] = {}
    for run in runs:
        if treatments.setdefault(run.cell.group, treatment(run.cell)) != treatment(run.cell):
            raise ValueError(f"{run.cell.group}: runs of two configurations")
    names = [run.cell.name for run in runs]
    if len(set(names)) != len(names):
        raise ValueError("a seed of an arm is there twice")


def _history(entry: dict[str, Any]) -> History | None:
    """The curves of a run; None without any, since it diverged before its first checkpoint."""
    names = tuple(entry["curves"])
    if not names:
        return None
    columns = [[math.nan if v is None else v for v in entry["curves"][n]] for n in names]
    values = np.array(columns).T.reshape(-1, len(names))
    return History(names, values, np.array(entry["step_iterations"]), np.array(entry["step_ms"], dtype=float))


def write_curves(path: Path, sweep: Sweep) -> None:
    """One JSON file, one line per run; compressed where its name says so."""
    is_compressed = path.suffix == ".xz"
    raw = to_json(sweep, COMPRESSED_DIGITS if is_compressed else CURVE_DIGITS)
    runs = raw.pop("runs")
    head = json.dumps(raw, indent=1)[:-2]
    lines = ",\n".join(json.dumps(run, separators=(",", ":"), allow_nan=False) for run in runs)
    content = f'{head},\n "runs": [\n{lines}\n]}}\n'.encode()
    write_atomic(path, lzma.compress(content, preset=9 | lzma.PRESET_EXTREME) if is_compressed else content)


def read_curves(path: Path) -> Sweep:
    """Raises OSError, or ValueError where the file is not one."""
    try:
        return from_json(json.loads(_decompressed(path) if path.suffix == ".xz" else path.read_bytes()))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _decompressed(path: Path) -> bytes:
    """Raises ValueError for what is damaged or unfolds too far."""
    reader = lzma.LZMADecompressor(memlimit=MAX_CURVES)
    try:
        content = reader.decompress(path.read_bytes(), MAX_CURVES)
    except (lzma.LZMAError, EOFError) as error:
        raise ValueError(f"not compressed curves, or damaged: {error}") from error
    if not reader.eof:
        raise ValueError("compressed curves that are cut off, or unfold too far")
    return content
