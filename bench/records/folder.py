"""A cell's folder on disk. It is the only record of the cell: plan, report, check and resume read nothing else.

cell.json        identity, full configuration, versions, machine and data; written before training
checkpoint*.pt, history.npz   how far training has come: bench/records/checkpoints.py
result.json      outcome: done or failed, with times, frozen L_I and health
weights.safetensors   final weights with frozen batch-norm statistics; weights.pt of a cell of an earlier version
measures.json    measures of the trained networks, by family, each with its key
*.npz            image grids and other arrays: bench/records/arrays.py
tracking.json    content of the MLflow mirror, as verified
left_out.json    files that were left out when the cell was packed: bench/records/packs.py
lease/           the lock for writing here: bench/records/locks.py

All but the lease are sealed with a checksum. The seal includes the cell's key (except in cell.json, which contains the
key itself), so records of another cell are rejected.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from bench.environment import DataRecord, Environment
from bench.records.arrays import ATLAS, PROBES
from bench.records.checkpoints import CellCheckpoints
from bench.records.identity import Identity
from bench.records.leases import is_locked
from bench.records.locks import Lock
from bench.records.schema import Measured, Measures, Result, fitted, measures_of
from bench.records.seals import check_seal, read_json, read_sealed, write_json, write_sealed
from bench.records.storage import CorruptRecord
from bench.spec.cells import Cell, digest, measure_key

WEIGHTS, EARLIER_WEIGHTS = "weights.safetensors", "weights.pt"
NETWORKS = (WEIGHTS, EARLIER_WEIGHTS, PROBES)  # only needed for new measures, so a pack may leave them out
LEFT_OUT = "left_out.json"
LAUNCHES = "launches.jsonl"  # in the results folder: schedule and overhead of each launch

THROUGHPUT = "throughput"  # folder in the results folder, for records of `python -m bench throughput`

State = Literal["missing", "partial", "running", "failed", "done"]


class CellFolder(CellCheckpoints):
    """Read and write the records of one cell."""

    @classmethod
    def of(cls, results: Path, cell: Cell, held: Lock | None = None) -> "CellFolder":
        return cls(results / cell.folder, held, cell.key)

    def name_in(self, results: Path) -> str:
        """``experiment/profile/[variant/]arm/seed-k``, from its place in a results folder."""
        return self.path.parent.relative_to(results / "cells").as_posix()

    # ---- identity
    def write_identity(self, cell: Cell, environment: Environment, data: DataRecord) -> None:
        """Write cell.json, before the cell trains."""
        write_json(self._own("cell.json"), Identity.of(cell, environment, data).as_json())

    def cell(self) -> Cell:
        """The cell as recorded in cell.json."""
        return self.identity().cell()

    # ---- state
    def lock(self, holder: str, *, patience_s: float = 0.0, give_up: Callable[[], bool] = lambda: False) -> Lock:
        return Lock(self._file("lease"), holder, patience_s=patience_s, give_up=give_up)

    def state(self) -> State:
        """The cell's state from its records; a damaged result is treated as missing. Raises OSError.

        A result takes precedence over a lease, because retraining a cell first removes its result.
        """
        try:
            self._file("cell.json").stat()
        except FileNotFoundError:
            return "missing"
        result = self.result()
        if result is not None:
            return result.status
        return "running" if is_locked(self._file("lease")) else "partial"

    # ---- end
    def write_result(self, result: Result) -> None:
        write_json(self._own("result.json"), result.as_json(), self.key)

    def result(self) -> Result | None:
        """The result; None before the end, or if it is damaged."""
        try:
            return self._sound_result()
        except (FileNotFoundError, CorruptRecord):
            return None

    def end_damage(self, *, quick: bool = False) -> str | None:
        """Describe damage to the records of a finished cell; None if they are valid or the cell has not ended.

        A finished cell needs its history and weights; without one of them it must be trained again, unless the weights
        were left out of a pack. ``quick``: do not read the weights, only check that the file is complete.
        """
        try:
            if self._sound_result().status == "done":
                self.require_whole_history()
                if self.lacks_weights():
                    return None
                check_seal(self._file(self.weights_name()), self.key)
                if not quick:
                    self.weights()
        except CorruptRecord as error:
            return str(error)
        except FileNotFoundError:  # no result yet
            pass
        return None

    def require_whole_history(self) -> None:
        """Raise CorruptRecord if the history ends before the training did, as in an incomplete copy."""
        history, given_up_at = self.history(), self._sound_result().given_up_at
        iterations = self.cell().iterations if given_up_at is None else given_up_at
        if history is None:
            raise CorruptRecord("history.npz: missing")
        if len(history) != iterations:
            raise CorruptRecord(f"history.npz: holds {len(history)} of {iterations} iterations")

    def _sound_result(self) -> Result:
        return fitted(Result, "result.json", read_json(self._file("result.json"), self.key))

    def remove_result(self) -> None:
        """Remove the result before a failed cell is tried again."""
        self._own("result.json").unlink(missing_ok=True)

    def write_weights(self, content: bytes) -> None:
        """Write the networks, as serialised by :mod:`infogan.weights`."""
        write_sealed(self._own(WEIGHTS), content, self.key)
        self._file(EARLIER_WEIGHTS).unlink(missing_ok=True)

    def weights_name(self) -> str:
        """Name of the existing weights file, or of the one to write."""
        is_earlier = not self._file(WEIGHTS).exists() and self._file(EARLIER_WEIGHTS).exists()
        return EARLIER_WEIGHTS if is_earlier else WEIGHTS

    def weights(self) -> bytes:
        """Content of the weights, for :func:`infogan.weights.recorded`. Raises CorruptRecord or FileNotFoundError."""
        return read_sealed(self._file(self.weights_name()), self.key)

    def has_weights(self) -> bool:
        return self._file(self.weights_name()).exists()

    def left_out(self) -> list[str]:
        """Files that were left out of the cell's pack and not added since."""
        try:
            names = read_json(self._file(LEFT_OUT), self.key).get("files")
        except (FileNotFoundError, CorruptRecord):
            return []
        there = {PROBES: self._file(PROBES).exists()}
        found = [n for n in NETWORKS if isinstance(names, list) and n in names]
        return [n for n in found if not there.get(n, self.has_weights())]

    def lacks_weights(self) -> bool:
        """Whether the cell is done but came without its weights, so it cannot be measured again."""
        return not {WEIGHTS, EARLIER_WEIGHTS}.isdisjoint(self.left_out())

    # ---- measures of the finished networks
    def write_measures(self, family: str, entry: Measured) -> None:
        """Write one family's entry and keep those of the others."""
        entries = self.measures() | {family: entry}
        write_json(self._own("measures.json"), {name: e.as_json() for name, e in entries.items()}, self.key)

    def remove_measures(self, families: Iterable[str]) -> None:
        """Remove all entries, the grids of these families, and the atlas."""
        for name in ("measures.json", ATLAS, *(f"{family}.npz" for family in families)):
            self._own(name).unlink(missing_ok=True)

    def measures(self) -> Measures:
        """Entries by family; empty if the file is damaged."""
        try:
            return self.sound_measures()
        except CorruptRecord:
            return {}

    def sound_measures(self) -> Measures:
        """Entries by family. Raises CorruptRecord."""
        try:
            return measures_of(read_json(self._file("measures.json"), self.key))
        except FileNotFoundError:
            return {}

    def unmeasured(self, cell: Cell) -> list[str]:
        """Families to measure: the outdated ones, if the weights are there."""
        return [] if self.lacks_weights() else self.outdated(cell)

    def outdated(self, cell: Cell) -> list[str]:
        """Families of the experiment that are missing, failed, or were measured by other code."""
        held = self.measures()
        return [
            family
            for family in cell.measures
            if family not in held or held[family].values is None or held[family].key != measure_key(cell, family)
        ]

    def end_digest(self) -> str:
        """Digest of the outcome and the measures, which a mirror must contain."""
        measured: dict[str, Any] = {}
        for family, entry in self.measures().items():
            measured[family] = [entry.values, entry.series] if entry.series else entry.values  # most families have none
        result = self.result()
        return digest([result and result.as_json(), measured])

    # ---- tracking
    def write_tracking(self, tracking: dict[str, Any]) -> None:
        if self.path.is_dir():  # do not recreate a folder that was removed meanwhile
            write_json(self._file("tracking.json"), tracking, self.key)

    def tracking(self) -> dict[str, Any] | None:
        """The mirror's record; None if nothing was mirrored or it is damaged. The mirror checks the store anyway."""
        try:
            return read_json(self._file("tracking.json"), self.key)
        except (FileNotFoundError, CorruptRecord):
            return None
