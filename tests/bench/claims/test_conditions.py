"""Several conditions of one claim: guards, medians that must hold together, numbers that are missing or to exceed."""

import math
from dataclasses import replace
from typing import Any

import pytest

from bench.claims.judge import judge
from bench.claims.result import ClaimResult
from bench.claims.verdict import ON, Data
from bench.records.schema import Measured
from bench.spec.criteria import ClaimTable
from bench.spec.tables import Spec
from tests.bench.claims.two_claims import BLANK, sweep
from tests.builders import of_arm


def judged(spec: Spec, conditions: list[dict[str, Any]], purity: list[Any], nmi: list[Any]) -> ClaimResult:
    """The result of the second claim, F9b, under other conditions."""
    experiment = spec.experiments["two"]
    claim = experiment.claims[1].model_dump() | {
        "conditions": [{"basis": "Made up for this test.", **c} for c in conditions]
    }
    changed = experiment.model_copy(update={"claims": [ClaimTable.model_validate(claim)]})
    return judge(changed, sweep(spec, purity, nmi))[0]


def test_medians_must_hold_on_the_same_seeds(spec: Spec) -> None:
    """First case: both medians hold, but only one seed meets both bounds, so the claim holds only in part."""
    both = [
        {"measure": "sample_nmi", "over": "median seed", "at_least": 0.8},
        {"measure": "sample_purity", "over": "median seed", "at_most": 0.2},
    ]
    apart = judged(spec, both, [0.9, 0.9, 0.1, 0.1, 0.1], [0.9, 0.9, 0.9, 0.1, 0.1])
    assert [c.holds for c in apart.conditions] == [True, True]
    assert (str(apart.verdict), apart.seeds_holding) == ("partly reproduced on a substitute", 1)
    assert "no more than 1 of 5 seeds meet all of it" in apart.reason
    together = judged(spec, both, [0.1, 0.1, 0.1, 0.9, 0.9], [0.9, 0.9, 0.9, 0.1, 0.1])
    assert (str(together.verdict), together.seeds_holding) == ("reproduced on a substitute", 3)
    high = [both[0], {**both[0], "measure": "sample_purity"}]
    never = judged(spec, high, [0.1, 0.1, 0.9, 0.9, 0.9], [0.9, 0.9, 0.1, None, None])
    assert str(never.verdict) == "partly reproduced on a substitute"  # whatever the two are
    unknown = judged(spec, both, [0.1, 0.1, 0.1, 0.9, None], [0.9, 0.9, None, 0.9, 0.9])
    assert str(unknown.verdict) == "not measured"


def test_a_claim_on_ones_own_images_is_on_no_substitute(spec: Spec) -> None:
    held = sweep(spec, [0.9] * 5, [0.9] * 5)
    own = replace(held, definition=held.definition | {"data": {**held.definition["data"], "name": "own"}})
    one, other = (Data.of(each, spec.experiments["two"]) for each in (held, own))
    assert (one.kind in ON, other.kind in ON) == (True, False)
    assert other.words == "images of your own"


def test_a_guard_alone_reproduces_nothing(spec: Spec) -> None:
    conditions = [
        {"measure": "sample_nmi", "over": "median seed", "at_least": 0.8},
        {"measure": "sample_purity", "over": "median seed", "at_least": 0.8, "guard": True},
    ]
    dead = judged(spec, conditions, [1.0] * 5, [0.0] * 5)
    assert [c.holds for c in dead.conditions] == [False, True]
    assert str(dead.verdict) == "not reproduced on a substitute"
    assert str(judged(spec, conditions, [0.0] * 5, [1.0] * 5).verdict) == "partly reproduced on a substitute"
    with pytest.raises(ValueError, match="needs at least one condition that is not a guard"):
        judged(spec, conditions[1:], [1.0] * 5, [1.0] * 5)


@pytest.mark.parametrize(
    ("purity", "nmi", "precision", "words"),
    [
        (0.1, 0.1, None, "not reproduced on a substitute"),  # the deciding bounds are missed, whatever the guard
        (0.1, 0.9, None, "partly reproduced on a substitute"),
        (0.9, 0.9, None, "not measured"),  # the guard decides between yes and partly
        (0.1, None, 0.9, "not measured"),  # partly, or not
        (0.9, None, 0.1, "partly reproduced on a substitute"),
    ],
)
def test_a_missing_number_leaves_a_claim_open_only_if_it_could_change_the_answer(
    spec: Spec, purity: float, nmi: float | None, precision: float | None, words: str
) -> None:
    conditions: list[dict[str, Any]] = [
        {"measure": "sample_purity", "over": "median seed", "at_least": 0.8},
        {"measure": "sample_nmi", "over": "median seed", "at_least": 0.8},
        {"measure": "precision", "over": "median seed", "at_least": 0.8, "guard": True},
    ]
    experiment = spec.experiments["two"]
    claim = experiment.claims[1].model_dump() | {
        "conditions": [{"basis": "Made up for this test.", **c} for c in conditions]
    }
    changed = experiment.model_copy(update={"claims": [ClaimTable.model_validate(claim)]})
    found = judge(changed, sweep(spec, [purity] * 5, [nmi] * 5, precision=[precision] * 5))[0]
    assert str(found.verdict) == words
    assert ClaimResult.from_json(found.to_json()).verdict == found.verdict
    if words != "not measured":
        assert "no value for" in found.reason


def test_an_open_claim_names_the_seed_and_says_the_number_in_words(spec: Spec) -> None:
    every = {"measure": "sample_nmi", "over": "every seed", "at_least": 0.8, "basis": "Made up for this test."}
    experiment = spec.experiments["two"]
    claim = ClaimTable.model_validate(experiment.claims[1].model_dump() | {"conditions": [every]})
    changed = experiment.model_copy(update={"claims": [claim]})
    found = judge(changed, sweep(spec, [0.9] * 5, [0.9, 0.9, None, 0.9, 0.9]))[0]
    assert found.reason == "no value for NMI of c1 and a classifier's digit of samples (seed 2)"


def test_an_open_claim_names_a_seed_that_leaves_it_open_not_a_blank_one(spec: Spec) -> None:
    experiment = spec.experiments["two"].model_copy(update={"blank": BLANK})
    runs = sweep(spec, [0.9] * 5, [None, 0.9, None, 0.9, 0.1], precision=[0.0, 0.5, 0.5, 0.5, 0.5])
    open_claim = next(found for found in judge(experiment, runs) if found.id == "F9b")
    assert open_claim.reason == "no value for NMI of c1 and a classifier's digit of samples (seed 2)"


def test_the_number_that_is_shown_is_of_a_condition_that_decides(spec: Spec) -> None:
    guard = {"measure": "sample_purity", "over": "median seed", "at_least": 0.8, "guard": True}
    deciding = {"measure": "sample_nmi", "over": "median seed", "at_least": 0.5}
    for order in ([guard, deciding], [deciding, guard]):
        result = judged(spec, order, [0.9] * 5, [0.5, 0.6, 0.7, 0.8, 0.9])
        assert result.value == 0.7
        assert [condition.measure for condition in result.conditions] == ["sample_nmi", "sample_purity"]


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict", "value"),
    [
        ([0.5, 0.6, 0.7], [0.1, 0.59], "reproduced on a substitute", 0.6),
        ([0.5, 0.6, 0.7], [0.1, 0.6], "not reproduced on a substitute", 0.6),  # equal is not above
        ([0.5, 0.6, 0.7], [0.1, None], "not measured", None),  # the unread run may be higher
        ([0.5, 0.6, 0.7], [0.65, None], "not reproduced on a substitute", 0.6),  # 0.6 is below the run that was read
        ([0.5, 0.6, 0.7], [], "not measured", None),
        ([0.6, 0.7, None], [0.1, 0.59], "reproduced on a substitute", 0.65),
        ([0.5, 0.6, None], [0.1, 0.55], "not measured", None),
    ],
)
def test_a_number_must_exceed_the_best_run_of_another_arm(
    spec: Spec, ours: list[Any], theirs: list[Any], verdict: str, value: float | None
) -> None:
    experiment = spec.experiments["two"]
    condition = {"measure": "sample_nmi", "over": "median seed", "above_best_of": "gan", "basis": "Made up for a test."}
    claim = ClaimTable.model_validate(experiment.claims[1].model_dump() | {"conditions": [condition], "min_seeds": 3})
    held = sweep(spec, [0.5] * 5, [*ours, None, None])
    own = [run for run in held.runs if run.cell.variant == "one" and run.cell.seed < 3]
    rivals = [
        replace(of_arm(run, "gan"), measures={"digits": Measured(values=value)})
        for run, nmi in zip(own, theirs, strict=False)
        for value in [{} if nmi is None else {"sample_nmi": nmi}]
    ]
    alone = replace(held, runs=[*own, *rivals])
    found = judge(experiment.model_copy(update={"claims": [claim]}), alone)[0]
    assert (str(found.verdict), math.isnan(found.conditions[0].value)) == (verdict, value is None)
    if value is not None:
        assert found.conditions[0].value == pytest.approx(value)
    blind = experiment.model_copy(update={"claims": [claim], "blank": BLANK})  # blank rivals change nothing
    hidden = [replace(run, measures={"quality": Measured(values={"precision": 0.0})} | run.measures) for run in rivals]
    assert judge(blind, replace(alone, runs=[*own, *hidden]))[0].verdict == found.verdict
    if theirs and None not in theirs:
        assert found.conditions[0].bound == f"above the best of gan ({max(theirs):g})"
    if None not in ours and (verdict, value) == ("not measured", None):
        assert found.reason.startswith("no best of gan for NMI of c1")
