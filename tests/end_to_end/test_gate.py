"""The gate through the command line: ok, a real cause that regresses, bad use, and what could not be measured."""

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.builders import experiment_text
from tests.end_to_end.harness import PATIENCE_S, Bench

pytestmark = pytest.mark.timeout(900)  # seconds; long enough for a busy machine

# T80 depends on Q's rate: at 1e-3 these small networks converge near iteration 25, at 4e-4 about twice as late.
FIELDS = """
[experiments.gate.training]
learning_rate_q = 1e-3

[experiments.gate.profiles.cpu]
iterations = 110
width = 0.06
num_images = 640

[experiments.gate.gate]
baseline_seeds = [0, 1, 2, 3, 4, 5]
new_seeds = [0, 1, 2, 3, 4]
more_seeds = [5, 6]
"""
EXPERIMENT = experiment_text("gate", FIELDS, source='"embedded"', seeds="[0, 1, 2, 3, 4]")
SHORT = EXPERIMENT.replace("iterations = 110", "iterations = 60")  # long enough for tests in which nothing is slower


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return with_baseline(tmp_path_factory.mktemp("gate"), SHORT)


def with_baseline(folder: Path, experiment: str) -> Bench:
    """A bench with a trained baseline of six seeds."""
    bench = Bench(folder)
    bench.spec.write_text(bench.spec.read_text() + experiment)
    output = bench("baseline", "gate", "--run", "--no-tracking", "--to", str(bench.folder / "baseline.json"))
    assert "baseline of 6 runs written" in output
    return bench


def check(bench: Bench) -> tuple[str, ...]:
    return ("check", "gate", "--no-tracking", "--baseline", str(bench.folder / "baseline.json"))


def test_the_same_code_is_ok(bench: Bench) -> None:
    output = bench(*check(bench))
    assert "ok: infogan: A slowdown of 20 % or more is excluded" in output
    assert "nothing differs from the baseline" in output
    assert json.loads((bench.results / "check" / "gate.json").read_text())["outcome"] == "ok"
    assert ElementTree.parse(bench.results / "check" / "gate.xml").getroot().attrib["failures"] == "0"


def test_json_alone_on_the_standard_output(bench: Bench) -> None:
    arguments = ("check", "gate", "--baseline", str(bench.folder / "baseline.json"), "--strict", "--json", "-")
    process = bench.start(*arguments, stderr=subprocess.PIPE)
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    found = json.loads(output)
    assert (found["outcome"], found["passed"], found["is_worse"], found["strict"]) == ("ok", True, False, True)
    assert found["arms"][0]["change"]["not_paired"] == []
    assert "5 pairs of the same seed" in errors


@pytest.mark.slow
def test_a_real_cause_regresses(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    bench, slow = with_baseline(tmp_path_factory.mktemp("gate"), EXPERIMENT), Bench(tmp_path)
    slow.spec.write_text(bench.spec.read_text().replace("learning_rate_q = 1e-3", "learning_rate_q = 4e-4"))
    arguments = check(bench)
    assert "has no run of gate with these settings; add --run" in slow(*arguments, code=2)
    output = slow(*arguments, "--run", code=1)
    assert "first look: regressed" in output
    assert "training.learning_rate_q: 0.001 -> 0.0004" in output
    assert "6 pairs of the same seed" in output  # six: the baseline has no seed 6
    assert "regressed: infogan: Slower by the tolerance of 10 % or more" in output
    history = (slow.results / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["outcome"] for line in history] == ["regressed"]
    assert json.loads(history[-1])["arms"]["infogan"]["ratio"] > 1.3
    # all seven seeds are finished now, so with and without --run the gate decides once, on all of them
    again, looked = slow(*arguments, "--run", code=1), slow(*arguments, code=1)
    assert "first look" not in again
    verdicts = {next(line for line in text.splitlines() if line.startswith("regressed: ")) for text in (again, looked)}
    assert len(verdicts) == 1


def test_a_baseline_that_was_named_and_is_none_is_bad_use(bench: Bench, tmp_path: Path) -> None:
    history = bench.results / "history.jsonl"
    before = history.read_bytes() if history.exists() else None
    assert "no baseline at" in bench.here("check", "gate", "--baseline", str(tmp_path / "none.json"), code=2)
    (tmp_path / "broken.json").write_text('{"format": 1, "runs": [')
    assert "is not a baseline" in bench.here("check", "gate", "--baseline", str(tmp_path / "broken.json"), code=2)
    assert (history.read_bytes() if history.exists() else None) == before


def test_a_damaged_run_is_not_left_out_of_a_baseline(bench: Bench, tmp_path: Path) -> None:
    record, to = bench.cells()["infogan/seed-0"] / "cell.json", tmp_path / "new.json"
    sound = record.read_bytes()
    record.write_bytes(sound[:-10])
    try:
        output = bench.here("baseline", "gate", "--to", str(to), code=2)
    finally:
        record.write_bytes(sound)
    assert "damaged: infogan/seed-0: cell.json" in output
    assert "error: the baseline lacks 1 finished cell, infogan/seed-0 first; add --run\n" in output
    assert not to.exists()


def test_what_cannot_be_measured_is_neither_passed_nor_failed(bench: Bench) -> None:
    assert "no baseline at" in bench.here("check", "gate", code=3)  # no baseline is committed at the default place
    assert "no finished run for seeds 6" in bench.here(*check(bench), "--seeds", "0-6", code=3)


def test_an_experiment_without_categories_is_bad_use(bench: Bench) -> None:
    text = bench.spec.read_text()
    codes = 'codes = [{ kind = "categorical", num_categories = 10 }]'
    bench.spec.write_text(text.replace(codes, 'codes = [{ kind = "continuous" }]'))
    try:
        assert "no categorical code" in bench.here("check", "gate", code=2)
    finally:
        bench.spec.write_text(text)
