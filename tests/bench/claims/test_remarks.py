"""A person's remarks on verdicts: read from a results folder, shown wherever the verdict is, changing none."""

import json
from pathlib import Path

import pytest

from bench.claims.remarks import FILE, as_toml, read_remarks
from bench.claims.result import ClaimResult
from bench.report import write_report
from bench.report.arms import ArmView
from bench.report.sentences import answers_of, sentence
from bench.spec.tables import Spec
from tests.bench.recorded_sweep import planned, record

SEEN = "its <b>digits</b> | are no digits"


@pytest.fixture
def results(spec: Spec, tmp_path: Path) -> Path:
    for cell in planned(spec, seeds=(0,)):
        record(tmp_path, cell)
    return tmp_path


def test_a_remark_stands_beside_its_verdict_and_changes_none(spec: Spec, results: Path) -> None:
    before = json.loads((write_report(results, spec).folder / "claims.json").read_text())
    (results / FILE).write_text(f'[mnist-mi-cpu.F1]\ninfogan = """{SEEN}"""\n')
    report = write_report(results, spec)
    after = json.loads((report.folder / "claims.json").read_text())
    assert [entry.pop("remark", "") for entry in after].count(SEEN) == 1
    assert after == before
    found = ClaimResult.from_json(json.loads((report.folder / "claims.json").read_text())[0])
    assert (found.group, found.remark) == ("infogan", SEEN)
    assert SEEN in sentence(found)
    assert ArmView(found).number.endswith(f"; {SEEN}")
    assert "<b>digits" not in report.html.read_text()
    assert report.html.read_text().count("&lt;b&gt;digits&lt;/b&gt; | are no digits") == 2  # on the card, and below
    assert any("are no digits" in line for line in report.markdown.read_text().splitlines())
    assert not [line for line in report.missing if FILE in line]


def test_the_last_lines_of_a_run_have_it_too(spec: Spec, results: Path) -> None:
    (results / FILE).write_text(f'[mnist-mi-cpu.F1]\ninfogan = """{SEEN}"""\n')
    profiles = {"mnist-mi": "cpu"}
    (remarked,) = [line for claim in answers_of(results, spec, profiles).judged if SEEN in (line := sentence(claim))]
    assert remarked.startswith("F1 ")
    (results / FILE).write_text("[mnist")  # said by the report
    assert not [claim for claim in answers_of(results, spec, profiles).judged if claim.remark]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[mnist-mi-cpu.F9]\ninfogan = 'x'", "[mnist-mi-cpu.F9] infogan: no verdict of claim 'F9'; choose from F1, "),
        ("[mnist-mi-cpux.F1]\ninfogan = 'x'", "no verdict of sweep 'mnist-mi-cpux' (did you mean 'mnist-mi-cpu'?)"),
        ("[mnist-mi-cpu.F1]\ninfogans = 'x'", "no verdict of arm 'infogans' (did you mean 'infogan'?); choose from "),
        ("[mnist-mi-cpu]\nF1 = 'x'", "[mnist-mi-cpu] F1 = 'x': Input should be a valid dict"),
        ("[mnist-mi-cpu]\nF1 = 'x'", 'expected [EXPERIMENT-PROFILE.CLAIM] and ARM = "remark"'),
        ("[mnist-mi-cpu.F1]\ninfogan = 3", "[mnist-mi-cpu.F1] infogan = 3: Input should be a valid string; expected"),
        ("[mnist", "damaged: "),
        ("\udcff", "damaged: "),
        ("a = " + "[" * 5000, "damaged: "),
        ("#" * 100_001, "100,001 bytes, 100,000 are allowed"),
    ],
)
def test_a_remark_that_fits_nothing_is_said(spec: Spec, results: Path, text: str, told: str) -> None:
    (results / FILE).write_bytes(text.encode(errors="surrogateescape"))
    (line,) = [line for line in write_report(results, spec).missing if FILE in line]
    assert told in line
    assert "\n" not in line


def test_a_folder_without_remarks_has_none(tmp_path: Path) -> None:
    assert read_remarks(tmp_path) == {}


def test_written_remarks_read_back(tmp_path: Path) -> None:
    texts = {"one/infogan": 'it\'s "a\\b" ü 😀 # [x]', "infogan": "", "a.b ü": "x"}
    remarks = {(sweep, "F1", group): text for sweep in ("mnist-cpu", "cost") for group, text in texts.items()}
    (tmp_path / FILE).write_bytes(as_toml(remarks))
    assert read_remarks(tmp_path) == remarks
