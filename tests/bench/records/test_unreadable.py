"""A record that cannot be read now gives one line that names it; everything else continues, and it is kept."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.analysis.results import load
from bench.records.tasks import CellTask
from bench.report import write_report
from bench.run import plan as grid
from bench.run.executors.worker import conclude
from bench.run.work import estimate
from bench.spec.tables import load_spec
from bench.tracking.mirror import sync
from tests.bench.tracked_cells import done_cell, make_cell
from tests.builders import finished_cell


def folder_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").touch()


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def forbidden(path: Path) -> None:
    path.chmod(0)


WAYS = [folder_in_its_place, loop, forbidden]
pytestmark = pytest.mark.usefixtures("held_to_modes")
in_every_way = pytest.mark.parametrize("spoil", WAYS, ids=lambda way: way.__name__)


@in_every_way
@pytest.mark.parametrize("name", ["cell.json", "result.json", "history.npz", "measures.json"])
def test_plan_and_report_name_it_and_go_on(tmp_path: Path, name: str, spoil: Callable[[Path], None]) -> None:
    bad, good = finished_cell(tmp_path, seed=0), finished_cell(tmp_path, seed=1)
    cells = [bad.cell(), good.cell()]
    before = grid.plan(tmp_path, cells, "sqlite:///none.db")
    spoil(bad.path / name)
    first, second = grid.plan(tmp_path, cells, "sqlite:///none.db")
    assert second == before[1]
    assert (first.state, first.to_run) == ("unreadable", False) or name == "measures.json"
    assert name == "measures.json" or f"{name}: cannot be read" in first.detail
    loaded = load(tmp_path)
    (line,) = loaded.damaged
    assert line.startswith(f"{bad.path.relative_to(tmp_path)}: {name}: cannot be read: ")
    seeds = [run.cell.seed for run in loaded.sweeps[0].runs]
    assert seeds == ([0, 1] if name == "measures.json" else [1])
    estimate(tmp_path, [first, second], 1)


def test_the_report_says_it(tmp_path: Path) -> None:
    bad, _ = finished_cell(tmp_path, seed=0), finished_cell(tmp_path, seed=1)
    folder_in_its_place(bad.path / "result.json")
    written = write_report(tmp_path, load_spec(tmp_path.parent / "sound.toml"))
    assert any("result.json: cannot be read: Is a directory" in line for line in written.missing)
    assert "result.json: cannot be read: Is a directory" in written.markdown.read_text()


@in_every_way
def test_unreadable_entries_among_the_cells_are_reported(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """Also in place of an experiment's folder, of the launches, and of a lease."""
    good = finished_cell(tmp_path)
    for path in (tmp_path / "cells" / "other", tmp_path / "launches.jsonl", good.path / "lease"):
        path.touch()
        spoil(path)
    loaded = load(tmp_path)
    assert [run.cell.seed for run in loaded.sweeps[0].runs] == [0]
    assert any("launches.jsonl: cannot be read" in line for line in loaded.damaged)


def test_sync_mirrors_the_others(results: Path) -> None:
    bad, good = (done_cell(results, make_cell(seed)) for seed in (0, 1))
    loop(bad.path / "result.json")
    (left,) = sync(results, [bad, good], f"sqlite:///{results / 'mlflow.db'}")
    assert "infogan/seed-0" in left.name
    assert "result.json" in left.reason
    assert (good.tracking() or {})["status"] == "synced"


@in_every_way
def test_nothing_is_recorded_over_it(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """A worker that died is reported, and the unreadable record stays."""
    cell = make_cell(0)
    folder = done_cell(tmp_path, cell)
    spoil(folder.path / "result.json")
    before = (folder.path / "result.json").lstat()
    outcome, message = conclude(CellTask(cell, tmp_path, None, {}), "it died", stopping=False)
    assert outcome == "failed"
    assert "it died; result.json: cannot be read" in message
    after = (folder.path / "result.json").lstat()
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
