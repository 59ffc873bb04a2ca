"""``bench bisect`` with real training: in one of four commits of this code Q learns more slowly. Takes minutes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import ROOT, tiny_text
from tests.end_to_end.test_gate import EXPERIMENT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with this code and a gate that takes seconds. The third commit lowers Q's learning rate to 40 %."""
    folder = tmp_path / "repository"
    for name in ("bench", "infogan"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / ".gitignore").write_text("results\n__pycache__\n")
    spec = tiny_text() + EXPERIMENT
    (folder / "experiments.toml").write_text(spec)
    git(folder, "init", "-q")
    commit(folder, "the start")
    (folder / "NOTES.md").write_text("a note")
    commit(folder, "a note")
    (folder / "experiments.toml").write_text(spec.replace("learning_rate_q = 1e-3", "learning_rate_q = 4e-4"))
    commit(folder, "another rate of Q")
    (folder / "NOTES.md").write_text("another note")
    commit(folder, "another note")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    run = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout.strip()


def commit(folder: Path, subject: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", subject)


def test_the_planted_slowdown_is_found_and_its_curves_are_kept(repository: Path) -> None:
    command = [sys.executable, "-m", "bench", "bisect", "gate", "--good", "HEAD~3", "--results", "results/found"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def search(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more],
            cwd=repository,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=1500,
        )

    found = search()
    assert found.returncode == 0, found.stdout + found.stderr
    planted = git(repository, "rev-parse", "HEAD~1")
    assert f"first regressing commit: {planted} (another rate of Q)" in found.stdout
    folder = repository / "results" / "found" / "bisect" / "gate"
    written = json.loads((folder / "bisect.json").read_text())
    assert written["first_bad"] == planted
    cells = sorted((folder / "cells").glob("gate/cpu/infogan/*/*"))
    assert len(cells) == 6 + 5  # a commit that changes only notes trains nothing: it has the cells of another
    assert git(repository, "worktree", "list").count("\n") == 0
    before = {path: path.stat().st_mtime_ns for path in (folder / "curves").glob("*.json")}
    assert search().returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (folder / "curves").glob("*.json")} == before
    again = search("--bad", "HEAD~2")
    assert again.returncode == 2
    assert "is no regression, so there is nothing to find" in again.stderr
