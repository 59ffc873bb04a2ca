"""What ``python -m bench throughput`` records, as JSON has it. Times on two clocks: of the wall, of the processor."""

from typing import Any, Literal, NotRequired, TypedDict

Clock = Literal["wall", "processor"]


class Fingerprint(TypedDict):
    """What must be equal for two measurements to be compared."""

    protocol: int
    cpu: str
    instructions: str
    cores: int
    threads: int
    device: str
    gpu: str | None
    torch: str


class Load(TypedDict):
    """Mean number of busy processes over a minute."""

    before: float
    after: float


class WorkloadRecord(TypedDict):
    network: str
    batch_size: int
    width: float
    kernels: str
    device: str
    fast_layers: list[str] | None


class RatioRecord(TypedDict):
    """The fused step's time over another's."""

    ratio: float
    low: float
    high: float
    level: float
    num: int


class Comparison(TypedDict):
    clock: Clock  # which of the two decides
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
    """Arithmetic of the fused step per second, over a matrix product's."""

    matrix_size: int
    matrix_library: str
    matrix_gflops_per_s: float
    direct_gflop: float
    executed_gflop: float
    direct: Share
    executed: Share
    time_ratio: Comparison


class Measurement(TypedDict):
    """One workload's."""

    workload: WorkloadRecord
    comparisons: dict[str, Comparison]
    ceiling: NotRequired[Ceiling]  # of the command's records


class Record(TypedDict):
    """What all kinds have."""

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
    """One way to write the step of one network."""

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
    """Of a small cell through the real command line."""

    command: str
    iterations: int
    seconds: float
    parts_s: dict[str, float]
    beside_training_s: float
    share_of_typical_cell: float
    checkpoint: Checkpoint


class Others(TypedDict, total=False):
    """What is not a training step; a suite that was cut has some of it."""

    sampling: dict[str, float]
    evaluation: dict[str, float]
    cell: CellOverhead


class SuiteRecord(Record, Others):
    cases: list[dict[str, Any]]
    rows: list[SuiteRow]


class CardRow(TypedDict, total=False):
    """One row of a GPU: its numbers, or why there are none."""

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
