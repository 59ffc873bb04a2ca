"""``bench bisect`` on real histories and processes. A commit's program copies curves instead of training for minutes.

``tests/end_to_end/test_bisect.py`` has commits that really train.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.sweep_file import write_curves
from bench.commands.bisect import Trainer, bisect
from bench.console import BadInput, Exit
from bench.publish.gate_proof import stretched
from bench.records.schema import Result
from tests.bench.gate.baselines import converging
from tests.builders import ROOT

PROGRAM = """
import os, pathlib, shutil, signal, sys, time
store = pathlib.Path(os.environ["STORE"])
given = dict(zip(sys.argv, sys.argv[1:]))
if not os.path.isdir(given.get("--data-dir", ".")):
    sys.exit("error: no data folder " + given["--data-dir"])
if pathlib.Path("slowdown").read_text() == "forever":
    def stop(signum, _):
        pathlib.Path(given["--results"], "told").write_text(str(signum))
        time.sleep(0.5)  # for checkpoints
        sys.exit(130 if signum == signal.SIGINT else 143)
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
    pathlib.Path(given["--results"], "pid").write_text(str(os.getpid()))
    while True:
        time.sleep(0.05)
slowdown = pathlib.Path("slowdown").read_text() if given["--profile"] == "cpu" else "1.0"
num_seeds = len(given["--seeds"].split(","))
shutil.copy(store / f"{slowdown}-{num_seeds}.json", given["--to"])
"""


@dataclass
class Toy:
    """A repository whose commits are fast or slow, or never end, in the profile cpu only."""

    folder: Path
    store: Path
    commits: list[str]

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

    def add(self, *slowdowns: str) -> "Toy":
        for slowdown in slowdowns:
            (self.folder / "slowdown").write_text(slowdown)
            self.git("add", "-A")
            self.git("commit", "-qm", slowdown)
            self.commits.append(self.git("rev-parse", "HEAD"))
        return self

    def search(self, results: Path, experiment: str = "mi-gate", **options: Any) -> Exit:
        return bisect(self.commits[0], experiment, self.commits[-1], results=results, **options)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    made = Toy(tmp_path / "repository", tmp_path / "store", [])
    (made.folder / "bench").mkdir(parents=True)
    (made.folder / "bench" / "__main__.py").write_text(PROGRAM)
    made.git("init", "-q")
    base = converging()
    for slowdown, num_seeds in ("1.0", 10), ("1.0", 5), ("1.5", 5):
        runs = [stretched(run, float(slowdown)) for run in base.runs[:num_seeds]]
        write_curves(made.store / f"{slowdown}-{num_seeds}.json", replace(base, runs=runs))
    monkeypatch.setenv("STORE", str(made.store))
    monkeypatch.setattr("bench.commands.bisect.ROOT", made.folder)
    return made


def test_curves_of_another_profile_are_not_used(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy.add("1.0", "1.5")
    with pytest.raises(BadInput, match="is no regression, so there is nothing to find"):
        toy.search(tmp_path / "results", "mnist-mi", profile="smoke")
    assert toy.search(tmp_path / "results", "mnist-mi", profile="cpu") == Exit.OK
    assert f"first regressing commit: {toy.commits[1]}" in capsys.readouterr().out


def test_a_commit_whose_seeds_diverge_is_bad(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three of five."""
    toy.add("1.0", "diverged")
    base = converging()
    failure = Result(status="failed", error="NonFiniteLoss", message="non-finite value at iteration 3: loss=nan")
    runs = [replace(r, state="failed", result=failure) if r.cell.seed < 3 else r for r in base.runs[:5]]
    write_curves(toy.store / "diverged-5.json", replace(base, runs=runs))
    assert toy.search(tmp_path / "results") == Exit.OK
    said = capsys.readouterr().out
    assert f"first regressing commit: {toy.commits[1]}" in said
    assert "3 of 5 new seeds failed, 0 of 10 in the baseline" in " ".join(said.split())


def test_a_commit_that_fails_cannot_be_judged(toy: Toy, tmp_path: Path) -> None:
    toy.add("1.0", "unknown")
    with pytest.raises(BadInput, match=r"cannot be judged.*exit code 1: FileNotFoundError.*unknown-5.json"):
        toy.search(tmp_path / "results")


def test_the_name_of_curves_holds_all_that_they_depend_on(tmp_path: Path) -> None:
    def name(seeds: tuple[int, ...] = (0, 1), *, experiment: str = "mi-gate", data: str = "ab", **changed: str) -> str:
        given = {"--profile": "cpu", "--device": "cpu"} | {f"--{option}": value for option, value in changed.items()}
        return Trainer(experiment, tmp_path, data, given).curves("c0ffee", seeds).name

    others = [
        *(name((5, 6)), name(experiment="mnist"), name(data="cd"), name(profile="smoke"), name(device="cuda")),
    ]
    assert len({name(), *others}) == 1 + len(others)
    assert name((1, 0)) == name() == name(jobs="3")
    assert name().startswith("c0ffee-")


def test_a_relative_data_folder(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.add("1.0", "1.5")
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    with pytest.raises(BadInput, match="data file is not a folder"):
        toy.search(Path("results"), data_dir=Path("file"))
    assert not Path("results").exists()
    Path("data").mkdir()
    assert toy.search(Path("results"), data_dir=Path("data")) == Exit.OK


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, path
        time.sleep(0.05)
    return path.read_text()


def test_a_signal_ends_the_training_and_removes_the_work_tree(toy: Toy, tmp_path: Path) -> None:
    toy.add("forever", "1.0")
    script = (
        "import sys; from pathlib import Path; from bench.commands import bisect; bisect.ROOT = Path(sys.argv[3]); "
        "sys.exit(bisect.bisect(sys.argv[1], bad=sys.argv[2], results=Path(sys.argv[4])))"
    )
    cases = {signal.SIGTERM: Exit.TERMINATED, signal.SIGHUP: Exit.TERMINATED, signal.SIGINT: Exit.INTERRUPTED}
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    searches = {
        signum: subprocess.Popen(
            [sys.executable, "-c", script, *toy.commits, str(toy.folder), str(tmp_path / signum.name)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for signum in cases
    }
    for signum, search in searches.items():
        folder = tmp_path / signum.name / "bisect" / "mi-gate"
        training = int(wait_for(folder / "pid"))
        search.send_signal(signum)
        said, _ = search.communicate(timeout=60)
        assert search.returncode == cases[signum], said
        assert f"interrupted: what was trained is kept in {folder}" in said
        passed_on = signal.SIGINT if signum == signal.SIGINT else signal.SIGTERM
        assert (folder / "told").read_text() == str(int(passed_on))
        with pytest.raises(ProcessLookupError):
            os.kill(training, 0)
        assert not (folder / "tree").exists()
    assert toy.git("worktree", "list").count("\n") == 0
