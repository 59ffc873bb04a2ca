"""The explorer of a really trained cell: the category changes the digit that a classifier reads."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.context import DEFAULT_SPEC
from bench.records.tasks import CellTask
from bench.report import write_report
from bench.report.atlases import parsed
from bench.spec.cells import Cell
from bench.spec.tables import load_spec
from infogan import data
from infogan.measures.digits.classifier import digit_classifier
from infogan.measures.images import unit
from tests import builders
from tests.bench.attempts import trained
from tests.end_to_end.browser import browser, missing

ITERATIONS, WIDTH = 1500, 0.25  # after 500 iterations G still draws noise
MIN_DIGITS = 5  # a full training would show all ten
SHOWN = """
const canvas = document.querySelector('.explorer canvas'), context = canvas.getContext('2d');
return [0, 1, 2].map(k => [...context.getImageData(30 * k, 0, 28, 28).data].filter((_, i) => i % 4 === 0));
"""


def planned() -> Cell:
    info = data.describe("mnist", "embedded")
    cell = builders.planned(builders.SHIPPED, "mnist", data=info, arms=("infogan-fast-q",), seeds=(0,))[0]
    config = cell.config | {
        "training": cell.config["training"] | {"iterations": ITERATIONS},
        "network": cell.config["network"] | {"width": WIDTH, "kernels": "torch"},
    }
    return replace(cell, config=config, measures=("digits",))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_the_category_changes_the_digit_that_a_classifier_reads(tmp_path: Path) -> None:
    folder = trained(CellTask(planned(), tmp_path, None, {"git_commit": "0", "packages": {}}))
    atlas = parsed(folder.atlas())
    drawn = atlas.images(atlas.codes[0])[..., 0].reshape(3, 10, 7, 7, 28, 28)[:, :, 3, 3]
    page = write_report(tmp_path, load_spec(DEFAULT_SPEC)).html
    with browser(page.as_uri()) as opened:
        opened.open(page.as_uri())
        opened.until(lambda: max(map(max, opened.run(SHOWN))))
        shown = []
        for button in opened.driver.find_elements("css selector", ".explorer .categories span"):
            button.click()
            shown.append(opened.run(SHOWN))
    seen = np.array(shown, np.uint8).reshape(10, 3, 28, 28).transpose(1, 0, 2, 3)
    assert np.array_equal(seen, drawn)
    classifier = digit_classifier(data.load("mnist", "embedded", None))
    with torch.no_grad():
        read = classifier.model(unit(seen.reshape(-1, 1, 28, 28))).argmax(1).reshape(3, 10)
    assert [len(set(row.tolist())) >= MIN_DIGITS for row in read] == [True] * 3, read
