"""Cells on a Ray cluster: one task per cell, on whatever node has room. The results folder lies on shared storage.

Ray starts a task anew when its worker or its node dies; the cell's lock, checkpoints and records make of that a
resumption, as they do for a second ``run``. Events come to the launcher through an actor on its own node.
"""

import contextlib
import importlib.util
import logging
import os
import socket
import sys
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import environment
from bench.executors.base import ExecutorError, OnEvent, StopRequest
from bench.executors.worker import conclude, work
from bench.storage import write_atomic
from bench.tasks import CellTask, Resources

ROOT = Path(__file__).parents[2]
PROBE_LIMIT_S = 5.0
CONNECT_LIMIT_S = 60.0
EXCHANGE_EVERY_S = 0.5  # between a worker's calls to the launcher's node
RETRIES = 3  # after the death of a worker or a node
FORWARDED = ("INFOGAN_CACHE", "INFOGAN_OFFLINE")  # where a worker finds the data sets that are prepared once
SHARED_FOR_S = 10.0  # a network file system may show a new file to other machines a little later


# ---------------------------------------------------------------- connecting
def require_ray(address: str | None) -> None:
    """Raises ExecutorError where Ray is not installed, or nothing listens at the address; imports nothing heavy."""
    if importlib.util.find_spec("ray") is None:
        raise ExecutorError("--executor ray needs the ray package: pip install 'infogan-bench[ray]'")
    address = address or os.environ.get("RAY_ADDRESS")
    if address in (None, "auto"):
        return
    assert address is not None
    host, colon, port = address.rpartition(":")
    if "://" in address or not (colon and host and port.isdigit() and 0 < int(port) < 65536):
        raise ExecutorError(
            f"--ray-address {address!r}: expected HOST:PORT of the cluster's head, or auto; "
            "run the command on a node of the cluster"
        )
    if host in ("localhost", "127.0.0.1"):  # Ray takes this for the machine's address on its network, so ask there
        from ray.util import get_node_ip_address

        host = get_node_ip_address()
    try:
        socket.create_connection((host, int(port)), PROBE_LIMIT_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExecutorError(f"no Ray cluster answers at {host}:{port}: {reason}; see `ray status` there") from error


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """This process as a driver of the cluster. Raises ExecutorError; call ``require_ray`` first."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    variables = {name: os.environ[name] for name in FORWARDED if name in os.environ}
    try:
        with _muted_stderr() as stderr, _limited(address, stderr):
            ray.init(
                address=address or os.environ.get("RAY_ADDRESS", "auto"),
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": {"PYTHONPATH": str(ROOT), **variables}},
            )
    except (OSError, RuntimeError, ValueError) as error:  # ConnectionError where no cluster runs on this machine
        reason = str(error).strip().partition("\n")[0]
        raise ExecutorError(
            f"no Ray cluster to connect to: {reason or type(error).__name__}; start one with `ray start --head`, "
            "or name its head: --ray-address HOST:PORT"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _muted_stderr() -> Iterator[int]:
    """A line for every attempt to connect comes from Ray's C++, past Python and before its log level counts.

    Gives the real stderr's descriptor.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield kept
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _limited(address: str | None, stderr: int) -> Iterator[None]:
    """Ray's own attempts to connect may have no limit and cannot be interrupted; nothing was written by now."""

    def give_up() -> None:
        where = address or "the address found"
        os.write(
            stderr,
            f"error: what answers at {where} is no Ray cluster; no connection in {CONNECT_LIMIT_S:g} s\n".encode(),
        )
        os._exit(2)

    watchdog = threading.Timer(CONNECT_LIMIT_S, give_up)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def slots(nodes: Iterable[dict[str, float]], needs: Resources) -> int:
    """How many such cells fit into the nodes' resources (Ray's names) at a time."""
    wanted = {"CPU": needs.cpus, "GPU": needs.gpus, "memory": 1e9 * needs.memory_gb}
    wanted = {name: amount for name, amount in wanted.items() if amount > 0}
    return sum(int(min(node.get(name, 0.0) / amount + 1e-9 for name, amount in wanted.items())) for node in nodes)


# ---------------------------------------------------------------- between workers and launcher
@dataclass(frozen=True)
class _Event:
    key: str  # of the cell
    attempt: str  # a name of its own for each start of a task
    kind: str
    values: dict[str, Any]


class _Hub:
    """An actor on the launcher's node: events go one way, the request to stop goes the other."""

    def __init__(self) -> None:
        self.events: list[_Event] = []
        self.stop = False

    def exchange(self, events: list[_Event]) -> bool:
        """For workers: leave events, learn whether to stop."""
        self.events += events
        return self.stop

    def drain(self, stop: bool) -> list[_Event]:
        """For the launcher: say whether to stop, take the events."""
        self.stop = stop
        events, self.events = self.events, []
        return events


class _Line:
    """A worker's line to the hub, served by a thread, so that training never waits for the network."""

    def __init__(self, hub: Any, key: str) -> None:
        self._hub, self._key, self._attempt = hub, key, uuid.uuid4().hex
        self._waiting: list[_Event] = []
        self._stop = self._broken = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="events", daemon=True)

    def __enter__(self) -> "_Line":
        self.send("started", {"node": environment.node_name()})
        self._exchange()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()
        self._exchange()

    def send(self, kind: str, values: dict[str, Any]) -> None:
        """Raises ConnectionError once the launcher has gone."""
        if self._broken:
            raise ConnectionError("the launcher has gone")
        self._waiting.append(_Event(self._key, self._attempt, kind, values))

    def told_to_stop(self) -> bool:
        return self._stop

    def _exchange(self) -> None:
        import ray

        events, self._waiting = self._waiting, []
        try:
            self._stop = ray.get(self._hub.exchange.remote(events)) or self._stop
        except ray.exceptions.RayError:
            self._broken = True

    def _serve(self) -> None:
        while not (self._broken or self._closed.wait(EXCHANGE_EVERY_S)):
            self._exchange()


def _run_cell(task: CellTask, hub: Any, token: Path) -> tuple[str, str]:
    """The remote task: (outcome, message)."""
    with _Line(hub, task.cell.key) as line:
        trouble = _trouble(task, token)
        if trouble:
            return "failed", trouble
        with contextlib.suppress(OSError):  # Ray gives a process several cells in turn: forget the last one's peak
            Path("/proc/self/clear_refs").write_text("5")
        recorded = environment.record(task.cell.config["device"])
        return work(replace(task, environment=recorded), line.send, line.told_to_stop)


def _trouble(task: CellTask, token: Path) -> str:
    """Why this node must not train the cell; empty where it may."""
    node = environment.node_name()
    waited = threading.Event()
    for _ in range(int(SHARED_FOR_S / EXCHANGE_EVERY_S)):
        if token.exists():
            break
        waited.wait(EXCHANGE_EVERY_S)
    else:
        return f"node {node} does not see the launcher's {task.results}: the results folder must be on shared storage"
    planned, here = task.cell.config["versions"], environment.key_versions()
    for name, version in planned.items():
        if here.get(name) != version:
            return f"node {node} has {name} {here.get(name, 'not at all')[:12]}, the launcher {version[:12]}"
    return ""


@contextlib.contextmanager
def _shared_token(results: Path) -> Iterator[Path]:
    """A file by which a worker knows that its results folder is the launcher's, not a local one of the same name."""
    token = results / f".launcher-{uuid.uuid4().hex}"
    write_atomic(token, b"")
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)


# ---------------------------------------------------------------- the executor
@dataclass
class _Sweep:
    """What one ``run`` has under way."""

    running: dict[Any, CellTask] = field(default_factory=dict)  # by Ray's reference to the task's result
    attempts: dict[str, str] = field(default_factory=dict)  # the newest start of each cell under way, by key
    starts: Counter[str] = field(default_factory=Counter)


class RayExecutor:
    """Runs tasks on the cluster that this process is connected to, at most ``jobs`` at a time; None: all that fit.

    Raises ExecutorError where no node has the resources that a cell needs.
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
        """Outcome by cell key: ``done``, ``failed``, ``stopped``, or absent for a cell that was not started."""
        import ray

        if not tasks:
            return {}
        hub = _start_hub()
        waiting, sweep, outcomes = deque(tasks), _Sweep(), dict[str, str]()
        told_to_stop = killed = False
        with _shared_token(tasks[0].results) as token:
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
                _deliver(ray.get(hub.drain.remote(stop.requested)), sweep, on_event)
                for reference in ended:
                    task = sweep.running.pop(reference)
                    outcome = _end(reference, task, sweep, on_event, stopping=told_to_stop)
                    if outcome is not None:
                        outcomes[task.cell.key] = outcome
                tick()
        return outcomes


def _start_hub() -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    return ray.remote(_Hub).options(**options).remote()


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


def _deliver(events: list[_Event], sweep: _Sweep, on_event: OnEvent) -> None:
    """Only of cells under way, and of each only what its newest attempt says: an older one may not know it is dead."""
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
            on_event(tasks[event.key], event.kind, values)


def _end(reference: Any, task: CellTask, sweep: _Sweep, on_event: OnEvent, *, stopping: bool) -> str | None:
    """The outcome; None for a cell that was cancelled before it started."""
    import ray

    num_starts = sweep.starts[task.cell.key]
    try:
        outcome, message = ray.get(reference)
    except ray.exceptions.RayError as error:  # also what Ray makes of an exception on the way to our own code
        if stopping and not num_starts:
            return None
        outcome, message = conclude(task, _describe(error, num_starts), stopping=stopping)
    on_event(task, outcome, {"message": message})
    return str(outcome)


def _describe(error: Exception, num_starts: int) -> str:
    """One line of what Ray says."""
    cause = getattr(error, "cause", None)
    if cause is not None:
        return f"the task could not start: {type(cause).__name__}: {' '.join(str(cause).split())}"
    first = str(error).strip().partition("\n")[0]
    return (
        f"worker died, the last of {num_starts} starts ({type(error).__name__}: {first}); "
        "the next run continues from its last checkpoint"
    )
