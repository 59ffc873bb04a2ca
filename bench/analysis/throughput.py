"""Reads the records of ``python -m bench throughput`` without torch: the ratio that belongs to a run."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from bench.analysis.runs import Run
from bench.records.folder import THROUGHPUT
from bench.records.throughput import PairedRecord, precision_of, read
from bench.spec.schema import Recorded

CELL_THREADS = 1  # on a CPU a cell trains on one thread

MAX_RATIO = 1e6
Ratio = Annotated[float, Field(gt=0, lt=MAX_RATIO)]


class RatioLine(Recorded):
    """The result of ``newest_ratio``, kept in a line of history.jsonl."""

    network: str
    batch_size: int
    width: float
    kernels: str = ""  # empty: of a line that does not say
    ratio: Ratio
    low: Ratio
    high: Ratio
    clock: str


def newest_ratio(results: Path, run: Run) -> RatioLine | None:
    """step_time_ratio, fused over reference, with its interval and workload: the newest measured on the run's machine,
    torch and training code. None without one: another machine's or another code's ratio says nothing about this run.
    """
    records = sorted((results / THROUGHPUT).glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in records:
        try:
            record: PairedRecord | None = read(path, ("paired",))  # the suite's fused step has PyTorch's kernels
            ratio = _ratio(record, run.cell.config["architecture"]) if record and _belongs(record, run) else None
        except (OSError, ValueError):
            continue  # no record of this version
        if ratio and ratio.low <= ratio.ratio <= ratio.high:
            return ratio
    return None


def _belongs(record: PairedRecord, run: Run) -> bool:
    f, e, versions = record["fingerprint"], run.environment, run.cell.config["versions"]
    here = e.get("cpu"), e.get("cores"), e.get("device"), e.get("gpu"), versions["torch"]
    threads = CELL_THREADS if run.cell.config["device"] == "cpu" else f["threads"]
    same_code = record["code"] == versions["training_code"]
    measured_on = f["cpu"], f["cores"], f["device"], f["gpu"], f["torch"]
    return same_code and f["threads"] == threads and measured_on == here


def _ratio(record: PairedRecord, network: str) -> RatioLine | None:
    """The ratio of the record's first workload with this network in float32."""
    for measurement in record["measurements"]:
        workload, reference = measurement["workload"], measurement["comparisons"]["reference"]
        if workload["network"] == network and precision_of(workload) == "float32":
            r = reference["ratio"][reference["clock"]]
            return RatioLine.model_validate({**workload, **r, "clock": reference["clock"]})
    return None
