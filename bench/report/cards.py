"""One card a claim, for a report's first screen: the answer, its number, every seed, the paper's number, a picture."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from bench.claims.conditions import ConditionResult
from bench.claims.judge import BesideResult, ClaimResult
from bench.claims.verdict import DataKind, Outcome
from bench.report import answers, verdicts, wording
from bench.report.pages import Card, CardArm, FigureView, GridView, Share
from bench.spec.vocabulary import measure

WIDTH, HEIGHT, MARGIN = 220, 26, 8  # of a strip of seeds, pixels; its axis is below it
AXIS = 14


def cards(results: Sequence[ClaimResult], pictures: dict[str, tuple[FigureView | GridView, ...]]) -> list[Card]:
    """Cards in the order of the claims. ``pictures``: by claim."""
    return [card(_ordered(same), pictures.get(same[0].id, ())) for same in verdicts.by_claim(results)]


def _ordered(results: Sequence[ClaimResult]) -> list[ClaimResult]:
    """The arms of a claim: those of its first variant that was trained before another's, the best answer first."""
    variants = list(dict.fromkeys(r.variant for r in sorted(results, key=lambda r: not r.num_seeds)))
    return sorted(results, key=lambda r: (variants.index(r.variant), answers.ORDER.index(r.verdict.outcome)))


def card(results: Sequence[ClaimResult], pictures: tuple[FigureView | GridView, ...]) -> Card:
    """The card of one claim, with its arms as they come."""
    first = results[0]
    plain = answers.plain(first.id, first.text)
    is_papers_data = first.verdict.data.kind is not DataKind.SUBSTITUTE
    arms = [_arm(result) for result in results]
    return Card(first.id, plain, first.text, first.source, papers(first), is_papers_data, arms, pictures)


def papers(result: ClaimResult) -> str:
    """The paper's numbers beside the claim; else how the paper shows it."""
    shown = [_papers(beside) for beside in result.beside]
    return "; ".join(shown) or ("a picture" if result.source.startswith("Fig") else "a sentence")


def _papers(beside: BesideResult) -> str:
    return answers.beside_words(beside.measure, beside.paper) or f"{measure(beside.measure).words} {beside.paper:g}"


def _arm(result: ClaimResult) -> CardArm:
    badge = verdicts.badge(result.verdict)
    return CardArm(result.group, badge, number(result), seeds(result), strip(result.conditions[0]), _reason(result))


def seeds(result: ClaimResult) -> str:
    """How many seeds meet all of the claim; empty for one that speaks of none."""
    if not result.num_seeds:
        return ""
    undecided = f", {result.num_undecided} undecided" if result.num_undecided else ""
    return f"{result.seeds_holding} of {result.num_seeds} seeds{undecided}"


def number(result: ClaimResult) -> str:
    """The claim's first number in words, then what stands beside it; a dash where nothing was measured."""
    if result.value is None:
        return wording.ABSENT
    first = result.conditions[0]
    own = answers.number_words(result.id, result.value, first.value) or _number(result)
    own += answers.of_seeds(result.num_measured, result.num_seeds)
    if needed := _needed(result):
        own += f", {needed} needed"
    beside = [answers.beside_words(b.measure, b.median) for b in result.beside if b.measure != first.measure]
    return "; ".join([own, *(words for words in beside if words)])


def _needed(result: ClaimResult) -> str | None:
    first = result.conditions[0]
    return answers.needed(result.id, first.bound, first.limit)


def _number(result: ClaimResult) -> str:
    """The number of a claim of the user's own, in the measure's words."""
    known = measure(result.conditions[0].measure)
    return f"{known.words} {wording.measured(known.name, result.value)} {result.unit}".rstrip()


def _reason(result: ClaimResult) -> str:
    """Why the answer is not a plain yes, or that the best run decides; in one sentence."""
    outcome = result.verdict.outcome
    if outcome is Outcome.NOT_MEASURED:
        return result.reason
    parts = []
    if outcome is Outcome.REPRODUCED:
        if result.conditions[0].over == "best seed":
            parts.append("the best run decides, as the paper asks")
    else:
        said = 1 if _needed(result) else 0  # beside the number
        parts += [_missed(condition) for condition in result.conditions[said:] if not condition.holds]
    if result.num_blank:
        show = "shows" if result.num_blank == 1 else "show"
        parts.append(f"{wording.plural(result.num_blank, 'run')} {show} nothing of the data")
    return "; ".join(parts)


def _missed(condition: ConditionResult) -> str:
    known = measure(condition.measure)
    return f"{known.words}: {wording.measured(known.name, condition.value)}, {condition.bound} asked"


def strip(condition: ConditionResult) -> Markup:
    """Every seed's value as a dot, their median as a line, the bound as a dashed one, and the ends as numbers.

    Empty without a seed.
    """
    values = {seed: value for seed, value in condition.seeds.items() if math.isfinite(value)}
    if not values:
        return Markup("")
    limits = [condition.limit] if math.isfinite(condition.limit) else []
    low, high = min([*values.values(), *limits]), max([*values.values(), *limits])
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * (value - low) / span

    ordered = sorted(values.values())
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    dots = "".join(
        f'<circle cx="{x(value):.1f}" cy="13" r="4"><title>seed {seed}: {value:.4g}</title></circle>'
        for seed, value in values.items()
    )
    lines = f'<path class="median" d="M{x(middle):.1f} 3V23"/>'
    lines += "".join(f'<path class="bound" d="M{x(limit):.1f} 0V26"/>' for limit in limits)
    known = measure(condition.measure)
    ends = [low] if high == low else [low, high]
    lines += "".join(
        f'<text x="{x(end):.1f}" y="{HEIGHT + AXIS - 3}"{end_anchor}>{wording.measured(known.name, end)}</text>'
        for end, end_anchor in zip(ends, ("", ' text-anchor="end"'), strict=False)
    )
    label = f"{known.words}, every seed: {', '.join(wording.measured(known.name, v) for v in ordered)}"
    label += f"; asked: {condition.bound}" if limits else ""
    attributes = (
        f'class="strip" viewBox="0 0 {WIDTH} {HEIGHT + AXIS}" width="{WIDTH}" height="{HEIGHT + AXIS}" role="img"'
    )
    return Markup('<svg {} aria-label="{}">{}</svg>').format(Markup(attributes), label, Markup(lines + dots))


def shares(found: Sequence[Card]) -> list[Share]:
    """How many claims have which answer, the best arm's, the best answer first."""
    kinds: dict[tuple[str, str], int] = {}
    for outcome in answers.ORDER:
        badge = verdicts.BADGES[outcome][0]
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
