"""Which cells to mirror when: a thread beside a run, a loop for ``sync``. A store that is down delays only this."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.records.folder import CellFolder
from bench.tracking.connection import StoreError
from bench.tracking.store import Store

FIRST_DELAY_S, LAST_DELAY_S = 1.0, 60.0  # between attempts at a store that is down
CLOSING_DELAY_S = 1.0  # the same once training has ended
POLL_S = 0.2
SYNC_DELAYS_S = (1.0, 3.0, 8.0)


def _name(results: Path, path: Path) -> str:
    """``experiment/profile/variant/arm/seed-k`` of a cell's folder."""
    return path.parent.relative_to(results / "cells").as_posix()


@dataclass(frozen=True)
class Unsynced:
    """A cell that the store does not fully hold, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def in_lines(unsynced: Iterable[Unsynced]) -> list[str]:
    """One line a reason: of a cell with its name, of many with their number."""
    names: dict[str, list[str]] = {}
    for item in unsynced:
        names.setdefault(item.reason, []).append(item.name)
    return [f"{of[0] if len(of) == 1 else f'{len(of)} cells'}: {reason}" for reason, of in names.items()]


def sync(
    results: Path,
    folders: Iterable[CellFolder],
    uri: str,
    on_progress: Callable[[int, int], None] | None = None,  # done, total
) -> list[Unsynced]:
    """Mirror and verify cells in the foreground, synced ones too; gives those that could not be."""
    store, todo = Store(uri), list(folders)
    unsynced: list[Unsynced] = []
    for done, folder in enumerate(todo):
        for delay_s in (*SYNC_DELAYS_S, None):
            try:
                reason = store.mirror(folder)
                break
            except StoreError as error:
                if delay_s is None or error.is_lasting:
                    return unsynced + [Unsynced(_name(results, f.path), str(error)) for f in todo[done:]]
                time.sleep(delay_s)
        if reason:
            unsynced.append(Unsynced(_name(results, folder.path), reason))
        if on_progress:
            on_progress(done + 1, len(todo))
    return unsynced


class Mirror:
    """Mirrors cells from a thread of the launcher: nothing here blocks or raises into training."""

    def __init__(self, results: Path, uri: str) -> None:
        self._results, self._store = results, Store(uri)
        self._changed = threading.Condition()
        self._waiting: dict[Path, CellFolder] = {}  # in the order of their first submission
        self._failed: dict[Path, tuple[CellFolder, str]] = {}  # cells with a fault of their own, and which
        self._in_hand: set[Path] = set()  # the one that is being mirrored
        self._outage = ""
        self._closing = self._last_round = self._ended = False
        self._progress_s = 0.0  # when a cell was last through with, on the monotonic clock
        self._thread = threading.Thread(target=self._run, name="mlflow-mirror", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, folder: CellFolder) -> None:
        """The cell has durable news. Several submissions before its turn are one."""
        with self._changed:
            self._waiting.setdefault(folder.path, folder)
            self._changed.notify_all()

    @property
    def status(self) -> str:
        """One line for the progress display."""
        with self._changed:
            num_waiting = len(self._waiting.keys() | self._in_hand)
            parts = [self._outage] if self._outage else []
            parts += [f"{num_waiting} {'cell' if num_waiting == 1 else 'cells'} waiting"] if num_waiting else []
            parts += [f"{len(self._failed)} not mirrored"] if self._failed else []
        return "tracking: " + (", ".join(parts) or "up to date")

    def close(self, patience_s: float, give_up: Callable[[], bool] = lambda: False) -> list[Unsynced]:
        """Drain, however long it takes, while at least one cell is through in every ``patience_s``; gives those that
        are not fully mirrored. ``give_up`` is asked a few times a second, and ends the wait.
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
            late = self._outage or "the store did not take it in time"
            left = {path: reason for path, (_, reason) in self._failed.items()}
            left |= dict.fromkeys(self._waiting.keys() | self._in_hand, late)
            self._end()
        return [Unsynced(*item) for item in sorted((_name(self._results, path), left[path]) for path in left)]

    def abandon(self) -> None:
        """Mirror nothing more: the records are no longer this launch's."""
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
            except Exception as error:  # StoreError; anything else must not end the thread either
                self._put_back(folder, str(error))
                if self._closing and getattr(error, "is_lasting", False):
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
        """The cell that waits longest; None when closing and none waits. A cell with a fault has one more try then:
        a server that answers with errors now and then must not leave it behind.
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
        """Wait until the next attempt; closing cuts it short, and then the pauses are short."""
        with self._changed:
            if self._closing:
                self._changed.wait_for(lambda: self._ended, CLOSING_DELAY_S)
            else:
                self._changed.wait_for(lambda: self._closing or self._ended, delay_s)


class NoMirror:
    """What stands for a Mirror where nothing is to be tracked."""

    status = ""

    def start(self) -> None: ...
    def submit(self, folder: CellFolder) -> None: ...
    def abandon(self) -> None: ...

    def close(self, patience_s: float, give_up: Callable[[], bool] = lambda: False) -> list[Unsynced]:
        """No cell is missing from a store that nobody asked for."""
        return []
