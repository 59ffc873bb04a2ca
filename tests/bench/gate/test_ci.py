"""The example workflow for a user's CI: its shell steps run as GitHub runs them; the Markdown holds the answer."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.analysis.runs import Sweep
from bench.commands import gate as gate_commands
from bench.gate.compare import Check, compare, inconclusive
from bench.gate.markdown import to_markdown
from bench.publish.gate_proof import failing, stretched
from bench.spec.criteria import GateTable
from tests.bench.gate.baselines import converging

ROOT = Path(__file__).parents[3]
FIVE = (0, 1, 2, 3, 4)
RULE = GateTable(baseline_seeds=list(range(10)), new_seeds=list(FIVE), more_seeds=[5, 6, 7, 8, 9])


@pytest.fixture(scope="module")
def base() -> Sweep:
    return converging()


def checked(base: Sweep, factor: float) -> Check:
    return compare(RULE, base, replace(base, runs=[stretched(run, factor) for run in base.runs[:5]]), FIVE)


def step(name: str) -> dict[str, Any]:
    workflow = yaml.safe_load((ROOT / "docs" / "ci-workflow.yml").read_text())
    (found,) = [s for s in workflow["jobs"]["check"]["steps"] if s.get("name") == name]
    return dict(found)


def run_step(name: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does: bash -e on its text, with its own variables in addition to the runner's."""
    environment = {"PATH": os.environ["PATH"], "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "CI": "true"}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step(name)["run"]]
    return subprocess.run(command, cwd=folder, env=environment | variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("factor", "annotation"),
    [
        (1.0, "::notice title=MI convergence::✅ MI convergence of mi-gate: ok\n"),
        (1.4, "::error title=MI convergence::❌ MI convergence of mi-gate: regressed\n"),
        (1.08, "::warning title=MI convergence::⚠️ MI convergence of mi-gate: ok, but slower"),
    ],
)
def test_the_summary_step(base: Sweep, tmp_path: Path, factor: float, annotation: str) -> None:
    results = tmp_path / "results" / "latest"
    gate_commands.conclude(checked(base, factor), RULE, None, results)
    done = run_step("Summary and annotation", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(annotation)
    summary = (tmp_path / "summary.md").read_text()
    assert summary == (results / "check" / "mi-gate.md").read_text()
    assert "```mermaid" in summary


def test_the_summary_step_after_a_check_that_did_not_end(tmp_path: Path) -> None:
    done = run_step("Summary and annotation", tmp_path)
    assert done.returncode == 0
    assert done.stdout == "::error title=MI convergence::The check did not get as far as an answer\n"
    assert not (tmp_path / "summary.md").exists()


def test_the_comment_step_edits_its_own_comment(base: Sweep, tmp_path: Path) -> None:
    """Instead of GitHub's client, a program runs that records its arguments."""
    program = tmp_path / "bin" / "gh"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$GH_TOKEN" "$@" > "$PWD/asked"\n')
    program.chmod(0o755)
    variables = {"PATH": f"{program.parent}:{os.environ['PATH']}", "PULL_REQUEST": "7", "GH_TOKEN": "t"}
    assert run_step("Comment on the pull request", tmp_path, **variables).returncode == 0
    assert not (tmp_path / "asked").exists()  # no answer, no comment
    results = tmp_path / "results" / "latest"
    gate_commands.conclude(checked(base, 1.0), RULE, None, results)
    assert run_step("Comment on the pull request", tmp_path, **variables).returncode == 0
    file = "results/latest/check/mi-gate.md"
    expected = ["t", "pr", "comment", "7", "--body-file", file, "--edit-last", "--create-if-none"]
    assert (tmp_path / "asked").read_text().splitlines() == expected


def test_no_shell_part_has_an_expression_of_the_workflow_in_it() -> None:
    """Text from a pull request (a title, a branch) must not become part of a command."""
    workflow = yaml.safe_load((ROOT / "docs" / "ci-workflow.yml").read_text())
    for one in workflow["jobs"]["check"]["steps"]:
        assert "${{" not in one.get("run", "")


def test_the_gitlab_job_keeps_junit_and_lets_inconclusive_pass_as_a_warning() -> None:
    job = yaml.safe_load((ROOT / "docs" / "ci-gitlab.yml").read_text())["mi-convergence"]
    assert job["allow_failure"] == {"exit_codes": int(gate_commands.CODES["inconclusive"])}
    assert job["artifacts"]["reports"]["junit"] == "results/latest/check/mi-gate.xml"
    assert job["script"][-1] in (ROOT / "docs" / "ci-workflow.yml").read_text()  # the same command


def test_cron_mails_the_reason_whatever_fails(tmp_path: Path) -> None:
    """The line of docs/REGRESSION.md, run by a shell in a clone of this code that has no baseline."""
    upstream, clone = tmp_path / "upstream", tmp_path / "clone"
    for name in ("bench", "infogan"):
        shutil.copytree(ROOT / name, upstream / name, ignore=shutil.ignore_patterns("__pycache__"))
    (upstream / ".gitignore").write_text("__pycache__\n.venv\nresults\ncheck.log\n")

    def git(*arguments: object, folder: Path = upstream) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *identity, *map(str, arguments)], cwd=folder, check=True)

    def python(program: str) -> None:
        (clone / ".venv" / "bin" / "python").write_text(f"#!/bin/sh\n{program}\n")

    def mailed() -> str:
        (line,) = re.findall(r"^0 4 \* \* \* (.*)$", (ROOT / "docs" / "REGRESSION.md").read_text(), flags=re.MULTILINE)
        command = ["sh", "-c", line.replace("/srv/infogan", str(clone))]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        ).stdout

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "the start")
    git("clone", "-q", upstream, clone, folder=tmp_path)
    (clone / ".venv" / "bin").mkdir(parents=True)
    python(f'exec {sys.executable} "$@"')
    (clone / ".venv" / "bin" / "python").chmod(0o755)
    assert f"inconclusive: no baseline at {clone}/results/baseline/mi-gate.json" in mailed()
    spec = upstream / "bench" / "experiments.toml"
    spec.write_text(f"mistake = 1\n{spec.read_text()}")
    git("commit", "-qam", "a mistake")
    said = mailed()
    assert said.startswith("error: ")
    assert "mistake" in said
    upstream.rename(tmp_path / "away")
    said = mailed()
    assert "fatal: " in said
    assert "mistake" not in said  # which the night before has left in check.log
    (tmp_path / "away").rename(upstream)
    python("exit 0")
    assert mailed() == ""


def test_markdown_of_what_has_no_numbers(base: Sweep) -> None:
    text = to_markdown(inconclusive("mi-gate", "no baseline at <b>|`x`"), RULE)
    assert text.startswith("## ⚠️ MI convergence of mi-gate: inconclusive\n")
    assert "no baseline at \\<b\\>\\|\\`x\\`" in text
    failed = [failing(run) for run in base.runs[:5]]
    text = to_markdown(compare(RULE, base, replace(base, runs=failed), FIVE), RULE)
    assert re.search(r"\| infogan \| 9\d\.\d \| not reached \|", text)
    assert "unbounded] |" in text
    assert "mermaid" not in text
