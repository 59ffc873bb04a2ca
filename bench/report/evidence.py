"""Verdicts from several results folders on the same claim: which of them answers it."""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.claims.result import ClaimResult
from bench.report.cards import place


@dataclass(frozen=True)
class Evidence:
    """One folder's verdict on a claim, of one arm or variant."""

    result: ClaimResult
    folder: str
    is_papers_budget: bool  # by its profile


def of_folder(results: Iterable[ClaimResult], folder: str) -> list[Evidence]:
    """A folder's verdicts. One on cost has no profile of its own: it counts as measured beside the folder's largest."""
    found = list(results)
    profiles = {result.profile for result in found}
    return [Evidence(one, folder, "paper" in ({one.profile} if one.profile else profiles)) for one in found]


def best(evidence: Iterable[Evidence]) -> list[list[Evidence]]:
    """The best evidence for each claim, a piece per arm: at the paper's budget if measured there, then of most seeds.

    Claims are ordered by id. The same id with another text is another claim: a user's own claim may share an id.

    The first piece of a claim has the largest budget (:func:`budget`), whatever it says. Among equals it is of the
    claim's first variant, which is our own reading, and there of the first decided arm that the claim names. Arms that
    were never run are left out if another one was run.
    """
    chosen: dict[tuple[str, str, str], Evidence] = {}
    for one in evidence:
        key = (one.result.id, one.result.text, one.result.group)
        before = chosen.get(key)
        if before is None or _rank(one) < _rank(before):
            chosen[key] = one
    claims: dict[tuple[str, str], list[Evidence]] = {}
    for (claim, text, _), one in chosen.items():
        claims.setdefault((claim, text), []).append(one)
    return [_shown(claims[claim]) for claim in sorted(claims, key=lambda claim: claim[0])]


def _shown(found: list[Evidence]) -> list[Evidence]:
    """The arms of one claim in order, without those that were never run if another one was."""
    shown = [one for one in found if one.result.has_run] or found
    variants = list(dict.fromkeys(one.result.variant for one in shown))
    return sorted(shown, key=lambda one: _order(one, variants))


def _rank(one: Evidence) -> tuple[bool, bool, bool, int, int]:
    """Decided before undecided; among the undecided, what was run before what was not."""
    result = one.result
    is_worse = not result.verdict.is_measured, not result.has_run, not one.is_papers_budget
    return *is_worse, -result.num_seeds, -result.iterations


def budget(one: Evidence) -> tuple[bool, int]:
    """The key by which the answers of a claim are ordered: the paper's budget above all others, then iterations."""
    return one.is_papers_budget, one.result.iterations


def _order(one: Evidence, variants: list[str | None]) -> tuple[bool, int, int, bool, bool]:
    is_papers, iterations = budget(one)
    return not is_papers, -iterations, *place(one.result, variants)
