"""The seconds that are left: of a partial cell after its checkpoint, of a trained cell for the missing measures."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.context import DEFAULT_SPEC
from bench.records.folder import CellFolder
from bench.records.schema import Measured
from bench.run.plan import PlannedCell
from bench.run.work import (
    ASSUMED_CELL_S,
    ASSUMED_FAMILY_S,
    ASSUMED_FLOPS_PER_S,
    checkpoint_bytes,
    estimate,
    num_parameters,
    training_flops,
)
from bench.spec.cells import Cell, measure_key
from bench.spec.tables import load_spec
from tests.bench.recorded_sweep import planned, record
from tests.builders import SECONDS, history_of


def measuring(seed: int, *families: str) -> Cell:
    cells = planned(load_spec(DEFAULT_SPEC), seeds=(0, 1, 2))
    return replace(next(c for c in cells if c.arm == "gan" and c.seed == seed), measures=families)


def test_before_anything_is_finished_the_arithmetic_decides(tmp_path: Path) -> None:
    cells = [measuring(seed, "digits", "samples") for seed in range(3)]
    train_s = training_flops(cells[0]) / ASSUMED_FLOPS_PER_S
    measures_s = ASSUMED_FAMILY_S["digits"], ASSUMED_FAMILY_S["samples"]
    found = estimate(tmp_path, [PlannedCell(cell, "missing", "") for cell in cells], 2)
    assert not found.measured
    assert found.seconds == pytest.approx(2 * (train_s + ASSUMED_CELL_S + sum(measures_s)))  # two cells, then the third
    assert found.peak_bytes > found.kept_bytes > 0


def test_a_partial_cell_has_left_what_lies_beyond_its_checkpoint(tmp_path: Path) -> None:
    cell = measuring(0)
    folder = CellFolder.of(tmp_path, cell)
    half = cell.iterations // 2
    folder.write_history(history_of({"a": 0.0}, half))
    folder.write_checkpoint(b"state")
    (work,) = estimate(tmp_path, [PlannedCell(cell, "partial", "")], 1).works.values()
    assert work.reached == pytest.approx(half / cell.iterations)
    assert work.left_s == pytest.approx(ASSUMED_CELL_S + work.train_s * (1 - work.reached))


def test_the_speed_of_a_cell_that_was_given_up_is_that_of_its_part(tmp_path: Path) -> None:
    whole, part, missing = (measuring(seed) for seed in range(3))
    tenth = whole.iterations // 10
    record(tmp_path, whole)
    in_part = SECONDS | {"train": SECONDS["train"] / 10}
    record(tmp_path, part, length=tenth, result={"given_up_at": tenth, "seconds": in_part})
    seconds = [
        estimate(tmp_path, [PlannedCell(done, "done", ""), PlannedCell(missing, "missing", "")], 1).seconds
        for done in (whole, part)
    ]
    assert seconds == pytest.approx([sum(SECONDS.values())] * 2)


def test_what_is_only_measured_takes_what_measuring_took(tmp_path: Path) -> None:
    first, second = measuring(0, "digits"), measuring(1, "digits")
    entry = Measured(key=measure_key(first, "digits"), values={}, seconds=25.0)
    record(tmp_path, first).write_measures("digits", entry)
    record(tmp_path, second)
    both = [PlannedCell(first, "done", ""), PlannedCell(second, "unmeasured", "digits")]
    found = estimate(tmp_path, both, 4)
    assert found.measured
    assert found.seconds == pytest.approx(25.0)
    assert found.peak_bytes == 0


def test_the_speed_of_several_cells_is_that_of_their_work_together_and_a_family_takes_its_median(
    tmp_path: Path,
) -> None:
    """Equal cells that took 45 and 15 s trained two cells in 60, and one took 30, so the next takes 30."""
    finished, missing = [measuring(seed, "digits") for seed in (0, 1)], measuring(2, "digits")
    for cell, train_s, digits_s in zip(finished, (45.0, 15.0), (10.0, 90.0), strict=True):
        entry = Measured(key=measure_key(cell, "digits"), values={}, seconds=digits_s)
        record(tmp_path, cell, result={"seconds": SECONDS | {"train": train_s}}).write_measures("digits", entry)
    third = replace(finished[0], config={**finished[0].config, "seed": 9})
    record(tmp_path, third, result={"seconds": SECONDS | {"train": 30.0}}).write_measures(
        "digits", Measured(key=measure_key(third, "digits"), values={}, seconds=20.0)
    )
    planned = [PlannedCell(cell, "done", "") for cell in (*finished, third)] + [PlannedCell(missing, "missing", "")]
    (work,) = estimate(tmp_path, planned, 1).works.values()
    assert work.train_s == pytest.approx(30.0)
    assert work.measures_s == {"digits": 20.0}


def test_cells_share_a_card_and_not_a_core(tmp_path: Path) -> None:
    def train_s(device: str, num: int, jobs: int) -> float:
        cells = [replace(c, config={**c.config, "device": device}) for c in map(measuring, range(num))]
        works = estimate(tmp_path, [PlannedCell(cell, "missing", "") for cell in cells], jobs).works
        return next(iter(works.values())).train_s

    assert train_s("cpu", 2, 2) == train_s("cpu", 2, 1)
    assert train_s("cuda", 2, 2) == pytest.approx(2 * train_s("cuda", 2, 1))
    assert train_s("cuda", 2, 4) == train_s("cuda", 2, 2)  # there are only two cells


def test_checkpoints_are_two_of_each_running_cell_with_weights_and_two_moments_in_four_bytes() -> None:
    large = measuring(0)
    small = replace(large, config={**large.config, "network": {**large.config["network"], "width": 0.125}})
    assert num_parameters(small) < num_parameters(large)
    assert checkpoint_bytes([small, large, small], 1) == 24 * num_parameters(large)
    assert checkpoint_bytes([small, large, small], 2) == 24 * (num_parameters(large) + num_parameters(small))
