"""What docs/POWER.md promises of mi-gate's rule, on fewer draws than its tables have."""

import re

import numpy as np
import pytest

from bench.analysis.sweep_file import read_curves
from bench.context import DEFAULT_SPEC
from bench.publish import gate_simulation as simulation
from bench.spec.criteria import GateTable
from bench.spec.tables import load_spec
from tests.bench.gate.baselines import BASELINE, converging

NUM = 400


@pytest.fixture(scope="module")
def rule() -> GateTable:
    return load_spec(DEFAULT_SPEC).experiments["mi-gate"].gate


def test_the_procedure_at_the_real_spread(rule: GateTable) -> None:
    sample = simulation.lognormal(0.02)
    same = simulation.procedure(rule, sample, 1.0, NUM)
    assert same.outcomes["ok"] == NUM
    assert same.mean_new_seeds < 5.1
    assert simulation.procedure(rule, sample, 1 + rule.margin, NUM).outcomes["regressed"] >= 0.99 * NUM
    at_the_tolerance = simulation.procedure(rule, sample, 1 + rule.tolerance, NUM).outcomes["regressed"] / NUM
    assert 0.3 < at_the_tolerance < 0.65  # a coin toss by construction


def test_the_procedure_on_the_real_seeds(rule: GateTable) -> None:
    real = np.array([run.summary["t80"] for run in converging().runs])
    assert simulation.procedure(rule, simulation.resampled(real), 1.0, NUM).outcomes["ok"] == NUM
    assert simulation.procedure(rule, simulation.resampled(real), 1.1, NUM).outcomes["regressed"] >= 0.98 * NUM


def test_ten_against_ten_decide_where_five_did_not(rule: GateTable) -> None:
    wide = simulation.procedure(rule, simulation.lognormal(0.1), 1.0, NUM)
    assert 6 < wide.mean_new_seeds <= 10
    assert wide.outcomes["regressed"] <= 0.05 * NUM


def test_pairs_find_five_percent_and_raise_no_false_alarm(rule: GateTable) -> None:
    """At most 1 % alarms of any kind; 99 % of the slowdowns by 5 % with five seeds."""
    counts = simulation.changes(rule, simulation.PAIRED_SPREADS[0], 1.0, 1500)
    assert counts["anything"] <= 0.01 * 1500
    assert simulation.changes(rule, simulation.PAIRED_SPREADS[0], 1.05, NUM)["slower"] >= 0.99 * NUM


def test_tables_have_a_cell_for_every_ratio(rule: GateTable) -> None:
    text = simulation.procedure_table(rule, np.array([95.0, 98.0, 99.0, 101.0]), 5)
    rows = [line.split("|")[1:-1] for line in text.splitlines()]
    assert {len(row) for row in rows} == {len(simulation.RATIOS) + 2}
    assert len(rows) == 2 + len(simulation.SPREADS) + 1
    assert simulation.change_table(rule, 5).count("\n") == 1 + len(simulation.PAIRED_SPREADS)


def test_watched_numbers_raise_no_false_alarm_and_twice_the_margin_is_found(rule: GateTable) -> None:
    groups = read_curves(BASELINE).groups()
    for table in rule.watched:
        real = np.array([run.summary[table.measure] for run in groups[table.arm]])
        for margin in filter(None, (table.margin, table.margin_paired)):
            is_paired = margin == table.margin_paired
            unchanged, moved = (
                simulation.watched_outcomes(rule, table, real, loss, is_paired, NUM) for loss in (0.0, 2 * margin)
            )
            assert unchanged["regressed"] == 0
            assert unchanged["ok"] >= 0.99 * NUM
            assert moved["regressed"] >= 0.98 * NUM
    text = simulation.watched_table(rule, {(one.arm, one.measure): real for one in rule.watched}, 5)
    assert text.count("\n") == 1 + 3  # pairs and two samples of the hump, two samples of the code


def test_what_never_happened_is_a_bound() -> None:
    assert simulation.share(0, 20_000) == "<0.02"  # 0.0184 % by Clopper and Pearson
    assert simulation.share(20_000, 20_000) == ">99.98"
    assert re.fullmatch(r"0\.035", simulation.share(7, 20_000))
    assert simulation.share(9_000, 20_000) == "45"
