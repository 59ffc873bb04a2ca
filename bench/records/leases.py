"""The files of a lock: numbered leases, of which the highest is in force, and whether its holder is alive.

On the same machine, a holder is dead if its process is gone, which is certain and visible at once. What only time can
tell of a holder on another machine: :class:`bench.records.locks.Lock`.
"""

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Literal, TypedDict

from bench.spec.schema import is_digits

RETRY_S = 0.01
LONG_SILENCE_S = 600.0  # age of the file, for a single look; decides only what is displayed, never who may write


class Lease(TypedDict, total=False):
    """Content of a lease file: the holder, its process and machine, and the number of beats."""

    name: str
    holder: str
    machine: str | None
    pid: int
    started: str
    beat: int
    free: bool  # released


FREE: Lease = {"free": True}  # content of a released lease

Standing = Literal["free", "held", "unknown"]


def this_machine() -> str | None:
    """Identifies processes that can see each other: the boot of the kernel and the PID namespace. None if unknown.

    Not the host name: containers may share a name, or share a kernel without seeing each other's processes.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def process_start(pid: int) -> str:
    """Start time of a process in ticks since boot; empty for a zombie.

    Together with the boot id it distinguishes a process from a later one with the same PID. Raises FileNotFoundError or
    ProcessLookupError if there is no such process.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]  # proc(5): fields 3 (state) and 22 (starttime)


def _is_running(pid: int, started: str) -> bool | None:
    """Whether the process is running; None if unknown, because /proc hides other users' processes."""
    try:
        return process_start(pid) == started
    except ProcessLookupError:
        return False
    except OSError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return None


def numbers(folder: Path) -> list[int]:
    """Numbers of the leases there; the highest is in force."""
    try:
        return [int(name) for name in os.listdir(folder) if is_digits(name)]
    except FileNotFoundError:
        return []


def in_force(folder: Path) -> tuple[int, bytes]:
    """Number and content of the lease in force; 0 if there is none."""
    while number := max(numbers(folder), default=0):
        try:
            return number, (folder / str(number)).read_bytes()
        except FileNotFoundError:  # a later holder has just removed it
            time.sleep(RETRY_S)
    return 0, b""


def parsed(content: bytes) -> Lease:
    """The parsed lease; empty if it is incomplete or damaged."""
    try:
        lease = json.loads(content)
        kinds = {"holder": str, "pid": int, "started": str}
        sound = lease == FREE or (
            all(type(lease[k]) is kind for k, kind in kinds.items()) and 0 < lease["pid"] < 1 << 31
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return lease if sound else {}


def standing_of(number: int, content: bytes, machine: str | None) -> Standing:
    """State of the lock from a single look; "unknown" if the holder is on another machine."""
    lease = parsed(content)
    if not number or lease == FREE:
        return "free"
    if machine is not None and lease.get("machine") == machine:
        running = _is_running(lease["pid"], lease["started"])
        if running is not None:
            return "held" if running else "free"
    return "unknown"


def is_locked(path: Path) -> bool:
    """Whether somebody seems to hold the lock, from a single look. Changes nothing."""
    number, content = in_force(path)
    standing = standing_of(number, content, this_machine())
    if standing == "unknown":
        with contextlib.suppress(FileNotFoundError):
            # a time in the far future is no sign of life
            return abs(time.time() - (path / str(number)).stat().st_mtime) < LONG_SILENCE_S
    return standing == "held"
