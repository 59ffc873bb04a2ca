"""How many cells share a GPU: memory and cores limit it, and ``plan`` names both."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bench.commands import plan as command
from bench.context import Context
from bench.run import plan as grid
from bench.run import share_gpu
from bench.run.share_gpu import cell_bytes, share
from bench.run.work import estimate
from bench.spec.cells import Cell


def first_cell(experiment: str, profile: str) -> Cell:
    return Context([experiment], profile=profile, seeds="0", no_tracking=True).cells[0]


def test_memory_and_cores_bound_the_number_of_cells() -> None:
    cell = first_cell("mnist-mi", "smoke")
    room = cell_bytes(cell) / share_gpu.SHARE_OF_FREE
    assert share([cell], 4.5 * room, cores=16).jobs == 4
    assert share([cell], 4.5 * room, cores=3).jobs == 3
    assert share([cell], 0.2 * room, cores=16).jobs == 1  # one cell is always tried


def test_the_largest_cell_decides() -> None:
    small, large = first_cell("mnist-mi", "smoke"), first_cell("chairs", "paper")
    assert cell_bytes(large) > cell_bytes(small) > share_gpu.PROCESS_BYTES
    assert cell_bytes(large) < 8e9  # a card of 80 GB holds ten of the largest
    assert share([small, large], 80e9, 16) == share([large], 80e9, 16)


def test_processes_share_the_hosts_cores_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in share_gpu.THREAD_LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    share_gpu.limit_threads(jobs=6, cores=16)
    assert [os.environ[name] for name in share_gpu.THREAD_LIMITS] == ["5", "2", "2"]
    for name in share_gpu.THREAD_LIMITS[1:]:
        monkeypatch.delenv(name)
    share_gpu.limit_threads(jobs=16, cores=3)
    assert os.environ["MKL_NUM_THREADS"] == "1"


def test_plan_says_how_many_cells_share_the_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the launcher asks for the device: planning for a GPU needs no GPU."""
    monkeypatch.setattr("bench.placement.available_device", lambda wanted: "cuda")
    monkeypatch.setattr("bench.placement.usable_cores", lambda: 16)
    monkeypatch.setattr(share_gpu, "free_memory_bytes", lambda: 80e9)
    options = {"results": tmp_path / "r", "profile": "smoke", "no_tracking": True}
    context = Context(["mnist-mi"], **options)  # type: ignore[arg-type]
    assert context.share.jobs == 16
    command.plan(["mnist-mi"], **options)  # type: ignore[arg-type]
    printed = capsys.readouterr().out
    assert "with 16 at a time" in printed
    assert "16 at a time on the GPU: 80 GB of its memory are free, a cell takes about 2." in printed
    assert "up to 5 seeds of an arm share a process" in printed
    assert Context(["mnist-mi"], jobs=3, **options).share.jobs == 3  # type: ignore[arg-type]
    more = Context(["mnist-mi"], together=20, **options)  # type: ignore[arg-type]
    assert (more.share.jobs, more.share.together) == (20, 20)


def test_what_a_gpu_will_take_is_guessed_of_the_card_not_of_a_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arithmetic and launches of Figure 1's 25 cells give about 40 s in float32, however many cells run in parallel."""
    monkeypatch.setattr("bench.placement.available_device", lambda wanted: "cuda")
    monkeypatch.setattr(share_gpu, "free_memory_bytes", lambda: 80e9)
    context = Context(["mnist-mi"], results=tmp_path, profile="paper", no_tracking=True)
    planned = grid.plan(tmp_path, context.cells, None)
    assert len(planned) == 25
    assert 30 < estimate(tmp_path, planned, 16).seconds < 60
    assert 30 < estimate(tmp_path, planned, 1).seconds < 120
    on_cpu = [replace(item, cell=replace(item.cell, config=item.cell.config | {"device": "cpu"})) for item in planned]
    alone, beside = (estimate(tmp_path, on_cpu, jobs).seconds for jobs in (1, 5))
    assert alone > 3600
    assert beside == pytest.approx(alone / 5)


def test_a_process_holds_more_seeds_only_where_each_iteration_is_one_graph() -> None:
    captured = first_cell("mnist-mi", "smoke")
    training = captured.config["training"] | {"capture": "auto"}
    captured = replace(captured, config=captured.config | {"training": training})
    assert share([captured], 80e9, 16).together == 5
    assert share([captured], 80e9, 3).together == 3
    assert share([captured, first_cell("mnist-mi", "smoke")], 80e9, 16).together == 1
