"""The report of an experiment whose variants are single choices: ratios, bounds, the table, its file and the figure."""

import csv
import io
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.analysis import tables
from bench.analysis.results import load
from bench.analysis.runs import Run, Sweep
from bench.analysis.statistics import hodges_lehmann_ratio
from bench.context import Context
from bench.records.schema import Result
from bench.report import write_report
from bench.report.choices import Choices, choices_of, choices_table, headline, ratio_words
from bench.report.figures.choices import WIDTH, _whisker, draw_choices
from bench.report.figures.style import STYLE, logarithmic, ticks
from bench.report.tabular import sweep_tables
from bench.spec.cells import Cell
from bench.spec.tables import Spec, SpecError
from tests.builders import PAPERS_DATA, begun, ended, planned

EXPERIMENT = "mnist-mi-ambiguities"
T80 = {"reference": 50.0, "slope-0-01": 100.0, "tiny": math.inf, "norm-together": 25.0}


def straight_to_the_ceiling(cell: Cell) -> np.ndarray:
    """L_I that rises linearly and reaches 0.8 H(c) at T80. Seeds differ by 1 %. A baseline has a hump of 0.4 nats."""
    t = np.arange(1, cell.iterations + 1)
    if cell.arm.startswith("gan"):
        return 0.4 * np.exp(-(((t - 120) / 40) ** 2))
    t80 = T80[cell.variant or ""] * (1 + 0.01 * (cell.seed - 101))
    return np.minimum(0.8 * math.log(10) * t / t80, math.log(10))


@pytest.fixture(scope="module")
def results(spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("choices")
    for cell in planned(spec, EXPERIMENT, data=PAPERS_DATA, variants=tuple(T80)):
        losses = {"loss/discriminator": 1.4, "loss/generator": 0.7}
        ended(begun(folder, cell, {**losses, "mi/c1": straight_to_the_ceiling(cell)}))
    return folder


@pytest.fixture(scope="module")
def sweep(results: Path) -> Sweep:
    return load(results).sweeps[0]


def test_each_choice_is_held_against_the_same_arm_of_the_reference(spec: Spec, sweep: Sweep) -> None:
    listed = {c.variant: c for c in choices_of(sweep, spec.experiments[EXPERIMENT]).listed}
    assert list(listed) == ["reference", "norm-together", "slope-0-01", "tiny"]  # the file's order, the reference first
    slower = listed["slope-0-01"].rows["infogan"].ratio
    assert slower is not None
    assert slower.t80.ratio == pytest.approx(2.0, rel=0.02)
    # three against three: the exact interval runs from the smallest to the largest of the nine ratios
    assert slower.t80.low == pytest.approx(2 * 0.99 / 1.01, rel=0.02)
    assert slower.t80.high == pytest.approx(2 * 1.01 / 0.99, rel=0.02)
    faster = listed["norm-together"].rows["infogan-fast-q"].ratio
    assert faster is not None
    assert faster.t80.ratio == pytest.approx(0.5, rel=0.05)
    assert listed["reference"].rows["infogan"].ratio is None
    baseline = listed["slope-0-01"].rows["gan-fast-q"]
    assert baseline.median("hump_nats") == pytest.approx(0.4, rel=0.02)
    assert baseline.median("hump_iteration") == pytest.approx(120, abs=6)


def test_a_choice_that_never_gets_there_is_a_bound_without_a_ceiling(spec: Spec, sweep: Sweep) -> None:
    listed = {c.variant: c for c in choices_of(sweep, spec.experiments[EXPERIMENT]).listed}
    record = listed["tiny"].rows["infogan"]
    assert record.ratio is not None
    assert (record.ratio.not_reached, record.ratio.t80.high) == (3, math.inf)
    words = ratio_words(record)
    assert words.startswith("at least 6.0")  # 300 iterations, divided by the reference's 50
    assert "unbounded" in words


@pytest.mark.parametrize(
    ("not_reached", "of_the_other", "bound"),
    [(0, 0, ""), (3, 0, "at least"), (2, 0, "at least"), (1, 0, ""), (0, 3, "at most"), (2, 1, "at least"), (1, 1, ""),
     (1, 2, "at most")],
)  # fmt: skip
def test_a_ratio_in_a_table_is_a_bound_where_failures_leave_the_middle_of_the_pairs_open(
    spec: Spec, sweep: Sweep, not_reached: int, of_the_other: int, bound: str
) -> None:
    """Of nine pairs two failed new seeds have six and one failed base seed has three: the fifth is open, or is not.

    The files of both tables say so in a column of their own, since programs read no words.
    """

    def failed(variant: str, num: int) -> list[Run]:
        runs = [r for r in sweep.runs if (r.cell.variant, r.cell.arm) == (variant, "infogan")]
        error = Result(status="failed", error="NonFiniteLoss")
        return [replace(r, state="failed", result=error) if k < num else r for k, r in enumerate(runs)]

    runs = [*failed("reference", of_the_other), *failed("slope-0-01", not_reached)]
    (row,) = tables.comparisons_table(
        replace(sweep, runs=runs), ["reference/infogan", "slope-0-01/infogan"], "reference/infogan"
    )
    assert row.t80.bound == bound
    (shown,) = [r for r in tables.settings_table(replace(sweep, runs=runs), "reference") if r.ratio]
    assert ratio_words(shown).startswith(f"{bound} {row.t80.ratio:.2f} [".strip())
    arms = [replace(r, cell=replace(r.cell, config=r.cell.config | {"arm": r.cell.variant})) for r in runs]
    arms = [replace(r, cell=replace(r.cell, config=r.cell.config | {"variant": None})) for r in arms]
    compared = sweep_tables(replace(sweep, runs=arms), ["reference", "slope-0-01"], "reference")[-1]
    chosen = choices_table(choices_of(replace(sweep, runs=runs), spec.experiments[EXPERIMENT]))
    for table in (compared, chosen):
        written = list(csv.DictReader(io.StringIO(table.csv.decode())))[-1]
        assert (float(written["t80_ratio"]), written["bound"]) == (pytest.approx(row.t80.ratio), bound)


def test_table_file_and_figure_stand_in_the_report(spec: Spec, results: Path) -> None:
    written = write_report(results, spec)
    folder = written.html.parent
    rows = list(csv.DictReader(io.StringIO((folder / f"tables/{EXPERIMENT}-cpu-settings.csv").read_text())))
    assert {(r["variant"], r["arm"]) for r in rows} >= {("reference", "gan"), ("tiny", "infogan")}
    assert "gan" not in {r["arm"] for r in rows if r["variant"] == "tiny"}
    text = written.markdown.read_text()
    assert "What each choice does" in text
    assert spec.experiments[EXPERIMENT].variants["tiny"].note in text
    for kind in ("png", "svg"):
        assert (folder / f"figures/{EXPERIMENT}-cpu-settings.{kind}").stat().st_size > 5_000
    names = {path.name for path in (folder / "figures").iterdir()}
    assert not any("slope" in name for name in names)  # curves are drawn for the reference alone
    assert not (folder / f"tables/{EXPERIMENT}-cpu-comparisons.csv").exists()


def test_variants_are_selected_by_name(tmp_path: Path) -> None:
    context = Context([EXPERIMENT], profile="smoke", variants="tiny, separate-q", seeds="100", results=tmp_path)
    assert [cell.name for cell in context.cells] == [
        "tiny/infogan/seed-100",
        "tiny/infogan-fast-q/seed-100",
        "separate-q/infogan/seed-100",
        "separate-q/infogan-fast-q/seed-100",
        "separate-q/gan-fast-q/seed-100",
    ]  # in the order of --variants
    with pytest.raises(SpecError, match=r"unknown variant 'seperate-q'.*did you mean 'separate-q'"):
        Context([EXPERIMENT], profile="smoke", variants="seperate-q", results=tmp_path)


def test_the_level_is_that_of_the_intervals_that_are_printed(spec: Spec, sweep: Sweep) -> None:
    """Of baselines, which never reach T80, nothing is known: their interval is unbounded, at 100 %, and not printed."""
    chosen = choices_of(sweep, spec.experiments[EXPERIMENT])
    baseline = chosen.listed[-2].rows["gan-fast-q"].ratio
    assert baseline is not None
    assert baseline.t80.level == 1.0
    assert "with the exact rank interval at 90 %." in choices_table(chosen).caption


def test_without_the_reference_there_is_no_ratio_and_no_figure_of_ratios(spec: Spec, sweep: Sweep) -> None:
    experiment = spec.experiments[EXPERIMENT]
    chosen = choices_of(replace(sweep, runs=[r for r in sweep.runs if r.cell.variant != "reference"]), experiment)
    assert headline(chosen) == "Nothing is compared: no cell of the reference variant reference has ended."
    assert "T80 itself stands in place of its ratio." in choices_table(chosen).caption
    assert [drawing.name for drawing in draw_choices(sweep, chosen, list(experiment.arms))] == ["choices"]


def test_a_reference_alone_has_no_figure(spec: Spec, sweep: Sweep) -> None:
    listed = choices_of(sweep, spec.experiments[EXPERIMENT]).listed
    assert draw_choices(sweep, Choices(listed[:1]), spec.experiments[EXPERIMENT].arms) == []
    assert choices_of(sweep, spec.experiments["mnist-mi"]) == Choices()


def test_arms_that_the_file_no_longer_has_are_drawn(spec: Spec, sweep: Sweep) -> None:
    chosen = choices_of(sweep, spec.experiments[EXPERIMENT])
    assert [drawing.name for drawing in draw_choices(sweep, chosen, ["infogan"])] == ["settings", "choices"]


def test_an_end_without_a_bound_has_an_arrow_on_either_side() -> None:
    """Exchanging the two sides mirrors the drawing: ratios become their inverse, and arrows turn round."""

    def drawn(base: list[float], new: list[float]) -> set[tuple[tuple[float, ...], str]]:
        axes = Figure().add_subplot()
        _whisker(axes, 0, hodges_lehmann_ratio(base, new, budget=100), "black", "o")
        places = [np.log(np.asarray(line.get_xdata(), float)) for line in axes.lines]
        return {(tuple(sorted(x.round(9))), str(line.get_marker())) for x, line in zip(places, axes.lines, strict=True)}

    turned = {">": "<", "<": ">"}
    for late, arrows in (([100.0] * 3, {">"}), ([60.0, 70.0, 100.0], {">"}), ([60.0, 70.0, 80.0], set())):
        found = drawn([20.0, 25.0, 30.0], late)
        assert {marker for _, marker in found} & {"<", ">"} == arrows
        mirrored = drawn(late, [20.0, 25.0, 30.0])
        assert mirrored == {(tuple(sorted(-x for x in xs)), turned.get(marker, marker)) for xs, marker in found}
    both = {marker for _, marker in drawn([20.0, 30.0], [60.0, 70.0])}  # two seeds give no interval
    assert both >= {"<", ">"}


@pytest.mark.parametrize("span", [1.05, 1.3, 1.5, 1.9, 4, 12, 19, 25, 140, 400, 1000, 5000])
def test_labels_of_the_ratios_axis_do_not_touch(span: float) -> None:
    """Drawn as wide as beside the baselines' peaks, with the reference, which is 1, at several places of the axis."""
    for place_of_1 in (0.05, 0.3, 0.5, 0.7, 0.95):
        with rc_context(STYLE):
            figure = Figure(figsize=(WIDTH, 2))
            axes = figure.add_axes((0.24, 0.3, 0.44, 0.6), xscale="log")
            low, high = span**-place_of_1, span ** (1 - place_of_1)
            axes.set_xlim(low, high)
            logarithmic(axes.xaxis, ticks(span))
            renderer = FigureCanvasAgg(figure).get_renderer()
            labels = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
            boxes = [label.get_window_extent(renderer) for place, label in labels if low <= place <= high]
        assert all(left.x1 < right.x0 for left, right in pairwise(sorted(boxes, key=lambda box: box.x0))), place_of_1
