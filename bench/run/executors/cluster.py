"""Run cells on a Ray cluster, one task per cell. The results folder must be on shared storage.

Ray restarts a task if its worker or node dies; the cell's lock, checkpoints and records turn this into a resumption,
just like a second ``run``. Events reach the launcher through an actor on its own node.
"""

import contextlib
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import environment
from bench.records.storage import write_atomic
from bench.records.tasks import CellTask, EventValues, Resources
from bench.run.executors.base import ExecutorError, OnEvent, StopRequest
from bench.run.executors.cluster_connection import first_line, slots
from bench.run.executors.cluster_events import EXCHANGE_EVERY_S, Event, Hub, Line
from bench.run.executors.worker import OUTCOMES, conclude, work

RETRIES = 3  # of a task, after its worker or node died
SHARED_WITHIN_S = 10.0  # network file systems may show a new file to other machines with a delay


def _run_cell(task: CellTask, hub: Any, token: Path) -> tuple[str, str]:
    """The remote task; returns (outcome, message)."""
    with Line(hub, task.cell.key) as line:
        trouble = _trouble(task, token)
        if trouble:
            return "failed", trouble
        with contextlib.suppress(OSError):  # Ray reuses processes, so reset the peak memory
            Path("/proc/self/clear_refs").write_text("5")
        recorded = environment.record(task.cell.config["device"])
        ended = "failed", "it did not say how it ended"

        def send(_: CellTask, kind: str, values: EventValues) -> None:
            nonlocal ended
            if kind in OUTCOMES:
                ended = kind, values["message"]
            else:
                line.send(kind, values)

        work([replace(task, environment=recorded)], send, line.told_to_stop)
        return ended


def _trouble(task: CellTask, token: Path) -> str:
    """Why this node must not train the cell; empty if it may."""
    node = environment.node_name()
    deadline = time.monotonic() + SHARED_WITHIN_S
    while not token.exists():
        if time.monotonic() > deadline:
            return f"node {node} does not see the launcher's files: the results folder must be on shared storage"
        time.sleep(EXCHANGE_EVERY_S)
    planned, here = task.cell.config["versions"], environment.key_versions()
    for name, version in planned.items():
        if here.get(name) != version:
            return f"node {node} has {name} {here.get(name, 'not at all')[:12]}, the launcher {version[:12]}"
    return ""


@contextlib.contextmanager
def _shared_token(results: Path) -> Iterator[Path]:
    """A file that proves to workers that their results folder is the launcher's, not a local one of the same name."""
    token = results / f".launcher-{uuid.uuid4().hex}"
    write_atomic(token, b"")
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)


@dataclass
class _Sweep:
    """Cells of one ``run`` that are running, and the outcomes of those that ended, by key."""

    on_event: OnEvent
    outcomes: dict[str, str] = field(default_factory=dict)
    running: dict[Any, CellTask] = field(default_factory=dict)  # by Ray's object reference of the result
    attempts: dict[str, str] = field(default_factory=dict)  # id of the newest attempt at each cell, by key
    starts: Counter[str] = field(default_factory=Counter)

    def end(self, task: CellTask, outcome: str, message: str) -> None:
        self.outcomes[task.cell.key] = outcome
        self.on_event(task, outcome, {"message": message})


class RayExecutor:
    """Runs tasks on the connected Ray cluster, at most ``jobs`` at a time; None: as many as fit.

    Raises ExecutorError if no node has the resources that a cell needs.
    """

    def __init__(self, jobs: int | None, needs: Iterable[Resources]) -> None:
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = {wanted: slots(nodes, wanted) for wanted in needs}
        for wanted, num_fitting in room.items():
            if num_fitting == 0:
                raise ExecutorError(f"no node of the Ray cluster has room for a cell: {wanted}")
        self._limit = jobs
        self.jobs = min([*room.values(), *([jobs] if jobs else [])], default=1)

    def run(
        self, tasks: list[CellTask], on_event: OnEvent, stop: StopRequest, tick: Callable[[], None] = lambda: None
    ) -> dict[str, str]:
        """Run the tasks; return the outcome by cell key (see :class:`Executor`)."""
        import ray

        if not tasks:
            return {}
        sweep = _Sweep(on_event)
        try:
            with _shared_token(tasks[0].results) as token:
                self._run(tasks, token, sweep, stop, tick)
        except ray.exceptions.RayError as error:
            for task in sweep.running.values():
                death = f"the Ray cluster was lost: {first_line(error)}"
                sweep.end(task, *conclude(task, death, stopping=stop.requested))
        return sweep.outcomes

    def _run(
        self, tasks: list[CellTask], token: Path, sweep: _Sweep, stop: StopRequest, tick: Callable[[], None]
    ) -> None:
        """The main loop. Raises ray.exceptions.RayError if the cluster is lost."""
        import ray

        hub, waiting = _start_hub(), deque(tasks)
        told_to_stop = killed = False
        while sweep.running or (waiting and not stop.requested):
            while waiting and len(sweep.running) < (self._limit or len(tasks)) and not stop.requested:
                task = waiting.popleft()
                sweep.running[_submit(task, hub, token)] = task
            if stop.requested and not told_to_stop:
                told_to_stop = True
                for reference, task in sweep.running.items():
                    if not sweep.starts[task.cell.key]:
                        ray.cancel(reference)
            if stop.urgent and not killed:
                killed = True
                for reference in sweep.running:
                    ray.cancel(reference, force=True)
            ended, _ = ray.wait(list(sweep.running), num_returns=len(sweep.running), timeout=0.2)
            _deliver(ray.get(hub.drain.remote(stop.requested)), sweep)
            for reference in ended:
                _end(reference, sweep, stopping=told_to_stop)
            tick()


def _start_hub() -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    return ray.remote(Hub).options(**options).remote()


def _submit(task: CellTask, hub: Any, token: Path) -> Any:
    import ray

    options = {
        "name": f"{task.cell.experiment} {task.cell.name}",
        "num_cpus": task.resources.cpus,
        "num_gpus": task.resources.gpus,
        "memory": int(1e9 * task.resources.memory_gb) or None,
        "max_retries": RETRIES,
        "scheduling_strategy": "SPREAD",
    }
    return ray.remote(_run_cell).options(**options).remote(task, hub, token)


def _deliver(events: list[Event], sweep: _Sweep) -> None:
    """Forward events of running cells, from the newest attempt only: an older one may still send events."""
    tasks = {task.cell.key: task for task in sweep.running.values()}
    for event in events:
        if event.key not in tasks:
            continue
        values = event.values
        if event.kind == "started":
            sweep.attempts[event.key] = event.attempt
            sweep.starts[event.key] += 1
            values = values | {"attempt": sweep.starts[event.key]}
        if event.attempt == sweep.attempts.get(event.key):
            sweep.on_event(tasks[event.key], event.kind, values)


def _end(reference: Any, sweep: _Sweep, *, stopping: bool) -> None:
    import ray

    task = sweep.running.pop(reference)
    num_starts = sweep.starts[task.cell.key]
    try:
        ended = ray.get(reference)
    except ray.exceptions.RayError as error:  # includes exceptions before our own code runs
        if stopping and not num_starts:
            return  # it was cancelled before it started
        ended = conclude(task, _describe(error, num_starts), stopping=stopping)
    sweep.end(task, *ended)


def _describe(error: Exception, num_starts: int) -> str:
    """Describe Ray's error in one line."""
    cause = getattr(error, "cause", None)
    if cause is not None:
        return f"the task could not start: {type(cause).__name__}: {' '.join(str(cause).split())}"
    return (
        f"worker died, the last of {num_starts} starts ({type(error).__name__}: {first_line(error)}); "
        "the next run continues from its last checkpoint"
    )
