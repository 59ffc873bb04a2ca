"""Choose the layers that do not use PyTorch's implementation, and the precision where it is ``auto``.

The choice is per kind of processor and part of every key.

For the kinds in ``kernels.toml`` the choice is committed. For any other kind, the first ``run`` measures each layer of
its cells once and stores the choice with the results, in ``kernels.json``. So a cell's key depends on declared or
recorded choices, never on a later measurement or a cache.
"""

import math
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from fnmatch import fnmatchcase
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

from bench import environment
from bench.console import BadInput
from bench.records.find import find_cells
from bench.records.locks import Lock
from bench.records.seals import read_json, write_json
from bench.records.storage import CorruptRecord
from bench.spec.resolve import KernelChoice
from bench.spec.schema import Recorded
from infogan.architectures import Dense, Strided, adapted, choosable_layers
from infogan.own.networks import architecture_of

WORTH = 0.97  # largest ratio of times at which an alternative, with its different rounding, is worth using
TABLE = Path(__file__).with_name("kernels.toml")
RECORD = "kernels.json"  # in the results folder
LOCK_PATIENCE_S = 600.0  # another launcher may measure for minutes

Layers = Sequence[Strided | Dense]
Measure = Callable[[Layers, int], list[float]]


class KeptChoice(Recorded):
    """The choice stored with results: by layer and batch size, the alternatives to use and the measured ratios."""

    format: Literal[1]
    processor: str
    fast: dict[str, bool]
    ratios: dict[str, float]
    bf16: bool = False  # what precision="auto" means in this folder; one begun earlier stays in float32


class UnreadableChoice(BadInput):
    """The stored choice is damaged; the message is one line for the user."""


@cache
def _table() -> dict[str, Any]:
    """By kind of processor: ``fast``, patterns of layer names to use alternatives for, and ``bf16``."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def declared(kind: str, layers: Layers) -> tuple[str, ...] | None:
    """Names of those ``layers`` that gain on a kind of processor, by the committed table; None for an unknown kind."""
    patterns = _table().get(kind, {}).get("fast")
    if patterns is None:
        return None
    return tuple(layer.name for layer in layers if any(fnmatchcase(layer.name, pattern) for pattern in patterns))


def gains_from_bf16(kind: str) -> bool:
    """Whether the step is faster in bfloat16 on a kind of processor, by the committed table."""
    return bool(_table().get(kind, {}).get("bf16", False))


class Chooser:
    """Chooses for the cells of one results folder.

    A folder keeps the kind of processor that its first cells were chosen for, wherever it is moved, also if the cells
    came in a pack. ``trains``: measure and record a missing choice. Otherwise nothing is measured or written, and a
    layer without a choice uses PyTorch, since no cell can have been trained with it. Calling it raises
    UnreadableChoice, or OSError if the record cannot be written.
    """

    def __init__(
        self,
        results: Path,
        *,
        trains: bool,
        announce: Callable[[str], None] = lambda text: None,
        measure: Measure | None = None,
    ) -> None:
        self.results, self.trains, self.announce = results, trains, announce
        self.measure = measure or _in_a_process
        self._known: dict[tuple[Layers, int], KernelChoice] = {}

    def __call__(self, layers: Layers, batch_size: int) -> KernelChoice:
        asked = (tuple(layers), batch_size)
        if asked not in self._known:
            self._known[asked] = self._choose(layers, batch_size)
        return self._known[asked]

    def _choose(self, layers: Layers, batch_size: int) -> KernelChoice:
        record = self._read()
        here = environment.processor_kind()
        if self.trains and not self._known and record.processor != here:
            self.announce(
                f"{self.results / RECORD}: the kernels were chosen for a processor of kind "
                f"{record.processor} and stay so on this one, {here}"
            )
        is_kept = (self.results / RECORD).exists()  # otherwise derived from the cells
        if self.trains and (not is_kept or _missing(record, layers, batch_size)):
            with Lock(self.results / ".kernels.lease", "a launcher that chooses kernels", patience_s=LOCK_PATIENCE_S):
                record = self._read()  # another launcher may have been faster
                self._extend(record, layers, batch_size)
                write_json(self.results / RECORD, record.model_dump())
        known = declared(record.processor, layers) or ()
        names = (layer.name for layer in layers if record.fast.get(_entry(layer, batch_size), layer.name in known))
        return KernelChoice(tuple(names), record.processor, record.bf16)

    def _extend(self, record: KeptChoice, layers: Layers, batch_size: int) -> None:
        missing = _missing(record, layers, batch_size)
        if not missing:
            return
        chosen = declared(record.processor, missing)
        if chosen is None:
            where = self.results / RECORD
            self.announce(
                f"measuring which of {len(missing)} layers a processor of kind {record.processor} computes faster "
                f"with another implementation (once per results folder, stored in {where})"
            )
            ratios = dict(zip((layer.name for layer in missing), self.measure(missing, batch_size), strict=True))
            chosen = tuple(name for name, ratio in ratios.items() if ratio < WORTH)
            finite = [layer for layer in missing if math.isfinite(ratios[layer.name])]
            record.ratios.update({_entry(layer, batch_size): ratios[layer.name] for layer in finite})
        record.fast.update({_entry(layer, batch_size): layer.name in chosen for layer in missing})

    def _read(self) -> KeptChoice:
        """The choice of these results. Raises UnreadableChoice."""
        path = self.results / RECORD
        try:
            return KeptChoice.model_validate(read_json(path))
        except FileNotFoundError:
            kind = environment.processor_kind()
            gains = gains_from_bf16(kind) and environment.multiplies_bf16("cpu")  # a virtual machine may hide it
            return _of_cells(self.results) or _record(kind, bf16=gains)
        except (OSError, CorruptRecord, ValueError) as error:
            why = "not a record of this version" if isinstance(error, ValueError) else error
            raise UnreadableChoice(
                f"{path} cannot be read ({why}): it records how the cells here compute each layer; restore it, or "
                "remove it to use what the cells' own records say"
            ) from error


def _record(processor: str, *, bf16: bool) -> KeptChoice:
    return KeptChoice(format=1, processor=processor, fast={}, ratios={}, bf16=bf16)


def _of_cells(results: Path) -> KeptChoice | None:
    """The choice that the cells in a folder were made with, for example from a pack; if of several kinds, the first."""
    record: KeptChoice | None = None
    for folder in find_cells(results).folders:
        try:
            cell = folder.cell()
            network = cell.config["network"]
            if "chosen_for" not in network:
                continue
            record = record or _record(str(network["chosen_for"]), bf16=False)
            if network["chosen_for"] != record.processor:
                continue
            if network.get("precision") == "bf16":
                record = record.model_copy(update={"bf16": True})
                continue  # it says nothing of the layers' implementation in float32
            architecture = adapted(architecture_of(cell.config), network)
            batch_size = cell.config["training"]["batch_size"]
            for layer in choosable_layers(architecture, cell.input_width, network["width"]):
                record.fast.setdefault(_entry(layer, batch_size), layer.name in network["fast_layers"])
        except (CorruptRecord, OSError, LookupError, TypeError, ValueError, AttributeError):
            continue  # a damaged cell is ignored
    return record


def _missing(record: KeptChoice, layers: Layers, batch_size: int) -> list[Strided | Dense]:
    return [layer for layer in layers if _entry(layer, batch_size) not in record.fast]


def _entry(layer: Strided | Dense, batch_size: int) -> str:
    return f"{layer.name} batch {batch_size}"


def _in_a_process(layers: Layers, batch_size: int) -> list[float]:
    """Measure in a new process, with one thread and a cell's heap settings. Infinite if that process dies."""
    try:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return pool.submit(_measured, layers, batch_size).result()
    except BrokenProcessPool:
        return [math.inf] * len(layers)


def _measured(layers: Layers, batch_size: int) -> list[float]:
    from infogan.kernels import time_ratios  # imported here to keep torch out of the launcher

    return time_ratios(layers, batch_size)
