"""README's answers and the page of the whole paper: readings, budgets, and what people remark."""

from pathlib import Path

import pytest

from bench.claims.verdict import Outcome
from bench.publish import answers
from bench.report.evidence import Evidence
from tests.bench.report.test_cards import result

YES = Evidence(result("F4a", Outcome.REPRODUCED), "chairs-paper", is_papers_budget=True)
NO = Evidence(result("F4a", Outcome.NOT_REACHED, arm="infogan-fast-q"), "chairs-cpu", is_papers_budget=False)


def test_a_remark_stands_beside_its_verdict_and_changes_none(tmp_path: Path) -> None:
    file = tmp_path / answers.REMARKS
    file.write_text('[chairs-cpu.F4a]\ninfogan-fast-q = "smudges"\n')
    said = answers.remarks([YES, NO], tmp_path)
    plain = "**yes** (`infogan`), **not at this budget** (`infogan-fast-q`, smaller budget), on a substitute"
    assert answers.answer([YES, NO]) == plain
    assert answers.answer([YES, NO], said) == f"{plain}; `infogan-fast-q`: smudges"
    assert answers.answer([NO], said) == "**not at this budget**, on a substitute; smudges"
    (row,) = [line for line in answers.page([YES, NO], said).splitlines() if "smudges" in line]
    assert "| `infogan-fast-q` | not at this budget on a substitute; smudges |" in row


def test_a_remark_on_no_verdict_is_an_error(tmp_path: Path) -> None:
    assert answers.remarks([YES], tmp_path) == {}
    (tmp_path / answers.REMARKS).write_text('[chairs-paper.F4b]\ninfogan = "smudges"\n')
    with pytest.raises(ValueError, match="chairs-paper has no verdict on F4b of infogan"):
        answers.remarks([YES], tmp_path)
