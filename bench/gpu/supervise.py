"""Run one step as a separate process within its time limit, so that its failure or hang affects no other step."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.environment import ROOT

POLL_S = 0.2
GONE_S = 5.0  # limit for killed processes to disappear
MAX_MESSAGE = 240  # characters kept of a step's last line

Status = Literal["done", "failed", "cut"]


@dataclass(frozen=True)
class Ended:
    """How a step ended; ``message``: its last line of output."""

    status: Status
    message: str
    seconds: float


def supervise(
    command: Sequence[str],
    log: Path,
    limit_s: float,
    grace_s: float,
    stop: Callable[[], bool] = lambda: False,
    tick: Callable[[], None] = lambda: None,
) -> Ended:
    """Run ``command`` in the repository's root for at most ``limit_s`` seconds; append its output to ``log``.

    At the limit, or on ``stop``, it gets SIGTERM, and after another ``grace_s`` seconds its process group is killed.
    ``tick`` is called a few times per second.
    """
    started = time.monotonic()
    with log.open("ab") as file:
        file.write(f"\n== {' '.join(command)}\n".encode())
        file.flush()
        begin = file.tell()
        try:
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
        except OSError as error:
            return Ended("failed", str(error), 0.0)
        was_cut = False
        while process.poll() is None:
            elapsed = time.monotonic() - started
            if not was_cut and (elapsed > limit_s or stop()):
                was_cut = True
                told_at = time.monotonic()
                process.send_signal(signal.SIGTERM)
            if was_cut and time.monotonic() - told_at > grace_s:
                break
            tick()
            time.sleep(POLL_S)
        _kill_group(process)
    message = _last_line(log, begin)
    status: Status = "cut" if was_cut else "done" if process.returncode == 0 else "failed"
    return Ended(status, message, time.monotonic() - started)


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the step and wait until it is gone: a dying worker still holds its cell and the GPU."""
    deadline = time.monotonic() + GONE_S
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)  # raises if no process is left
            time.sleep(0.02)
    process.wait()


def _last_line(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    last = " ".join(lines[-1].split()) if lines else "it said nothing"
    return last if len(last) <= MAX_MESSAGE else last[: MAX_MESSAGE - 1] + "…"
