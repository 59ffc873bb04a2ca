"""Choices compared by named measures: the table and its file, the headline, and a row of pictures for each choice."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.results import load
from bench.analysis.runs import Run, Sweep
from bench.report import choices, write_report
from bench.spec.tables import Spec, SpecError, load_spec
from infogan.data import DataInfo
from tests.builders import SHIPPED, begun, ended, planned

EXPERIMENT = "chairs-settings"
VARIETY = {"authors": 0.96, "fc-norm": 0.05, "slope-0-1": 0.5}


@pytest.fixture(scope="module")
def results(spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    info = DataInfo("chairs", "rendered", "Rendered chairs.", "ab" * 32, 20000, 2000, False)
    curves = {"loss/discriminator": 1.4, "loss/generator": 0.7, "mi/c1": 2.0, "mi/c2": 2.0, "mi/c3": 2.0}
    curves |= {"mi/c4": -0.3, "explained/c4": 0.8}
    for cell in planned(spec, EXPERIMENT, "smoke", data=info, variants=tuple(VARIETY)):
        records = begun(folder, cell, curves)
        shade = int(255 * VARIETY[cell.variant or ""])
        records.write_traversals({"c4": np.full((5, 10, 64, 64, 1), shade, np.uint8)})
        health = {"status": "healthy", "variety": VARIETY[cell.variant or ""], "distinctness": 0.9, "saturation": 0.0}
        ended(records, mi_frozen_nats={}, health=health)
    return folder


@pytest.fixture(scope="module")
def sweep(results: Path) -> Sweep:
    return load(results).sweeps[0]


def test_every_choice_has_its_own_value_and_the_reference_is_first(spec: Spec, sweep: Sweep) -> None:
    rows = choices.choices_of(sweep, spec.experiments[EXPERIMENT]).rows
    assert [(row.variant, row.arm) for row in rows] == [
        *(("authors", "infogan"), ("authors", "gan")),
        *(("fc-norm", "infogan"), ("slope-0-1", "infogan")),
    ]
    assert {row.variant: row.median("variety") for row in rows} == VARIETY
    assert np.isnan(rows[0].median("precision"))  # a measure of samples, which these cells lack


def test_the_headline_names_those_below_half_or_above_twice_the_reference(spec: Spec, sweep: Sweep) -> None:
    chosen = choices.choices_of(sweep, spec.experiments[EXPERIMENT])
    expected = "Variety of samples with authors: 0.96 of the data's; less than half of that with fc-norm."
    assert choices.headline(chosen) == expected  # 0.5 is more than half of 0.96
    assert choices.headline(replace(chosen, listed=chosen.listed[:1])).endswith("; no choice halves or doubles that.")
    turned = replace(chosen, listed=[chosen.listed[2], *chosen.listed[:2]], reference="slope-0-1")
    expected = "Variety of samples with slope-0-1: 0.50 of the data's; less than half of that with fc-norm."
    assert choices.headline(turned) == expected  # 0.96 is less than twice 0.5
    last = replace(chosen, listed=[chosen.listed[1], chosen.listed[2]], reference="fc-norm")
    assert choices.headline(last).endswith(": 0.05 of the data's; more than twice that with slope-0-1.")
    assert choices.headline(choices.Choices()) == ""


@pytest.mark.parametrize(("status", "said"), [("stalled", True), ("collapsed", True), ("ok", False)])
def test_the_headline_names_choices_with_which_most_runs_are_no_sound_trainings(
    spec: Spec, sweep: Sweep, status: str, said: bool
) -> None:
    def with_status(run: Run) -> Run:
        assert run.result is not None
        assert run.result.health is not None
        health = run.result.health.model_copy(update={"status": status})
        return replace(run, result=run.result.model_copy(update={"health": health}))

    runs = [with_status(run) if run.cell.variant == "slope-0-1" else run for run in sweep.runs]
    turned = replace(sweep, runs=runs)
    headline = choices.headline(choices.choices_of(turned, spec.experiments[EXPERIMENT]))
    assert headline.endswith(" Most runs stalled or collapsed with slope-0-1.") == said


def test_without_the_reference_nothing_is_compared_and_that_is_said(spec: Spec, sweep: Sweep) -> None:
    """The other choices must not be compared with fc-norm, which is only the first of those that ended."""
    others = replace(sweep, runs=[run for run in sweep.runs if run.cell.variant != "authors"])
    chosen = choices.choices_of(others, spec.experiments[EXPERIMENT])
    assert choices.headline(chosen) == "Nothing is compared: no cell of the reference variant authors has ended."
    caption = "Each choice is held against authors (no cell of authors has ended, so nothing is compared)"
    assert choices.choices_table(chosen).caption.startswith(caption)


def test_pairs_of_equal_seed_are_counted_from_three_on(spec: Spec, tmp_path: Path) -> None:
    """Seed 103 lacks the reference, so it is no pair; seed 102 is equal, which is not higher."""
    varieties = {"float32": {100: 0.5, 101: 0.6, 102: 0.7}, "bf16": {100: 0.6, 101: 0.5, 102: 0.7, 103: 0.9}}
    info = DataInfo("mnist", "embedded", "", "ab" * 32, 4000, 1000, False)
    curves = {"loss/discriminator": 1.4, "loss/generator": 0.7, "mi/c1": 2.0, "mi/c2": -0.3, "mi/c3": -0.3}
    curves |= {"explained/c2": 0.8, "explained/c3": 0.8}
    for cell in planned(spec, "mnist-precision", "smoke", data=info, seeds=(100, 101, 102, 103)):
        if cell.seed in (by_seed := varieties[cell.variant or ""]):
            health = {"status": "healthy", "variety": by_seed[cell.seed], "distinctness": 0.9, "saturation": 0.0}
            ended(begun(tmp_path, cell, curves), mi_frozen_nats={}, health=health)
    chosen = choices.choices_of(load(tmp_path).sweeps[0], spec.experiments["mnist-precision"])
    table = choices.choices_table(replace(chosen, measures=["variety"]))
    assert [row[-1] for row in table.rows] == ["0.60", "0.65, higher in 1 of 3 pairs"]
    assert table.caption.endswith("A pair is a seed with float32 and with the choice.")
    fewer = replace(chosen, measures=["variety"], reference="bf16", listed=chosen.listed[:1])
    assert "pairs" not in str(choices.choices_table(fewer).rows)


def test_table_file_and_pictures_stand_in_the_report(spec: Spec, results: Path) -> None:
    written = write_report(results, spec)
    folder = written.html.parent
    rows = list(csv.DictReader(io.StringIO((folder / f"tables/{EXPERIMENT}-smoke-settings.csv").read_text())))
    assert {(r["variant"], r["arm"], r["seed"]): float(r["variety"]) for r in rows} == {
        ("authors", "infogan", "100"): 0.96,
        ("authors", "gan", "100"): 0.96,
        ("fc-norm", "infogan", "100"): 0.05,
        ("slope-0-1", "infogan", "100"): 0.5,
    }
    assert all(r["precision"] == "" for r in rows)
    text = written.markdown.read_text()
    assert spec.experiments[EXPERIMENT].variants["fc-norm"].note in text
    assert (folder / f"figures/{EXPERIMENT}-smoke-pictures.png").stat().st_size > 5_000
    assert "T80 ratio" not in text
    page = written.html.read_text()
    assert page.count("<strong>Each choice in pictures") == 1
    assert page.index("Each choice in pictures") < page.index("How it was made")
    assert page.index("Each choice in pictures") < page.index(f"<h2>{EXPERIMENT}, profile smoke</h2>")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('compared = ["variety"', 'compared = ["varietty"', "varietty"),
        ('reference_variant = "authors"\ncompared', "compared", "a reference_variant as well"),
    ],
)
def test_a_wrong_comparison_is_one_line(tmp_path: Path, before: str, after: str, message: str) -> None:
    text = SHIPPED.read_text()
    assert before in text
    path = tmp_path / "own.toml"
    path.write_text(text.replace(before, after))
    with pytest.raises(SpecError, match=message) as refused:
        load_spec(path)
    assert "\n" not in str(refused.value)
