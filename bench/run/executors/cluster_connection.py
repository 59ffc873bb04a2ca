"""Connect to a Ray cluster with time limits, and compute how many cells fit on it."""

import contextlib
import importlib.util
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.environment import ROOT
from bench.records.tasks import Resources
from bench.run.executors.base import ExecutorError
from bench.spec.schema import is_digits

PROBE_LIMIT_S = 5.0
CONNECT_LIMIT_S = 60.0


def first_line(error: Exception) -> str:
    """The first line of Ray's error message."""
    return str(error).strip().partition("\n")[0]


def require_ray(address: str | None) -> None:
    """Raise ExecutorError if Ray is not installed or nothing listens at the address; imports nothing heavy."""
    if importlib.util.find_spec("ray") is None:
        raise ExecutorError("--executor ray needs the ray package: make setup brings it, or: pip install ray")
    address = address or os.environ.get("RAY_ADDRESS")
    if address is None or address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if "://" in address or not (colon and host and is_digits(port) and 0 < int(port) < 65536):
        raise ExecutorError(
            f"--ray-address {address!r}: expected HOST:PORT of the cluster's head, or auto; "
            "run the command on a node of the cluster"
        )
    if host in ("localhost", "127.0.0.1"):  # Ray replaces this by the machine's network address, so check that one
        from ray.util import get_node_ip_address

        host = get_node_ip_address()
    try:
        socket.create_connection((host, int(port)), PROBE_LIMIT_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExecutorError(f"no Ray cluster answers at {host}:{port}: {reason}; see `ray status` there") from error


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect this process to the cluster as a driver. Raises ExecutorError; call ``require_ray`` first."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    variables = {"PYTHONPATH": str(ROOT)}
    if "INFOGAN_CACHE" in os.environ:  # where workers find prepared data sets
        variables["INFOGAN_CACHE"] = str(Path(os.environ["INFOGAN_CACHE"]).absolute())
    if "INFOGAN_OFFLINE" in os.environ:
        variables["INFOGAN_OFFLINE"] = os.environ["INFOGAN_OFFLINE"]
    try:
        with _muted_stderr() as stderr, _limited(address, stderr):
            ray.init(
                address=address or os.environ.get("RAY_ADDRESS", "auto"),
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": variables},
            )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:  # no cluster, or a wrong token
        raise ExecutorError(
            f"no Ray cluster to connect to: {first_line(error) or type(error).__name__}; "
            "start one with `ray start --head`, or name its head: --ray-address HOST:PORT"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _muted_stderr() -> Iterator[int]:
    """Silence stderr, because Ray's C++ code prints each connection attempt, whatever the log level.

    Yields the descriptor of the real stderr.
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
    """Exit the process after a time limit: Ray's connection attempts may be endless and cannot be interrupted.

    This is safe because nothing has been written yet.
    """

    def give_up() -> None:
        where = address or "the address found"
        os.write(
            stderr,
            f"error: what answers at {where} is not a Ray cluster; no connection in {CONNECT_LIMIT_S:g} s\n".encode(),
        )
        os._exit(2)

    watchdog = threading.Timer(CONNECT_LIMIT_S, give_up)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def slots(nodes: Iterable[dict[str, float]], needs: Resources) -> int:
    """Number of cells that fit on the nodes at a time, given the nodes' resources by Ray's names."""
    wanted = {"CPU": needs.cpus, "GPU": needs.gpus, "memory": 1e9 * needs.memory_gb}
    wanted = {name: amount for name, amount in wanted.items() if amount > 0}
    return sum(int(min(node.get(name, 0.0) / amount + 1e-9 for name, amount in wanted.items())) for node in nodes)
