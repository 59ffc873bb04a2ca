"""Locks for shared storage, where flock may not work: numbered leases kept alive by a heartbeat.

A lock is a folder of files 1, 2, 3, ..., the leases (:mod:`bench.records.leases`). The highest number is in force. To
take the lock, a process creates the next number, which the file system allows only one process to do, and only after
the lease in force was released or its holder is dead. Numbers are never reused, so a holder that was wrongly considered
dead finds a higher number and stops writing. If somebody removes the whole folder, numbering starts again; so a lease
also contains a random name, which its holder checks.

A holder on another machine is dead if the heartbeat has not changed for LAPSE_S seconds by the observer's clock; clocks
of different machines are never compared.
"""

import contextlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench.environment import node_name
from bench.records import leases
from bench.records.leases import FREE, Lease, Standing
from bench.records.storage import sync_file
from infogan.data.base import one_line

BEAT_S = 5.0
LAPSE_S = 30.0  # six beats, because a busy file server delays writes and may show others cached content
POLL_S = 0.1
RECORD_BYTES = 1024  # fixed size of a lease, so that a beat overwrites it in place with one write


class Locked(Exception):
    """Somebody else holds the lock; ``holder`` is the name in their lease."""

    def __init__(self, path: Path, holder: str) -> None:
        self.path, self.holder = path, holder
        super().__init__(one_line(f"{path.parent} is in use by {holder or 'another process'}"))


class LockLost(Exception):
    """This process no longer owns the lock that it held, so it must stop writing."""

    def __init__(self, path: Path) -> None:
        taken = "taken over by another process while this one did not answer"
        super().__init__(one_line(f"{path.parent} was {taken if path.exists() else 'removed'}"))


class Lock:
    """An exclusive lock on a folder, kept alive by a thread; the holder can ``check`` that it still has it.

    Entering raises Locked if the holder is known to be alive and ``patience_s`` have passed. A holder on another
    machine is watched until it beats or LAPSE_S have passed. ``give_up`` ends any waiting.
    """

    def __init__(
        self,
        path: Path,
        holder: str,
        *,
        patience_s: float = 0.0,
        give_up: Callable[[], bool] = lambda: False,
        machine: str | None = None,
        beat_s: float = BEAT_S,
        lapse_s: float = LAPSE_S,
    ) -> None:
        self.path, self.patience_s, self.give_up = path, patience_s, give_up
        self.machine = machine or leases.this_machine()
        self.beat_s, self.lapse_s = beat_s, lapse_s
        self.lost = False
        self._name = secrets.token_hex(8)
        self._holder = f"{holder} on {node_name()}"[: RECORD_BYTES // 4]
        self._number, self._file, self._beats = 0, -1, 0
        self._seen: tuple[int, bytes] = (0, b"")
        self._seen_at, self._beating = 0.0, False
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lock-heartbeat", daemon=True)

    # ---- taking it
    def __enter__(self) -> "Lock":
        self.path.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + self.patience_s
        while True:
            number, content = leases.in_force(self.path)
            standing = self._watch(number, content)
            if standing == "free" and self._take(number + 1):
                return self
            if self.give_up() or (standing == "held" and time.monotonic() >= deadline):
                raise Locked(self.path, leases.parsed(content).get("holder", ""))
            time.sleep(POLL_S if standing != "free" else 0)

    def _watch(self, number: int, content: bytes) -> Standing:
        """State over time: an "unknown" holder becomes "held" when it beats, "free" after ``lapse_s`` of silence."""
        standing, now = leases.standing_of(number, content, self.machine), time.monotonic()
        if standing != "unknown":
            return standing
        if (number, content) != self._seen:
            self._beating = number == self._seen[0]
            self._seen, self._seen_at = (number, content), now
        if now - self._seen_at >= self.lapse_s:
            return "free"
        return "held" if self._beating else "unknown"

    def _take(self, number: int) -> bool:
        """Try to create lease ``number``; False if another process was faster."""
        lease = self.path / str(number)
        try:
            self._file = os.open(lease, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        self._number, taken = number, False
        try:
            self._write(self._content())
            # else: this process was suspended while others took the lock, released it and removed their leases
            taken = not self._is_superseded()
        finally:
            if not taken:
                lease.unlink(missing_ok=True)
                os.close(self._file)
        if not taken:
            return False
        for older in leases.numbers(self.path):
            if older < number:
                (self.path / str(older)).unlink(missing_ok=True)
        self._thread.start()
        return True

    # ---- holding it
    def check(self) -> None:
        """Raise LockLost if the lease is no longer in force. Call it before every write that the lock protects."""
        self.lost = self.lost or self._is_superseded()
        if self.lost:
            raise LockLost(self.path)

    def loss(self) -> str:
        """Message of :meth:`check`; empty while the lock is held or its folder cannot be read."""
        with contextlib.suppress(OSError):
            try:
                self.check()
            except LockLost as error:
                return str(error)
        return ""

    def _is_superseded(self) -> bool:
        if max(leases.numbers(self.path), default=0) != self._number:
            return True
        try:
            content = (self.path / str(self._number)).read_bytes()
        except FileNotFoundError:
            return True
        return not content.startswith(self._first_bytes)  # not even an incomplete beat changes these bytes

    @property
    def _first_bytes(self) -> bytes:
        return json.dumps({"name": self._name})[:-1].encode()

    def _content(self) -> Lease:
        pid = os.getpid()
        started = leases.process_start(pid) if self.machine is not None else ""
        names: Lease = {"name": self._name, "holder": self._holder, "machine": self.machine}  # the name must come first
        return {**names, "pid": pid, "started": started, "beat": self._beats}

    def _write(self, lease: Lease) -> None:
        """Overwrite the file that this process created; a later lease is another file."""
        os.pwrite(self._file, json.dumps(lease).ljust(RECORD_BYTES - 1).encode() + b"\n", 0)
        sync_file(self._file)  # makes network file systems send it at once

    def _beat(self) -> None:
        while not self._released.wait(self.beat_s):
            self._beats += 1
            # a failed beat looks like silence to others; loss() then checks whether one took over
            with contextlib.suppress(OSError):
                self._write(self._content())
            self.loss()

    # ---- giving it back
    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._thread.join()
        with contextlib.suppress(OSError):  # on failure the lease ends with this process, or lapses
            self._write(FREE)
        os.close(self._file)


def results_lock(results: Path) -> Lock:
    """The lock of a results folder, for whatever adds cells or sends them to a store."""
    return Lock(results / "run.lease", f"process {os.getpid()}")
