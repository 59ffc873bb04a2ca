"""The report of known factors, from records of the real API: the best, the median and the shown run, or why none."""

import csv
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.analysis.results import load
from bench.records.folder import CellFolder
from bench.records.schema import Measured, Result
from bench.report import factor_tables, factors, wording, write_report
from bench.spec.cells import Cell
from bench.spec.tables import Spec
from infogan.data import DataInfo
from tests.builders import begun, planned

# the azimuth's index, which chooses the best run, and its range, which judges it; another run has a larger range
INDEX = {0: 0.2, 1: 0.5, 2: 0.4, 3: 0.1, 4: 0.3}
SHARE = {0: 0.31, 1: 0.62, 2: 0.71, 3: 0.12, 4: 0.44}
SHARED = "azimuth_range_share"
REASON = "not measured: the readers agree to 0.42 only, below 0.9"


def record(results: Path, cell: Cell, measures: dict[str, Any], grids: dict[str, np.ndarray]) -> CellFolder:
    names = ["loss/discriminator", "loss/generator"]
    names += [f"{what}/c{i + 1}" for i, _ in enumerate(cell.config["codes"]) for what in ("mi", "explained")]
    folder = begun(results, cell, dict.fromkeys(names, 0.5))
    if grids:
        folder.write_measured_grids("factors", grids)
    folder.write_measures("factors", Measured(key="k", seconds=1.0, **measures))
    folder.write_result(Result(status="done"))
    return folder


def cells_of(spec: Spec, experiment: str) -> list[Cell]:
    info = DataInfo(experiment, "rendered", "A substitute.", "ab" * 32, 20000, 2000, False)
    return planned(spec, experiment, data=info)


def face(cell: Cell) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Measures and grids of a cell: azimuth as above, elevation not read; the plain GAN is below infogan's median."""
    seed, is_gan = cell.seed, cell.arm == "gan"
    values = {
        "azimuth_reader_score": 0.98,
        "azimuth_first_order": 0.05 if is_gan else INDEX[seed],
        "azimuth_range_share": 0.1 + 0.01 * seed if is_gan else SHARE[seed],
        "azimuth_noise_range_share": 0.04,
        "azimuth_noise_first_order": 0.02,
        "azimuth_ceiling_range_share": 1.01,
        "azimuth_outside": 0.2 if seed == 3 else 0.01,
        "elevation_reader_score": 0.9,
        "mig": 0.3,
        "mig_shuffled": 0.01,
        "mig_ceiling": 0.9,
    }
    scoring = {f"c{i}": 0.01 for i in range(1, 6)} | {"c2": values["azimuth_first_order"]}
    details = {
        "factors": {
            "azimuth": {"code": "c2", "first_order": {"scoring": scoring}, "numbers": {"noise_first_order": 0.02}},
            "elevation": {"reason": REASON, "numbers": {}},
        },
        "disentanglement": {"": {"reasons": {"factor_vae": "not defined: it needs two codes"}}},
    }
    shade = np.full((5, 10, 32, 32, 1), 40 * (seed + 1), np.uint8)
    measures = {"values": values, "reasons": {"elevation": REASON}, "details": details}
    return measures, {"azimuth-c2": shade, "azimuth-noise": shade // 2, "elevation-c1": shade}


@pytest.fixture(scope="module")
def faces(spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("faces")
    for cell in cells_of(spec, "faces"):
        if cell.variant in ("azimuth-authors", "elevation-authors"):
            record(results, cell, *face(cell))
    write_report(results, spec, experiments=["faces"])
    return results


def rows(results: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((results / f"report/tables/{name}.csv").read_text().splitlines()))


def test_the_best_is_the_rules_and_not_the_largest(faces: Path) -> None:
    found = [
        r for r in rows(faces, "faces-cpu-factors") if (r["arm"], r["measure"]) == ("azimuth-authors/infogan", SHARED)
    ]
    assert [int(r["seed"]) for r in found] == [0, 1, 2, 3, 4]
    assert [r["seed"] for r in found if r["is_best"] == "True"] == ["1"]
    assert [r["seed"] for r in found if r["is_median"] == "True"] == ["4"]
    assert {(r["noise"], r["ceiling"], r["code"]) for r in found} == {("0.04", "1.01", "c2")}
    claims = json.loads((faces / "report/claims.json").read_text())
    claim = next(c for c in claims if c["id"] == "F3a")
    assert claim["conditions"][0]["value"] == SHARE[1]  # the verdict's rule is the table's


def test_the_table_holds_the_best_against_the_gans_best(faces: Path) -> None:
    markdown = (faces / "report/report.md").read_text()
    row = next(line for line in markdown.splitlines() if line.startswith("| F3a | azimuth | azimuth-authors/infogan |"))
    assert "0: 0.31, 1: 0.62\\*, 2: 0.71, 3: 0.12, 4: 0.44†" in row
    assert "| 0.62, seed 1 | 0.44 \\[0.12, 0.71\\] | 0.04 | 1.01 | yes, of 2 seeds |" in row
    assert "up to 20 % of samples are read beyond the data's range" in row
    gan = next(line for line in markdown.splitlines() if line.startswith("| F3a | azimuth | azimuth-authors/gan |"))
    assert "| 0.10, seed 0 |" in gan


def test_the_best_are_compared_on_common_seeds_and_an_upper_bound_turns_the_answer(faces: Path, spec: Spec) -> None:
    found = factors.studied(
        load(faces, ["faces"]).sweeps[0], spec.experiments["faces"], ["azimuth-authors/infogan", "azimuth-authors/gan"]
    )
    ours = next(of for of in found if of.group == "azimuth-authors/infogan" and of.measure == "azimuth_range_share")
    theirs = next(of for of in found if of.group == "azimuth-authors/gan" and of.measure == "azimuth_range_share")
    assert factor_tables._beyond(ours, [theirs]) == "yes, of 2 seeds"
    assert factor_tables._beyond(replace(ours, is_low_better=True), [theirs]) == "no, of 2 seeds"
    assert factor_tables._beyond(ours.of_seeds({0}), [theirs]) == "yes, of 1 seed"
    assert factor_tables._beyond(ours.of_seeds({4}), [theirs]) == wording.ABSENT  # no seed in common


def test_a_factor_that_was_not_read_says_why_everywhere(faces: Path) -> None:
    markdown = (faces / "report/report.md").read_text()
    row = next(
        line for line in markdown.splitlines() if line.startswith("| F3b | elevation | elevation-authors/infogan |")
    )
    assert "5 of 5 not measured: the readers agree to 0.42 only, below 0.9" in row
    claims = json.loads((faces / "report/claims.json").read_text())
    claim = next(c for c in claims if c["id"] == "F3b")
    assert claim["verdict"] == "not measured"
    why = "(seed 0: the readers agree to 0.42 only, below 0.9)"
    assert f"elevation: mean change over a sweep of -1 to 1 {why}" in claim["reason"]
    assert "No run could be measured (the readers agree to 0.42 only" in markdown


def test_missing_numbers_are_counted_by_reason_and_blank_runs_are_not_read_beyond_the_data(
    faces: Path, spec: Spec
) -> None:
    sweep = load(faces, ["faces"]).sweeps[0]
    found = factors.studied(sweep, spec.experiments["faces"], ["azimuth-authors/infogan"])[0]
    blank, agree = "shows nothing of the data", "the readers agree to {} only, below 0.9"

    def note(*reasons: str) -> object:
        runs = [
            replace(run, value=math.nan if reason else run.value, reason=reason)
            for run, reason in zip(found.runs, reasons, strict=True)
        ]
        return factor_tables.factor_tables(sweep, [replace(found, runs=tuple(runs))], [])[0].rows[0][5]

    beyond = "up to 20 % of samples are read beyond the data's range"  # seed 3's
    assert note("", "", "", "", "") == beyond
    assert note("", "", "", blank, "") == f"1 of 5 not measured: {blank}"
    agrees = agree.format("0.42 to 0.89")
    assert note(blank, blank, agree.format(0.89), "", agree.format(0.42)) == (
        f"2 of 5 not measured: {blank}; 2 of 5 not measured: {agrees}; {beyond}"
    )


def test_every_run_is_in_the_picture_with_best_and_median_marked(faces: Path, spec: Spec) -> None:
    sweep = load(faces, ["faces"]).sweeps[0]
    found = factors.studied(sweep, spec.experiments["faces"], ["azimuth-authors/infogan", "azimuth-authors/gan"])
    azimuth = factors.with_grids(found[0])
    assert (azimuth.claim, azimuth.is_claimed_of) == ("F3a", True)
    assert all(run.grid is not None and run.noise_grid is not None for run in azimuth.runs)
    from bench.report.figures.factors import _title, draw_runs

    titles = [_title(azimuth, run) for run in azimuth.runs]
    assert titles[1] == "seed 1 (best by rule), c2: 0.62 of its range"
    assert titles[4] == "seed 4 (median), c2: 0.44 of its range"
    drawing = draw_runs(azimuth)
    assert drawing is not None
    image = np.asarray(
        Image.open(faces / "report/figures/faces-cpu-azimuth-authors-factor-azimuth-infogan.png").convert("L")
    )
    shown = {40 * (seed + 1) for seed in range(5)}
    assert {value for value in shown if (image == value).mean() > 0.02} == shown
    assert (image == 80).mean() > 2 * (image == 40).mean()  # the best is larger than another
    assert drawing.png == (faces / "report/figures/faces-cpu-azimuth-authors-factor-azimuth-infogan.png").read_bytes()


def test_codes_and_scores_have_their_own_figure_and_table(faces: Path) -> None:
    assert (faces / "report/figures/faces-cpu-azimuth-authors-codes.svg").exists()
    markdown = (faces / "report/report.md").read_text()
    row = next(
        line
        for line in markdown.splitlines()
        if line.startswith("| azimuth-authors/infogan | mutual information gap |")
    )
    assert "0.300 \\[0.300, 0.300\\] | 0.010 \\[0.010, 0.010\\] | 0.900 \\[0.900, 0.900\\]" in row
    row = next(
        line for line in markdown.splitlines() if line.startswith("| azimuth-authors/infogan | FactorVAE score |")
    )
    assert "not defined: it needs two codes" in row
    measures = re.search(r"### What was measured of the networks(.*?)###", markdown, re.S)
    assert measures
    assert "azimuth: mean change over a sweep" in measures[1]
    assert "noise dimension" not in measures[1]


def test_columns_of_categories_are_in_the_order_of_the_factor(spec: Spec, tmp_path: Path) -> None:
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    grid = np.random.default_rng(0).integers(0, 255, (5, 10, 32, 32, 3), dtype=np.uint8)
    for cell in [cell for cell in cells_of(spec, "celeba") if cell.variant == "authors"]:
        values = {"azimuth_reader_score": 0.9, "azimuth_omega_squared": 0.3, "azimuth_category_first_order": 0.3}
        details = {"factors": {"azimuth": {"category_code": "c7", "category_order": order, "numbers": {}}}}
        record(tmp_path, cell, {"values": values, "reasons": {}, "details": details}, {"azimuth-c7": grid})
    sweep = load(tmp_path, ["celeba"]).sweeps[0]
    found = factors.studied(sweep, spec.experiments["celeba"], ["authors/infogan", "authors/gan"])
    claimed = factors.with_grids(next(of for of in found if of.claim == "F6a"))
    assert claimed.runs[0].columns == tuple(map(str, order))
    assert claimed.runs[0].code == "c7"
    assert claimed.rule == "azimuth_category_first_order"
    assert math.isnan(next(of for of in found if of.measure == "azimuth_span").runs[0].value)
    rows = [(of.claim, of.group, of.measure) for of in found]  # F6a has two conditions on one number: shown once
    assert len(rows) == len(set(rows))
    (report,) = [write_report(tmp_path, spec)]
    assert "ordered by azimuth as the readers see it" in report.markdown.read_text()


def test_damaged_pictures_are_named_and_the_rest_is_shown(spec: Spec, tmp_path: Path) -> None:
    cells = [cell for cell in cells_of(spec, "faces") if cell.variant == "azimuth-authors"]
    folders = {cell.name: record(tmp_path, cell, *face(cell)) for cell in cells}
    (folders["azimuth-authors/infogan/seed-0"].path / "factors.npz").write_bytes(b"broken")
    report = write_report(tmp_path, spec)
    assert any("pictures of azimuth, azimuth-authors/" in line for line in report.missing)
    assert "Factors, every run" in report.markdown.read_text()
