"""Progress of training for the user: bars with an ETA on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from bench.console import is_watched
from bench.records.tasks import CellTask, EventValues
from bench.run.work import Work

LINE_EVERY_S = 20.0
NOMINAL_S = 60.0  # seconds for which the estimated pace counts beside the measured one


def duration(seconds: float) -> str:
    """Seconds in words, such as "3 min 20 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _information(metrics: Mapping[str, float]) -> str:
    """What Q reads of each code: ``L_I (nats) c1 2.12; explained c2 0.91``.

    For a continuous code, the explained share of its variance: L_I with a fixed standard deviation is negative even if
    Q reads it perfectly.
    """
    explained = {name.removeprefix("explained/"): v for name, v in metrics.items() if name.startswith("explained/")}
    bounds = {name.removeprefix("mi/"): v for name, v in metrics.items() if name.startswith("mi/")}
    others = {code: value for code, value in bounds.items() if code not in explained}
    named = {"L_I (nats)": others, "explained": explained}
    return "; ".join(
        " ".join([words, *(f"{code} {value:.2f}" for code, value in values.items())])
        for words, values in named.items()
        if values
    )


def _node(values: EventValues) -> str:
    return f" on {values['node']}" if "node" in values else ""


class _Sweep:
    """Overall progress in expected seconds of work (training, then measures), so that cells count by their size.

    The pace is measured at events that show progress, and pulled towards the estimate's as if ``NOMINAL_S`` seconds had
    gone as estimated: the start of a cell says little about its training. While a family is measured no event comes;
    its expected seconds are then counted down, and waiting longer than expected changes nothing.
    """

    def __init__(self, tasks: list[CellTask], works: Mapping[str, Work], jobs: int) -> None:
        self.work = {task.cell.key: works[task.cell.key] for task in tasks}
        self.jobs = max(1, min(jobs, len(self.work)))  # cells at a time
        self.resumed = {key: work.reached * work.train_s for key, work in self.work.items()}
        self.reached = dict(self.resumed)
        self.skipped = dict.fromkeys(self.work, 0.0)  # work that a failed or diverged cell leaves undone
        self.begun: dict[str, list[str]] = {key: [] for key in self.work}  # families; the last one is being measured
        self.measured_since: dict[str, float] = {}  # start of the family that a cell measures now
        self.finished = 0
        self.failed = 0
        self.started = time.monotonic()
        self.pace = 1 / self.jobs  # seconds per expected second of work

    def update(self, task: CellTask, kind: str, values: EventValues) -> None:
        key, now = task.cell.key, time.monotonic()
        work = self.work[key]
        if kind == "started":  # on a cluster, a cell can start again from its checkpoint
            self.reached[key], self.begun[key] = self.resumed[key], []
        if kind in ("progress", "resumed"):
            self.reached[key] = work.train_s * values.get("iteration", 0) / task.cell.iterations
        if kind == "resumed":
            self.resumed[key] = self.reached[key]
        if kind == "evaluating":
            measured = sum(work.measures_s.get(family, 0.0) for family in self.begun[key])
            self.reached[key] = work.train_s + measured + (work.outside_s if "family" in values else 0.0)
            self.begun[key] += [values["family"]] if "family" in values else []
        if kind in ("done", "failed"):
            if kind == "failed" or self.reached[key] < work.train_s:
                self.skipped[key] = work.total_s - self.reached[key]
            self.reached[key] = work.total_s
            self.finished += kind == "done"
            self.failed += kind == "failed"
        if kind in ("started", "evaluating", "done", "failed", "stopped"):
            self.measured_since.pop(key, None)
        if kind == "evaluating" and "family" in values:
            self.measured_since[key] = now
        if kind in ("progress", "evaluating", "done", "failed"):
            done = sum(self._reached(each, now) - self.resumed[each] - self.skipped[each] for each in self.work)
            self.pace = (now - self.started + NOMINAL_S) / (max(done, 0.0) + NOMINAL_S * self.jobs)

    def _reached(self, key: str, now: float) -> float:
        """Expected seconds of a cell that are done, with its share of the family that is being measured."""
        if key not in self.measured_since:
            return self.reached[key]
        waited = (now - self.measured_since[key]) / (self.pace * self.jobs)
        return self.reached[key] + min(waited, self.work[key].measures_s.get(self.begun[key][-1], 0.0))

    @property
    def share(self) -> float:
        total = sum(work.total_s for work in self.work.values())
        return sum(self.reached.values()) / total if total else 1.0

    def eta_s(self) -> float:
        """Seconds left: all the work at the pace of all slots, but no less than the longest cell needs in its own."""
        now = time.monotonic()
        left = [work.total_s - self._reached(key, now) for key, work in self.work.items()]
        return self.pace * max(sum(left), max(left, default=0.0) * self.jobs)

    def line(self) -> str:
        left = f", about {duration(self.eta_s())} left"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.finished}/{len(self.work)} cells{failed}, {self.share:.0%}{left}"


class LineDisplay:
    """Progress for logs: a line when a cell starts or ends, and one every ``LINE_EVERY_S``."""

    def __init__(self, tasks: list[CellTask], console: Console, works: Mapping[str, Work], jobs: int = 1) -> None:
        self.sweep, self.console = _Sweep(tasks, works, jobs), console
        self.last_line = time.monotonic()
        self.running: dict[str, str] = {}
        self.reached: dict[str, str] = {}  # iteration and L_I of a running cell, which measuring does not change

    def __enter__(self) -> "LineDisplay":
        return self

    def __exit__(self, *_: object) -> None: ...

    def event(self, task: CellTask, kind: str, values: EventValues) -> None:
        self.sweep.update(task, kind, values)
        name = f"{task.cell.experiment} {task.cell.name}"
        if kind == "progress":
            reached = f"{values['iteration']}/{task.cell.iterations} {_information(values['metrics'])}".rstrip()
            self.running[name], self.reached[name] = f"{name} {reached}", reached
        elif kind == "started":
            again = values.get("attempt", 1) > 1
            self.message(
                f"{name} started{' again' if again else ''}{_node(values)}{': its worker died' if again else ''}"
            )
        elif kind == "resumed":
            self.message(f"{name} resumed at iteration {values['iteration']}")
        elif kind == "evaluating":
            self.running[name] = f"{name} measuring {values.get('family', '')}".rstrip()
        elif kind == "note":
            self.message(f"{name}: {values['text']}")
        elif kind in ("done", "failed", "stopped"):
            self.running.pop(name, None)
            reached = self.reached.pop(name, "")
            detail = values.get("message") or reached
            self.message(f"{name} {kind}{': ' + detail if detail else ''} ({self.sweep.line()})")

    def tick(self, tracking_status: str) -> None:
        if time.monotonic() - self.last_line >= LINE_EVERY_S:
            parts = [self.sweep.line(), *self.running.values(), tracking_status]
            self.message("; ".join(part for part in parts if part))

    def message(self, text: str) -> None:
        self.last_line = time.monotonic()
        self.console.print(Text(text), soft_wrap=True)


class _Eta(ProgressColumn):
    """ETA of the sweep from its own estimate; of a cell from its own speed."""

    def __init__(self, sweep: _Sweep, overall: list[TaskID]) -> None:
        self.sweep, self.overall, self.of_cell = sweep, overall, TimeRemainingColumn()
        super().__init__()

    def render(self, task: Task) -> Text:
        if task.id not in self.overall:
            return self.of_cell.render(task)
        return Text(f"about {duration(self.sweep.eta_s())} left", style="progress.remaining")


class BarDisplay:
    """Progress for terminals: a bar with the current L_I per running cell, and one overall."""

    def __init__(self, tasks: list[CellTask], console: Console, works: Mapping[str, Work], jobs: int = 1) -> None:
        self.sweep, self.console = _Sweep(tasks, works, jobs), console
        overall: list[TaskID] = []
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            _Eta(self.sweep, overall),
            TextColumn("{task.fields[detail]}", markup=False),
            console=console,
        )
        self.overall = self.progress.add_task("all cells", total=len(tasks), detail="")
        overall.append(self.overall)
        self.bars: dict[str, TaskID] = {}

    def __enter__(self) -> "BarDisplay":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def event(self, task: CellTask, kind: str, values: EventValues) -> None:
        self.sweep.update(task, kind, values)
        key, name = task.cell.key, f"{task.cell.experiment} {task.cell.name}"
        if kind == "started":
            if key in self.bars:
                self.message(f"{name} started again{_node(values)}: its worker died")
                self.progress.remove_task(self.bars[key])
            self.bars[key] = self.progress.add_task(name, total=task.cell.iterations, detail="starting")
        elif kind in ("progress", "resumed"):
            detail = _information(values["metrics"]) if kind == "progress" else "resumed"
            self.progress.update(self.bars[key], completed=values["iteration"], detail=detail)
        elif kind == "evaluating":
            self.progress.update(self.bars[key], detail=f"measuring {values.get('family', '')}".rstrip())
        elif kind == "note":
            self.message(f"{name}: {values['text']}")
        elif kind in ("done", "failed", "stopped"):
            if key in self.bars:  # a worker may die before it reports its start
                self.progress.remove_task(self.bars.pop(key))
            if kind == "failed":
                self.message(f"{name} failed: {values.get('message', '')}")
        self.progress.update(self.overall, completed=self.sweep.finished + self.sweep.failed)

    def tick(self, tracking_status: str) -> None:
        self.progress.update(self.overall, detail=tracking_status)

    def message(self, text: str) -> None:
        self.console.print(Text(text), soft_wrap=True)


@contextmanager
def preparing(name: str, console: Console) -> Iterator[Callable[[int, int], None]]:
    """Progress of a data set being decoded or rendered: a bar with an ETA, or occasional lines."""
    if console.is_terminal and is_watched():
        with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console, transient=True) as bars:
            bar = bars.add_task(f"preparing {name}", total=None)
            yield lambda done, total: bars.update(bar, completed=done, total=total)
        return
    last = time.monotonic()

    def line(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY_S:
            last = time.monotonic()
            console.print(Text(f"preparing {name}: {done} of {total} images"), soft_wrap=True)

    yield line


def display_for(
    tasks: list[CellTask], console: Console, works: Mapping[str, Work], jobs: int
) -> LineDisplay | BarDisplay:
    """Bars on a terminal, lines elsewhere. ``jobs``: number of cells at a time."""
    kind = BarDisplay if console.is_terminal and is_watched() else LineDisplay
    return kind(tasks, console, works, jobs)
