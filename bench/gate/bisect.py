"""Find the commit that made it slower: the gate in a work tree, driven by ``git bisect``.

Every commit trains with its own code and is judged by today's rule against the good commit's seeds. Curves of a commit
and the cells behind them are kept, so that a search that was cut short goes on where it was.
"""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from bench.analysis.runs import Sweep
from bench.analysis.statistics import GateOutcome
from bench.console import BadInput
from bench.environment import git_environment
from bench.gate import output
from bench.gate.compare import Check, compare
from bench.records.storage import plain_json, write_plain_json
from bench.spec.criteria import GateTable

Term = Literal["good", "bad", "skip"]
Measure = Callable[[str, tuple[int, ...]], Sweep | str]  # of a commit in the tree: its runs, or why there are none
TERMS: dict[GateOutcome, Term] = {"ok": "good", "regressed": "bad", "inconclusive": "skip"}  # what git is told
CHARACTERS = 12  # of a commit's name


class BisectError(BadInput):
    """Why there is nothing to search, in one line."""


@dataclass(frozen=True)
class Judged:
    """One commit's answer."""

    commit: str
    subject: str
    term: Term
    verdict: str
    check: Check | None


@dataclass(frozen=True)
class SearchResult:
    """The end of a search. ``first_bad``: the first regressing commit; None where only unjudged commits are left."""

    first_bad: str | None
    left: list[str]  # any of these may be the first, where it is not known
    judged: list[Judged]


@dataclass(frozen=True)
class Search:
    """A search: where, and by which rule. ``measure`` finds the commit checked out in ``tree``."""

    repository: Path
    tree: Path
    rule: GateTable
    measure: Measure
    strict: bool = False
    announce: Callable[[str], None] = lambda text: None


def git(folder: Path, *arguments: str, also: int = 0) -> str:
    """Output of a git command that ends with 0, or with ``also``. Raises BisectError with its last line.

    It runs in a session of its own, so that no Ctrl-C breaks it off.
    """
    english = git_environment() | {"LC_ALL": "C"}  # for _answer
    try:
        run = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=english,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            start_new_session=True,
        )
    except OSError as error:
        raise BisectError(f"git cannot be run: {error}") from error
    if run.returncode not in (0, also):
        said = (run.stderr.strip() or run.stdout.strip() or "no message").splitlines()[-1]
        raise BisectError(f"git {arguments[0]}: {said}")
    return run.stdout.strip()


def resolve(repository: Path, good: str, bad: str) -> tuple[str, str]:
    """Both commits' full names. Raises BisectError where one does not exist, or good does not come before bad.

    Also where ``repository`` is not the top of a checkout.
    """
    top = git(repository, "rev-parse", "--show-toplevel", also=128)  # 128: no repository
    if Path(top) != repository.resolve():  # an unpacked archive, perhaps inside another repository
        raise BisectError(f"{repository} is no git checkout; a search needs a clone, with its history")
    is_shallow = git(repository, "rev-parse", "--is-shallow-repository") == "true"
    hint = "; this clone is shallow: `git fetch --unshallow` gets the other commits" if is_shallow else ""
    names = []
    for revision in (good, bad):
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        try:
            names.append(git(repository, *asked))
        except BisectError:
            raise BisectError(f"there is no commit {revision!r} here{hint}") from None
    if names[0] == names[1]:
        raise BisectError(f"{good} and {bad} are one commit")
    try:
        git(repository, "merge-base", "--is-ancestor", *names)
    except BisectError:
        raise BisectError(f"{good} does not come before {bad}{hint}") from None
    return names[0], names[1]


@contextlib.contextmanager
def work_tree(repository: Path, tree: Path, commit: str) -> Iterator[None]:
    """A checkout of its own for as long as it is needed; what a killed search left there goes first."""
    remove_tree(repository, tree)
    try:
        git(repository, "worktree", "add", "--detach", "--force", str(tree), commit)
    except BisectError as error:
        remove_tree(repository, tree)
        raise BisectError(f"no work tree at {tree}: {error}") from error
    try:
        yield
    finally:
        remove_tree(repository, tree)


def remove_tree(repository: Path, tree: Path) -> None:
    """Remove a work tree, if it is there."""
    with contextlib.suppress(BisectError):
        git(repository, "worktree", "remove", "--force", "--force", str(tree))
    with contextlib.suppress(BisectError):
        git(repository, "worktree", "prune")


def find(search: Search, good: str, bad: str, committed: Sweep | None = None) -> SearchResult:
    """The first regressing commit after ``good``, up to ``bad``; both as :func:`resolve` gives them.

    ``committed``: a baseline that the good commit must pass. Raises BisectError if the good commit is bad or the bad
    one is not, or if there can be no work tree.
    """
    with work_tree(search.repository, search.tree, good):
        base = _measured_good(search, good, committed)
        judged = [_judge_end(search, bad, base)]
        said = git(search.tree, "bisect", "start", bad, good)
        while not (answer := _answer(said)):
            commit = git(search.tree, "rev-parse", "HEAD")
            judged.append(_judge(search, commit, base))
            said = git(search.tree, "bisect", judged[-1].term, also=2)  # 2: only skipped commits are left
        return SearchResult(*answer, judged)


def _measured_good(search: Search, good: str, committed: Sweep | None) -> Sweep:
    seeds = tuple(search.rule.baseline_seeds)
    base = search.measure(good, seeds)
    if isinstance(base, str):
        raise BisectError(f"the good commit {_short(good)} cannot be measured: {base}")
    if committed is not None:
        check = compare(search.rule, committed, base, seeds)
        if check.outcome == "regressed":
            raise BisectError(f"the good commit {_short(good)} is bad already, against the baseline: {check.reason}")
    search.announce(f"good {_describe(search.tree, good)}: {len(base.runs)} seeds, what the others are held against")
    return base


def _judge_end(search: Search, bad: str, base: Sweep) -> Judged:
    git(search.tree, "checkout", "--quiet", "--detach", bad)
    judged = _judge(search, bad, base)
    if judged.term != "bad":
        what = "is no regression" if judged.term == "good" else "cannot be judged"
        raise BisectError(f"the bad commit {_short(bad)} {what}, so there is nothing to find: {judged.verdict}")
    return judged


def _judge(search: Search, commit: str, base: Sweep) -> Judged:
    """Judge a commit. If it is inconclusive it gets more seeds once, and then it is skipped."""
    rule, check, verdict = search.rule, None, ""
    outcome: GateOutcome = "inconclusive"
    for seeds in (tuple(rule.new_seeds), (*rule.new_seeds, *rule.more_seeds)):
        new = search.measure(commit, seeds)
        if isinstance(new, str):
            verdict = new
            break
        check = compare(rule, base, new, seeds)
        verdict, outcome = output.verdict(check, rule), output.outcome_of(check, search.strict)
        if outcome != "inconclusive" or not check.next_seeds:
            break
    term = TERMS[outcome]
    search.announce(f"{term} {_describe(search.tree, commit)}: {verdict}")
    return Judged(commit, git(search.tree, "show", "-s", "--format=%s", commit), term, verdict, check)


def _answer(said: str) -> tuple[str | None, list[str]] | None:
    """The first bad commit and the commits that may be it, once git bisect is through; None before."""
    lines = said.splitlines()
    for line in lines:
        if line.endswith(" is the first bad commit"):
            return line.split()[0], []
    if any("only 'skip'ped commits left" in line for line in lines):
        names = [line.strip() for line in lines]
        return None, [name for name in names if len(name) >= 40 and set(name) <= set("0123456789abcdef")]
    return None


def _short(commit: str) -> str:
    return commit[:CHARACTERS]


def _describe(folder: Path, commit: str) -> str:
    return git(folder, "show", "-s", f"--abbrev={CHARACTERS}", "--format=%h (%s)", commit)


def write(found: SearchResult, path: Path) -> None:
    """Write every commit's answer with its numbers."""
    raw = {"first_bad": found.first_bad, "left": found.left, "judged": [asdict(j) for j in found.judged]}
    write_plain_json(path, plain_json(raw))
