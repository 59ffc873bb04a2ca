"""Schemas of the records of ``python -m bench throughput``. Times are on two clocks: wall time and CPU time."""

from typing import Any, Literal, NotRequired, TypedDict

Clock = Literal["wall", "processor"]


class Fingerprint(TypedDict):
    """Everything that must be equal for two measurements to be compared."""

    protocol: int
    cpu: str
    instructions: str
    cores: int
    threads: int
    device: str
    gpu: str | None
    torch: str


class Load(TypedDict):
    """Load average over one minute: mean number of running processes."""

    before: float
    after: float


class WorkloadRecord(TypedDict):
    network: str
    batch_size: int
    width: float
    kernels: str
    device: str
    fast_layers: list[str] | None
    precision: NotRequired[str]  # of the fused step; records older than the step in bfloat16 lack it


def precision_of(workload: WorkloadRecord) -> str:
    """Precision of the fused step of a workload."""
    return workload.get("precision", "float32")


class RatioRecord(TypedDict):
    """Ratio of the fused step's time to another's, with its interval."""

    ratio: float
    low: float
    high: float
    level: float
    num: int


class Comparison(TypedDict):
    clock: Clock  # the clock that decides
    alpha: float
    ratio: dict[Clock, RatioRecord]
    log_ratios: dict[Clock, list[float]]
    step_ms: dict[Clock, float]
    other_ms: dict[Clock, float]


class Share(TypedDict):
    share: float
    low: float
    high: float


class Ceiling(TypedDict):
    """Arithmetic rate of the fused step relative to that of a matrix product in its precision."""

    matrix_size: int
    matrix_library: str
    matrix_gflops_per_s: float
    direct_gflop: float
    executed_gflop: float
    direct: Share
    executed: Share
    time_ratio: Comparison


class Measurement(TypedDict):
    """Measurement of one workload; its fused step in another precision is a measurement of its own."""

    workload: WorkloadRecord
    comparisons: dict[str, Comparison]
    ceiling: NotRequired[Ceiling]  # in records of the command only


def step_ms(measurement: Measurement) -> float:
    """Milliseconds of the fused step: of both precisions, those that took turns with the same other steps."""
    times = measurement["ceiling"]["time_ratio"]
    return times["step_ms"][times["clock"]]


def images_per_s(workload: WorkloadRecord, ms: float) -> float:
    """Images per second of a step of this workload that takes ``ms``."""
    return workload["batch_size"] * 1e3 / ms


class Record(TypedDict):
    """Fields of every kind of record."""

    format: int
    kind: str
    command: str
    fingerprint: Fingerprint
    load: Load
    code: str
    git_commit: str


class PairedRecord(Record):
    measurements: list[Measurement]


class SuiteRow(TypedDict):
    """Speed of one implementation of the step of one network."""

    network: str
    width: float
    batch_size: int
    threads: int
    step: str
    clock: Clock
    clock_ms: float
    wall_ms: float
    images_per_s: float
    of_fused: float
    of_fused_low: float
    of_fused_high: float
    share_direct: float
    share_executed: float
    direct_gflop: float
    executed_gflop: float
    matrix_gflops_per_s: float


class Checkpoint(TypedDict):
    ms: float
    size_mb: float
    share_of_training: float


class CellOverhead(TypedDict):
    """Overhead of a small cell that runs through the real command line."""

    command: str
    iterations: int
    seconds: float
    parts_s: dict[str, float]
    beside_training_s: float
    share_of_typical_cell: float
    checkpoint: Checkpoint


class Others(TypedDict, total=False):
    """Measurements other than training steps; an interrupted suite has only some of them."""

    sampling: dict[str, float]
    evaluation: dict[str, float]
    cell: CellOverhead


class SuiteRecord(Record, Others):
    cases: list[dict[str, Any]]
    rows: list[SuiteRow]


class CardRow(TypedDict, total=False):
    """One row of a GPU's table: its numbers, or an error."""

    name: str
    precision: str
    num_seeds: int
    ms: float
    ms_low: float
    ms_high: float
    images_per_s: float
    share: float
    share_low: float
    share_high: float
    product_tflops_per_s: float
    peak_mb: float | None
    error: str


class CardRecord(Record):
    workload: WorkloadRecord
    rows: list[CardRow]
