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
from bench.run.time_left import TimeLeft
from bench.run.work import Work

LINE_EVERY_S = 20.0


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


class LineDisplay:
    """Progress for logs: a line when a cell starts or ends, and one every ``LINE_EVERY_S``."""

    def __init__(self, tasks: list[CellTask], console: Console, works: Mapping[str, Work], jobs: int = 1) -> None:
        self.sweep, self.console = TimeLeft(tasks, works, jobs), console
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
    """ETA of the sweep, and of a cell that is measured, as estimated; of training from the cell's own speed."""

    def __init__(self, sweep: TimeLeft, bars: Mapping[TaskID, str]) -> None:
        self.sweep, self.bars, self.of_training = sweep, bars, TimeRemainingColumn()
        super().__init__()

    def render(self, task: Task) -> Text:
        key = self.bars.get(task.id, "")
        if key and key not in self.sweep.measured_since:
            return self.of_training.render(task)
        return Text(self.sweep.words(key), style="progress.remaining")


class BarDisplay:
    """Progress for terminals: a bar with the current L_I per running cell, and one overall."""

    def __init__(self, tasks: list[CellTask], console: Console, works: Mapping[str, Work], jobs: int = 1) -> None:
        self.sweep, self.console = TimeLeft(tasks, works, jobs), console
        self.bars: dict[str, TaskID] = {}
        self.keys: dict[TaskID, str] = {}
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            _Eta(self.sweep, self.keys),
            TextColumn("{task.fields[detail]}", markup=False),
            console=console,
        )
        self.overall = self.progress.add_task("all cells", total=len(tasks), detail="")

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
            self.keys[self.bars[key]] = key
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
