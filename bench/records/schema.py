"""What a cell's records hold, as JSON has it: names and kinds. What need not be there, an earlier version left out."""

from typing import Annotated, Any, Literal, TypedDict

from pydantic import Field

from bench.environment import DataRecord, Environment
from bench.spec.config import Config, Definition
from bench.spec.schema import Label, Recorded

LaunchSeconds = Annotated[float, Field(ge=0, le=1e10)]


class Identity(TypedDict):
    """cell.json."""

    format: int
    experiment: str
    profile: str
    variant: str | None
    arm: str
    seed: int
    key: str
    definition_key: str
    config: Config
    definition: Definition
    environment: Environment
    data: DataRecord


class HealthRecord(TypedDict):
    """Of the samples; see infogan/measures/health.py."""

    status: str
    reason: str
    variety: float | None
    distinctness: float | None
    saturation: float | None


class Seconds(TypedDict):
    """Where a cell's time went, over all its resumptions."""

    train: float
    checkpoint: float
    evaluate: float
    prepare: float


class Result(TypedDict, total=False):
    """result.json: how a cell ended."""

    status: Literal["done", "failed"]
    notes: list[str]
    # of a finished one
    iterations: int
    mi_frozen_nats: dict[str, float]
    health: HealthRecord | None
    seconds: Seconds
    resumes: int
    evaluation_code: str
    peak_memory_mb: float
    given_up_at: int
    num_together: int
    # of a failed one
    error: str
    message: str
    traceback: str
    iteration: int
    values: dict[str, str]


class Measured(TypedDict, total=False):
    """One family's entry of measures.json: an error, or numbers; series are columns against "iteration"."""

    key: str
    seconds: float
    peak_memory_mb: float
    values: dict[str, float]
    reasons: dict[str, str]
    details: dict[str, Any]
    series: dict[str, list[float]]
    error: str
    traceback: str


Measures = dict[str, Measured]  # by family


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
