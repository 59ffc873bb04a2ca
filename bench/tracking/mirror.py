"""Decide which cells to mirror when: in a thread during a run, or in a loop for ``sync``.

Training never waits for a store.
"""

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from bench.console import plural
from bench.records.folder import CellFolder
from bench.tracking.connection import StoreError
from bench.tracking.store import Store

FIRST_DELAY_S, LAST_DELAY_S = 1.0, 60.0  # between attempts to reach a store that is down
CLOSING_DELAY_S = 1.0  # the same, after training has ended
POLL_S = 0.2
SYNC_DELAYS_S = (1.0, 3.0, 8.0)


class Unsynced(NamedTuple):
    """A cell that is not completely in the store, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def in_lines(unsynced: Iterable[Unsynced]) -> list[str]:
    """One line per reason, with the name of one cell or the number of several."""
    names: dict[str, list[str]] = {}
    for item in unsynced:
        names.setdefault(item.reason, []).append(item.name)
    return [f"{of[0] if len(of) == 1 else f'{len(of)} cells'}: {reason}" for reason, of in names.items()]


def sync(
    results: Path, folders: Iterable[CellFolder], uri: str, on_progress: Callable[[int], None] = lambda done: None
) -> list[Unsynced]:
    """Mirror and verify cells in the foreground, including synced ones; return those that failed.

    ``on_progress`` takes the number of cells that are done.
    """
    store, todo = Store(uri), list(folders)
    unsynced: list[Unsynced] = []
    for done, folder in enumerate(todo):
        for delay_s in (*SYNC_DELAYS_S, None):
            try:
                reason = store.mirror(folder)
                break
            except StoreError as error:
                if delay_s is None or error.is_lasting:
                    return unsynced + [Unsynced(f.name_in(results), str(error)) for f in todo[done:]]
                time.sleep(delay_s)
        if reason:
            unsynced.append(Unsynced(folder.name_in(results), reason))
        on_progress(done + 1)
    return unsynced


class Mirror:
    """Mirrors cells in a thread of the launcher; its methods never block training or raise errors."""

    def __init__(self, results: Path, uri: str) -> None:
        self._results, self._store = results, Store(uri)
        self._changed = threading.Condition()
        self._waiting: dict[Path, CellFolder] = {}  # in order of first submission
        self._failed: dict[Path, tuple[CellFolder, str]] = {}  # cells that cannot be mirrored, with the reason
        self._in_hand: set[Path] = set()  # the cell being mirrored
        self._outage = ""
        self._closing = self._last_round = self._ended = False
        self._progress_s = 0.0  # time of the last mirrored cell, monotonic clock
        self._thread = threading.Thread(target=self._run, name="mlflow-mirror", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, folder: CellFolder) -> None:
        """Queue a cell with new durable records. Several submissions before its turn count as one."""
        with self._changed:
            self._waiting.setdefault(folder.path, folder)
            self._changed.notify_all()

    @property
    def status(self) -> str:
        """One line for the progress display."""
        with self._changed:
            num_waiting = len(self._waiting.keys() | self._in_hand)
            parts = [self._outage] if self._outage else []
            parts += [f"{plural(num_waiting, 'cell')} waiting"] if num_waiting else []
            parts += [f"{len(self._failed)} not mirrored"] if self._failed else []
        return "tracking: " + (", ".join(parts) or "up to date")

    def close(self, patience_s: float, give_up: Callable[[], bool] = lambda: False) -> list[Unsynced]:
        """Finish the queue while a cell is mirrored in every ``patience_s``; return the cells not completely mirrored.

        ``give_up`` is called a few times per second and ends the wait.
        """
        with self._changed:
            self._closing, self._progress_s = True, time.monotonic()
            self._changed.notify_all()
        while self._thread.is_alive() and not give_up():
            left_s = self._progress_s + patience_s - time.monotonic()
            if left_s <= 0:
                break
            self._thread.join(min(left_s, POLL_S))
        with self._changed:
            late = self._outage or "the store did not accept it in time"
            left = {path: reason for path, (_, reason) in self._failed.items()}
            left |= dict.fromkeys(self._waiting.keys() | self._in_hand, late)
            self._end()
        return sorted(Unsynced(CellFolder(path).name_in(self._results), reason) for path, reason in left.items())

    def abandon(self) -> None:
        """Stop mirroring, because the records no longer belong to this launch."""
        with self._changed:
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._changed.notify_all()

    def _run(self) -> None:
        delay_s = FIRST_DELAY_S
        while (folder := self._next()) is not None:
            try:
                reason = self._store.mirror(folder)
            except Exception as error:  # StoreError, or anything else: the thread must not die
                self._put_back(folder, str(error))
                if self._closing and isinstance(error, StoreError) and error.is_lasting:
                    return
                self._pause(delay_s)
                delay_s = min(2 * delay_s, LAST_DELAY_S)
                continue
            delay_s = FIRST_DELAY_S
            with self._changed:
                self._in_hand, self._outage, self._progress_s = set(), "", time.monotonic()
                if reason:
                    self._failed[folder.path] = folder, reason

    def _next(self) -> CellFolder | None:
        """The cell that has waited longest; None when closing and none is left.

        On closing, failed cells get one more try, since a server may answer with errors only now and then.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing or self._ended)
            if self._ended:
                return None
            if self._closing and not self._waiting and not self._last_round:
                self._last_round = True
                self._waiting = {path: folder for path, (folder, _) in self._failed.items()}
            if not self._waiting:
                return None
            path = next(iter(self._waiting))
            self._in_hand = {path}
            self._failed.pop(path, None)
            return self._waiting.pop(path)

    def _put_back(self, folder: CellFolder, outage: str) -> None:
        with self._changed:
            self._in_hand, self._outage = set(), outage
            self._waiting = {folder.path: folder} | self._waiting

    def _pause(self, delay_s: float) -> None:
        """Wait before the next attempt; shorter when closing."""
        with self._changed:
            if self._closing:
                self._changed.wait_for(lambda: self._ended, CLOSING_DELAY_S)
            else:
                self._changed.wait_for(lambda: self._closing or self._ended, delay_s)


class NoMirror:
    """Replaces a Mirror if nothing is to be tracked."""

    status = ""

    def start(self) -> None: ...
    def submit(self, folder: CellFolder) -> None: ...
    def abandon(self) -> None: ...

    def close(self, patience_s: float, give_up: Callable[[], bool] = lambda: False) -> list[Unsynced]:
        """Return no cells."""
        return []
