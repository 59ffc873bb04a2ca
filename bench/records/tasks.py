"""What an executor hands to a worker. Cheap to import and to pickle: only workers import torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from bench.environment import Environment
from bench.spec.cells import Cell

STRETCH = 25  # iterations between two entries of the step-time record, and between two reads from a GPU


@dataclass(frozen=True)
class Resources:
    """What a cluster sets aside for a cell while it trains; no part of what the cell is."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory_gb: float = 0.0  # 0: nothing is set aside

    def __str__(self) -> str:
        parts = [f"cpus = {self.cpus:g}", f"gpus = {self.gpus:g}" if self.gpus else ""]
        return ", ".join(part for part in [*parts, f"memory_gb = {self.memory_gb:g}" if self.memory_gb else ""] if part)


class EventValues(TypedDict, total=False):
    """What an event tells of its cell; the kind of event says which of it."""

    iteration: int
    metrics: dict[str, float]  # of that iteration
    train_s: float  # over all launches
    family: str  # of measures
    text: str
    message: str  # how it ended
    node: str
    attempt: int  # the second, where a worker has died


@dataclass(frozen=True)
class CellTask:
    """A cell and where its data and records are."""

    cell: Cell
    results: Path
    data_dir: Path | None
    environment: Environment
    checkpoint_every_s: float = 60.0
    checkpoint_every: int | None = None  # iterations, beside the seconds
    resources: Resources = Resources()
    own: Mapping[str, Path] = field(default_factory=dict)  # by import path: the folder that it is looked up from
