"""Judged claims in plain words: the same on the cards, in README, on the page of the whole paper, in a terminal."""

import math
import re
from collections.abc import Sequence

from bench.claims import cost
from bench.claims.result import BesideResult, ClaimResult
from bench.claims.verdict import ON, ClaimOutcome, Verdict
from bench.report import wording
from bench.spec.criteria import NUMBER
from bench.spec.vocabulary import measure

ANSWERS = {
    ClaimOutcome.REPRODUCED: "yes",
    ClaimOutcome.PARTLY: "partly",
    ClaimOutcome.NOT_REPRODUCED: "no",
    ClaimOutcome.NOT_REACHED: "not at this budget",
    ClaimOutcome.NOT_MEASURED: "open",
}
ORDER = list(ClaimOutcome)  # the best first
SIGNS = {"at least": "≥", "at most": "≤"}


def in_words(verdict: Verdict) -> str:
    """``partly on a substitute``."""
    return f"{ANSWERS[verdict.outcome]}{ON.get(verdict.data.kind, '') if verdict.is_measured else ''}"


def plain(result: ClaimResult) -> str:
    """The claim in plain words; its own text where its table has none."""
    return result.plain or result.text


class _Shown(float):
    """A number, or a word where there is none or the run shows nothing."""

    def __format__(self, spec: str) -> str:
        if math.isnan(self):
            return wording.ABSENT
        if math.isinf(self):
            return wording.NOTHING if self < 0 else wording.NOT_REACHED
        return f"{wording.percent(self, int(spec[1:-1]))}%" if spec.endswith("%") else super().__format__(spec)


class _WithInterval(_Shown):
    """A median with its interval, ``13.8% [4.2, 34.9]``."""

    ends: tuple[_Shown, _Shown]

    def __new__(cls, median: float, low: float, high: float) -> "_WithInterval":
        shown = super().__new__(cls, median)
        shown.ends = (_Shown(low), _Shown(high))
        return shown

    def __format__(self, spec: str) -> str:
        median = super().__format__(spec)
        low, high = (format(end, spec).rstrip("%") for end in self.ends)
        return median if median.rstrip("%") == low == high else f"{median} [{low}, {high}]"


def ours(results: Sequence[ClaimResult], *, with_bound: bool = False, with_interval: bool = False) -> str:
    """The first number of the first result, with the bound on it if asked, then the numbers beside; a dash for none.

    A claim about cost shows the span over all ``results``, which are its networks.
    """
    first = results[0]
    if first.value is None:
        return wording.ABSENT
    number = _number(results, with_interval=with_interval) + of_seeds(first)
    if with_bound and (bound := needed(first)):
        number += f", {bound} needed"
    shown = [b for b in first.beside if b.said and b.measure != first.conditions[0].measure]
    return "; ".join([number, *(_beside(b, b.median) for b in shown if not math.isnan(b.median))])


def _number(results: Sequence[ClaimResult], *, with_interval: bool) -> str:
    """The first number in the claim's words; in the measure's where the claim has none for it."""
    first = results[0]
    values = [result.value for result in results if result.value is not None]
    condition = first.conditions[0]
    if condition.measure == cost.MEASURE:
        return f"an iteration takes {_span(values)}"
    if not first.said:
        known = measure(condition.measure)
        return f"{known.words} {wording.measured(known.name, first.value)} {first.unit}".rstrip()
    of_best = "{best" in first.said
    if values[0] == math.inf or (values[0] == -math.inf and not (of_best and condition.value != -math.inf)):
        return "most seeds show nothing of it"
    median, shown = _Shown(values[0]), [values[0]]
    if with_interval and first.num_measured > 1 and first.low is not None and first.high is not None:
        median, shown = _WithInterval(values[0], first.low, first.high), [values[0], first.low, first.high]
    words = _apart_from(condition.limit, first.said, [*shown, condition.value] if of_best else shown)
    return words.format(median=median, best=_Shown(condition.value)).replace("%", " %")


def _apart_from(bound: float, words: str, values: Sequence[float]) -> str:
    """The words with a digit or two more where a value that misses or exceeds the bound would be rounded to it."""

    def more(found: re.Match[str]) -> str:
        return found[0].replace(found["digits"], str(min(int(found["digits"]) + 1, 9)))

    for _ in range(2):
        found = NUMBER.search(words)
        form = found["format"] if found else ""
        at_bound = f"{_Shown(bound):{form}}"
        if all(value == bound or f"{_Shown(value):{form}}" != at_bound for value in values):
            break
        words = NUMBER.sub(more, words)
    return words


def _span(ratios: Sequence[float]) -> str:
    """``2.1 % to 8.0 % longer``: what the ratios add, or save where all do."""
    shorter = max(ratios) < 1
    ends = sorted((min(ratios), max(ratios)), reverse=shorter)
    least, most = (f"{wording.percent(1 - v if shorter else v - 1, 1)} %" for v in ends)
    return f"{least if least == most else f'{least} to {most}'} {'shorter' if shorter else 'longer'}"


def said(result: ClaimResult, value: float) -> str:
    """``98.8 %``: a seed's value as the claim's first number is said."""
    found = NUMBER.search(result.said)
    if found is None:
        return wording.measured(result.conditions[0].measure, value)
    return f"{_Shown(value):{found['format']}}{found['unit']}".replace("%", " %")


def needed(result: ClaimResult) -> str:
    """``≥ 20 %``: the bound on the first number; empty where it is no fixed one, or the claim has no words for it.

    A cost is said as what it adds, as its number is.
    """
    condition, found = result.conditions[0], NUMBER.search(result.said)
    sign = SIGNS.get(" ".join(condition.bound.split()[:2]))
    if sign and condition.measure == cost.MEASURE:
        return f"{sign} {100 * (condition.limit - 1):g} %"
    if sign is None or found is None:
        return ""
    is_share = found["format"].endswith("%")
    return f"{sign} {100 * condition.limit:g} %" if is_share else f"{sign} {condition.limit:g}{found['unit']}"


def papers(result: ClaimResult) -> str:
    """The paper's numbers beside the claim; empty where it has a picture or a sentence."""
    return "; ".join(_beside(beside, beside.paper) for beside in result.beside)


def _beside(beside: BesideResult, value: float) -> str:
    if beside.said:
        return beside.said.format(median=_Shown(value)).replace("%", " %")
    return f"{measure(beside.measure).words} {value:g}"


def of_seeds(result: ClaimResult) -> str:
    """`` (4 of 5 seeds)`` where the number is not of all seeds: the others could not be read."""
    is_part = 0 < result.num_measured < result.num_seeds
    return f" ({result.num_measured} of {result.num_seeds} seeds)" if is_part else ""


def holding(result: ClaimResult, noun: str = "") -> str:
    """``3 of 5``, or ``0 of 5 seeds, 5 undecided``; empty for a claim that speaks of no seeds."""
    undecided = f", {result.num_undecided} undecided" if result.num_undecided else ""
    return f"{result.seeds_holding} of {result.num_seeds}{noun}{undecided}" if result.num_seeds else ""
