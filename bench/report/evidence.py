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
    """Of each claim a piece for each arm: at the paper's budget where measured, of most seeds and iterations.

    Claims are in the order of their ids. Of one id, another text is another claim: a user's own may share an id.

    The first has the largest budget (:func:`budget`), whatever it says. Of equals it is of the claim's first variant,
    the reading that we stand for, and of its arms the first that the claim names and that is decided. An arm that was
    never run is left out where another one was.
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
    """Decided before undecided, and what was run before what was not: an undecided interval is no missing run."""
    result = one.result
    is_worse = not result.verdict.is_measured, not result.has_run, not one.is_papers_budget
    return *is_worse, -result.num_seeds, -result.iterations


def budget(one: Evidence) -> tuple[bool, int]:
    """What the answers of a claim are ordered by: the paper's budget above all others, then the iterations."""
    return one.is_papers_budget, one.result.iterations


def _order(one: Evidence, variants: list[str | None]) -> tuple[bool, int, int, bool, bool]:
    is_papers, iterations = budget(one)
    return not is_papers, -iterations, *place(one.result, variants)
