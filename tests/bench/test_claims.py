"""Verdicts by hand: what "best seed" and "median seed" hold against a bound, and for which variants a claim speaks."""

from pathlib import Path

import numpy as np
import pytest

from bench.cells import Selection, cells
from bench.claims import judge, left_out
from bench.records import History
from bench.report.verdicts import headline, left_out_sentence
from bench.runs import Run, Sweep
from bench.spec import Spec, load_spec
from infogan.data import DataInfo

EXPERIMENT = """
[experiments.two]
title = "Two variants, two claims"
data = "mnist"
architecture = "mnist"
noise = { size = 4 }
codes = [{ kind = "categorical", num_categories = 10 }]
arms = ["infogan"]
seeds = [0, 1, 2, 3, 4]
variants = { one = {}, other = {} }
profiles = { cpu = { iterations = 20 } }

[[experiments.two.claims]]
id = "F9a"
text = "The best run, chosen on other samples."
source = "nowhere"
arms = ["infogan"]
variants = ["one"]
min_seeds = 5
min_iterations = 10

[[experiments.two.claims.conditions]]
measure = "sample_nmi"
over = "best seed"
chosen_by = "sample_purity"
at_least = 0.8
basis = "A bound made up for this test."

[[experiments.two.claims]]
id = "F9b"
text = "The median run."
source = "nowhere"
arms = ["infogan"]
min_seeds = 5
min_iterations = 10

[[experiments.two.claims.conditions]]
measure = "sample_nmi"
over = "median seed"
at_least = 0.8
basis = "A bound made up for this test."
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    file = tmp_path_factory.mktemp("claims") / "experiments.toml"
    file.write_text((Path(__file__).parents[2] / "experiments.toml").read_text() + EXPERIMENT)
    return load_spec(file)


def sweep(spec: Spec, purity: list[float], nmi: list[float], num_done: int = 5) -> Sweep:
    """Both variants alike: five seeds with these two measures."""
    info = DataInfo("mnist", "embedded", "A substitute.", "ab" * 32, 4000, 1000, False)
    runs = []
    for cell in cells(spec, "two", "cpu", Selection(), info, "cpu", {"torch": "2"}):
        values = {"sample_purity": purity[cell.seed], "sample_nmi": nmi[cell.seed]}
        names = ("loss/discriminator", "loss/generator", "mi/c1")
        history = History(names, np.zeros((20, 3)), np.array([20]), np.array([1.0]))
        state = "done" if cell.seed < num_done else "partial"
        runs.append(Run(cell, state, {}, {"is_papers": False}, history, {}, measures={"digits": {"values": values}}))
    return Sweep("two", "cpu", runs[0].cell.definition, runs[0].cell.definition_key, runs)


def test_the_best_seed_is_chosen_by_one_number_and_judged_by_another(spec: Spec) -> None:
    # by purity the best is seed 3, whose NMI is 0.5; the largest NMI, 0.95, must not be chosen
    found = judge(spec.experiments["two"], sweep(spec, [0.1, 0.2, 0.3, 0.9, 0.4], [0.95, 0.9, 0.85, 0.5, 0.82]))
    best = [r for r in found if r.id == "F9a"]
    assert [(r.variant, r.conditions[0].value, r.conditions[0].holds) for r in best] == [("one", 0.5, False)]
    assert best[0].seeds_holding == 4
    assert best[0].verdict.startswith("not")
    median = [r for r in found if r.id == "F9b"]
    assert [(r.variant, r.conditions[0].value) for r in median] == [("one", 0.85), ("other", 0.85)]
    assert {r.verdict for r in median} == {"reproduced on a substitute"}
    assert headline(found) == (
        "Reproduced on a substitute: F9b (one/infogan) and F9b (other/infogan). Not reproduced: F9a (one/infogan)."
    )


def test_too_few_seeds_are_not_measured(spec: Spec) -> None:
    found = judge(spec.experiments["two"], sweep(spec, [1.0] * 5, [1.0] * 5, num_done=4))
    assert {r.verdict for r in found} == {"not measured"}


def test_what_a_profile_leaves_out_is_not_judged_unless_it_was_run(spec: Spec) -> None:
    held = sweep(spec, [1.0] * 5, [1.0] * 5)
    alone = Sweep("two", "cpu", held.definition, held.definition_key, [r for r in held.runs if r.cell.variant == "one"])
    experiment = spec.experiments["two"]
    assert [(r.variant, r.verdict) for r in judge(experiment, alone) if r.id == "F9b"][1] == ("other", "not measured")
    budget = experiment.profiles["cpu"].model_copy(update={"group_seeds": {"other/infogan": []}})
    experiment = experiment.model_copy(update={"profiles": {"cpu": budget}})
    assert left_out(experiment, alone) == {"other/infogan": ["F9b"]}
    assert [(r.id, r.variant) for r in judge(experiment, alone)] == [("F9a", "one"), ("F9b", "one")]
    assert left_out_sentence(alone, experiment) == "Not part of profile cpu: other/infogan (F9b)."
    assert left_out(experiment, held) == {}


def test_a_best_seed_needs_what_it_is_chosen_by(tmp_path: Path) -> None:
    file = tmp_path / "experiments.toml"
    text = (Path(__file__).parents[2] / "experiments.toml").read_text() + EXPERIMENT
    file.write_text(text.replace('chosen_by = "sample_purity"\n', ""))
    with pytest.raises(Exception, match="chosen_by goes with over = 'best seed'"):
        load_spec(file)
    file.write_text(text.replace('variants = ["one"]', 'variants = ["on"]'))
    with pytest.raises(Exception, match=r"claims.0.variants names 'on'.*did you mean 'one'"):
        load_spec(file)
