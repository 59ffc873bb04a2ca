"""The user's own images in the report: which of its training images a cell keeps, and how the page shows them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.commands.run import task_maker
from bench.context import Context
from bench.records.folder import CellFolder
from bench.records.packs import pack
from bench.records.unpacking import unpack
from bench.report import write_report
from bench.spec.images import Replacement
from bench.spec.tables import load_spec
from infogan import data
from tests.bench.attempts import trained
from tests.builders import tiny_file
from tests.infogan.test_own_images import noise, save


def test_a_cell_keeps_what_it_trains_on_and_the_report_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "cache"))
    spec_file = tiny_file(tmp_path, iterations=2)
    shoes, results = tmp_path / "shoes", tmp_path / "results"
    for k, name in enumerate(("boots", "sandals")):
        save(shoes / name, noise(40, (28, 28), seed=k))
    options = {"spec": spec_file, "results": results, "arms": "infogan", "seeds": [0], "device": "cpu"}
    context = Context(["tiny"], images=shoes, no_tracking=True, **options)  # type: ignore[arg-type]
    (cell,) = context.cells
    task = replace(task_maker(context, 60.0, None)(cell, results), environment={"git_commit": "0" * 12})
    folder = trained(task)
    kept = folder.contact()
    assert kept is not None
    assert kept.shape == (5, 10, 28, 28, 1)
    images = data.load(context.spec.experiments["tiny"].wanted_data).train.images
    assert np.array_equal(kept.reshape(50, 28, 28), images[:50, 0])

    pack(results, tmp_path / "cells.zip")
    unpack([tmp_path / "cells.zip"], tmp_path / "carried")
    spec = load_spec(spec_file, (), Replacement(shoes, ("tiny",)))
    for place in (results, tmp_path / "carried"):
        written = write_report(place, spec)
        page, markdown = written.html.read_text(), (place / "report" / "report.md").read_text()
        sentence = (
            "The user's own images in shoes, 28x28 grey: 72 to train on, 8 held out; 2 classes: boots, sandals. "
            "Shown are the first 50 to train on, as the discriminator sees them. "
            f"Digest {context.infos['tiny'].digest[:12]}."
        )
        assert sentence in page.replace("&#39;", "'")
        assert sentence in markdown
        assert (
            f"python -m bench run tiny --profile cpu --arms infogan --seeds 0 --spec {spec_file.name} --images shoes"
            in page
        )
        assert (place / "report" / "figures" / "tiny-cpu-training-images.png").stat().st_size > 5000
        assert not [line for line in written.missing if "damaged" in line]
    (folder.path / "contact.npz").write_bytes(b"cut off")
    written = write_report(results, spec)
    assert [line for line in written.missing if line.startswith("damaged: training images of infogan/seed-0")]
    assert sentence not in written.html.read_text().replace("&#39;", "'")
    assert not (results / "report" / "figures" / "tiny-cpu-training-images.png").exists()


@pytest.mark.parametrize(("num", "side", "shape"), [(7, 8, (1, 7)), (500, 64, (5, 10)), (500, 512, (1, 1))])
def test_a_sheet_has_whole_rows_and_bounded_size(tmp_path: Path, num: int, side: int, shape: tuple[int, int]) -> None:
    folder = CellFolder(tmp_path, key="ab" * 32)
    assert folder.contact() is None
    images = np.broadcast_to(np.uint8(7), (num, 3, side, side))
    folder.write_contact(images)
    kept = folder.contact()
    assert kept is not None
    assert kept.shape == (*shape, side, side, 3)
