"""Claims as sentences, for the last lines of a command."""

from collections.abc import Sequence

from bench.claims.judge import ClaimResult
from bench.report import answers, cards, wording


def sentences(results: Sequence[ClaimResult]) -> list[str]:
    """``F2a partly: 13.8 % of digits put into the wrong one; the paper: 5 % (infogan-fast-q, 1 of 5 seeds)``, each."""
    return [_sentence(result) for result in results]


def _sentence(result: ClaimResult) -> str:
    start = f"{result.id} {answers.in_words(result.verdict)}: "
    seeds = cards.seeds(result)
    of = f" ({result.group}{f', {seeds}' if seeds else ''})"
    if not result.verdict.is_measured:
        return f"{start}{result.reason}{of}"
    number = cards.number(result)
    said = number if number != wording.ABSENT else result.reason
    paper = f"; the paper: {cards.papers(result)}" if result.beside else ""
    return f"{start}{said}{paper}{of}"
