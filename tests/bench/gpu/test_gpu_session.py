"""A session of steps: one that fails, hangs or is cut affects no other; finished cells are packed and summarised."""

import sys
from pathlib import Path
from typing import Any

import pytest

from bench.commands.gpu import gpu
from bench.console import BadInput
from bench.gpu import session
from bench.gpu.session import run_steps
from bench.gpu.steps import NAMES, Step, StepOptions, gpu_tests, steps
from bench.gpu.supervise import supervise
from bench.records.seals import read_json
from bench.records.unpacking import unpack
from bench.spec.tables import load_spec
from tests.bench.tracked_cells import done_cell, make_cell
from tests.builders import SHIPPED

IGNORES_SIGTERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('hangs', flush=True); "


def python(name: str, program: str, share: float | None = 1.0, results: Path | None = None) -> Step:
    return Step(name, (sys.executable, "-c", program), share, results=results)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_step_names_what_is_there(tmp_path: Path, device: str) -> None:
    """All experiments and options exist. On a GPU, steps take the paper's budget and five seeds of Figure 2."""
    spec = load_spec(SHIPPED)
    listed = steps(StepOptions(device, tmp_path, SHIPPED, jobs=3))
    assert [step.name for step in listed] == list(NAMES)
    for step in listed:
        if step.results is not None:
            experiment = step.command[step.command.index("run") + 1]
            profile = step.command[step.command.index("--profile") + 1]
            assert profile == ("paper" if device == "cuda" else "smoke")
            assert profile in spec.experiments[experiment].profiles
            assert {"--no-tracking", "--jobs"} <= set(step.command)
    cells = [step.command[step.command.index("--variants") + 1] for step in listed if "--variants" in step.command]
    assert cells == ([] if device == "cuda" else ["azimuth-authors", "rotation-authors"])
    assert {name for e in ("faces", "chairs") for name in spec.experiments[e].variants} >= set(cells)
    figure_2 = next(step for step in listed if step.name == "figure-2").command
    assert figure_2[figure_2.index("--seeds") + 1] == ("0-4" if device == "cuda" else "0")
    assert {file.name for file in gpu_tests()} >= {"test_device.py", "test_throughput_pairs.py"}


def test_a_set_may_be_missing_only_where_the_user_says_so(tmp_path: Path) -> None:
    def trained(**given: Any) -> list[tuple[str, ...]]:
        listed = steps(StepOptions("cuda", tmp_path, SHIPPED, **given))
        return [step.command for step in listed if step.results is not None]

    assert all("--substitute" not in command for command in trained(data_dir=tmp_path))
    for command in trained(data_dir=tmp_path, substitute="faces"):
        assert command[command.index("--substitute") + 1] == "faces"


def test_a_step_fails_or_hangs_alone_and_what_is_finished_is_packed(tmp_path: Path) -> None:
    results, home = tmp_path / "results", tmp_path / "home"
    done_cell(results / "figure", make_cell())
    said: list[str] = []
    listed = [
        python("fine", "print('all', 'is well')"),
        python("broken", "raise SystemExit('error: it is broken')"),
        python("missing", "print('x')", results=results / "nothing"),
        python("hanging", IGNORES_SIGTERM + "time.sleep(60)", share=0.15, results=results / "figure"),
        python("late", "print('never')", share=0.0),
    ]
    records = run_steps(listed, 0.25, home, results, say=said.append)
    assert [(r.name, r.status) for r in records] == [
        ("fine", "done"), ("broken", "failed"), ("missing", "failed"), ("hanging", "cut"), ("late", "cut"),
    ]  # fmt: skip
    fine, broken, missing, hanging, late = records
    assert fine.message == "all is well"
    assert broken.message == "error: it is broken"
    assert "not packed" in missing.message
    assert (hanging.message, hanging.num_cells, hanging.files) == ("at its limit of 2 s: hangs", 1, ["hanging.zip"])
    assert hanging.seconds < 10
    assert late.message == "not started: no time was left"
    assert unpack([home / "hanging.zip"], tmp_path / "at-home").added
    summary = read_json(home / "summary.json")
    assert [step["status"] for step in summary["steps"]] == ["done", "failed", "failed", "cut", "cut"]
    assert "broken   failed" in (home / "summary.txt").read_text()
    assert "it is broken" in (home / "log.txt").read_text()
    assert said[0] == "fine: 14 s at most"


def test_what_is_left_is_shared_by_the_steps_that_come(tmp_path: Path) -> None:
    listed = [python("first", "print(1)", share=None), python("second", "print(2)", share=None)]
    first, second = run_steps(listed, 1.0, tmp_path / "home", tmp_path / "results")
    assert 25 < first.limit_s < 30  # half a minute, less the reserve
    assert second.limit_s == pytest.approx(2 * first.limit_s - first.seconds, abs=0.5)


def test_a_machine_that_is_taken_away_leaves_the_packs_of_a_moment_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PACK_EVERY", 0.01)
    results, home = tmp_path / "results", tmp_path / "home"
    done_cell(results / "figure", make_cell())
    seen: list[bool] = []

    def stop() -> bool:
        seen.append((home / "slow.zip").exists())
        return seen[-1]

    (record,) = run_steps([python("slow", "import time; time.sleep(60)", results=results / "figure")], 0.5, home,
                          results, stop=stop)  # fmt: skip
    assert (record.status, record.message) == ("cut", "interrupted: it said nothing")
    assert seen[0] is False
    assert record.seconds < 25


def test_a_step_that_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    """Its workers are gone before the finished cells are packed, since a dying worker still holds its cell."""
    program = (
        "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print(subprocess.Popen(['sleep', '100']).pid, flush=True); time.sleep(60)"
    )
    ended = supervise([sys.executable, "-c", program], tmp_path / "log", limit_s=3.0, grace_s=0.1)
    assert ended.status == "cut"
    status = Path("/proc", ended.message, "status")
    assert not status.exists() or "State:\tZ" in status.read_text()


def test_packs_of_other_results_are_never_replaced(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run_steps([python("fine", "print('x')")], 0.1, home, tmp_path)
    run_steps([python("fine", "print('y')")], 0.1, home, tmp_path)
    with pytest.raises(BadInput, match="holds packs of"):
        run_steps([python("fine", "print('z')")], 0.1, home, tmp_path / "others")


def test_the_summary_has_a_line_for_each_step_of_all_calls(tmp_path: Path) -> None:
    results, home = tmp_path / "results", tmp_path / "home"
    done_cell(results / "figure", make_cell())
    figure_2 = python("figure-2", "print('two')", results=results / "figure")
    run_steps([figure_2], 0.1, home, results)
    run_steps([python("figure-1", "print('one')")], 0.1, home, results)
    lines = (home / "summary.txt").read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [["figure-1", "done"], ["figure-2", "done"]]
    assert lines[1].endswith("1 cell in figure-2.zip: two")
    run_steps([python("machine", "print('x')"), figure_2], 0.1, home, results, stop=lambda: True)  # starts nothing
    machine, first, second = read_json(home / "summary.json")["steps"]
    assert machine["message"] == "not started: interrupted"
    assert [(step["name"], step["status"]) for step in (machine, first)] == [("machine", "cut"), ("figure-1", "done")]
    assert (second["status"], second["num_cells"], second["files"]) == ("cut", 1, ["figure-2.zip"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"steps": "figure-3"}, r"unknown step 'figure-3' \(did you mean 'figure-"),
        ({"device": "tpu"}, "choose from auto, cpu, cuda"),
        ({"data_dir": Path(__file__)}, "is not a folder"),
        ({"data_dir": Path("nowhere-at-all")}, "^data folder nowhere-at-all does not exist$"),
        ({"substitute": "faces,chair"}, r"--substitute: unknown data set 'chair' \(did you mean 'chairs'\?\)"),
    ],
)
def test_a_mistake_is_reported_before_the_first_step(tmp_path: Path, given: dict[str, object], said: str) -> None:
    named = {"device": "cpu", "results": tmp_path / "results", "spec": SHIPPED} | given
    with pytest.raises(BadInput, match=said):
        gpu(tmp_path / "home", 1.0, **named)  # type: ignore[arg-type]
    assert not (tmp_path / "home").exists()
