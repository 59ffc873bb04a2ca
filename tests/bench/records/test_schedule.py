"""The schedule of a launch against numbers by hand: slots, efficiency, ideal time, figure, cost by number of seeds."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.runs import Sweep
from bench.records import launches
from bench.records.folder import LAUNCHES, CellFolder
from bench.records.schedule import largest, makespan_s, schedule
from bench.records.schema import Launch, Result, Seconds, fitting
from bench.records.storage import read_lines
from bench.records.tasks import CellTask
from bench.report.costs import seeds_table
from bench.report.figures.harness import draw_schedule
from tests.bench.tracked_cells import make_cell


def cell(name: str, start_s: float, end_s: float, train_s: float, definition: str = "d") -> dict[str, Any]:
    return {
        "experiment": "e", "profile": "cpu", "name": name, "definition": definition, "outcome": "done",
        "start_s": start_s, "end_s": end_s, "train_s": train_s,
    }  # fmt: skip


def launch(*cells: dict[str, Any], wall_s: float = 40.0, jobs: int = 2) -> dict[str, Any]:
    train_s = sum(c["train_s"] for c in cells)
    return {
        "definitions": ["d"], "num_done": len(cells), "wall_s": wall_s, "launcher_cpu_s": 0.1, "train_s": train_s,
        "jobs": jobs, "cells": list(cells),
    }  # fmt: skip


def read(line: dict[str, Any]) -> Launch:
    (found,) = fitting(Launch, [line])
    return found


THREE = read(launch(cell("a/seed-0", 2, 12, 8), cell("a/seed-1", 2, 22, 18), cell("b/seed-0", 12.5, 35, 20)))


def test_cells_take_the_first_free_slot_and_the_numbers_are_those_of_the_bars() -> None:
    found = schedule(THREE)
    assert found is not None
    assert [span.slot for span in found.spans] == [0, 1, 0]
    assert found.efficiency == pytest.approx((8 + 18 + 20) / (2 * 40))
    assert found.ideal_s == 26  # one slot trains 20 s, the other 18 + 8 s


def test_a_cell_trained_in_part_by_an_earlier_launch_counts_with_its_time_in_this_one() -> None:
    found = schedule(read(launch(cell("a/seed-0", 1, 4, 500))))
    assert found is not None
    assert found.train_s == 3


EARLIER = {"definitions": ["d"], "num_done": 1, "wall_s": 3.0, "launcher_cpu_s": 0.1, "train_s": 1.0}


@pytest.mark.parametrize("empty", [launch(), EARLIER, launch(cell("a/seed-0", 1, 4, 2), jobs=10**9)])
def test_a_launch_without_cells_or_of_too_many_slots_has_no_schedule(empty: dict[str, Any]) -> None:
    assert schedule(read(empty)) is None
    assert largest([read(empty)], "d") is None


def test_a_launch_counts_what_it_trained_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves out what an earlier launch trained. A cell that lacked only measures counts as nothing."""
    now = [0.0]
    monkeypatch.setattr(launches.time, "monotonic", lambda: now[0])
    names = ("whole", "resumed", "died once", "died at once", "measured", "stopped")
    tasks = {name: CellTask(make_cell(seed), tmp_path, None, {}) for seed, name in enumerate(names)}
    written = launches.LaunchClock()

    def hear(name: str, *kinds: str, **values: float) -> None:
        for kind in kinds:
            written.event(tasks[name], kind, values)

    now[0] = 1.0
    for name in names:
        hear(name, "started")
    hear("whole", "progress")
    hear("resumed", "resumed", train_s=20.0)
    hear("died once", "progress")
    hear("died once", "started")
    hear("died once", "resumed", train_s=12.0)  # from a checkpoint of this launch
    hear("died at once", "started")
    hear("died at once", "resumed", train_s=20.0)  # from a checkpoint of an earlier launch, since this one had none
    hear("stopped", "resumed", train_s=5.0)
    hear("stopped", "durable", train_s=15.0)
    hear("stopped", "stopped")
    now[0] = 33.0
    for name in names[:-1]:
        seconds = Seconds(train=30.0, checkpoint=0.0, evaluate=0.0, prepare=0.0)
        CellFolder.of(tmp_path, tasks[name].cell).write_result(Result(status="done", seconds=seconds))
        hear(name, "done")
    now[0] = 35.0
    outcomes = {task.cell.key: "stopped" if name == "stopped" else "done" for name, task in tasks.items()}
    written.record(tmp_path, list(tasks.values()), outcomes, 6)
    (line,) = read_lines(tmp_path / LAUNCHES)
    found = {name: (cell["train_s"], cell["resumed"]) for name, cell in zip(names, line["cells"], strict=True)}
    assert found == {
        "whole": (30, False),
        "resumed": (10, True),
        "died once": (30, False),
        "died at once": (10, True),
        "measured": (0, False),
        "stopped": (10, True),
    }
    assert line["train_s"] == 90
    shown = schedule(read(line))
    assert shown is not None
    assert [span.whole for span in shown.spans] == [True, False, True, False, False, False]
    table = seeds_table([Sweep("toy", "smoke", {}, tasks["whole"].cell.definition_key, [], [read(line)])])
    assert float(table.rows[0][4]) == pytest.approx((32 + 2) / 60, abs=0.05)  # 32 s, and 2 s after the last cell


def test_what_the_launcher_costs_is_of_launches_that_trained() -> None:
    cost = [{"train_s": 1000.0, "launcher_cpu_s": 10.0}, {"train_s": 0.0, "launcher_cpu_s": 5.0}]
    told = [read(EARLIER | own) for own in cost]
    assert Sweep("toy", "smoke", {}, "d", [], told).launcher_share == pytest.approx(0.01)
    assert Sweep("toy", "smoke", {}, "d", [], told[1:]).launcher_share is None


def test_the_launch_with_most_training_of_a_definition_is_shown() -> None:
    small = read(launch(cell("a/seed-0", 0, 5, 4)))
    other = read(launch(cell("x/seed-0", 0, 90, 80, "other"), wall_s=99))
    assert largest([small, THREE, other], "d") == schedule(THREE)
    assert largest([small, THREE, other], "other") == schedule(other)
    assert largest([other], "d") is None


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=30), st.integers(1, 8))
def test_the_ideal_lies_between_its_bounds(durations_s: list[float], jobs: int) -> None:
    found = makespan_s(sorted(durations_s, reverse=True), jobs)
    bound = max(max(durations_s), sum(durations_s) / jobs)
    graham = sum(durations_s) / jobs + (1 - 1 / jobs) * max(durations_s)  # for any list in any order
    assert bound * (1 - 1e-9) <= found <= graham * (1 + 1e-9)
    if len(durations_s) <= jobs:
        assert found == max(durations_s)


@given(st.integers(1, 40), st.integers(1, 8))
def test_equal_cells_come_in_rounds(num: int, jobs: int) -> None:
    assert makespan_s([3.0] * num, jobs) == pytest.approx(3.0 * -(-num // jobs))


def test_the_figure_says_its_numbers_and_is_the_same_bytes_again() -> None:
    found = schedule(THREE)
    assert found is not None
    drawings = [draw_schedule(found, "d") for _ in range(2)]
    assert drawings[0] == drawings[1]
    assert "2 slots trained during 57.5 % of the wall time" in drawings[0].caption
    assert "Dashed: the 0.4 minutes" in drawings[0].caption
    assert "Grey" not in drawings[0].caption
    other = schedule(read(launch(cell("a/seed-0", 0, 5, 4), cell("x/seed-0", 5, 9, 3, "other"), jobs=1)))
    assert other is not None
    assert "Grey: cells of other experiments. The slot trained" in draw_schedule(other, "d").caption


def test_cost_against_seeds_is_the_packing_of_each_arms_median_time() -> None:
    sweep = Sweep("e", "cpu", {}, "d", [], [THREE])
    table = seeds_table([sweep])
    assert table.rows[0][:4] == ["e", "cpu", "2", "2"]
    # arm a: the median of 10 and 20 s; arm b: 22.5 s; then the time after the last cell
    one_seed_s = max(15.0, 22.5) + (40 - 35)
    assert table.rows[0][4] == f"{one_seed_s / 60:.1f}"
    assert seeds_table([Sweep("e", "cpu", {}, "other", [], [THREE])]).rows == []
