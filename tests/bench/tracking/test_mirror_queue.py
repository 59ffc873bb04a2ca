"""The order and the times in which cells are tried: after an outage, a mended cell, an abandoned launch."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.records.folder import CellFolder
from bench.tracking.connection import StoreError, default_uri
from bench.tracking.mirror import Mirror, sync
from bench.tracking.store import Store, is_synced
from tests.bench.tracked_cells import done_cell, make_cell
from tests.end_to_end.harness import wait_for


class Away(Store):
    """A store that does not answer the calls whose numbers are in ``away``; it keeps the cells of all calls."""

    tried: list[str]
    away: set[int]

    def mirror(self, folder: CellFolder) -> str | None:
        self.tried.append(folder.cell().name.partition("/")[2])
        if len(self.tried) in self.away:
            raise StoreError("the store is away")
        return super().mirror(folder)


class Impatient(Mirror):
    """A mirror that keeps how long it would pause, and does not."""

    def __init__(self, results: Path, uri: str) -> None:
        super().__init__(results, uri)
        self.pauses_s: list[float] = []

    def _pause(self, delay_s: float) -> None:
        self.pauses_s.append(delay_s)


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[int]], type[Away]]:
    def of_calls(numbers: set[int]) -> type[Away]:
        store = type("AwayNow", (Away,), {"tried": [], "away": numbers})
        monkeypatch.setattr("bench.tracking.mirror.Store", store)
        return store

    return of_calls


def test_pauses_double_up_to_a_minute_and_begin_anew_once_a_cell_went_through(
    results: Path, away: Callable[[set[int]], type[Away]]
) -> None:
    """The cell that met the outage stays the first in line."""
    store = away({*range(1, 9), 10, 11})
    mirror = Impatient(results, default_uri(results))
    for seed in (0, 1):
        mirror.submit(done_cell(results, make_cell(seed)))
    mirror.start()
    wait_for(lambda: mirror.status == "tracking: up to date")  # which forgets the outage
    assert mirror.pauses_s == [1, 2, 4, 8, 16, 32, 60, 60, 1, 2]
    assert store.tried == ["seed-0"] * 9 + ["seed-1"] * 3
    assert mirror.close(60) == []


def test_a_cell_that_was_mended_meanwhile_is_tried_once_more_at_the_end(results: Path) -> None:
    folder = done_cell(results, make_cell())
    history = folder.path / "history.npz"
    sound = history.read_bytes()
    history.write_bytes(b"damaged")
    mirror = Mirror(results, default_uri(results))
    mirror.start()
    mirror.submit(folder)
    wait_for(lambda: mirror.status == "tracking: 1 not mirrored")
    history.write_bytes(sound)
    assert mirror.close(60) == []
    assert mirror.status == "tracking: up to date"
    assert is_synced(folder, default_uri(results))


def test_cells_that_are_left_are_named_in_order(results: Path) -> None:
    mirror = Mirror(results, default_uri(results))
    for seed in (2, 0, 1):
        folder = done_cell(results, make_cell(seed))
        (folder.path / "history.npz").write_bytes(b"damaged")
        mirror.submit(folder)
    mirror.start()
    assert [left.name for left in mirror.close(60)] == [f"toy/smoke/infogan/seed-{seed}" for seed in (0, 1, 2)]


def test_an_abandoned_mirror_touches_no_cell_any_more(results: Path) -> None:
    mirror, folder = Mirror(results, default_uri(results)), done_cell(results, make_cell())
    mirror.submit(folder)
    mirror.abandon()
    mirror.start()
    (left,) = mirror.close(3600)  # its thread has ended, so this does not wait
    assert left.reason == "the store did not accept it in time"
    assert folder.tracking() is None


def test_sync_counts_what_it_is_done_with_and_does_not_wait_for_what_somebody_has_to_mend(
    results: Path, away: Callable[[set[int]], type[Away]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.tracking.mirror.SYNC_DELAYS_S", (0.0, 0.0, 0.0))
    folders, counts = [done_cell(results, make_cell(seed)) for seed in range(3)], list[int]()
    (folders[1].path / "history.npz").write_bytes(b"damaged")
    store = away({1, 2, 3})  # the fourth try is the last
    (left,) = sync(results, folders, default_uri(results), counts.append)
    assert left.name == "toy/smoke/infogan/seed-1"
    assert (store.tried, counts) == (["seed-0"] * 4 + ["seed-1", "seed-2"], [1, 2, 3])
    monkeypatch.setattr("bench.tracking.mirror.SYNC_DELAYS_S", (3600.0,))
    (results / "mlflow.db").write_bytes(b"not a database at all" * 50)
    away(set())
    found = sync(results, folders, default_uri(results))
    assert [left.reason for left in found] == ["mlflow.db is not a database; move it away, then sync again"] * 3
