"""Where a bound lies exactly, by hand: equal numbers, half of the seeds, the worst seed, the median curve, budgets."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.analysis.runs import Sweep
from bench.analysis.statistics import proportion_interval
from bench.claims.judge import judge
from bench.claims.result import ClaimResult
from bench.claims.verdict import Data, DataKind
from bench.spec.criteria import BesideTable, ClaimTable
from bench.spec.experiment import PaperBudget
from bench.spec.tables import Spec
from tests.bench.claims.two_claims import BLANK, DIVERGED, sweep
from tests.builders import history_of

BASIS = "Made up for this test."
LEAST: dict[str, Any] = {"measure": "sample_nmi", "over": "median seed", "at_least": 0.8, "basis": BASIS}
SMALL: dict[str, Any] = {"measure": "sample_purity", "over": "median seed", "at_most": 0.2, "basis": BASIS}


def judged(spec: Spec, held: Sweep, *conditions: dict[str, Any], **changed: Any) -> ClaimResult:
    """The result of claim F9b under these conditions on the first variant."""
    experiment = spec.experiments["two"]
    claim = experiment.claims[1].model_dump() | {"conditions": list(conditions)} | changed
    return judge(experiment.model_copy(update={"claims": [ClaimTable.model_validate(claim)]}), held)[0]


def test_a_number_that_equals_its_bound_meets_it(spec: Spec) -> None:
    held = sweep(spec, [0.2] * 5, [0.8] * 5)
    assert [c.holds for c in judged(spec, held, LEAST, SMALL).conditions] == [True, True]
    beyond = sweep(spec, [np.nextafter(0.2, 1)] * 5, [np.nextafter(0.8, 0)] * 5)
    assert [c.holds for c in judged(spec, beyond, LEAST, SMALL).conditions] == [False, False]


def test_of_every_seed_the_worst_is_the_smallest_or_the_largest(spec: Spec) -> None:
    held = sweep(spec, [0.1, 0.3, 0.2, 0.1, 0.1], [0.7, 0.9, 0.9, 0.9, 0.8])
    found = judged(spec, held, LEAST | {"over": "every seed"}, SMALL | {"over": "every seed"})
    assert [(c.value, c.holds) for c in found.conditions] == [(0.7, False), (0.3, False)]


def test_half_of_the_seeds_are_not_most_of_them(spec: Spec) -> None:
    """Of four seeds, both medians are at their bounds, but only two seeds meet both."""
    held = sweep(spec, [0.1, 0.1, 0.3, 0.3, 9.0], [0.9, 0.9, 0.7, 0.7, 9.0])
    four = replace(held, runs=[run for run in held.runs if run.cell.seed < 4])
    found = judged(spec, four, LEAST, SMALL, min_seeds=4)
    assert [c.holds for c in found.conditions] == [True, True]
    assert str(found.verdict) == "partly reproduced on a substitute"
    # with the third seed's purity unknown: it misses the other bound, so that nothing is open
    unknown = sweep(spec, [0.1, 0.1, None, 0.1, 9.0], [0.9, 0.9, 0.7, 0.7, 9.0])
    four = replace(unknown, runs=[run for run in unknown.runs if run.cell.seed < 4])
    assert str(judged(spec, four, LEAST, SMALL, min_seeds=4).verdict) == "partly reproduced on a substitute"
    # one seed meets both and one may: even then they would be half
    open_seed = sweep(spec, [0.1, None, 0.1, 0.1, 9.0], [0.9, 0.9, 0.7, 0.7, 9.0])
    four = replace(open_seed, runs=[run for run in open_seed.runs if run.cell.seed < 4])
    assert str(judged(spec, four, LEAST, SMALL, min_seeds=4).verdict) == "partly reproduced on a substitute"


def test_a_shorter_training_than_a_claim_needs_is_not_measured(spec: Spec) -> None:
    held = sweep(spec, [0.1] * 5, [0.9] * 5)  # of 20 iterations
    assert str(judged(spec, held, LEAST, min_iterations=20).verdict) == "reproduced on a substitute"
    short = judged(spec, held, LEAST, min_iterations=21)
    assert (str(short.verdict), short.reason) == ("not measured", "a budget of 20 iterations, 21 needed")


def test_a_seed_that_diverged_is_none_that_may_hold(spec: Spec) -> None:
    found = judged(spec, sweep(spec, [0.1] * 5, [0.9, 0.9, None, DIVERGED, DIVERGED]), LEAST)
    assert (found.seeds_holding, found.num_undecided) == (2, 1)
    assert found.seeds_low == pytest.approx(proportion_interval(2, 5)[0])
    assert found.seeds_high == pytest.approx(proportion_interval(3, 5)[1])


def test_a_seed_at_the_bound_of_blank_ones_shows_something(spec: Spec) -> None:
    experiment = spec.experiments["two"].model_copy(update={"blank": BLANK})
    held = sweep(spec, [0.1] * 5, [0.9] * 5, precision=[BLANK.below, 0.009, 0.5, 0.5, 0.5])
    assert [found.num_blank for found in judge(experiment, held) if found.id == "F9b"] == [1, 1]


def with_curves(held: Sweep, *ends: tuple[float, float]) -> Sweep:
    """Curves of L_I that are 0 but for their last two iterations, whose mean is the final value."""
    columns = dict.fromkeys(("loss/discriminator", "loss/generator"), 0.0)
    curves = [history_of(columns | {"mi/c1": [0.0] * 18 + list(end)}, 20) for end in ends]
    return replace(held, runs=[replace(run, history=curves[run.cell.seed]) for run in held.runs])


def test_the_median_curve_is_the_median_at_each_iteration_and_no_condition_on_seeds(spec: Spec) -> None:
    held = sweep(spec, [0.1] * 5, [0.9] * 5)
    curve = {"measure": "mi_final_nats", "over": "median curve", "at_least": 0.8, "basis": BASIS}
    ends = [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 1.0), (0.0, 0.0)]  # final values 0.5, 0.5, 1, 1, 0
    found = judged(spec, with_curves(held, *ends), curve)
    assert (found.conditions[0].value, str(found.verdict)) == (1.0, "reproduced on a substitute")
    assert (found.value, found.seeds_holding) == (0.5, 5)
    broken = judged(spec, with_curves(held, *ends[:4], (math.nan, 0.0)), curve)
    assert str(broken.verdict) == "not measured"


def test_a_number_beside_the_papers_is_of_all_seeds_or_none(spec: Spec) -> None:
    beside = [BesideTable(measure="sample_purity", paper=0.5).model_dump()]
    for purity, median in (([0.1, 0.2, 0.3, 0.4, 0.5], 0.3), ([0.1, 0.2, 0.3, 0.4, None], math.nan)):
        (shown,) = judged(spec, sweep(spec, purity, [0.9] * 5), LEAST, beside=beside).beside
        assert shown.median == pytest.approx(median, nan_ok=True)


def test_all_of_the_papers_images_are_no_part_of_them(spec: Spec) -> None:
    held = sweep(spec, [0.1] * 5, [0.1] * 5)
    papers = replace(held, runs=[replace(run, data=run.data | {"is_papers": True}) for run in held.runs])
    num_images = held.definition["data"]["num_images"]
    for num, kind in ((num_images, DataKind.PAPERS), (num_images + 1, DataKind.PART)):
        stated = spec.experiments["two"].model_copy(update={"paper": PaperBudget(width=1.0, num_images=num)})
        assert Data.of(papers, stated).kind is kind


def test_a_claim_read_back_keeps_what_is_open_apart_from_what_shows_nothing(spec: Spec) -> None:
    for nmi, value in (([0.9, 0.9, 0.1, None, None], math.nan), ([0.9, 0.9, *[DIVERGED] * 3], -math.inf)):
        found = judged(spec, sweep(spec, [0.1] * 5, nmi), LEAST)
        for one in (found, ClaimResult.from_json(found.to_json())):
            assert one.conditions[0].value == pytest.approx(value, nan_ok=True)
