"""Run the steps of ``python -m bench gpu`` until the time is up; pack each at once and write a summary.

The folder to carry home has summary.json and summary.txt, log.txt with the output of all steps, the records of speed,
and the packs of finished cells. The cells stay in the results folder, where the next call continues.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.console import BadInput, plural
from bench.gpu.steps import NAMES, Step
from bench.gpu.supervise import Status, supervise
from bench.records.pack_format import PackError
from bench.records.packs import pack
from bench.records.seals import read_json, write_json
from bench.records.storage import CorruptRecord, write_atomic

FORMAT = 1
SUMMARY, LOG = "summary.json", "log.txt"
MAX_PACK_BYTES = 15_000_000
RESERVE = 0.03  # share of the time reserved for packing at the end
GRACE = 0.04  # share of the time for a cut step to write its checkpoints
LEAST = 0.01  # share of the time that a step needs to be started
PACK_EVERY = 0.1  # share of the time between packs within a step, in case the machine is taken away

Say = Callable[[str], None]


@dataclass(frozen=True)
class StepRecord:
    """A line of the summary: how a step ended, and why; ``files``: what to carry home."""

    name: str
    status: Status
    message: str
    seconds: float
    limit_s: float
    num_cells: int = 0  # finished cells of this and earlier calls
    files: list[str] = field(default_factory=list)


def run_steps(
    steps: Sequence[Step],
    minutes: float,
    destination: Path,
    results: Path,
    *,
    stop: Callable[[], bool] = lambda: False,
    say: Say = lambda text: None,
) -> list[StepRecord]:
    """Run all steps within ``minutes``. Raises BadInput, before any change, if ``destination`` is of other results."""
    earlier = _earlier(destination, results)
    destination.mkdir(parents=True, exist_ok=True)
    whole_s, begun = 60 * minutes, time.monotonic()
    records: list[StepRecord] = []
    for index, step in enumerate(steps):
        left_s = whole_s * (1 - RESERVE - GRACE) - (time.monotonic() - begun)
        limit_s = left_s / (len(steps) - index) if step.share is None else min(step.share * whole_s, left_s)
        is_stopped = stop()
        if is_stopped or limit_s < LEAST * whole_s:
            why = "interrupted" if is_stopped else "no time was left"
            records.append(StepRecord(step.name, "cut", f"not started: {why}", 0.0, 0.0))
        else:
            say(f"{step.name}: {limit_s:.0f} s at most")
            records.append(_run_step(step, limit_s, whole_s, destination, stop))
            last = records[-1]
            say(f"{last.name}: {last.status} after {last.seconds:.0f} s: {last.message}")
        _write(_merged(earlier, records), minutes, destination, results)
    return records


def _earlier(destination: Path, results: Path) -> list[StepRecord]:
    """Lines of earlier calls. Raises BadInput unless their packs, which will be replaced, are of ``results``."""
    if not (destination / SUMMARY).exists():
        return []
    try:
        summary = read_json(destination / SUMMARY)
        held, records = summary["results"], [StepRecord(**step) for step in summary["steps"]]
    except CorruptRecord as error:
        raise BadInput(f"{destination}: {error}; name another folder") from error
    except (LookupError, TypeError) as error:
        raise BadInput(f"{destination}: {SUMMARY} is of another version; name another folder") from error
    if held != str(results) or not results.is_dir():
        raise BadInput(f"{destination} holds packs of {held}; name another folder")
    return records


def _merged(earlier: Sequence[StepRecord], now: Sequence[StepRecord]) -> list[StepRecord]:
    """A line for each step of this and earlier calls, in the order of the steps.

    The line of a step that was not started now keeps the files of the earlier call, which are still there.
    """
    merged = {record.name: record for record in earlier}
    for record in now:
        before = merged.get(record.name)
        if before is not None and not record.limit_s:
            record = replace(record, num_cells=before.num_cells, files=before.files)
        merged[record.name] = record
    order = {name: index for index, name in enumerate(NAMES)}
    return sorted(merged.values(), key=lambda record: order.get(record.name, len(NAMES)))


def _run_step(step: Step, limit_s: float, whole_s: float, destination: Path, stop: Callable[[], bool]) -> StepRecord:
    packed_at, carried = time.monotonic(), _Carried(step, destination)

    def tick() -> None:
        nonlocal packed_at
        if time.monotonic() - packed_at > PACK_EVERY * whole_s:
            packed_at = time.monotonic()
            carried.update()

    ended = supervise(step.command, destination / LOG, limit_s, GRACE * whole_s, stop, tick)
    status, message = ended.status, ended.message
    if status == "cut":
        message = f"{'interrupted' if stop() else f'at its limit of {limit_s:.0f} s'}: {message}"
    if problem := carried.update():
        status, message = "failed" if status == "done" else status, f"{message}; {problem}"
    return StepRecord(step.name, status, message, ended.seconds, limit_s, carried.num_cells, carried.files)


class _Carried:
    """Files of a step in the folder to carry home."""

    def __init__(self, step: Step, destination: Path) -> None:
        self.step, self.destination = step, destination
        self.num_cells = 0
        self.files: list[str] = []

    def update(self) -> str:
        """Pack what is finished; return what prevented it, in one line."""
        step = self.step
        try:
            if step.record is not None and step.record.exists():
                self.files = [f"{step.name}.json"]
                shutil.copyfile(step.record, self.destination / self.files[0])
            if step.results is not None:
                file = self.destination / f"{step.name}.zip"
                packed = pack(step.results, file, max_bytes=MAX_PACK_BYTES, replace=True)
                self.num_cells, self.files = len(packed.cells), [path.name for path in packed.files]
        except (PackError, CorruptRecord, OSError) as error:
            return f"not packed: {' '.join(str(error).split())}"
        return ""


def _write(records: Sequence[StepRecord], minutes: float, destination: Path, results: Path) -> None:
    listed: list[dict[str, Any]] = [asdict(record) for record in records]
    summary = {"format": FORMAT, "minutes": minutes, "results": str(results), "steps": listed}
    write_json(destination / SUMMARY, summary)
    write_atomic(destination / "summary.txt", text(records).encode())


def text(records: Sequence[StepRecord]) -> str:
    """The summary as text, one line per step."""
    width = max((len(record.name) for record in records), default=0)
    lines = []
    for record in records:
        cells = f", {plural(record.num_cells, 'cell')} in {', '.join(record.files)}" if record.num_cells else ""
        lines.append(f"{record.name:{width}}  {record.status:6}  {record.seconds:4.0f} s{cells}: {record.message}\n")
    return "".join(lines)
