"""A sweep as one JSON file, with every seed's curves and numbers: what references and baselines commit."""

import json
import lzma
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from bench.analysis.definitions import treatment_key
from bench.analysis.runs import Run, Sweep, require_usable
from bench.environment import Environment
from bench.records.history import History
from bench.records.schema import Launch, Result, fitted, fitting, measures_of
from bench.records.storage import CorruptRecord, write_atomic
from bench.spec.cells import FORMAT, Cell, digest
from bench.spec.config import Config, Definition

CURVES = "curves.json.xz"  # its name in a folder whose cells are gone
CURVE_DIGITS = 5  # nats to 1e-5: far below the noise between minibatches
COMPRESSED_DIGITS = 3  # still below it, in two thirds of the bytes
MAX_CURVES = 1 << 28  # bytes, decompressed


def to_json(sweep: Sweep, digits: int = CURVE_DIGITS) -> dict[str, Any]:
    """A finished sweep with every seed's curves, rounded to ``digits``; weights and images stay behind.

    A seed that diverged before its first checkpoint has no curves, and is there all the same: claims count it.
    """
    ended = [run for run in sweep.runs if run.state in ("done", "failed")]
    finished = [run for run in ended if run.history is not None or run.diverged]
    shared: Environment = finished[0].environment if finished else {}
    return {
        "format": FORMAT,
        "experiment": sweep.experiment,
        "profile": sweep.profile,
        "definition": sweep.definition,
        "environment": shared,
        "data": finished[0].data if finished else {},
        "launches": [launch.model_dump(exclude_unset=True) for launch in sweep.launches],
        "runs": [
            _run_to_json(run, digits) | ({} if run.environment == shared else {"environment": run.environment})
            for run in sorted(finished, key=lambda r: (r.cell.group, r.cell.seed))
        ],
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
        measures, own = measures_of(entry.get("measures", {})), entry.get("environment", environment)
        if not isinstance(own, dict):
            raise TypeError("environment is a table")
        own = cast(Environment, own)
        runs.append(Run(cell, entry["state"], own, raw["data"], _history(entry), result, None, measures))
        require_usable(runs[-1])
    _require_one_treatment(runs)
    key, launches = digest(definition), fitting(Launch, raw.get("launches", []))
    return Sweep(raw["experiment"], raw["profile"], cast(Definition, definition), key, runs, launches)


def _require_one_treatment(runs: list[Run]) -> None:
    """Raises ValueError for curves that mix two treatments of an arm, or hold a seed twice."""
    treatments: dict[str, str] = {}
    for run in runs:
        if treatments.setdefault(run.cell.group, treatment_key(run.cell)) != treatment_key(run.cell):
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
