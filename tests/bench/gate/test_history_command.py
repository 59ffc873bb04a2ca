"""``bench history``: every check listed, the step drawn, bad input in one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.commands.history import history
from bench.console import BadInput
from bench.gate.history import HistoryLine
from bench.report.figures.history import draw_history


def line(number: int, ratio: float | None, **changed: Any) -> dict[str, Any]:
    throughput = {"network": "mnist", "batch_size": 128, "width": 1.0, "clock": "processor"}
    arm = {"ratio": ratio, "low": ratio and ratio * 0.98, "high": ratio and ratio * 1.02, "num_new": 5}
    return {
        "time_utc": "2026-01-01T00:00:00Z",
        "experiment": "mi-gate",
        "commit": f"{number:08x}0000",
        "outcome": "ok",
        "tolerance": 0.05,
        "margin": 0.1,
        "arms": {"infogan": arm},
        "change": {"infogan": {"is_paired": True, "t80": "worse" if number > 7 else "none", "final": "none"}},
        "throughput": throughput | {"ratio": 0.9, "low": 0.88, "high": 0.92} if number % 2 else None,
        **changed,
    }


@pytest.fixture
def stepped() -> list[dict[str, Any]]:
    """Eight checks around 1, eight around 1.04, and one without a comparison."""
    ratios = [1.0, 1.002, 0.999, 1.001, 1.003, 0.998, 1.0, 1.001, 1.04, 1.041, 1.039, 1.042, 1.038, 1.04, 1.043, 1.041]
    return [line(number, ratio) for number, ratio in enumerate(ratios)] + [line(16, None, outcome="inconclusive")]


def test_the_step_is_drawn_and_named(stepped: list[dict[str, Any]]) -> None:
    checks = [HistoryLine.model_validate(check) for check in stepped]
    drawing = draw_history(checks, "infogan")
    assert drawing is not None
    assert "the level changed at 00000008 from 1.000 to 1.040" in drawing.caption
    flat = draw_history(checks[:8], "infogan")
    assert flat is not None
    assert "the level changed" not in flat.caption
    assert drawing.svg.count(b"<path") > flat.svg.count(b"<path")
    assert draw_history(checks[-1:], "infogan") is None


def test_every_check_is_listed(
    stepped: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text("".join(json.dumps(check) + "\n" for check in stepped) + "no line of ours\n")
    history("mi-gate", file, tmp_path / "drawn")
    said = capsys.readouterr().out
    assert all(check["commit"] in said for check in stepped)
    assert "not comparable" in said
    assert "0.900 [0.880, 0.920]" in said
    assert (tmp_path / "drawn" / "history" / "history-mi-gate.infogan.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "drawn" / "history" / "history-mi-gate.infogan.svg").read_bytes()


def test_checks_against_another_baseline_are_no_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The baseline, not a commit, moves the ratio from 1 to 1.3; a line of an earlier version does not name one."""
    checks = [line(0, 1.1)] + [line(n, 1.3 if n > 8 else 1.0, baseline="b1" if n > 8 else "a0") for n in range(1, 17)]
    drawing = draw_history([HistoryLine.model_validate(check) for check in checks], "infogan")
    assert drawing is not None
    assert "the level changed" not in drawing.caption
    assert "9 checks against other baselines are left out." in drawing.caption
    file = tmp_path / "history.jsonl"
    file.write_text("".join(json.dumps(check) + "\n" for check in checks))
    history("mi-gate", file, tmp_path / "drawn")
    said = capsys.readouterr().out
    assert [check["commit"] in said for check in checks] == [False] * 9 + [True] * 8
    assert "infogan against baseline b1" in said
    assert "9 checks against other baselines are left out." in said
    file.write_text("".join(json.dumps(check) + "\n" for check in checks[:1]))  # all of one: nothing is left out
    history("mi-gate", file, tmp_path / "drawn")
    assert "left out" not in capsys.readouterr().out


def test_figures_of_two_experiments_or_variants_do_not_overwrite_each_other(
    stepped: list[dict[str, Any]], tmp_path: Path
) -> None:
    newest = stepped[15]
    variants = newest | {"experiment": "faces", "arms": dict.fromkeys(("a/b", "a-b"), newest["arms"]["infogan"])}
    lines = [newest, newest | {"experiment": "mnist"}, variants]
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for experiment in ("mi-gate", "mnist", "faces"):
        history(experiment, results=tmp_path)
    drawn = {path.stem for path in (tmp_path / "history").iterdir()}
    assert drawn == {*("history-mi-gate.infogan", "history-mnist.infogan", "history-faces.a.b", "history-faces.a-b")}


def test_without_a_check_it_is_bad_use(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text("{}\n[]\n")
    for file in (tmp_path / "none.jsonl", tmp_path / "history.jsonl"):
        with pytest.raises(BadInput, match="holds no check of mi-gate"):
            history("mi-gate", file, tmp_path / "drawn")
    with pytest.raises(BadInput, match="cannot be read"):
        history("mi-gate", tmp_path, tmp_path / "drawn")
    assert not (tmp_path / "drawn").exists()
