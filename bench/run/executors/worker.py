"""What a worker does, the same on every executor; only the channel to the launcher differs."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence

from bench.records.folder import CellFolder
from bench.records.locks import Locked, LockLost
from bench.records.schema import Result
from bench.records.storage import in_words
from bench.records.tasks import CellTask, EventValues
from infogan.data.base import one_line

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

    def attempt(task: CellTask) -> Iterator[None]:
        outcome, alone, sent_at = ("stopped", ""), False, 0.0

        def report(kind: str, values: EventValues) -> None:
            nonlocal outcome, alone, sent_at
            if kind in OUTCOMES:
                outcome = kind, values.get("message", "")
                return
            if kind == "progress":
                now = time.monotonic()
                if now - sent_at < PROGRESS_EVERY_S and values["iteration"] < task.cell.iterations:
                    return
                sent_at = now
            try:
                send(task, kind, values)
            except OSError:
                alone = True

        def should_stop() -> bool:
            return alone or lock.lost or told_to_stop()

        folder = CellFolder.of(task.results, task.cell)
        lock = folder.lock(f"process {os.getpid()}", patience_s=LOCK_PATIENCE_S, give_up=told_to_stop)
        try:
            with lock:
                yield from CellRun(task, report, should_stop, lock, len(tasks)).turns()
        except (Locked, LockLost) as error:
            outcome = ("stopped" if told_to_stop() else "failed"), str(error)
        except OSError as error:
            outcome = "failed", f"the cell's folder cannot be used: {in_words(error)}"
        _tell(send, task, *outcome)

    device = tasks[0].cell.config["device"]
    prepare_worker(device)
    for _ in take_turns([attempt(task) for task in tasks], device):
        pass


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
