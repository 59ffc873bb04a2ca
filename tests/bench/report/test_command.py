"""The command beside a sweep selects exactly the cells that are recorded, or says that it does not."""

import shlex
from collections.abc import Sequence
from typing import Any

import pytest

from bench.analysis.runs import Run, Sweep
from bench.context import DEFAULT_SPEC
from bench.report.inventory import command
from bench.spec.cells import Cell
from bench.spec.selection import parse_seeds
from bench.spec.tables import Spec, load_spec
from tests.builders import planned


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load_spec(DEFAULT_SPEC)


def said(spec: Spec, cells: Sequence[Cell]) -> str:
    cell = cells[0]
    runs = [Run(cell, "done", {}, {}, None, None) for cell in cells]
    sweep = Sweep(cell.experiment, cell.profile, cell.definition, cell.definition_key, runs)
    return command(sweep, spec.experiments[cell.experiment])


@pytest.mark.parametrize(
    ("experiment", "selection", "options"),
    [
        ("mnist-mi", {}, ""),
        ("mnist-mi", {"arms": ("infogan",)}, " --arms infogan"),
        ("mnist-mi", {"seeds": (7, 8, 9)}, " --seeds 7-9"),
        ("mnist-mi", {"arms": ("infogan", "gan"), "seeds": (0, 2)}, " --arms infogan,gan --seeds 0,2"),
        ("mnist", {}, ""),  # gan has fewer seeds
        ("mnist", {"arms": ("gan",)}, " --arms gan"),
        ("chairs", {"variants": ("rotation-authors",)}, " --variants rotation-authors"),
        ("svhn", {"arms": ("gan",), "variants": ("authors",)}, " --arms gan"),  # no other variant has seeds of it
    ],
)
def test_it_selects_the_recorded_cells(spec: Spec, experiment: str, selection: dict[str, Any], options: str) -> None:
    cells = planned(spec, experiment, **selection)
    words = shlex.split(said(spec, cells))
    assert words == shlex.split(f"python -m bench run {experiment} --profile cpu{options}")
    again: dict[str, Any] = {
        flag[2:]: parse_seeds(value) if flag == "--seeds" else tuple(value.split(","))
        for flag, value in zip(words[7::2], words[8::2], strict=True)
    }
    assert [cell.key for cell in planned(spec, experiment, **again)] == [cell.key for cell in cells]


def test_where_no_selection_is_exact_it_says_so(spec: Spec) -> None:
    cells = planned(spec, "mnist-mi", arms=("infogan",)) + planned(spec, "mnist-mi", arms=("gan",), seeds=(0,))
    assert said(spec, cells) == ("python -m bench run mnist-mi --profile cpu --arms infogan,gan # with 4 other cells")
