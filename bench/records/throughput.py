"""Schemas of the records of ``python -m bench throughput`` and their reader. Clocks: wall time and CPU time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NotRequired, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic takes Python's own from 3.12 on

from bench.console import plural
from bench.records.storage import read_plain_json
from infogan.data.base import one_line

FORMAT: Final = 1

Clock = Literal["wall", "processor"]
Value = TypeVar("Value")
Size = Annotated[int, Field(gt=0, lt=10**9)]
Positive = Annotated[float, Field(gt=0, lt=1e15)]  # what is larger was not measured
OfClocks = Annotated[dict[Clock, Value], Field(min_length=2)]  # both
LogRatio = Annotated[float, Field(gt=-20, lt=20)]


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


def measured_on(fingerprint: Fingerprint) -> str:
    """``AMD EPYC (AVX512), 2 cores, 1 thread, torch 2.14.1``, and the GPU if there is one."""
    f = fingerprint
    parts = f"{f['cpu']} ({f['instructions']})", plural(f["cores"], "core"), plural(f["threads"], "thread")
    return ", ".join([*parts, f"torch {f['torch']}", *([f["gpu"]] if f["gpu"] else [])])


def load_in_words(load: Load) -> str:
    return f"load {load['before']:g} before, {load['after']:g} after"


class WorkloadRecord(TypedDict):
    network: str
    batch_size: Size
    width: Positive
    kernels: str
    device: str
    fast_layers: list[str] | None
    precision: NotRequired[str]  # of the fused step; records older than the step in bfloat16 lack it


def precision_of(workload: WorkloadRecord) -> str:
    """Precision of the fused step of a workload."""
    return workload.get("precision", "float32")


class RatioRecord(TypedDict):
    """Ratio of the fused step's time to another's, with its interval."""

    ratio: Positive
    low: Positive
    high: Positive
    level: float
    num: int


class Comparison(TypedDict):
    clock: Clock  # the clock that decides
    alpha: float
    ratio: OfClocks[RatioRecord]
    log_ratios: OfClocks[Annotated[list[LogRatio], Field(min_length=1)]]
    step_ms: OfClocks[Positive]
    other_ms: OfClocks[Positive]


class Share(TypedDict):
    share: Positive
    low: Positive
    high: Positive


class Ceiling(TypedDict):
    """Arithmetic rate of the fused step relative to that of a matrix product in its precision."""

    matrix_size: int
    matrix_library: str
    matrix_gflops_per_s: Positive
    direct_gflop: Positive
    executed_gflop: Positive
    direct: Share
    executed: Share
    time_ratio: Comparison


class Measurement(TypedDict):
    """Measurement of one workload; its fused step in another precision is a measurement of its own."""

    workload: WorkloadRecord
    comparisons: dict[str, Comparison]
    ceiling: NotRequired[Ceiling]  # in stored records


def _whole(measurement: Measurement) -> Measurement:
    if "reference" not in measurement["comparisons"] or "ceiling" not in measurement:
        raise ValueError("it lacks the reference step or the ceiling")
    return measurement


def step_ms(measurement: Measurement) -> float:
    """Milliseconds of the fused step: of both precisions, those that took turns with the same other steps."""
    times = measurement["ceiling"]["time_ratio"]
    return times["step_ms"][times["clock"]]


def images_per_s(workload: WorkloadRecord, ms: float) -> float:
    """Images per second of a step of this workload that takes ``ms``."""
    return workload["batch_size"] * 1e3 / ms


@with_config(ConfigDict(strict=True, allow_inf_nan=False))
class Record(TypedDict):
    """Fields of every kind of record."""

    format: Literal[1]
    kind: str
    command: str
    fingerprint: Fingerprint
    load: Load
    code: str
    git_commit: str


class PairedRecord(Record):
    measurements: Annotated[list[Annotated[Measurement, AfterValidator(_whole)]], Field(min_length=1)]


class SuiteRow(TypedDict):
    """Speed of one implementation of the step of one network."""

    network: str
    width: Positive
    batch_size: Size
    threads: int
    step: str
    clock: Clock
    clock_ms: Positive
    wall_ms: Positive
    images_per_s: Positive
    of_fused: Positive
    of_fused_low: Positive
    of_fused_high: Positive
    share_direct: Positive
    share_executed: Positive
    direct_gflop: Positive
    executed_gflop: Positive
    matrix_gflops_per_s: Positive


class Timed(TypedDict):
    ms: float


class Sampling(Timed):
    batch_size: int
    images_per_s: float


class Checkpoint(Timed):
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

    sampling: Sampling
    evaluation: Timed
    cell: CellOverhead


class SuiteRecord(Record, Others):
    cases: list[dict[str, Any]]
    rows: list[SuiteRow]


class CardNumbers(TypedDict, total=False):
    ms: Positive
    ms_low: Positive
    ms_high: Positive
    images_per_s: Positive
    share: Positive
    share_low: Positive
    share_high: Positive
    product_tflops_per_s: Positive
    peak_mb: float | None


class CardRow(CardNumbers):
    """One row of a GPU's table: its numbers, or an error."""

    name: str
    precision: str
    num_seeds: int
    error: NotRequired[str]


def _with_numbers(row: CardRow) -> CardRow:
    if "error" not in row and (lacking := sorted(CardNumbers.__annotations__.keys() - row)):
        raise ValueError(f"neither an error nor {lacking[0]}")
    return row


class CardRecord(Record):
    workload: WorkloadRecord
    rows: list[Annotated[CardRow, AfterValidator(_with_numbers)]]


_KINDS = {"paired": PairedRecord, "suite": SuiteRecord, "card": CardRecord}


def read(path: Path, kinds: Sequence[str] = tuple(_KINDS)) -> Any:
    """The record of one of these kinds in a file, as it stands there; None for other JSON.

    Raises OSError, or ValueError with one line: the first field that is missing or cannot be.
    """
    record = read_plain_json(path)
    kind: Any = record.get("kind") if isinstance(record, dict) else None
    if kind not in kinds:
        return None
    try:
        TypeAdapter(_KINDS[kind]).validate_python(record)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(one_line(f"{'.'.join(map(str, (kind, *first['loc'])))}: {first['msg']}")[:240]) from None
    return record
