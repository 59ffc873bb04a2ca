"""A cell's folder on disk. It is the record: plan, report, check and resume read it and nothing else.

cell.json        who it is, its configuration in full, versions, machine, data: written before training
checkpoint.pt    newest state to resume from, and checkpoint.previous.pt the one before; gone when the cell is done
history.npz      metrics of every iteration that a checkpoint covers
result.json      how it ended: done or failed, with times, frozen L_I and health
weights.pt       final weights with frozen batch-norm statistics
traversals.npz   generated images, one grid per code; snapshots.npz: the same during training
probes.npz       what was kept at a few iterations, for measures against the iteration
measures.json    what was measured of the finished networks, by family, each with the key of its code; pictures that go
                 with a family are in FAMILY.npz
tracking.json    what the MLflow mirror was verified to hold
left_out.json    files of a finished cell that did not travel with it: bench/records/packs.py
lease/           who may write here: bench/records/locks.py
"""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.records.locks import Lock, is_locked
from bench.records.storage import CorruptRecord, has_seal, read_json, read_sealed, sync_folder, write_json, write_sealed
from bench.spec.cells import FORMAT, Cell, digest, measure_key
from infogan.data.npz import NpzError, extended_npz, read_npz

NEWEST = "checkpoint.pt"
WEIGHTS, PROBES = "weights.pt", "probes.npz"
NETWORKS = (WEIGHTS, PROBES)  # only measuring anew needs them; a pack may leave them out
LEFT_OUT = "left_out.json"
LAUNCHES = "launches.jsonl"  # in the results folder: what each launch cost beside its training

THROUGHPUT = "throughput"  # folder in the results folder: records of `python -m bench throughput`

IDENTITY: dict[str, Any] = {  # kinds of what cell.json must hold
    **dict.fromkeys(("experiment", "profile", "arm"), str),
    **{"variant": str | None, "seed": int},
    **dict.fromkeys(("config", "definition", "environment", "data"), dict),
}

State = Literal["missing", "partial", "running", "failed", "done"]


@dataclass(frozen=True)
class History:
    """Metrics per iteration: ``values`` (T, M) float, columns ``names``; step times in ms per logged stretch."""

    names: tuple[str, ...]
    values: np.ndarray
    step_iterations: np.ndarray  # (S,) last iteration of each timed stretch
    step_ms: np.ndarray  # (S,) mean step time in it

    def column(self, name: str) -> np.ndarray:
        """One metric over all iterations, (T,)."""
        return self.values[:, self.names.index(name)]

    def __len__(self) -> int:
        return len(self.values)


class CellFolder:
    """Reads and writes one cell's records. With ``held``, the cell's lock, nothing is written once that is lost."""

    def __init__(self, path: Path, held: Lock | None = None) -> None:
        self.path, self._held = path, held

    @classmethod
    def of(cls, results: Path, cell: Cell, held: Lock | None = None) -> "CellFolder":
        return cls(results / cell.folder, held)

    def _file(self, name: str) -> Path:
        return self.path / name

    def _own(self, name: str) -> Path:
        """A file that is about to change. Raises LockLost."""
        if self._held is not None:
            self._held.check()
        return self._file(name)

    # ---- identity
    def write_identity(self, cell: Cell, environment: dict[str, Any], data: dict[str, Any]) -> None:
        """What the cell is, before it trains."""
        identity = {
            "format": FORMAT,
            "experiment": cell.experiment,
            "profile": cell.profile,
            "variant": cell.variant,
            "arm": cell.arm,
            "seed": cell.seed,
            "key": cell.key,
            "definition_key": cell.definition_key,
            "config": cell.config,
            "definition": cell.definition,
            "environment": environment,
            "data": data,
        }
        write_json(self._own("cell.json"), identity)

    def identity(self) -> dict[str, Any]:
        """Raises CorruptRecord, also for a record of another format."""
        return checked_identity(read_json(self._file("cell.json")))

    def cell(self) -> Cell:
        """The cell as recorded."""
        return identified_cell(self.identity())

    # ---- state
    def lock(self, holder: str, *, patience_s: float = 0.0, give_up: Callable[[], bool] = lambda: False) -> Lock:
        return Lock(self._file("lease"), holder, patience_s=patience_s, give_up=give_up)

    def state(self) -> State:
        """State by the records alone; a result that fails its checksum counts as not there."""
        if not self._file("cell.json").exists():
            return "missing"
        if is_locked(self._file("lease")):
            return "running"
        result = self.result()
        if result is not None:
            return result["status"]
        return "partial"

    # ---- checkpoints
    def write_checkpoint(self, content: bytes) -> None:
        """Keep the newest state and the one before."""
        current, previous = self._own("checkpoint.pt"), self._file("checkpoint.previous.pt")
        incoming = self._file("checkpoint.incoming.pt")
        write_sealed(incoming, content)
        if current.exists():
            current.replace(previous)
        incoming.replace(current)
        sync_folder(self.path)

    def checkpoints(self) -> Iterator[tuple[str, bytes | CorruptRecord]]:
        """Newest first; a damaged one is given as its error, so that it can be said and the one before used."""
        for name in (NEWEST, "checkpoint.previous.pt"):
            try:
                yield name, read_sealed(self._file(name))
            except FileNotFoundError:
                continue
            except CorruptRecord as error:
                yield name, error

    def has_checkpoint(self) -> bool:
        return any(self._file(name).exists() for name in (NEWEST, "checkpoint.previous.pt"))

    def remove_checkpoints(self) -> None:
        """All of them, and what a killed process left of one."""
        for pattern in ("checkpoint*.pt", ".checkpoint*"):
            for path in self.path.glob(pattern):
                self._own(path.name).unlink(missing_ok=True)

    # ---- history
    def write_history(self, history: History) -> None:
        content = io.BytesIO()
        np.savez(
            content,
            names=np.array(history.names),
            values=history.values,
            step_iterations=history.step_iterations,
            step_ms=history.step_ms,
        )
        write_sealed(self._own("history.npz"), content.getvalue())

    def history(self) -> History | None:
        """None before the first checkpoint. Raises CorruptRecord."""
        try:
            content = read_sealed(self._file("history.npz"))
        except FileNotFoundError:
            return None
        try:
            a = read_npz(content)
            history = History(tuple(str(n) for n in a["names"]), a["values"], a["step_iterations"], a["step_ms"])
        except (NpzError, KeyError, TypeError) as error:
            raise CorruptRecord(f"history.npz: not a history: {error}") from error
        numeric = all(array.dtype.kind in "fiu" for array in (history.values, history.step_iterations, history.step_ms))
        if not numeric or history.values.ndim != 2 or history.values.shape[1] != len(history.names):
            raise CorruptRecord("history.npz: not a history: names and values do not match")
        return history

    # ---- end
    def write_result(self, result: dict[str, Any]) -> None:
        write_json(self._own("result.json"), result)

    def result(self) -> dict[str, Any] | None:
        """None before the end, or where the record is damaged."""
        try:
            return self._sound_result()
        except (FileNotFoundError, CorruptRecord):
            return None

    def end_damage(self, *, quick: bool = False) -> str | None:
        """What is wrong with the records of the end, in words; None where they are sound, or it was not reached.

        A finished cell's history and weights belong to them: without either it has to be trained again, unless it is
        known that the weights did not travel with it. ``quick`` asks of the weights only whether they are whole.
        """
        try:
            if self._sound_result()["status"] == "done":
                if self.history() is None:
                    raise CorruptRecord("history.npz: not there")
                if self.lacks_weights():
                    return None
                if not has_seal(self._file(WEIGHTS)):
                    raise CorruptRecord(f"{WEIGHTS}: cut off, or not there")
                if not quick:
                    self.weights()
        except CorruptRecord as error:
            return str(error)
        except FileNotFoundError:  # no result yet
            pass
        return None

    def _sound_result(self) -> dict[str, Any]:
        result = read_json(self._file("result.json"))
        if result.get("status") not in ("done", "failed"):
            raise CorruptRecord("result.json: neither done nor failed")
        return result

    def remove_result(self) -> None:
        """Before a failed cell is tried again."""
        self._own("result.json").unlink(missing_ok=True)

    def write_weights(self, content: bytes) -> None:
        write_sealed(self._own(WEIGHTS), content)

    def weights(self) -> bytes:
        """Raises CorruptRecord or FileNotFoundError."""
        return read_sealed(self._file(WEIGHTS))

    def left_out(self) -> list[str]:
        """Files that did not travel with the cell and have not followed since."""
        try:
            names = read_json(self._file(LEFT_OUT)).get("files")
        except (FileNotFoundError, CorruptRecord):
            return []
        return [n for n in NETWORKS if isinstance(names, list) and n in names and not self._file(n).exists()]

    def lacks_weights(self) -> bool:
        """Whether the cell came without its weights: it is done, and cannot be measured anew."""
        return WEIGHTS in self.left_out()

    def write_traversals(self, grids: dict[str, np.ndarray]) -> None:
        self._write_grids("traversals.npz", grids)

    def write_snapshot(self, iteration: int, grids: dict[str, np.ndarray]) -> None:
        """Grids during training, beside those written before; the same iteration again replaces its own."""
        self._add("snapshots.npz", {f"{code}-{iteration:06d}": grid for code, grid in grids.items()})

    def write_probe(self, iteration: int, arrays: dict[str, np.ndarray]) -> None:
        """What a probe kept, beside those before; the same iteration again replaces its own."""
        self._add(PROBES, {f"{iteration:06d}-{name}": array for name, array in arrays.items()})

    def probes(self) -> dict[str, np.ndarray]:
        """Arrays by ``iteration-name``; empty for a cell that was trained without. Raises CorruptRecord."""
        return self._grids(PROBES)

    def _add(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Add to those in the file; a damaged file counts as empty."""
        try:
            content = extended_npz(read_sealed(self._file(name)), arrays)
        except (FileNotFoundError, CorruptRecord, NpzError):
            content = extended_npz(b"", arrays)
        write_sealed(self._own(name), content)

    def _write_grids(self, name: str, grids: dict[str, np.ndarray]) -> None:
        write_sealed(self._own(name), extended_npz(b"", grids))

    def snapshots(self) -> dict[str, np.ndarray]:
        """Grids by ``code-iteration``. Raises CorruptRecord."""
        return self._grids("snapshots.npz")

    def traversals(self) -> dict[str, np.ndarray]:
        """Grids (rows, columns, H, W, C) uint8 by code; empty before the end. Raises CorruptRecord."""
        return self._grids("traversals.npz")

    def _grids(self, name: str) -> dict[str, np.ndarray]:
        try:
            content = read_sealed(self._file(name))
        except FileNotFoundError:
            return {}
        try:
            return read_npz(content)
        except NpzError as error:
            raise CorruptRecord(f"{name}: {error}") from error

    # ---- measures of the finished networks
    def write_measures(self, family: str, entry: dict[str, Any]) -> None:
        """One family's entry, beside those of the others."""
        write_json(self._own("measures.json"), self.measures() | {family: entry})

    def write_measured_grids(self, family: str, grids: dict[str, np.ndarray]) -> None:
        """Pictures (rows, columns, H, W, C) uint8 that go with a family's entry; replaces those before."""
        self._write_grids(f"{family}.npz", grids)

    def remove_measures(self, families: Iterable[str]) -> None:
        """All entries, and the pictures of these families."""
        for name in ("measures.json", *(f"{family}.npz" for family in families)):
            self._own(name).unlink(missing_ok=True)

    def measured_grids(self, family: str) -> dict[str, np.ndarray]:
        """Grids by name; empty where there are none. Raises CorruptRecord."""
        return self._grids(f"{family}.npz")

    def measures(self) -> dict[str, dict[str, Any]]:
        """Entries by family: ``key``, ``seconds``; ``error`` or ``values``, ``reasons``, ``details``. Damaged: none."""
        try:
            entries = read_json(self._file("measures.json"))
        except (FileNotFoundError, CorruptRecord):
            return {}
        return {family: entry for family, entry in entries.items() if isinstance(entry, dict)}

    def unmeasured(self, cell: Cell) -> list[str]:
        """Families of the cell's experiment to measure: those outdated, if the weights are there."""
        return [] if self.lacks_weights() else self.outdated(cell)

    def outdated(self, cell: Cell) -> list[str]:
        """Families that are missing, failed or were measured by other code."""
        held = self.measures()
        return [
            family
            for family in cell.measures
            if "values" not in held.get(family, {}) or held[family].get("key") != measure_key(cell, family)
        ]

    def end_digest(self) -> str:
        """Digest of how the cell ended and of what was measured since: what a mirror has to hold."""
        measured: dict[str, Any] = {}
        for family, entry in self.measures().items():
            values, series = entry.get("values"), entry.get("series")
            measured[family] = [values, series] if series else values  # most families have none
        return digest([self.result(), measured])

    # ---- tracking
    def write_tracking(self, tracking: dict[str, Any]) -> None:
        write_json(self._file("tracking.json"), tracking)

    def tracking(self) -> dict[str, Any] | None:
        """None where nothing was mirrored yet, or the record is damaged: the mirror asks the store anyway."""
        try:
            return read_json(self._file("tracking.json"))
        except (FileNotFoundError, CorruptRecord):
            return None


def checked_identity(identity: dict[str, Any]) -> dict[str, Any]:
    """What cell.json holds. Raises CorruptRecord where it is no cell's, or of another format."""
    if identity.get("format") != FORMAT:
        raise CorruptRecord(f"cell.json: record format {identity.get('format')}, this version reads {FORMAT}")
    wrong = [n for n, kind in IDENTITY.items() if n not in identity or not isinstance(identity[n], kind)]
    if wrong:
        raise CorruptRecord(f"cell.json: no cell's identity: {', '.join(wrong)}")
    return identity


def identified_cell(i: dict[str, Any]) -> Cell:
    """The cell of an identity."""
    return Cell(i["experiment"], i["profile"], i["variant"], i["arm"], i["seed"], i["config"], i["definition"])


def find_cells(results: Path) -> Iterator[CellFolder]:
    """Every cell folder under a results folder, in a fixed order."""
    for record in sorted((results / "cells").glob("**/cell.json")):
        yield CellFolder(record.parent)
