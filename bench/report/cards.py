"""One card a claim, for a report's first screen: the answer, its number, every seed, the paper's number, a picture."""

from collections.abc import Iterable, Sequence

from bench.claims.result import ClaimResult
from bench.report import answers, wording
from bench.report.arms import BADGES, ArmView
from bench.report.pages import Card, FigureView, GridView, Share


def by_claim(results: Iterable[ClaimResult]) -> list[list[ClaimResult]]:
    """Results of the same claim together, in the order of the claims."""
    claims: dict[str, list[ClaimResult]] = {}
    for result in results:
        claims.setdefault(result.id, []).append(result)
    return list(claims.values())


def cards(results: Iterable[ClaimResult], pictures: dict[str, tuple[FigureView | GridView, ...]]) -> list[Card]:
    """Cards in the order of the claims. ``pictures``: by claim."""
    return [card(_ordered(same), pictures.get(same[0].id, ())) for same in by_claim(results)]


def card(results: Iterable[ClaimResult], pictures: tuple[FigureView | GridView, ...] = ()) -> Card:
    """The card of one claim, with its arms as they come."""
    return Card([ArmView(result) for result in results], pictures)


def _ordered(results: Sequence[ClaimResult]) -> list[ClaimResult]:
    """The arms of a claim: those of its first variant that was trained before another's, the best answer first."""
    variants = list(dict.fromkeys(r.variant for r in sorted(results, key=lambda r: not r.has_run)))
    return sorted(results, key=lambda r: (variants.index(r.variant), answers.ORDER.index(r.verdict.outcome)))


def shares(found: Sequence[Card]) -> list[Share]:
    """How many claims have which answer, the best arm's, the best answer first."""
    kinds: dict[tuple[str, str], int] = {}
    for outcome in answers.ORDER:
        badge = BADGES[outcome][0]
        count = sum(card.arms[0].badge.kind == badge for card in found)
        if count:
            kinds[badge, answers.ANSWERS[outcome]] = count
    return [Share(kind, words, count) for (kind, words), count in kinds.items()]


def summary(found: Sequence[Card]) -> str:
    """``Mostly on the paper's data, partly on substitutes. Of 11 claims: 7 yes, 2 partly and 2 open.``"""
    if not found:
        return ""
    on = {"the paper's data": True, "substitutes": False}
    parts = [
        (_how_far(own), where) for where, kind in on.items() if (own := [c for c in found if c.is_papers_data == kind])
    ]
    answer = ", ".join(f"{word} on {where}" for word, where in parts)
    counted = [f"{share.count} {share.words}" for share in shares(found)]
    return f"{answer[:1].upper()}{answer[1:]}. Of {wording.plural(len(found), 'claim')}: {wording.listed(counted)}."


def _how_far(found: Sequence[Card]) -> str:
    """How many of the claims hold, in a word."""
    kinds = [c.arms[0].badge.kind for c in found]
    if kinds.count("yes") == len(kinds):
        return "yes"
    if 2 * kinds.count("yes") > len(kinds):
        return "mostly"
    if "yes" in kinds or "part" in kinds:
        return "partly"
    return "open" if kinds.count("none") == len(kinds) else "no"
