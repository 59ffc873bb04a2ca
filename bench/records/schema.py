"""What a cell's records hold, as JSON has it: names and kinds. What need not be there, an earlier version left out."""

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


Real = Annotated[float, WrapValidator(_as_it_came)]  # 1 does not become 1.0: what was read is written and digested so


class CellRecord(Recorded):
    """What a cell's sealed record holds. What another version wrote beside these fields is kept."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    def as_json(self) -> dict[str, Any]:
        """The fields that were given, in their order here."""
        return self.model_dump(exclude_unset=True)


class HealthRecord(CellRecord):
    """Of the samples; see infogan/measures/health.py."""

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
    """result.json: how a cell ended."""

    status: Literal["done", "failed"]
    # of a finished one
    iterations: int = 0
    mi_frozen_nats: dict[str, Real] | None = None
    health: HealthRecord | None = None
    seconds: Seconds | None = None
    resumes: int = 0
    evaluation_code: str | None = None
    peak_memory_mb: Real | None = None
    # of both
    notes: list[str] = Field(default_factory=list)
    # of one that was given up, or trained beside others
    given_up_at: int | None = None
    num_together: int | None = None
    # of a failed one
    error: str = "error"
    message: str = ""
    traceback: str = ""
    iteration: int | None = None
    values: dict[str, str] = Field(default_factory=dict)

    @property
    def diverged(self) -> bool:
        """Failed because a loss stopped being a number: a result about the seed, unlike a crash."""
        return self.status == "failed" and self.error == "NonFiniteLoss"


class Measured(CellRecord):
    """One family's entry of measures.json: an error, or numbers; series are columns against "iteration"."""

    key: str = ""
    values: dict[str, Real] | None = None  # None where the family failed
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
    """A record as its description has it. Raises CorruptRecord, which says ``where`` and what is the first misfit."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        parts = where, ".".join(map(str, first["loc"])), first["msg"]
        raise CorruptRecord(one_line(": ".join(filter(None, parts)))) from error


def fitting(model: type[Described], lines: Iterable[Any]) -> list[Described]:
    """Lines of a record that fit its description; the others are passed over."""
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            found.append(model.model_validate(line))
    return found


def measures_of(entries: dict[str, Any]) -> Measures:
    """What measures.json holds. Raises CorruptRecord."""
    return {family: fitted(Measured, f"measures.json: {family}", entry) for family, entry in entries.items()}


class LaunchedCell(Recorded):
    """When one cell ran in a launch; seconds since that began, and of training within it."""

    experiment: str
    profile: str = ""  # an earlier version recorded neither this nor the key
    name: Label
    key: str = ""
    definition: str
    outcome: str
    start_s: LaunchSeconds
    end_s: LaunchSeconds
    train_s: LaunchSeconds
    resumed: bool = False  # had trained in an earlier launch


class Launch(Recorded):
    """A line of launches.jsonl; earlier versions recorded neither slots nor cells."""

    definitions: list[str]
    num_done: int = 0
    wall_s: LaunchSeconds
    launcher_cpu_s: float
    launcher_peak_mb: float | None = None
    train_s: LaunchSeconds
    jobs: int | None = None
    cells: list[LaunchedCell] = Field(default_factory=list)
