"""One card a claim, for a report's first screen: the answer, its number, every seed, the paper's number, a picture."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.analysis.runs import Run, Sweep
from bench.claims.result import ClaimResult
from bench.claims.verdict import ClaimOutcome
from bench.console import plural
from bench.report import answers, wording
from bench.report.arms import BADGES, ArmView
from bench.report.pages import Card, FigureView, GridView, Share
from bench.spec.vocabulary import MEASURED, measure
from infogan.measures.catalogue import FAMILIES

Pictures = tuple[FigureView | GridView, ...]


def by_claim(results: Iterable[ClaimResult]) -> list[list[ClaimResult]]:
    """Results of the same claim together, in the order of the claims."""
    claims: dict[str, list[ClaimResult]] = {}
    for result in results:
        claims.setdefault(result.id, []).append(result)
    return list(claims.values())


def told(results: Iterable[ClaimResult]) -> list[ClaimResult]:
    """What a reader is told: the arms that were run; of a claim without any, that it is open."""
    return [one for same in by_claim(results) for one in [r for r in same if r.has_run] or same[:1]]


def cards(results: Iterable[ClaimResult], pictures: dict[str, Pictures]) -> list[Card]:
    """Cards in the order of the claims. ``pictures``: by claim."""
    return [card(_ordered(same), pictures.get(same[0].id, ())) for same in by_claim(results)]


def card(results: Iterable[ClaimResult], pictures: Pictures = ()) -> Card:
    """The card of one claim, with its arms as they come."""
    return Card([ArmView(result) for result in results], pictures)


def _ordered(results: Sequence[ClaimResult]) -> list[ClaimResult]:
    """The arms of a claim as they were declared, whatever they say; but trained and decided ones come first."""
    variants = list(dict.fromkeys(r.variant for r in sorted(results, key=lambda r: not r.has_run)))
    return sorted(results, key=lambda r: place(r, variants))


def place(result: ClaimResult, variants: Sequence[str | None]) -> tuple[int, bool, bool]:
    """The key by which arms with the same budget are ordered; equal ones stay in the claim's order."""
    return variants.index(result.variant), not result.verdict.is_measured, not result.has_run


def shares(found: Sequence[Card]) -> list[Share]:
    """How many claims have which answer, their first arm's, the best answer first."""
    counts = Counter(card.first.verdict.outcome for card in found)
    return [Share(BADGES[one][0], answers.ANSWERS[one], counts[one]) for one in answers.ORDER if counts[one]]


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
    return f"{answer[:1].upper()}{answer[1:]}. Of {plural(len(found), 'claim')}: {wording.listed(counted)}."


def _how_far(found: Sequence[Card]) -> str:
    """How many of the claims hold, in a word."""
    outcomes = Counter(c.first.verdict.outcome for c in found)
    num_yes = outcomes[ClaimOutcome.REPRODUCED]
    if num_yes == len(found):
        return "yes"
    if 2 * num_yes > len(found):
        return "mostly"
    if num_yes or outcomes[ClaimOutcome.PARTLY]:
        return "partly"
    return "open" if outcomes[ClaimOutcome.NOT_MEASURED] == len(found) else "no"


# ---- which picture shows a claim: the figure of its factor or curve, or the median seed's images of its code
def claim_pictures(
    results: Sequence[ClaimResult], sweep: Sweep, figures: Sequence[FigureView], grids: dict[str, list[GridView]]
) -> dict[str, Pictures]:
    """Pictures by claim. One picture stands beside one claim alone, the first that it shows."""
    found: dict[str, Pictures] = {}
    taken: set[str] = set()
    for same in by_claim(results):
        claim = same[0].id
        same = [result for result in same if result.has_run]
        candidates = [_grids(result, sweep, grids) for result in same] + [_figures(result, figures) for result in same]
        fresh = [tuple(picture for picture in shown if picture.inline not in taken) for shown in candidates]
        chosen = found[claim] = next(filter(None, fresh), ())
        taken |= {picture.inline for picture in chosen}
    return found


def _figures(result: ClaimResult, figures: Sequence[FigureView]) -> Pictures:
    known = measure(result.conditions[0].measure)
    curve = "trajectory" if known.name in MEASURED else "mutual-information"
    own = [figure for figure in figures if figure.variant == (result.variant or "")]
    shown = [figure for figure in own if (figure.factor == known.factor if known.factor else figure.name == curve)]
    return tuple(shown[:1])


def _grids(result: ClaimResult, sweep: Sweep, grids: dict[str, list[GridView]]) -> Pictures:
    """The median seed's images, then the best seed's where they are others; of a kept picture its own seed's."""
    seeds = {seed: value for seed, value in result.conditions[0].seeds.items() if math.isfinite(value)}
    runs = {run.cell.seed: run for run in sweep.done(result.group)}
    own = {(view.seed, view.code): view for view in grids.get(result.group, [])}
    ordered = sorted(seeds, key=lambda seed: seeds[seed])
    chosen = {ordered[(len(ordered) - 1) // 2]: "the median seed"} if ordered else {}
    for view in own.values():
        if view.best and len(chosen) < 2:
            chosen.setdefault(view.seed, "the best seed")
    wanted = [((seed, _code(runs[seed], result)), role) for seed, role in chosen.items() if seed in runs]
    found = [replace(own[key], role=role) for key, role in wanted if key in own]
    if not found:
        codes = {code for (_, code), _ in wanted}
        found = [replace(view, role="seed") for view in own.values() if view.code in codes][:1]
    return tuple(found)


def _code(run: Run, result: ClaimResult) -> str:
    """Whose images show the claim's number: the code that moves the stroke, or the one whose category is a digit."""
    known = measure(result.conditions[0].measure)
    swept = run.measured("strokes").details.get("sweeps", {}).get(known.factor, {})
    return str(swept.get("latent", "c1" if known.name in FAMILIES["digits"] else ""))
