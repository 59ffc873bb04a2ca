"""What a worker does, the same on every executor; only the channel to the launcher differs."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from bench.records.folder import CellFolder
from bench.records.locks import Locked, LockLost
from bench.records.schema import Result
from bench.records.storage import in_words
from bench.records.tasks import CellTask, EventValues
from infogan.data.base import one_line

if TYPE_CHECKING:  # torch is imported where a cell is trained
    from bench.run.train_cell import CellRun

OUTCOMES = ("done", "failed", "stopped", "trained")  # trained: together with others, to be measured by another worker
PROGRESS_EVERY_S = 0.25
LOCK_PATIENCE_S = 60.0  # a worker of a killed launcher needs a moment to notice and to release its cell

Send = Callable[[CellTask, str, EventValues], None]  # event kind and values; raises OSError if nobody listens


def work(tasks: Sequence[CellTask], send: Send, told_to_stop: Callable[[], bool]) -> None:
    """Train cells on one device in this process, taking turns; the last event of each cell is its outcome."""
    try:
        from bench.run.train_cell import CellRun
        from infogan.runtime import prepare_worker
        from infogan.together import take_turns
    except (ImportError, OSError, MemoryError) as error:  # a limit of memory or open files, hit while torch loads
        for task in tasks:
            death = f"a library cannot be loaded: {one_line(str(error))}"
            _tell(send, task, *conclude(task, death, stopping=told_to_stop()))
        return

    device = tasks[0].cell.config["device"]
    prepare_worker(device)
    for _ in take_turns([_Attempt(task, send, told_to_stop).turns(CellRun, len(tasks)) for task in tasks], device):
        pass


class _Attempt:
    """One cell in this process: what it reports goes to the launcher, and its last event is its outcome."""

    def __init__(self, task: CellTask, send: Send, told_to_stop: Callable[[], bool]) -> None:
        self.task, self.send, self.told_to_stop = task, send, told_to_stop
        folder = CellFolder.of(task.results, task.cell)
        self.lock = folder.lock(f"process {os.getpid()}", patience_s=LOCK_PATIENCE_S, give_up=told_to_stop)
        self.outcome, self.is_alone, self.sent_at_s = ("stopped", ""), False, 0.0

    def turns(self, train: "type[CellRun]", num_together: int) -> Iterator[None]:
        """Train and measure it, a turn at a time."""
        try:
            with self.lock:
                yield from train(self.task, self._report, self._should_stop, self.lock, num_together).turns()
        except (Locked, LockLost) as error:
            self.outcome = ("stopped" if self.told_to_stop() else "failed"), str(error)
        except OSError as error:
            self.outcome = "failed", f"the cell's folder cannot be used: {in_words(error)}"
        _tell(self.send, self.task, *self.outcome)

    def _report(self, kind: str, values: EventValues) -> None:
        if kind in OUTCOMES:
            self.outcome = kind, values.get("message", "")
            return
        if kind == "progress":
            now_s = time.monotonic()
            if now_s - self.sent_at_s < PROGRESS_EVERY_S and values["iteration"] < self.task.cell.iterations:
                return
            self.sent_at_s = now_s
        try:
            self.send(self.task, kind, values)
        except OSError:
            self.is_alone = True

    def _should_stop(self) -> bool:
        return self.is_alone or self.lock.lost or self.told_to_stop()


def _tell(send: Send, task: CellTask, outcome: str, message: str) -> None:
    with contextlib.suppress(OSError):  # the launcher is gone; the record contains the outcome
        send(task, outcome, {"message": message})


def conclude(task: CellTask, death: str, *, stopping: bool) -> tuple[str, str]:
    """Outcome and message of a cell whose worker ended without reporting one, according to its record.

    If the record has no outcome either, ``death`` is recorded as the failure, unless another process holds the cell.
    """
    try:
        return _conclude(task, death, stopping=stopping)
    except OSError as error:
        return "failed", f"{death}; {in_words(error)}"


def _conclude(task: CellTask, death: str, *, stopping: bool) -> tuple[str, str]:
    folder = CellFolder.of(task.results, task.cell)
    result = folder.result()
    is_sound = result is not None and not folder.end_damage(quick=True)  # otherwise it died before training again
    if result is not None and is_sound and (result.status == "failed" or not folder.unmeasured(task.cell)):
        return result.status, result.message
    if stopping:
        return "stopped", ""
    if result is None:
        # on a full disk, only the message is left
        with contextlib.suppress(Locked, OSError), folder.lock(f"launcher {os.getpid()}", give_up=lambda: True):
            folder.write_result(Result(status="failed", notes=[], error="WorkerDied", message=death))
    return "failed", death
