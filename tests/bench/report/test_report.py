"""The report on made-up records, written through the real API: contents, escaping, missing parts, the same bytes."""

import csv
import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import Markup
from matplotlib.figure import Figure

from bench.analysis.results import load
from bench.analysis.sweep_file import CURVES, write_curves
from bench.records.folder import CellFolder
from bench.records.schema import HealthRecord, Result
from bench.report import wording, write_report
from bench.report.figures import sweep as sweep_figures
from bench.report.figures.style import Drawing
from bench.report.tabular import sweep_tables
from bench.spec.cells import Cell
from bench.spec.tables import Spec
from tests.bench.recorded_sweep import planned, record
from tests.builders import history_of

ROOT = Path(__file__).parents[3]
HOSTILE = '<script>alert("x")</script> | [a](http://evil.example) /home/somebody/secret/data.gz'


@pytest.fixture(scope="module")
def full(spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of five arms with five seeds each, and their report."""
    results = tmp_path_factory.mktemp("full")
    for cell in planned(spec):
        record(results, cell)
    write_report(results, spec)
    return results


def texts(destination: Path) -> dict[str, str]:
    """The text files of a report by name, with embedded images removed."""
    paths = [
        destination / "index.html",
        destination / "report.md",
        destination / "claims.json",
        *destination.glob("tables/*.csv"),
    ]
    return {p.name: re.sub(r'"data:[^"]*"', '"IMAGE"', p.read_text()) for p in paths}


def test_claims_json_says_what_the_curves_say(full: Path) -> None:
    claims = json.loads((full / "report/claims.json").read_text())
    contract = {
        "id",
        "arm",
        "variant",
        "text",
        "verdict",
        "data",
        "budget",
        "value",
        "low",
        "high",
        "unit",
        "num_seeds",
        "criterion",
        "reason",
    }
    assert all(contract | {"experiment", "profile", "claims_digest"} <= set(claim) for claim in claims)
    verdicts = {(c["id"], c["arm"]): c["verdict"] for c in claims}
    assert verdicts["F1", "infogan-fast-q"] == "reproduced"
    assert verdicts["F1", "infogan"] == "partly reproduced"
    assert verdicts["F1b", "gan"] == "reproduced"
    fast = next(c for c in claims if c["arm"] == "infogan-fast-q")
    assert fast["value"] == pytest.approx(2.252 / math.log(10), abs=0.002)
    assert (fast["num_seeds"], fast["experiment"], fast["profile"]) == (5, "mnist-mi", "cpu")


def test_headline_is_drawn_from_the_verdicts(full: Path) -> None:
    for name in ("index.html", "report.md"):
        page = texts(full / "report")[name].replace("&#39;", "'").replace("\u00a0", " ")
        assert (
            "The paper's curve appears with Q's head at the generator's rate (infogan-fast-q), not with the rates"
            in page
        )
        assert "93.75 % (5 seeds)" in page


def test_headline_turns_with_the_data(spec: Spec, tmp_path: Path) -> None:
    for cell in planned(spec):
        if cell.arm == "infogan":
            record(tmp_path, cell)
    write_report(tmp_path, spec)
    page = texts(tmp_path / "report")["report.md"]
    sentence = "The paper's curve does not appear with the rates of the paper's tables (infogan)."
    assert f"{sentence} Not measured: infogan-fast-q." in page


def test_page_is_self_contained(full: Path) -> None:
    page = (full / "report/index.html").read_text()
    assert "<script" not in page
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert not re.search(r"url\(|@import|https?://", re.sub(r'"data:[^"]*"', "", page))
    assert len(page) < 3_000_000
    assert page.count("seed 4: generated images") == 5  # a grid of this seed for each arm


def test_every_seed_stands_in_the_table(full: Path) -> None:
    with (full / "report/tables/mnist-mi-cpu-seeds.csv").open() as file:
        rows = {(row["arm"], int(row["seed"])): row for row in csv.DictReader(file)}
    sweep = load(full).sweeps[0]
    assert len(rows) == len(sweep.runs) == 25
    for run in sweep.runs:
        row = rows[run.cell.group, run.cell.seed]
        assert float(row["mi_final_nats"]) == pytest.approx(run.summary["mi_final_nats"], rel=1e-9)
        if math.isfinite(run.summary["t80"]):
            assert float(row["t80"]) == pytest.approx(run.summary["t80"], rel=1e-9)
        else:
            assert row["t80"] == "not reached"
        assert wording.measured("mi_final_nats", run.summary["mi_final_nats"]) in texts(full / "report")["index.html"]


def test_the_health_of_a_seed_is_a_word(full: Path) -> None:
    sweep = load(full).sweeps[0]
    health = HealthRecord(status="collapsed", variety=0.0, distinctness=0.0, saturation=0.5)
    run = replace(sweep.runs[0], result=Result(status="done", health=health))
    tables = sweep_tables(replace(sweep, runs=[run]), [run.cell.group], "infogan")
    (seeds,) = [table for table in tables if table.name == "seeds"]
    assert dict(zip(seeds.columns, seeds.rows[0], strict=True))["health"] == "collapsed"
    (row,) = csv.DictReader(seeds.csv.decode().splitlines())
    assert row["health"] == "collapsed"
    assert "collapsed" not in row


def test_infinity_and_nan_have_words(full: Path) -> None:
    for name, text in texts(full / "report").items():
        assert not re.search(r"(?<![\w-])[-+]?(inf|nan|infinity)(?![\w-])", text, re.IGNORECASE), name
    assert "not reached" in texts(full / "report")["mnist-mi-cpu-arms.csv"]


def test_nothing_of_the_machine(full: Path) -> None:
    for name, text in texts(full / "report").items():
        assert str(full) not in text, name
        assert "secret-host" not in text, name
    assert "python -m bench run mnist-mi --profile cpu" in texts(full / "report")["index.html"]


def test_same_records_same_bytes(spec: Spec, full: Path, tmp_path: Path) -> None:
    write_report(full, spec, tmp_path)
    names = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    assert names == {p.relative_to(full / "report") for p in (full / "report").rglob("*") if p.is_file()}
    for name in names:
        assert (tmp_path / name).read_bytes() == (full / "report" / name).read_bytes(), name


def test_committed_curves_give_the_same_verdicts(spec: Spec, full: Path, tmp_path: Path) -> None:
    write_curves(tmp_path / CURVES, load(full).sweeps[0])
    report = write_report(tmp_path, spec, experiments=["mnist-mi"])
    ours, theirs = (json.loads((p / "report/claims.json").read_text()) for p in (tmp_path, full))
    assert [c["verdict"] for c in ours] == [c["verdict"] for c in theirs]
    assert report.missing == []
    assert "No traversal grids in these records." in report.html.read_text()


def test_empty_folder(spec: Spec, tmp_path: Path) -> None:
    report = write_report(tmp_path / "results", spec)
    assert report.claims == []
    *names, last = [name for name, table in spec.experiments.items() if table.claims]
    assert report.missing[0] == f"{', '.join(names)} and {last}: nothing recorded"
    assert "Nothing is recorded here yet" in report.html.read_text()
    assert json.loads((report.folder / "claims.json").read_text()) == []


def test_partial_failed_and_damaged_are_named(spec: Spec, tmp_path: Path) -> None:
    by_name = {(c.arm, c.seed): c for c in planned(spec)}
    record(tmp_path, by_name["infogan", 0], done=False, length=120)
    record(tmp_path, by_name["infogan", 1], done=False, length=8)  # shorter than the window of T80
    record(tmp_path, by_name["infogan", 2], done=False, length=0)
    failure = {"error": "NonFiniteLoss", "message": "loss is nan at iteration 40", "traceback": "..."}
    record(tmp_path, by_name["gan", 0], done=False, length=40, result=failure)
    folder = record(tmp_path, by_name["gan", 1])
    (folder.path / "traversals.npz").write_bytes(b"broken")
    folder = record(tmp_path, by_name["gan", 2])
    (folder.path / "history.npz").write_bytes(b"broken")
    report = write_report(tmp_path, spec)
    lines = "\n".join(report.missing)
    for expected in (
        "infogan, seed 0: partial, 120 of 300 iterations recorded",
        "infogan, seed 1: partial, 8 of 300",
        "infogan, seed 2: partial, 0 of 300",
        "gan, seed 0: failed, 40 of 300 iterations recorded; NonFiniteLoss: loss is nan at iteration 40",
        "infogan: seeds 3-4 planned, not recorded",
        "damaged: traversals of mnist-mi, cpu, gan/seed-1: traversals.npz",
        "history.npz: checksum",
    ):
        assert expected in lines
    assert {str(claim.verdict) for claim in report.claims} == {"not measured"}
    assert "is not measured yet" in report.html.read_text()


def test_a_note_of_several_seeds_is_said_once_and_the_data_are_named_in_words(spec: Spec, tmp_path: Path) -> None:
    for cell in planned(spec, (0, 1, 2))[::5]:
        record(tmp_path, cell, note="Ten digits.", result={"notes": ["stalled"]})
    markdown = write_report(tmp_path, spec).markdown.read_text()
    assert markdown.count("stalled") == 1
    assert "- note, infogan, seeds 0-2: stalled" in markdown
    assert "- Data: Ten digits. This is the paper's data set.\n" in markdown
    assert "- data: mnist, source '" in markdown


def test_a_sign_stays_with_its_number_and_markup_as_it_is() -> None:
    assert wording.unbroken("5 % [4, 6], ≥ 5.5 % of 3 seeds") == "5\u00a0% [4, 6], ≥\u00a05.5\u00a0% of 3 seeds"
    assert wording.unbroken(Markup("5 %")) == "5 %"
    assert wording.unbroken(5) == 5


def test_somebody_elses_text_is_escaped(spec: Spec, tmp_path: Path) -> None:
    first, second, third = planned(spec, (0, 1, 2))[:15:5]
    record(tmp_path, first, note=HOSTILE, result={"notes": [HOSTILE]})
    record(tmp_path, second, done=False, length=30, result={"error": "<b>E</b>", "message": HOSTILE})
    names: dict[str, Any] = {"experiment": "../../x<script>", "profile": "<i>p", "arm": "<img src=x>", "seed": 0}
    hostile = Cell(third.config | names, third.definition)
    folder = CellFolder(tmp_path / "cells" / "x")
    record(tmp_path, third)
    folder.write_identity(hostile, {"cpu": HOSTILE}, {"note": HOSTILE})
    report = write_report(tmp_path, spec)
    html, markdown = report.html.read_text(), report.markdown.read_text()
    for text in (html, markdown):
        assert "&lt;script&gt;" in text
        assert not re.search(r"<script|<b>E|<img src=x|<i>p", text)
        assert "/home/somebody" not in text
    assert "[a](http" not in markdown
    assert "\\| \\[a\\](http://evil.example) …/data.gz" in markdown
    assert {p.parent for p in report.html.parent.rglob("*") if p.is_file()} <= {
        report.html.parent / d for d in ("", "figures", "tables")
    }


def test_continuous_codes_and_variants(spec: Spec, tmp_path: Path) -> None:
    """There is no H(c) and no T80, and each variant has a figure. The experiment is not in experiments.toml."""
    codes = {"codes": [{"kind": "continuous", "std": "learned", "log_std_clamp": [-4.0, 2.0]}]}
    for cell in planned(spec, (0, 1))[::5]:
        for variant in ("azimuth", "$wide"):
            config = cell.config | codes | {"variant": variant, "experiment": "portraits"}
            other = Cell(config, cell.definition | codes)
            folder = record(tmp_path, other, done=False, length=20)
            names = ("loss/discriminator", "loss/generator", "mi/c1", "explained/c1")
            folder.write_history(history_of(dict.fromkeys(names, 0.5), 300))
            folder.write_result(Result(status="done"))
    report = write_report(tmp_path, spec)
    assert (report.html.parent / "figures/portraits-cpu-azimuth-mutual-information.svg").exists()
    assert not list(report.html.parent.glob("figures/*t80*"))
    assert any("portraits, cpu: experiments.toml has no such experiment" in line for line in report.missing)
    assert "final L_I of c1 (nats)" in report.html.read_text()
    assert "0.500" in report.html.read_text()


def test_curves_of_continuous_codes_are_what_q_explains_between_nothing_and_every_value(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At fixed std the L_I of five codes is -1.1 nats at most; an axis in nats would show it as less than nothing."""
    codes = {"codes": [{"kind": "continuous", "std": 1.0, "log_std_clamp": [-4.0, 2.0]}] * 5}
    cell = planned(spec, (0,))[0]
    config = cell.config | codes | {"variant": None, "experiment": "faces"}
    other = Cell(config, cell.definition | codes)
    folder = record(tmp_path, other, done=False, length=20)
    curve = np.linspace(0.0, 0.8, 300)
    curve[:2] = -9.0  # the first iterations may have any value
    columns = {"loss/discriminator": 1.0, "loss/generator": 1.0} | {f"mi/c{i}": curve - 1.2 for i in range(1, 6)}
    folder.write_history(history_of(columns | {f"explained/c{i}": curve for i in range(1, 6)}, 300))
    folder.write_result(Result(status="done"))
    drawn: list[tuple[float, float, list[float]]] = []
    add = sweep_figures.save

    def keep(figure: Figure, name: str, title: str, caption: str) -> Drawing:
        if name == "mutual-information":
            (axes,) = figure.axes
            levels = [line.get_ydata()[0] for line in axes.get_lines() if list(line.get_xdata()) == [0, 1]]  # axhline
            drawn.append((*axes.get_ylim(), levels))
            assert axes.get_ylabel() == "explained share of the continuous codes"
            assert "1: every value" in {text.get_text() for text in axes.texts}
            assert "At 0 Q knows nothing, at 1 every value" in caption
        return add(figure, name, title, caption)

    monkeypatch.setattr(sweep_figures, "save", keep)
    write_report(tmp_path, spec)
    ((low, high, levels),) = drawn
    assert (low, high) == (pytest.approx(-0.55), pytest.approx(1.08))
    assert levels == [1.0, 0.0]


def test_other_definitions_are_kept_apart(spec: Spec, tmp_path: Path) -> None:
    for cell in [*planned(spec, (0,)), planned(spec, (0,), digest="cd" * 32)[0]]:
        record(tmp_path, cell)
    written = write_report(tmp_path, spec)
    page = texts(written.html.parent)["index.html"]
    assert "of another definition" in page
    differs = r"data\.digest: (abab|cdcd)\w+… \(shown: (abab|cdcd)"
    assert re.search(differs, page)
    assert re.search(f"of another definition; {differs}", written.left_out[0])  # which the command prints


def test_only_own_leftovers_are_removed(spec: Spec, tmp_path: Path) -> None:
    stale, kept = tmp_path / "report/figures/mnist-mi-smoke-losses.png", tmp_path / "report/figures/mine.png"
    stale.parent.mkdir(parents=True)
    stale.touch()
    kept.touch()
    write_report(tmp_path, spec)
    assert not stale.exists()
    assert kept.exists()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, wording.ABSENT),
        (math.nan, wording.ABSENT),
        (math.inf, "not reached"),
        (1234.5678, "1,234.568"),
        (-0.0001, "0.000"),
    ],
)
def test_number(value: float | None, expected: str) -> None:
    assert wording.number(value) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("no file /root/data/mnist.gz here", "no file …/mnist.gz here"),
        ("see ~/a/b", "see …/b"),
        (r"C:\Users\me\x.npz", "…/x.npz"),
        ("loss/generator 3 images/s", "loss/generator 3 images/s"),
        ("https://example.org/a/b", "https://example.org/a/b"),
    ],
)
def test_scrubbed(message: str, expected: str) -> None:
    assert wording.scrubbed(message) == expected


def test_import_is_cheap() -> None:
    heavy = ("matplotlib", "pandas", "jinja2", "torch", "scipy", "PIL")
    program = f"import sys, bench.report; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
