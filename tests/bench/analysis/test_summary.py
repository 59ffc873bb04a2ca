"""A cell's numbers by hand: the distance to Figure 1, sums and means, the best and the median run, a table's p."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from bench.analysis import summary
from bench.analysis.paper import FIGURE1_INFOGAN, FIGURE1_ITERATIONS
from bench.analysis.runs import Run, Sweep, median_of, ranked
from bench.analysis.tables import comparisons_table
from bench.publish.gate_proof import stretched
from bench.records.schema import Measured, Result
from tests.bench.gate.baselines import converging
from tests.bench.tracked_cells import CATEGORICAL, CONTINUOUS, make_cell, make_history
from tests.builders import history_of, of_arm


def test_the_distance_to_figure_1_is_the_largest_at_its_iterations_counted_from_1() -> None:
    curve = np.full(301, 9.0)  # far away at all other iterations
    for iteration, apart in zip(FIGURE1_ITERATIONS, (0.1, -0.3, 0.2, 0.0, 0.1, 0.4), strict=True):
        curve[iteration - 1] = FIGURE1_INFOGAN.at(iteration) + apart
    for length, expected in ((301, 0.4), (300, 0.4), (299, 0.3), (30, 0.3), (29, 0.1), (20, 0.1)):
        assert summary.figure1_distance_nats(curve[:length]) == pytest.approx(expected), length
    assert math.isnan(summary.figure1_distance_nats(curve[:19]))


def test_information_is_summed_over_categorical_codes_and_the_explained_share_is_a_mean_over_continuous_ones() -> None:
    config = make_cell(codes=(CATEGORICAL, CATEGORICAL, CONTINUOUS, CONTINUOUS)).config
    curves = {"mi/c1": 1.0, "mi/c2": 0.5, "mi/c3": 7.0, "mi/c4": 7.0, "explained/c3": 0.2, "explained/c4": 0.8}
    history = replace(history_of(curves, 20), step_ms=np.array([1.0, 2.0, 9.0]))
    result = Result(status="done", mi_frozen_nats={"c1": 2.0, "c2": 1.0, "c3": 30.0, "c4": 30.0})
    found = summary.summarise(config, history, result)
    assert found["mi_final_nats"] == pytest.approx(1.5)
    assert found["mi_final_fraction"] == pytest.approx(1.5 / (2 * math.log(10)))
    assert (found["mi_frozen_nats"], found["mi_frozen_fraction"]) == pytest.approx((3.0, 3 / (2 * math.log(10))))
    assert found["step_ms"] == 2.0
    explained = summary.explained_curve(config, history)
    assert explained is not None
    assert explained.tolist() == pytest.approx([0.5] * 20)


def test_the_ceiling_of_a_continuous_code_is_its_entropy_less_that_of_a_perfect_guess() -> None:
    """L_I is H(c) + E[log Q(c)]: the log density of the uniform prior is -log 2, and a right mean has Q's largest."""
    for code, std in (
        ({"std": 1.0}, 1.0),
        (CONTINUOUS, math.exp(-4)),
        ({"std": "sqrt-exp", "std_clip": [0.1, 1]}, 0.1),
    ):
        config: Any = {"codes": [{"kind": "continuous", **code}, CATEGORICAL]}
        assert summary.continuous_ceiling_nats(config) == pytest.approx(math.log(2) + norm.logpdf(0, 0, std))
    assert summary.continuous_ceiling_nats({"codes": [{"kind": "continuous", "std": "sqrt-exp"}]}) == math.inf  # type: ignore[typeddict-item]


def test_curves_of_several_lengths_are_cut_at_their_ends() -> None:
    found = summary.stacked([np.array([1.0, 2.0, 3.0]), None, np.array([4.0, 5.0])])
    assert found is not None
    assert found.tolist() == [[1.0, 2.0], [4.0, 5.0]]


def test_the_best_run_has_fewest_training_errors_then_most_information_and_the_median_is_the_lower_one() -> None:
    def run(seed: int, error: float | None, nats: float) -> Run:
        cell, result = make_cell(seed), Result(status="done", mi_frozen_nats={"c1": nats, "c2": 0.0})
        values = {"digit_error": 1.0 - seed / 10} | ({} if error is None else {"digit_error_train": error})
        return Run(cell, "done", {}, {}, make_history(cell), result, measures={"digits": Measured(values=values)})  # type: ignore[typeddict-item]

    runs = [run(0, 0.3, 1.0), run(1, 0.1, 1.0), run(2, None, 9.0), run(3, 0.1, 2.0)]
    best_first = ranked(runs)
    assert [one.cell.seed for one in best_first] == [3, 1, 0, 2]  # without a measured error, a run counts as all wrong
    assert median_of(best_first).cell.seed == 0
    assert median_of(best_first[:3]).cell.seed == 1


def test_a_tables_p_is_of_slower_than_the_base_and_its_interval_of_ninety_percent() -> None:
    base = converging()
    slow, fast = (
        [of_arm(stretched(run, f), name) for run in base.runs[:5]] for f, name in ((1.5, "slow"), (0.7, "fast"))
    )
    both: Sweep = replace(base, runs=[*base.runs, *slow, *fast])
    rows = {row.arm: row for row in comparisons_table(both, ["slow", "infogan", "fast"], "infogan")}
    assert rows.keys() == {"slow", "fast"}
    assert rows["slow"].p_slower == pytest.approx(1 / math.comb(15, 5))  # every slow seed is above every other
    assert rows["fast"].p_slower == pytest.approx(1)
    assert rows["slow"].t80.low > 1 > rows["fast"].t80.high
    assert 0.9 <= rows["slow"].t80.level < 0.91
