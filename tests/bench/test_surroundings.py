"""What the process finds around it: foreign repositories, no home, a long TMPDIR. Records stay true, cells train."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import environment
from bench.commands.report import require_results
from bench.console import BadInput
from bench.paths import DEFAULT_RESULTS, on_results
from bench.serve.ui import show
from bench.spec.reading import BUILTIN
from infogan.data import DataError
from infogan.data.base import home_dir
from tests.builders import SHIPPED

ROOT = Path(__file__).parents[2]
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def told(code: str, *arguments: str, root: Path = ROOT, **environment: str | None) -> str:
    """Standard output of a fresh interpreter over the package in ``root``; None takes a variable away."""
    wanted = os.environ | {"PYTHONPATH": str(root)} | environment
    kept = {name: value for name, value in wanted.items() if value is not None}
    command = [sys.executable, "-c", code, *arguments]
    ran = subprocess.run(command, cwd=root, env=kept, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


# ---------------------------------------------------------------- which commit
COMMIT = "from bench import environment; print(environment.git_commit())"


def git(folder: Path, *arguments: str) -> str:
    nobody = ["-c", "user.name=n", "-c", "user.email=n@n", "-c", "commit.gpgsign=false"]
    own = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    run = subprocess.run(["git", *nobody, *arguments], cwd=folder, env=own, capture_output=True, text=True, check=True)
    return run.stdout.strip()


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Somebody's repository with an unpacked copy of this package in it, which it does not track."""
    git(tmp_path, "init", "-q")
    (tmp_path / "theirs").write_text("1")
    git(tmp_path, "add", "theirs")
    git(tmp_path, "commit", "-qm", "theirs")
    copy = tmp_path / "unpacked"
    for package in ("bench", "infogan"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@needs_git
def test_no_foreign_repository_answers_for_this_code(foreign: Path) -> None:
    copy = foreign / "unpacked"
    assert told(COMMIT, root=copy) == "unknown"
    assert told(COMMIT, root=copy, GIT_DIR=str(foreign / ".git"), GIT_WORK_TREE=str(foreign)) == "unknown"
    for package in ("bench", "infogan"):  # unpacked over the repository's own top
        shutil.move(copy / package, foreign / package)
    assert told(COMMIT, root=foreign) == "unknown"


@needs_git
def test_a_checkouts_own_commit_and_whether_it_was_changed(foreign: Path) -> None:
    copy = foreign / "unpacked"
    git(copy, "init", "-q")
    git(copy, "add", ".")
    git(copy, "commit", "-qm", "ours")
    head, other = git(copy, "rev-parse", "--short=12", "HEAD"), str(foreign / ".git")
    assert told(COMMIT, root=copy, GIT_DIR=other) == head
    (foreign / "theirs").write_text("2")  # their tree is changed, not ours
    assert told(COMMIT, root=copy, GIT_DIR=other, GIT_WORK_TREE=str(foreign)) == head
    (copy / "bench" / "cli.py").write_text("# changed")
    assert told(COMMIT, root=copy, GIT_DIR=other, GIT_INDEX_FILE=str(foreign / "nowhere")) == head + "+"


# ---------------------------------------------------------------- recorded command lines
LINES = {
    "--results=/data/secret/x": "--results=DIR",
    "/data/secret/x": "DIR",
    "results/latest": "results/latest",
    "--arms=infogan": "--arms=infogan",
    "results/of a friend": "'results/of a friend'",
    "--store=postgresql://me:pw@db.local/x": "--store=DIR",
    "sqlite:////data/secret/x": "DIR",
}


@pytest.mark.parametrize("home", ["/", "/data", "", None])
@pytest.mark.parametrize("argument", LINES)
def test_a_recorded_command_shows_no_path_of_this_machine(
    argument: str, home: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = LINES[argument]
    if home == "/data" and "//" not in argument:
        expected = expected.replace("DIR", "~/secret/x")
    monkeypatch.setattr(sys, "argv", ["bench", argument])
    if home is None:
        monkeypatch.delenv("HOME", raising=False)
    else:
        monkeypatch.setenv("HOME", home)
    assert environment.command_line() == f"python -m bench {expected}"


def test_a_command_to_copy_is_quoted_for_a_shell() -> None:
    words = ["report", "--results", "/data/it's mine; $HOME", "~/all runs", "~/x", "", "lr=0.1"]
    shown = environment.command(*words)
    assert shown.endswith(" ~/'all runs' ~/x '' lr=0.1")  # a bare "~" is the home folder
    assert shlex.split(shown) == ["python", "-m", "bench", *words]


def test_suggested_commands_name_and_quote_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, quoted = tmp_path / "it's mine", shlex.quote(str(tmp_path / "it's mine"))
    with pytest.raises(BadInput, match=re.escape(f"`python -m bench run EXPERIMENT --results {quoted}` creates it")):
        require_results(there)
    there.mkdir()
    with pytest.raises(BadInput, match=re.escape(f"run `python -m bench run EXPERIMENT --results {quoted}` first")):
        show(there, None, open_browser=False)
    (there / "cells").mkdir()
    with pytest.raises(BadInput, match=re.escape(f"run `python -m bench sync --results {quoted}` first")):
        show(there, None, open_browser=False)
    monkeypatch.chdir(tmp_path)
    assert on_results(Path("it's mine"), "sync") == f"python -m bench sync --results {quoted}"
    assert on_results(Path("results/latest").absolute(), "sync") == "python -m bench sync"
    assert on_results(DEFAULT_RESULTS, "plan", spec=Path("a b.toml")).endswith(
        f" plan --spec {shlex.quote(str(tmp_path / 'a b.toml'))}"
    )
    for spec in (SHIPPED, BUILTIN):  # in a checkout one is a link to the other
        assert on_results(DEFAULT_RESULTS, "plan", spec=spec) == "python -m bench plan"


# ---------------------------------------------------------------- no home
HOMELESS = """
import json, os, pwd, sys
def gone(_):
    raise KeyError("no such user")
pwd.getpwuid = gone
from infogan.data.base import cache_dir, home_dir
import bench.cli
try:
    bench.cli.main()
except SystemExit as end:
    print(json.dumps([end.code, os.environ["HOME"], str(cache_dir())]))
"""


@pytest.mark.parametrize("command", [["--help"], ["plan", "mi-gate"], ["report"], ["sync"], ["check"]])
def test_commands_without_a_home(tmp_path: Path, command: list[str]) -> None:
    """A container's user without an entry: what wants a home, MLflow and the cache, gets one of its own."""
    results = ["--results", str(tmp_path / "r")] if command != ["--help"] else []
    (tmp_path / "r" / "cells").mkdir(parents=True)
    without = {"HOME": None, "INFOGAN_CACHE": None, "XDG_CACHE_HOME": None, "TMPDIR": str(tmp_path)}
    out = told(HOMELESS, *command, *results, **without)  # type: ignore[arg-type]
    code, home, cache = json.loads(out.splitlines()[-1])
    assert (code or 0) == (2 if command == ["check"] else 0)  # sys.exit(None) is 0
    assert (home, cache) == (str(tmp_path / f"infogan-home-{os.getuid()}"), f"{home}/.cache/infogan")
    assert Path(home).stat().st_mode & 0o777 == 0o700


def test_a_home_that_somebody_else_has_made_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", gone)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / f"infogan-home-{os.getuid()}"
    folder.symlink_to(tmp_path)
    with pytest.raises(DataError, match="belongs to another user or is writable by others: set HOME"):
        home_dir()
    folder.unlink()
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(DataError, match="belongs to another user or is writable by others: set HOME"):
        home_dir()
    folder.rmdir()
    assert home_dir() == folder


# ---------------------------------------------------------------- a long TMPDIR
WORKER = """
import multiprocessing, tempfile
from bench.run.executors.local import _start_server
def child():
    print("the child has run", flush=True)
if __name__ == "__main__":
    before = tempfile.gettempdir()
    _start_server()
    process = multiprocessing.get_context("forkserver").Process(target=child)
    process.start()
    process.join()
    print(process.exitcode, tempfile.gettempdir() == before)
"""


@pytest.mark.parametrize("length", [10, 90, 200])
def test_workers_start_whatever_the_length_of_tmpdir(tmp_path: Path, length: int) -> None:
    folder = tmp_path / ("x" * length)
    folder.mkdir()
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert ran.stdout.split("\n")[:2] == ["the child has run", "0 True"], ran.stderr
