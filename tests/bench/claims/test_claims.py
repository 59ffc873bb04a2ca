"""Verdicts on made-up runs: how the best and the median seed meet a bound, and which variants a claim is about."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.runs import Sweep
from bench.analysis.statistics import proportion_interval
from bench.analysis.sweep_file import from_json, to_json
from bench.claims.judge import judge, left_out
from bench.claims.verdict import Budget
from bench.records.schema import Measured
from bench.report import answers
from bench.report.arms import ArmView
from bench.report.inventory import missing_cells
from bench.report.sentences import budget_sentence, by_verdict, left_out_sentence
from bench.spec.cells import measure_key
from bench.spec.experiment import PaperBudget
from bench.spec.tables import Spec, load_spec
from tests.bench.claims.two_claims import BLANK, DIVERGED, EXPERIMENT, sweep


def test_the_best_seed_is_chosen_by_one_number_and_judged_by_another(spec: Spec) -> None:
    # by purity seed 3 is the best; its NMI is 0.5, and the largest NMI, 0.95, must not be chosen
    found = judge(spec.experiments["two"], sweep(spec, [0.1, 0.2, 0.3, 0.9, 0.4], [0.95, 0.9, 0.85, 0.5, 0.82]))
    best = [r for r in found if r.id == "F9a"]
    assert [(r.variant, r.conditions[0].value, r.conditions[0].holds) for r in best] == [("one", 0.5, False)]
    assert best[0].seeds_holding == 4
    assert str(best[0].verdict) == "not reproduced on a substitute"
    median = [r for r in found if r.id == "F9b"]
    assert [(r.variant, r.conditions[0].value) for r in median] == [("one", 0.85), ("other", 0.85)]
    assert {str(r.verdict) for r in median} == {"reproduced on a substitute"}
    assert by_verdict(found) == (
        "Do the claims hold? Yes on a substitute: F9b (one/infogan) and F9b (other/infogan). "
        "No on a substitute: F9a (one/infogan)."
    )


@pytest.mark.parametrize(
    ("nmi", "verdict", "value", "num_measured"),
    [
        ([0.9, 0.9, 0.9, None, None], "reproduced on a substitute", 0.9, 3),  # it holds, whatever the missing two
        ([0.1, 0.2, 0.3, None, None], "not reproduced on a substitute", 0.2, 3),  # it misses, whatever the missing two
        ([0.9, 0.9, 0.1, None, None], "not measured", None, 3),
        ([None] * 5, "not measured", None, 0),
        ([0.9, 0.9, DIVERGED, DIVERGED, DIVERGED], "not reproduced on a substitute", -math.inf, 5),
        ([0.9, 0.9, 0.9, DIVERGED, DIVERGED], "reproduced on a substitute", 0.9, 5),
        ([0.9, None, None, None, DIVERGED], "not measured", None, 2),
        ([0.9, 0.9, None, DIVERGED, DIVERGED], "not measured", None, 4),  # the missing seed decides
    ],
)
def test_a_missing_seed_may_have_any_value_and_a_diverged_one_has_the_worst(
    spec: Spec, nmi: list[Any], verdict: str, value: float | None, num_measured: int
) -> None:
    (found, _) = [r for r in judge(spec.experiments["two"], sweep(spec, [0.5] * 5, nmi)) if r.id == "F9b"]
    assert (str(found.verdict), found.num_seeds, found.num_measured) == (verdict, 5, num_measured)
    assert math.isnan(found.conditions[0].value) if value is None else found.conditions[0].value == value
    shown = ArmView(found).unit
    assert ("seeds)" in shown) == (0 < num_measured < 5)


def test_a_seed_that_diverged_at_once_is_in_the_committed_curves_too(spec: Spec) -> None:
    """Such a seed has no history. Without it, five seeds of which one failed would look like four that hold."""
    made = sweep(spec, [0.5] * 5, [0.9, 0.9, 0.1, DIVERGED, DIVERGED])
    made = replace(made, runs=[replace(run, history=None) if run.diverged else run for run in made.runs])
    read = from_json(json.loads(json.dumps(to_json(made))))
    assert [(r.cell.name, r.state, r.diverged) for r in read.runs] == [
        (r.cell.name, r.state, r.diverged) for r in sorted(made.runs, key=lambda r: (r.cell.group, r.cell.seed))
    ]
    experiment = spec.experiments["two"]
    before, after = ([r.to_json() for r in judge(experiment, of)] for of in (made, read))
    assert json.dumps(before) == json.dumps(after)
    assert {r["verdict"] for r in after if r["id"] == "F9b"} == {"not reproduced on a substitute"}


def test_a_best_seed_decides_nothing_while_another_might_have_been_chosen(spec: Spec) -> None:
    def verdict(purity: list[Any], nmi: list[Any]) -> str:
        return next(str(r.verdict) for r in judge(spec.experiments["two"], sweep(spec, purity, nmi)) if r.id == "F9a")

    assert verdict([0.1, 0.2, 0.3, 0.4, None], [0.9, 0.9, 0.9, 0.5, None]) == "not measured"
    assert verdict([0.1, 0.2, 0.3, 0.4, None], [0.1, 0.1, 0.1, 0.9, None]) == "not measured"
    assert verdict([0.1, 0.2, 0.3, 0.4, 0.0], [0.1, 0.1, 0.1, 0.9, None]) == "reproduced on a substitute"
    assert verdict([0.1, 0.2, 0.3, 0.4, 0.5], [0.1, 0.1, 0.1, 0.9, None]) == "not measured"


@pytest.mark.parametrize(
    ("nmi", "precision", "best", "median"),
    [
        # a blank seed has the worst value, so it does not leave the claim open
        ([0.1, 0.2, 0.3, None, None], [0.5, 0.5, 0.5, 0.0, 0.0], ("not", 0.3), ("not", 0.1)),
        ([0.1, 0.9, 0.9, None, None], [0.5, 0.5, 0.5, 0.0, 0.0], ("", 0.9), ("not", 0.1)),
        # an unread seed may have any value if it shows something, or if that is not known
        ([0.1, 0.2, 0.3, None, None], [0.5, 0.5, 0.5, 0.0, 0.02], ("open", None), ("not", 0.15)),
        ([0.9, 0.9, 0.1, None, None], [0.5, 0.5, 0.5, 0.0, None], ("open", None), ("open", None)),
        # a blank seed has the worst value even if the readers gave it another one
        ([0.1, 0.2, 0.9, 0.9, 0.9], [0.5, 0.5, 0.0, 0.0, 0.0], ("not", 0.2), ("not", -math.inf)),
        ([None] * 5, [0.0] * 5, ("not", -math.inf), ("not", -math.inf)),
        # a blank seed cannot be the best seed; here its number would be chosen, and would miss the bound
        ([0.9, 0.9, 0.9, 0.1, 0.1], [0.5, 0.5, 0.5, 0.0, 0.0], ("", 0.9), ("", 0.9)),
    ],
)
def test_a_run_that_shows_nothing_of_the_data_counts_against_a_claim(
    spec: Spec, nmi: list[Any], precision: list[Any], best: tuple[str, float], median: tuple[str, float]
) -> None:
    words = {"not": "not reproduced on a substitute", "": "reproduced on a substitute", "open": "not measured"}
    experiment = spec.experiments["two"].model_copy(update={"blank": BLANK})
    purity = [None if value is None else 0.1 * k for k, value in enumerate(nmi)]
    found = {r.id: r for r in judge(experiment, sweep(spec, purity, nmi, precision=precision)) if r.variant == "one"}
    for result, (verdict, value) in ((found["F9a"], best), (found["F9b"], median)):
        assert str(result.verdict) == words[verdict]
        got = result.conditions[0].value
        assert math.isnan(got) if value is None else got == pytest.approx(value)
    if best[0] == "not":
        num = sum(p == 0.0 for p in precision)
        assert f"{num} of 5 seeds show nothing of the data (precision below 0.01)" in found["F9a"].reason
        assert ArmView(found["F9a"]).holding.endswith(f", {num} show nothing of the data")
        assert found["F9a"].to_json()["num_blank"] == num
    if best[1] == -math.inf:
        row = ArmView(found["F9a"])
        assert ("none shows it" in row.criteria[0].text, "inf" in row.criteria[0].text) == (True, False)
        assert "inf" not in found["F9a"].reason
    # without the rule for blank seeds, an unread seed may have any value, and a read one has its own
    ruleless = judge(spec.experiments["two"], sweep(spec, purity, nmi, precision=precision))
    without = next(r for r in ruleless if (r.id, r.variant) == ("F9a", "one"))
    assert str(without.verdict) == words["open" if None in nmi else "" if nmi[-1] > 0.5 else "not"]


def test_the_median_and_its_interval_count_blank_seeds_as_nothing(spec: Spec) -> None:
    experiment = spec.experiments["two"].model_copy(update={"blank": BLANK})
    nmi = [0.9, 0.8, 0.7, 0.6, 0.5]

    def shown(num_blank: int) -> tuple[float | None, float | None, float | None, str]:
        made = sweep(spec, nmi, nmi, precision=[0.5] * (5 - num_blank) + [0.0] * num_blank)
        found = next(r for r in judge(experiment, made) if (r.id, r.variant) == ("F9b", "one"))
        return found.value, found.low, found.high, ArmView(found).value

    assert shown(0) == (0.7, 0.5, 0.9, "0.700 [0.500, 0.900]")
    assert shown(2) == (0.7, -math.inf, 0.9, "0.700 [nothing, 0.900]")
    assert shown(3) == (-math.inf, -math.inf, 0.9, "nothing [nothing, 0.900]")
    assert shown(5) == (-math.inf, -math.inf, -math.inf, "nothing")


def test_seeds_of_which_nobody_knows_whether_they_hold_are_counted(spec: Spec) -> None:
    results = judge(spec.experiments["two"], sweep(spec, [0.5] * 5, [0.9, 0.9, 0.9, 0.1, None]))
    found = next(r for r in results if r.id == "F9b")
    assert (found.seeds_holding, found.num_undecided, found.to_json()["num_undecided"]) == (3, 1, 1)
    assert found.seeds_low == pytest.approx(proportion_interval(3, 5)[0])
    assert found.seeds_high == pytest.approx(proportion_interval(4, 5)[1])
    assert ArmView(found).holding == "3 of 5, 1 undecided"
    assert answers.holding(found, " seeds") == "3 of 5 seeds, 1 undecided"


def test_a_bound_of_another_arm_names_one_that_there_is(tmp_path: Path) -> None:
    file = tmp_path / "experiments.toml"
    text = (Path(__file__).parents[3] / "experiments.toml").read_text() + EXPERIMENT
    file.write_text(text.replace("at_least = 0.8", 'above_best_of = "infogna"', 1))
    with pytest.raises(Exception, match=r"above_best_of names 'infogna'.*did you mean 'infogan'"):
        load_spec(file)
    file.write_text(text.replace("at_least = 0.8", 'at_least = 0.8\nabove_best_of = "infogan"'))
    with pytest.raises(Exception, match="exactly one of at_least, at_most, above_best_of"):
        load_spec(file)


def test_what_the_paper_states_of_the_budget_is_enough_to_call_it_reduced(spec: Spec) -> None:
    held = sweep(spec, [0.1] * 5, [0.1] * 5)
    definition = held.definition | {"network": held.definition["network"] | {"width": 0.5}}
    narrow = replace(held, definition=definition)
    stated = spec.experiments["two"].model_copy(update={"paper": PaperBudget(width=1.0)})
    assert Budget.of(held, stated).words == "20 iterations, the paper states none"
    assert Budget.of(narrow, stated).words == "reduced (width 0.5); 20 iterations, the paper states none"
    assert {str(r.verdict) for r in judge(stated, narrow)} == {"not reached within budget on a substitute"}
    full = stated.model_copy(update={"paper": PaperBudget(iterations=20, iterations_from="code", width=1.0)})
    assert Budget.of(held, full).words == "the authors' code's"
    assert budget_sentence(held, full).endswith("The paper states no iterations; these are its authors' code's.")
    assert {str(r.verdict) for r in judge(full, held)} == {"not reproduced on a substitute"}
    code = PaperBudget(iterations=20_000, iterations_from="code", width=1.0)
    assert Budget.of(narrow, stated.model_copy(update={"paper": code})).words == (
        "reduced (width 0.5, 20 of the authors' code's 20,000 iterations)"
    )
    assert {spec.experiments[name].paper for name in ("faces", "chairs", "chairs-long")} == {code}
    assert {spec.experiments[name].paper for name in ("svhn", "celeba")} == {PaperBudget(width=1.0)}


def test_measures_of_other_code_are_named(spec: Spec) -> None:
    held = sweep(spec, [0.5] * 5, [0.5] * 5)
    for run in held.runs:
        run.measures["digits"] = Measured(key=measure_key(run.cell, "digits"), values={})
    assert not any("another version" in line for line in missing_cells(held, spec.experiments["two"]))
    held.runs[3].measures["digits"] = Measured(key="that of last week", values={})
    (line,) = [line for line in missing_cells(held, spec.experiments["two"]) if "another version" in line]
    assert "digits of 1 cell:" in line


def test_too_few_seeds_are_not_measured(spec: Spec) -> None:
    found = judge(spec.experiments["two"], sweep(spec, [1.0] * 5, [1.0] * 5, num_done=4))
    assert {str(r.verdict) for r in found} == {"not measured"}


def test_what_a_profile_leaves_out_is_not_judged_unless_it_was_run(spec: Spec) -> None:
    held = sweep(spec, [1.0] * 5, [1.0] * 5)
    alone = Sweep("two", "cpu", held.definition, held.definition_key, [r for r in held.runs if r.cell.variant == "one"])
    experiment = spec.experiments["two"]
    found = [(r.variant, str(r.verdict)) for r in judge(experiment, alone) if r.id == "F9b"]
    assert found[1] == ("other", "not measured")
    budget = experiment.profiles["cpu"].model_copy(update={"group_seeds": {"other/infogan": []}})
    experiment = experiment.model_copy(update={"profiles": {"cpu": budget}})
    assert left_out(experiment, alone) == {"other/infogan": ["F9b"]}
    assert [(r.id, r.variant) for r in judge(experiment, alone)] == [("F9a", "one"), ("F9b", "one")]
    assert left_out_sentence(alone, experiment) == "Not part of profile cpu: other/infogan (F9b)."
    assert left_out(experiment, held) == {}


def test_a_best_seed_needs_what_it_is_chosen_by(tmp_path: Path) -> None:
    file = tmp_path / "experiments.toml"
    text = (Path(__file__).parents[3] / "experiments.toml").read_text() + EXPERIMENT
    file.write_text(text.replace('chosen_by = "sample_purity"\n', ""))
    with pytest.raises(Exception, match="chosen_by is required with over = 'best seed'"):
        load_spec(file)
    file.write_text(text.replace('variants = ["one"]', 'variants = ["on"]'))
    with pytest.raises(Exception, match=r"claims.0.variants names 'on'.*did you mean 'one'"):
        load_spec(file)
