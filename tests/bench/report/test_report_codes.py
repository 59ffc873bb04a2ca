"""Tables of what MNIST's codes mean, checked by hand: the best run, the pairs of seeds, the labels of categories."""

from pathlib import Path

import numpy as np

from bench.analysis.runs import Run, Sweep
from bench.records.folder import CellFolder
from bench.records.schema import Measured
from bench.report.codes import best_run, codes_tables
from bench.report.wording import ABSENT
from tests.builders import SHIPPED, history_of, planned

ERRORS = {0: (0.30, 0.31), 1: (0.25, 0.27), 2: (0.20, 0.28)}  # held out, training: seed 1 is the best by training
SERIES = {"iteration": [1, 100, 1800], "kid": [3.0, 1.0, 0.3], "digit_error": [0.9, 0.6, 0.3]}
KID = {"infogan": {0: 0.5, 1: 0.3, 2: 0.4}, "gan": {0: 0.4, 1: 0.35}}


def sweep() -> Sweep:
    runs = []
    for cell in planned(SHIPPED, "mnist", arms=("infogan", "gan"), seeds=(0, 1, 2)):
        if cell.seed not in KID[cell.arm]:
            continue
        held_out, training = ERRORS[cell.seed]
        names = ("loss/discriminator", "loss/generator", "mi/c1", "mi/c2", "mi/c3", "explained/c2", "explained/c3")
        history = history_of(dict.fromkeys(names, 0.0), 1800)
        errors = {"one_to_one_digits": [3, -1, *range(8)], "confusion_KD": np.eye(10, dtype=int).tolist()}
        digits = {"digit_error": held_out, "digit_error_train": training, "digit_error_kmeans_pixels": 0.45}
        measures = {
            "digits": Measured(values=digits, details={"errors": errors}),
            "samples": Measured(values={"kid": KID[cell.arm][cell.seed]}),
            "trajectory": Measured(values={}, series=SERIES),
        }
        if cell.arm == "gan":
            usable = {"iteration": [100, 1800], "usable_linear_nats": [0.1, 0.2], "usable_hidden_nats": [0.3, 0.4]}
            measures["usable"] = Measured(values={}, series=usable)
        runs.append(Run(cell, "done", {}, {}, history, None, measures=measures))
    return Sweep("mnist", "cpu", runs[0].cell.definition, runs[0].cell.definition_key, runs)


def test_the_best_seed_is_chosen_on_training_images_and_kid_is_paired_by_seed() -> None:
    held = sweep()
    best = best_run(held.done("infogan"))
    assert best is not None
    assert best.cell.seed == 1
    digits, free = codes_tables(held, ["infogan", "gan"])
    assert [row[1] for row in digits.rows] == ["0", "1 (best)", "2", "0", "1 (best)"]
    assert digits.rows[0][2:] == ["0.300", "0.310", ABSENT, "0.450", ABSENT, ABSENT]
    # seed 2 has no GAN to pair with, so the differences are +0.1 and -0.05
    assert free.rows == [["infogan", "0: 0.5000 / 0.4000, 1: 0.3000 / 0.3500", "+0.0250 [-0.0500, +0.1000]", "1 of 2"]]


def test_every_figure_of_the_codes_is_drawn_and_is_the_same_twice() -> None:
    from bench.report.figures.digits import draw_digits

    drawings = draw_digits(sweep(), ["infogan", "gan"], ["infogan", "gan"])
    assert [drawing.name for drawing in drawings] == ["trajectory", "usable", "confusion"]
    assert all(drawing.png.startswith(b"\x89PNG") for drawing in drawings)
    again = draw_digits(sweep(), ["infogan", "gan"], ["infogan", "gan"])
    assert [drawing.svg for drawing in drawings] == [drawing.svg for drawing in again]


def test_probes_and_pictures_are_kept_beside_each_other_and_replaced(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path, key="ab" * 32)
    assert folder.probes() == {} == folder.measured_grids("samples")
    folder.write_probe(3, {"samples": np.zeros(2)})
    folder.write_probe(12, {"samples": np.ones(2)})
    folder.write_probe(3, {"samples": np.full(2, 7.0)})
    assert {name: array.tolist() for name, array in folder.probes().items()} == {
        "000003-samples": [7.0, 7.0],
        "000012-samples": [1.0, 1.0],
    }
    (tmp_path / "probes.npz").write_bytes(b"cut off")
    folder.write_probe(20, {"samples": np.ones(1)})  # damage loses the earlier probes, not the training
    assert list(folder.probes()) == ["000020-samples"]
