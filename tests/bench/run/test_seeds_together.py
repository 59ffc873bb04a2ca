"""Seeds of an arm in one process: each has the records that it has alone and ends by itself; which seeds share one."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.console import BadInput
from bench.context import Context
from bench.records.checkpoints import NEWEST
from bench.records.folder import CellFolder
from bench.records.tasks import CellTask
from bench.run.executors.local import LocalExecutor, _groups
from bench.run.executors.worker import work
from bench.run.train_cell import CellRun
from bench.spec.cells import Cell
from infogan import data
from tests.bench.attempts import attempt
from tests.builders import planned, tiny_file
from tests.end_to_end.harness import same_bits

RECORDED = {"git_commit": "0", "packages": {}}


@pytest.fixture(scope="module")
def selected(tmp_path_factory: pytest.TempPathFactory) -> list[Cell]:
    """Seeds 0 and 1 of two arms, in the order of a sweep: by seed."""
    file = tiny_file(tmp_path_factory.mktemp("spec"), iterations=12)
    return planned(file, data=data.describe("mnist", "embedded"), versions={})


@pytest.fixture
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def poison(path: Path) -> None:
    """Put NaN weights into a cell's checkpoint, with a valid checksum."""
    folder = CellFolder(path)
    content = dict(folder.checkpoints())[NEWEST]
    assert isinstance(content, bytes)
    state = torch.load(io.BytesIO(content), weights_only=True)
    state["trainer"]["discriminator"]["d_head.weight"].fill_(float("nan"))
    changed = io.BytesIO()
    torch.save(state, changed)
    folder.write_checkpoint(changed.getvalue())


@pytest.mark.usefixtures("_threads")
def test_two_seeds_stop_resume_and_fail_each_for_itself(tmp_path: Path, selected: list[Cell]) -> None:
    chosen = [cell for cell in selected if cell.arm == "infogan"]
    alone, together = (
        [CellTask(cell, tmp_path / name, None, RECORDED) for cell in chosen] for name in ("alone", "together")
    )
    folders = [[CellFolder.of(task.results, task.cell) for task in tasks] for tasks in (alone, together)]
    for task in alone:
        assert attempt(CellRun(task, lambda *_: None, lambda: False)) == "done"
    told: list[tuple[int, str, dict[str, Any]]] = []

    def send(task: CellTask, kind: str, values: dict[str, Any]) -> None:
        told.append((task.cell.seed, kind, values))

    def ends() -> list[tuple[int, str, dict[str, Any]]]:
        """How each seed ended; which of two ends first is not defined."""
        found = [event for event in told if event[1] in ("done", "failed", "stopped", "trained")]
        return sorted(found, key=lambda event: event[0])

    work(together, send, lambda: len(told) > 2)
    assert [(seed, kind) for seed, kind, _ in ends()] == [(0, "stopped"), (1, "stopped")]
    reached = {seed: values["iteration"] for seed, kind, values in told if kind == "durable"}
    assert all(0 < reached[seed] < 12 for seed in (0, 1)), reached

    poison(folders[1][0].path)
    told.clear()
    work(together, send, lambda: False)
    assert [(seed, kind) for seed, kind, _ in ends()] == [(0, "failed"), (1, "done")]
    assert "non-finite value at iteration" in ends()[0][2]["message"]
    results = [folder.result() for folder in folders[1]]
    assert results[0] is not None
    assert results[1] is not None
    assert results[0].error == "NonFiniteLoss"
    assert (results[1].resumes, results[1].num_together) == (1, 2)
    assert same_bits(folders[0][1].path, folders[1][1].path)

    folders[1][0].remove_checkpoints()
    told.clear()
    work(together, send, lambda: False)  # one of them is already done
    assert [(seed, kind) for seed, kind, _ in ends()] == [(0, "done"), (1, "done")]
    assert same_bits(folders[0][0].path, folders[1][0].path)


def test_a_process_holds_seeds_of_one_arm_alone(tmp_path: Path, selected: list[Cell]) -> None:
    tasks = [CellTask(cell, tmp_path, None, RECORDED) for cell in selected]
    assert [task.cell.name for task in tasks] == ["infogan/seed-0", "gan/seed-0", "infogan/seed-1", "gan/seed-1"]
    for together, wanted in ((1, [[0], [1], [2], [3]]), (2, [[0, 2], [1, 3]]), (3, [[0, 2], [1, 3]])):
        assert _groups(tasks, together) == [[tasks[place] for place in group] for group in wanted]
    more = [CellTask(cell, tmp_path / "other", None, RECORDED) for cell in selected]
    assert len(_groups([*tasks, *more], 4)) == 4
    with pytest.raises(ValueError, match="together at most jobs"):
        LocalExecutor(jobs=2, together=3)


def test_how_many_share_a_process_on_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.placement.usable_cores", lambda: 2)

    def shares(**options: Any) -> tuple[int, int]:
        share = Context(["mi-gate"], results=tmp_path, no_tracking=True, device="cpu", **options).share
        return share.jobs, share.together

    assert shares() == (2, 1)
    assert shares(together=2) == (2, 2)
    assert shares(together=5) == (5, 5)
    assert shares(together=2, jobs=4) == (4, 2)
    with pytest.raises(BadInput, match="--together 3 exceeds --jobs 2"):
        shares(together=3, jobs=2)


def test_a_cluster_has_no_seeds_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.placement.require_ray", lambda address: None)
    with pytest.raises(BadInput, match="--together needs --executor local"):
        Context(["mi-gate"], results=tmp_path, no_tracking=True, executor="ray", together=2)
