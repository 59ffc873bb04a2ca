"""Types passed from an executor to a worker. Cheap to import and to pickle: only workers import torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from bench.environment import Environment
from bench.spec.cells import Cell

STRETCH = 25  # iterations between step-time entries, and between reads from a GPU


@dataclass(frozen=True)
class Resources:
    """Resources that a cluster reserves for a cell while it trains; not part of the cell's configuration."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory_gb: float = 0.0  # 0: none reserved

    def __str__(self) -> str:
        parts = [f"cpus = {self.cpus:g}", f"gpus = {self.gpus:g}" if self.gpus else ""]
        return ", ".join(part for part in [*parts, f"memory_gb = {self.memory_gb:g}" if self.memory_gb else ""] if part)


class EventValues(TypedDict, total=False):
    """Values of an event about a cell; the kind of event determines which are present."""

    iteration: int
    metrics: dict[str, float]  # at that iteration
    train_s: float  # over all launches
    family: str  # family of measures
    text: str
    message: str  # about the outcome
    node: str
    attempt: int  # 2 or more after a worker died


@dataclass(frozen=True)
class CellTask:
    """A cell, with the locations of its data and records."""

    cell: Cell
    results: Path
    data_dir: Path | None
    environment: Environment
    checkpoint_every_s: float = 60.0
    checkpoint_every: int | None = None  # in iterations, in addition to the seconds
    resources: Resources = Resources()
    own: Mapping[str, Path] = field(default_factory=dict)  # by import path: the folder it is resolved from
