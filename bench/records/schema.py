"""Schemas of a cell's JSON records. Optional fields were added by later versions."""

import contextlib
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from bench.records.storage import CorruptRecord
from bench.spec.schema import Label, Recorded
from infogan.data.base import one_line

LaunchSeconds = Annotated[float, Field(ge=0, le=1e10)]


def _as_it_came(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    check(value)
    return value


Real = Annotated[float, WrapValidator(_as_it_came)]  # keeps 1 as 1, not 1.0, so that digests do not change


class CellRecord(Recorded):
    """A sealed record of a cell. Fields added by other versions are kept."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    def as_json(self) -> dict[str, Any]:
        """The fields that were set, in the order of their declaration."""
        return self.model_dump(exclude_unset=True)


class HealthRecord(CellRecord):
    """Health of the samples; see infogan/measures/health.py."""

    status: str
    reason: str = ""
    variety: Real | None = None
    distinctness: Real | None = None
    saturation: Real | None = None


class Seconds(CellRecord):
    """Where a cell's time went, over all its resumptions."""

    train: Real
    checkpoint: Real
    evaluate: Real
    prepare: Real


class Result(CellRecord):
    """The content of result.json: how a cell ended."""

    status: Literal["done", "failed"]
    # if finished
    iterations: int = 0
    mi_frozen_nats: dict[str, Real] | None = None
    health: HealthRecord | None = None
    seconds: Seconds | None = None
    resumes: int = 0
    evaluation_code: str | None = None
    peak_memory_mb: Real | None = None
    # in both cases
    notes: list[str] = Field(default_factory=list)
    # if given up, or trained together with others
    given_up_at: int | None = None
    num_together: int | None = None
    # if failed
    error: str = "error"
    message: str = ""
    traceback: str = ""
    iteration: int | None = None
    values: dict[str, str] = Field(default_factory=dict)

    @property
    def diverged(self) -> bool:
        """Whether it failed because a loss became non-finite. Unlike a crash, this is a result about the seed."""
        return self.status == "failed" and self.error == "NonFiniteLoss"

    @property
    def ended(self) -> bool:
        """Whether it says something about the seed: done or diverged. Training it again would give the same."""
        return self.status == "done" or self.diverged


class Measured(CellRecord):
    """One family's entry of measures.json: an error, or numbers. ``series`` are columns over "iteration"."""

    key: str = ""
    values: dict[str, Real] | None = None  # None if the family failed
    reasons: dict[str, str] = Field(default_factory=dict)
    details: dict[str, Any] = Field(default_factory=dict)
    series: dict[str, list[Real]] = Field(default_factory=dict)
    error: str | None = None
    traceback: str = ""
    seconds: Real | None = None
    peak_memory_mb: Real | None = None


Measures = dict[str, Measured]  # by family
Described = TypeVar("Described", bound=BaseModel)


def fitted(model: type[Described], where: str, value: Any) -> Described:
    """Validate a record. Raises CorruptRecord with ``where`` and the first error."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        parts = where, ".".join(map(str, first["loc"])), first["msg"]
        raise CorruptRecord(one_line(": ".join(filter(None, parts)))) from error


def fitting(model: type[Described], lines: Iterable[Any]) -> list[Described]:
    """The lines that match the schema; others are skipped."""
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            found.append(model.model_validate(line))
    return found


def measures_of(entries: dict[str, Any]) -> Measures:
    """Validate the content of measures.json. Raises CorruptRecord."""
    return {family: fitted(Measured, f"measures.json: {family}", entry) for family, entry in entries.items()}


class LaunchedCell(Recorded):
    """When one cell ran in a launch, in seconds since its start, and its seconds of training."""

    experiment: str
    profile: str = ""  # earlier versions recorded neither this nor the key
    name: Label
    key: str = ""
    definition: str
    outcome: str
    start_s: LaunchSeconds
    end_s: LaunchSeconds
    train_s: LaunchSeconds
    resumed: bool = False  # whether it had trained in an earlier launch


class Launch(Recorded):
    """A line of launches.jsonl. Earlier versions recorded neither slots nor cells."""

    definitions: list[str]
    num_done: int = 0
    wall_s: LaunchSeconds
    launcher_cpu_s: float
    launcher_peak_mb: float | None = None
    train_s: LaunchSeconds
    jobs: int | None = None
    cells: list[LaunchedCell] = Field(default_factory=list)
