"""A reference is published as a pack of its cells with a lean report, and the pack reproduces the full report."""

import io
import json
import lzma
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.analysis import sweep_file
from bench.analysis.results import load
from bench.analysis.sweep_file import CURVES, read_curves, write_curves
from bench.claims.remarks import FILE, read_remarks
from bench.commands.report import report
from bench.context import DEFAULT_SPEC
from bench.publish import lean, reference
from bench.records.pack_format import Pack
from bench.report import kept
from bench.spec.tables import load_spec
from tests.bench.recorded_sweep import planned, record

SEEN = "its digits are no digits"
REMARKS = f"""
[mnist-mi-cpu.F1]  # a comment
infogan = "{SEEN}"
[mnist-cpu.F2d]
infogan = "of another reference"
"""
BLOCK = "# A document\n\n<!-- mnist-mi-cpu -->\nold\n<!-- /mnist-mi-cpu -->\n"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five arms with two finished seeds each, an unfinished cell of a third seed, and a cell of another definition."""
    results = tmp_path_factory.mktemp("results")
    spec = load_spec(DEFAULT_SPEC)
    record(results, planned(spec, seeds=(0,), digest="cd" * 32)[0])
    for cell in planned(spec, seeds=(0, 1)):
        record(results, cell)
    record(results, planned(spec, seeds=(2,))[0], done=False, length=5)
    (results / FILE).write_text(REMARKS)
    return results


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The test's own references folder, with a README that shows one figure."""
    place = tmp_path_factory.mktemp("place")
    readme = place / "README.md"
    readme.write_text(f"{BLOCK}\n![t80](reference/mnist-mi-cpu/figures/mnist-mi-cpu-t80.png)\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "REFERENCES", place / "reference")
        patch.setattr(reference, "document_of", lambda name: readme)
        patch.setattr(lean, "DOCUMENTS", (readme,))
        yield


@pytest.fixture(scope="module")
def folder(results: Path, references: None) -> Path:
    return reference.publish(results, "mnist-mi", "cpu")


def test_a_reference_is_a_pack_with_a_lean_report(folder: Path) -> None:
    held = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    figures = {name for name in held if name.startswith("figures/")}
    assert {name for name in figures if "-traversal-" not in name} == {"figures/mnist-mi-cpu-t80.png", kept.FILE}
    assert len(figures) == 7  # the T80 figure, a grid for each arm, and the list of these
    assert held - figures - {n for n in held if n.startswith("tables/")} == {
        "cells.zip",
        "claims.json",
        "report.md",
        FILE,
    }
    with Pack(folder / "cells.zip") as pack:
        assert len(pack.cells) == 10
        files = {name for cell in pack.cells for name in cell.files}
        assert files == {"cell.json", "history.npz", "result.json"}
    text = (folder / "report.md").read_text()
    shown = set(re.findall(r"!\[[^\]]*\]\((.*?)\)", text))
    assert shown == figures - {kept.FILE}
    assert "index.html" not in text
    assert "`make report RESULTS=results/reference/mnist-mi-cpu` draws the page" in text
    assert "| F1" in (folder.parents[1] / "README.md").read_text()
    before = {name: (folder / name).read_bytes() for name in held}
    reference.again(folder)
    assert {name: (folder / name).read_bytes() for name in held} == before


def test_the_remarks_on_its_sweep_come_with_a_reference(results: Path, folder: Path) -> None:
    assert read_remarks(folder) == {("mnist-mi-cpu", "F1", "infogan"): SEEN}
    assert SEEN in (folder / "report.md").read_text()
    assert SEEN in (folder.parents[1] / "README.md").read_text()


def test_arms_of_other_code_are_published_beside_a_reference(results: Path, folder: Path) -> None:
    """Its remarks are the sweep's, and the committed folder stays as it was."""
    readme, kept = folder.parents[1] / "README.md", (folder / "claims.json").read_bytes()
    before = readme.read_text()
    readme.write_text(f"{before}\n{BLOCK.replace('mnist-mi-cpu', 'mnist-mi-cpu-again')}")
    beside = reference.publish(results, "mnist-mi", "cpu", beside="again")
    assert beside == folder.with_name("mnist-mi-cpu-again")
    assert json.loads((beside / "claims.json").read_text()) == json.loads(kept)
    assert (folder / "claims.json").read_bytes() == kept
    assert SEEN in (beside / "report.md").read_text()
    assert "`make report RESULTS=results/reference/mnist-mi-cpu-again` draws" in (beside / "report.md").read_text()
    assert readme.read_text().count("| F1 |") == 2 * before.count("| F1 |")


def test_committed_pictures_have_few_colours_and_look_the_same() -> None:
    noise = np.random.default_rng(0).normal(0, 4, (90, 90, 3))
    ramp = np.linspace(20, 230, 90)[:, None, None] * [1.0, 0.8, 0.6]
    pixels = np.clip(ramp + noise, 0, 255).astype(np.uint8)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    smaller = lean.in_few_colours(png.getvalue())
    assert len(smaller) < 0.7 * len(png.getvalue())
    shown = np.asarray(Image.open(io.BytesIO(smaller)).convert("RGB")).astype(float)
    assert np.sqrt(np.mean((shown - pixels) ** 2)) < 5  # of 255
    assert lean.in_few_colours(smaller) == smaller


def test_its_report_is_drawn_from_it_at_any_time(results: Path, folder: Path) -> None:
    sweep, original = reference.reference_sweep(folder), load(results, ["mnist-mi"]).sweeps[0]
    done = [run for run in original.runs if run.cell.seed != 2]
    assert len(done) == len(original.runs) - 1
    assert [run.summary for run in sweep.runs] == [run.summary for run in done]  # equal to the last bit
    report(None, DEFAULT_SPEC, [folder])
    drawn = folder / "report"
    assert json.loads((drawn / "claims.json").read_text()) == json.loads((folder / "claims.json").read_text())
    seeds = [at / "tables" / "mnist-mi-cpu-seeds.csv" for at in (folder, drawn)]
    assert seeds[0].read_text() == seeds[1].read_text()
    assert (drawn / "figures" / "mnist-mi-cpu-losses.png").exists()
    assert "seed 0: generated images, c1 varies" in (drawn / "index.html").read_text()  # kept beside the pack
    shutil.rmtree(drawn)
    (folder / "cells.zip").write_bytes((folder / "cells.zip").read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"cells\.zip"):
        reference.reference_sweep(folder)


def test_a_reference_may_keep_the_curves_alone(results: Path, references: None) -> None:
    """Changes the folder that the tests before it read."""
    verdicts = []
    for curves_only, own in ((True, CURVES), (False, "cells.zip")):
        folder = reference.publish(results, "mnist-mi", "cpu", curves_only=curves_only)
        assert {CURVES, "cells.zip"} & {path.name for path in folder.iterdir()} == {own}
        verdicts.append([claim["verdict"] for claim in json.loads((folder / "claims.json").read_text())])
    assert verdicts[0] == verdicts[1]
    assert verdicts[0]


def test_curves_stay_of_cells_that_are_gone(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = load(results, ["mnist-mi"]).sweeps[0]
    write_curves(tmp_path / CURVES, sweep)
    (kept,) = load(tmp_path).sweeps
    rounding = 0.50001 * 10.0**-sweep_file.COMPRESSED_DIGITS
    before, after = (
        {(r.cell.group, r.cell.seed): r.history for r in s.runs if r.state == "done"} for s in (sweep, kept)
    )
    assert before.keys() == after.keys()
    for run, history in before.items():
        found = after[run]
        assert history is not None
        assert found is not None
        np.testing.assert_allclose(found.values, history.values, rtol=0, atol=rounding)
    assert kept.t80("infogan") == pytest.approx(sweep.t80("infogan"), rel=1e-4)
    assert load(tmp_path, ["mnist"]).sweeps == load(tmp_path, profile="paper").sweeps == []
    sound = (tmp_path / CURVES).read_bytes()
    monkeypatch.setattr(sweep_file, "MAX_CURVES", 10_000_000)
    for damaged in (sound[:-10], sound[:50] + b"x" + sound[51:], b"", lzma.compress(bytes(10_000_001), preset=1)):
        (tmp_path / CURVES).write_bytes(damaged)
        with pytest.raises(ValueError, match="compressed curves"):
            read_curves(tmp_path / CURVES)
        assert len(load(tmp_path).damaged) == 1
