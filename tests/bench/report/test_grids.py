"""Which traversal grids a page shows if it has no room for all of them."""

from pathlib import Path

import numpy as np
import pytest

from bench.analysis.results import load
from bench.report import grids
from bench.spec.tables import Spec
from infogan.data import DataInfo
from tests.builders import begun, ended, planned

EXPERIMENT = "chairs-settings"
CURVES = {"loss/discriminator": 1.4, "loss/generator": 0.7, "mi/c1": 2.0, "mi/c2": 2.0, "mi/c3": 2.0, "mi/c4": -0.3}


def test_every_arm_shows_its_first_code_before_one_shows_a_second(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = DataInfo("chairs", "rendered", "Rendered chairs.", "ab" * 32, 20000, 2000, False)
    noise = np.random.default_rng(0).integers(0, 256, (5, 10, 16, 16, 1), np.uint8)
    for cell in planned(spec, EXPERIMENT, "smoke", data=info, variants=("authors", "fc-norm")):
        records = begun(tmp_path, cell, CURVES | {"explained/c4": 0.8})
        records.write_traversals({f"c{number}": noise for number in range(1, 5)})
        health = {"status": "healthy", "variety": 0.9, "distinctness": 0.9, "saturation": 0.0}
        ended(records, mi_frozen_nats={}, health=health)
    sweep = load(tmp_path).sweeps[0]
    order = ["authors/infogan", "authors/gan", "fc-norm/infogan"]

    def shown(max_bytes: int) -> list[tuple[str, str]]:
        monkeypatch.setattr(grids, "MAX_BYTES", max_bytes)
        page = grids.Grids({}, [])
        return [(view.group, view.code) for views in page.of_sweep(sweep, order, "x")[0].values() for view in views]

    monkeypatch.setattr(grids, "MAX_BYTES", 10**9)
    everything = grids.Grids({}, [])
    everything.of_sweep(sweep, order, "x")
    one = everything.used_bytes // (3 * 4)
    assert shown(3 * one + one // 2) == [(group, "c1") for group in order]
    assert shown(4 * one + one // 2) == [(order[0], "c1"), (order[0], "c2"), (order[1], "c1"), (order[2], "c1")]
