"""The search on a real history with real work trees; the curves are the baseline's, stretched as each commit states."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bench.analysis.runs import Sweep
from bench.commands import bisect as command
from bench.console import BadInput
from bench.gate import bisect
from bench.gate.bisect import BisectError, Search, find, resolve
from bench.publish.gate_proof import stretched
from bench.spec.criteria import GateTable
from tests.bench.gate.baselines import BASELINE, converging

RULE = GateTable(baseline_seeds=list(range(10)), new_seeds=[0, 1, 2, 3, 4], more_seeds=[5, 6, 7, 8, 9])


@pytest.fixture(scope="module")
def base() -> Sweep:
    return converging()


@dataclass
class History:
    """A repository in which the file ``slowdown`` states how slow a commit is; ``asked`` lists what was measured."""

    folder: Path
    sweep: Sweep
    commits: list[str] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    def add(self, *slowdowns: str) -> "History":
        for slowdown in slowdowns:
            (self.folder / "slowdown").write_text(slowdown)
            (self.folder / "number").write_text(str(len(self.commits)))
            self.git("add", "-A")
            self.git("commit", "-qm", f"number {len(self.commits)}")
            self.commits.append(self.git("rev-parse", "HEAD"))
        return self

    @property
    def tree(self) -> Path:
        return self.folder.parent / "tree"

    def measure(self, commit: str, seeds: tuple[int, ...]) -> Sweep | str:
        slowdown = (self.tree / "slowdown").read_text()
        assert (self.tree / "number").read_text() == str(self.commits.index(commit))
        self.asked.append((commit, len(seeds)))
        if slowdown == "broken":
            return "exit code 1: it does not start"
        factors = [float(part) for part in slowdown.split()]
        runs = [
            stretched(run, factors[run.cell.seed % len(factors)]) for run in self.sweep.runs if run.cell.seed in seeds
        ]
        return replace(self.sweep, runs=runs)

    def search(self, **changed: object) -> Search:
        return Search(self.folder, self.tree, RULE, self.measure, **changed)  # type: ignore[arg-type]


@pytest.fixture
def history(tmp_path: Path, base: Sweep) -> Iterator[History]:
    folder = tmp_path / "repository"
    folder.mkdir()
    made = History(folder, base)
    made.git("init", "-q")
    yield made
    assert not made.tree.exists()  # nothing is left behind, whatever happened
    assert made.git("worktree", "list").count("\n") == 0


def test_the_planted_commit_is_found(history: History) -> None:
    history.add("1.0", "1.01", "1.0", "1.0", "1.4", "1.4", "1.4", "1.4")
    said: list[str] = []
    found = find(history.search(announce=said.append), history.commits[0], history.commits[-1])
    assert found.first_bad == history.commits[4]
    judged = {j.commit: j.term for j in found.judged}
    assert judged[history.commits[4]] == "bad"
    assert judged[history.commits[3]] == "good"
    assert len(found.judged) <= 1 + 3  # the bad end, then a search among seven commits
    assert history.asked[:2] == [(history.commits[0], 10), (history.commits[-1], 5)]
    assert said[0].startswith(f"good {history.commits[0][:12]} (number 0)")
    assert any(line.startswith(f"bad {history.commits[4][:12]} (number 4): regressed: ") for line in said)


def test_a_tolerated_slowdown_is_found_where_strict(history: History) -> None:
    history.add("1.0", "1.0", "1.07", "1.07")
    with pytest.raises(BisectError, match="is no regression, so there is nothing to find: ok, but slower"):
        find(history.search(), history.commits[0], history.commits[-1])
    assert find(history.search(strict=True), history.commits[0], history.commits[-1]).first_bad == history.commits[2]


def test_what_cannot_be_measured_or_decided_is_skipped(history: History) -> None:
    undecided = "1.0 1.5"  # every other seed slower: neither a regression nor its absence
    history.add("1.0", "1.0", "broken", undecided, "1.4", "1.4")
    found = find(history.search(), history.commits[0], history.commits[-1])
    assert found.first_bad is None
    assert set(found.left) == set(history.commits[2:5])
    terms = {j.commit: (j.term, j.verdict) for j in found.judged}
    assert terms[history.commits[2]] == ("skip", "exit code 1: it does not start")
    assert terms[history.commits[3]][0] == "skip"
    assert [num for commit, num in history.asked if commit == history.commits[3]] == [5, 10]  # more seeds, once


def test_ends_that_are_not_what_they_were_said_to_be(history: History, base: Sweep) -> None:
    history.add("1.4", "1.4", "broken")
    first, second, broken = history.commits
    with pytest.raises(BisectError, match=r"the good commit .* is bad already, against the baseline: infogan: Slower"):
        find(history.search(), first, second, committed=base)
    with pytest.raises(BisectError, match="is no regression"):
        find(history.search(), first, second)
    with pytest.raises(BisectError, match=r"the bad commit .* cannot be judged"):
        find(history.search(), first, broken)
    with pytest.raises(BisectError, match=r"the good commit .* cannot be measured: exit code 1"):
        find(history.search(), broken, first)


def test_revisions_that_make_no_search(history: History) -> None:
    history.add("1.0", "1.0")
    first, second = history.commits
    assert resolve(history.folder, "HEAD~1", "HEAD") == (first, second)
    for good, bad, why in (
        ("none", "HEAD", "there is no commit 'none' here"),
        ("HEAD", "--help", "there is no commit '--help' here"),
        ("HEAD", "HEAD", "are one commit"),
        (second, first, "does not come before"),
    ):
        with pytest.raises(BisectError, match=why):
            resolve(history.folder, good, bad)


def test_a_shallow_clone_is_told_how_to_get_the_other_commits(history: History, tmp_path: Path) -> None:
    first, second = history.add("1.0", "1.5").commits
    history.git("clone", "-q", "--depth", "1", f"file://{history.folder}", str(tmp_path / "shallow"))
    with pytest.raises(BisectError, match="git fetch --unshallow"):
        resolve(tmp_path / "shallow", "HEAD~1", "HEAD")
    subprocess.run(["git", "fetch", "-q", "--unshallow"], cwd=tmp_path / "shallow", check=True)
    assert resolve(tmp_path / "shallow", "HEAD~1", "HEAD") == (first, second)


def test_no_foreign_repository_is_searched(history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one around an unpacked archive, nor one that GIT_DIR points to."""
    commits = tuple(history.add("1.0", "1.5").commits)
    for folder in (history.folder / "unpacked", tmp_path / "archive"):
        folder.mkdir()
        with pytest.raises(BisectError, match="is no git checkout"):
            resolve(folder, "HEAD~1", "HEAD")
    other = History(tmp_path / "other", history.sweep)
    other.folder.mkdir()
    other.git("init", "-q")
    other.add("1.0", "1.5", "2.0")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    found = resolve(history.folder, "HEAD~1", "HEAD")
    monkeypatch.delenv("GIT_DIR")
    assert found == commits


def test_a_work_tree_that_cannot_be_made(history: History) -> None:
    history.add("1.0", "1.4")
    (history.folder.parent / "file").write_text("")
    search = replace(history.search(), tree=history.folder.parent / "file" / "tree")
    with pytest.raises(BisectError, match=r"no work tree at .*: git worktree: "):
        find(search, *history.commits)


def test_a_killed_search_is_cleared_and_its_curves_are_used(history: History, tmp_path: Path) -> None:
    history.add("1.0", "1.4")
    history.git("worktree", "add", "--detach", str(history.tree), history.commits[0])  # left by a killed search
    assert find(history.search(), *history.commits).first_bad == history.commits[1]
    trainer = command.Trainer("mi-gate", tmp_path, "ab" * 32, {"--profile": "cpu", "--device": "cpu"})
    kept = trainer.curves(history.commits[0], tuple(range(10)))
    kept.parent.mkdir()
    kept.write_bytes(BASELINE.read_bytes())
    sweep = trainer(history.commits[0], tuple(range(10)))  # without a work tree it can only read its curves
    assert isinstance(sweep, Sweep)
    kept.write_text(json.dumps(json.loads(BASELINE.read_text()) | {"format": 99}))
    assert trainer(history.commits[0], tuple(range(10))) == (
        "its curves cannot be read here: record format 99, this version reads 1"
    )


def test_bad_use_is_one_line_and_leaves_nothing(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.add("1.0")
    monkeypatch.setattr(command, "ROOT", history.folder)
    results = tmp_path / "results"
    for given, why in (
        ({"good": "none"}, "no commit 'none'"),
        ({"good": "HEAD", "baseline_file": tmp_path / "none.json"}, "--baseline: no baseline at"),
    ):
        with pytest.raises(BadInput, match=why):
            command.bisect(results=results, **given)  # type: ignore[arg-type]
    assert not results.exists()
    results.mkdir()
    (results / "bisect").write_text("")
    with pytest.raises(BadInput, match=r"folder of the search .* is not a folder: bisect is a file"):
        command.bisect("HEAD", results=results)


def test_the_answer_is_written(history: History, tmp_path: Path) -> None:
    history.add("1.0", "1.4")
    bisect.write(find(history.search(), *history.commits), tmp_path / "bisect.json")
    written = json.loads((tmp_path / "bisect.json").read_text())
    assert written["first_bad"] == history.commits[1]
    assert written["judged"][0]["check"]["arms"][0]["t80"]["ratio"]["ratio"] == pytest.approx(1.4, abs=0.06)
