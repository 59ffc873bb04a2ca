"""Record one launch as a line of launches.jsonl: when each cell ran, and how long it trained in this launch."""

import resource
import time
from pathlib import Path

from bench.records.folder import LAUNCHES, CellFolder
from bench.records.schema import Launch, LaunchedCell, fitting
from bench.records.storage import append_line, read_lines
from bench.records.tasks import CellTask, EventValues


def read_launches(results: Path) -> list[Launch]:
    """All launches recorded in a results folder, oldest first. Raises OSError."""
    return fitting(Launch, read_lines(results / LAUNCHES))


class LaunchClock:
    """Collects the events of a run and records its launch."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()
        self._spans: dict[str, list[float]] = {}  # by cell key: start and end, in seconds since the launch began
        self._training: set[str] = set()  # cells that have trained in this launch
        self._before_s: dict[str, float] = {}  # a resumed cell's training in earlier launches
        self._clock_s: dict[str, float] = {}  # a cell's training in all launches, at its last checkpoint

    def event(self, task: CellTask, kind: str, values: EventValues) -> None:
        key = task.cell.key
        if kind in ("started", "done", "failed", "stopped"):
            self._spans.setdefault(key, []).append(time.monotonic() - self._wall)
        if kind == "resumed" and key not in self._training:  # else: its worker died, same launch
            self._before_s[key] = values["train_s"]
        if kind in ("resumed", "progress"):
            self._training.add(key)
        if kind == "durable":
            self._clock_s[key] = values["train_s"]

    def record(self, results: Path, tasks: list[CellTask], outcomes: dict[str, str], jobs: int) -> None:
        """Append the line, with the launcher's own cost for tracking and progress. Raises OSError."""
        train_s = {task.cell.key: self._train_s(results, task, outcomes) for task in tasks}
        line = Launch(
            definitions=sorted({task.cell.definition_key for task in tasks}),
            num_done=sum(outcomes.get(task.cell.key) == "done" for task in tasks),
            wall_s=time.monotonic() - self._wall,
            launcher_cpu_s=time.process_time() - self._cpu,
            launcher_peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            train_s=sum(train_s.values()),
            jobs=jobs,
            cells=[
                LaunchedCell(
                    experiment=cell.experiment,
                    profile=cell.profile,
                    name=cell.name,
                    key=key,
                    definition=cell.definition_key,
                    outcome=outcomes[key],
                    start_s=round(self._spans[key][0], 2),
                    end_s=round(self._spans[key][-1], 2),
                    train_s=round(train_s[key], 2),  # in this launch only
                    resumed=self._before_s.get(key, 0.0) > 0,
                )
                for key, cell in ((task.cell.key, task.cell) for task in tasks)
                if key in outcomes and key in self._spans
            ],
        )
        append_line(results / LAUNCHES, line.model_dump())

    def _train_s(self, results: Path, task: CellTask, outcomes: dict[str, str]) -> float:
        """Seconds of training in this launch; 0 if the cell was only measured or ended before its first checkpoint."""
        key = task.cell.key
        if key not in self._training:
            return 0.0
        clock_s = self._clock_s.get(key, 0.0)
        if outcomes.get(key) == "done":
            result = CellFolder.of(results, task.cell).result()
            clock_s = result.seconds.train if result and result.seconds else clock_s
        return max(0.0, clock_s - self._before_s.get(key, 0.0))
