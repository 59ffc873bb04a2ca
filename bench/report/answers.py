"""Judged claims in plain words: the same on the cards, in README, on the page of the whole paper, in a terminal."""

import math
import re
from collections.abc import Sequence
from functools import cache

from bench.claims.result import BesideResult, ClaimResult
from bench.claims.verdict import ON, ClaimOutcome, Verdict
from bench.report import wording
from bench.spec.reading import BUILTIN, tables_of
from bench.spec.vocabulary import measure

ANSWERS = {
    ClaimOutcome.REPRODUCED: "yes",
    ClaimOutcome.PARTLY: "partly",
    ClaimOutcome.NOT_REPRODUCED: "no",
    ClaimOutcome.NOT_REACHED: "not at this budget",
    ClaimOutcome.NOT_MEASURED: "open",
}
ORDER = list(ClaimOutcome)  # the best first
_OF_RANGE = "by {best:.2f} of the range in the best run, {median:.2f} in the median"
_OF_QUALITY = "in {median:.0%} of the iterations that quality takes"
# claim of the paper: its plain words, those of its first number, and how the bound on that number is said
PLAIN = {
    "F1": ("Mutual information quickly reaches its ceiling, H(c)", "{median:.1%} of the ceiling", "{:.0%}"),
    "F1b": ("The codes of a plain GAN carry little information", "{median:.1%} of the ceiling", "{:.0%}"),
    "F2a": ("The categories are the ten digits", "{median:.1%} of digits in a wrong category", "{:.1%}"),
    "F2b": ("Without the regulariser the codes mean nothing", "agreement with the digit (NMI) {median:.2f}", "{:g}"),
    "F2c": ("A continuous code slants the digits", "explains {median:.0%} of the slant's variance", "{:.0%}"),
    "F2d": ("A continuous code makes them wide or narrow", "explains {median:.0%} of the width's variance", "{:.0%}"),
    "F3a": ("A code turns the head", _OF_RANGE, "{:g}"),
    "F3b": ("A code tilts the head", _OF_RANGE, "{:g}"),
    "F3c": ("A code moves the light", _OF_RANGE, "{:g}"),
    "F3d": ("A code makes the face wide or narrow", _OF_RANGE, "{:g}"),
    "F4a": ("A code turns the chair", "by {best:.0f}° in the best run, {median:.0f} in the median", "{:g}°"),
    "F4b": ("A code makes the chair wide or narrow", _OF_RANGE, "{:g}"),
    "F5a": ("A continuous code changes the lighting of house numbers", "by {median:.2f} of the range", "{:g}"),
    "F5b": ("A category holds what stands beside the digit", "{median:.0%} of that context's entropy", "{:.0%}"),
    "F6a": ("Categories hold the direction of a face", "explain {median:.0%} of its variance", "{:.0%}"),
    "F6b": ("A category holds glasses", "{median:.0%} of one category's faces wear them", "{:.0%}"),
    "F6c": ("Categories order hair from less to more", "explain {median:.0%} of its variance", "{:.0%}"),
    "F6d": ("Categories order faces from stern to happy", "explain {median:.0%} of the emotion's variance", "{:.0%}"),
    "S6a": ("Q costs next to nothing", "an iteration takes {span}", "{:.0%}"),
    "S6b": ("Mutual information settles before image quality", _OF_QUALITY, "{:.0%}"),
}
SIGNS = {"at least": "≥", "at most": "≤"}
BESIDE = {
    "t80": "80% of it at iteration {:.0f}",
    "hump_nats": "peak of {:.2f} nats",
    "hump_iteration": "peak at iteration {:.0f}",
    "digit_error": "{:.0%}",
}


def in_words(verdict: Verdict) -> str:
    """``partly on a substitute``."""
    return f"{ANSWERS[verdict.outcome]}{ON.get(verdict.data.kind, '') if verdict.is_measured else ''}"


@cache
def _claims_of_the_paper() -> set[tuple[str, str, str]]:
    """Id, text and first measure of each claim in the shipped file."""
    tables = tables_of(BUILTIN)
    found = {(tables["cost"]["id"], tables["cost"]["text"], "cost_ratio")}
    for claim in (claim for table in tables["experiments"].values() for claim in table.get("claims", ())):
        first = min(claim["conditions"], key=lambda condition: condition.get("guard", False))
        found.add((claim["id"], claim["text"], first["measure"]))
    return found


def _in_plain_words(result: ClaimResult) -> tuple[str, str, str] | None:
    """The words of ``PLAIN``; None for a claim of the user's own, which may have the id of another."""
    key = (result.id, result.text, result.conditions[0].measure)
    return PLAIN.get(result.id) if key in _claims_of_the_paper() else None


def plain(result: ClaimResult) -> str:
    """The claim in plain words; its own text where it is not one of the paper's."""
    words = _in_plain_words(result)
    return words[0] if words else result.text


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
    shown = [b for b in first.beside if b.measure in BESIDE and b.measure != first.conditions[0].measure]
    return "; ".join([number, *(_beside(b, b.median) for b in shown if not math.isnan(b.median))])


def _number(results: Sequence[ClaimResult], *, with_interval: bool) -> str:
    """The first number in the claim's words; of a claim of the user's own in the measure's."""
    first = results[0]
    values = [result.value for result in results if result.value is not None]
    condition = first.conditions[0]
    plain_words = _in_plain_words(first)
    if plain_words is None:
        known = measure(condition.measure)
        return f"{known.words} {wording.measured(known.name, first.value)} {first.unit}".rstrip()
    words = plain_words[1]
    if condition.over != "best seed":  # an experiment may ask it of the median instead
        words = words.partition(" in the best run")[0].replace("{best", "{median")
    of_best = "{best" in words
    if values[0] == math.inf or (values[0] == -math.inf and not (of_best and condition.value != -math.inf)):
        return "most seeds show nothing of it"
    shorter = max(values) < 1
    ends = sorted((min(values), max(values)), reverse=shorter)
    least, most = (f"{wording.percent(1 - v if shorter else v - 1, 1)}%" for v in ends)
    span = f"{least if least == most else f'{least} to {most}'} {'shorter' if shorter else 'longer'}"
    median = _Shown(values[0])
    if with_interval and first.num_measured > 1 and first.low is not None and first.high is not None:
        median = _WithInterval(values[0], first.low, first.high)
    numbers = {"median": median, "best": _Shown(condition.value), "span": span}
    return words.format_map(numbers).replace("%", " %")


def said(result: ClaimResult, value: float) -> str:
    """``98.8 %``: a seed's value as the claim's first number is said."""
    words = _in_plain_words(result)
    found = re.search(r"{\w+:(.+?)}(°?)", words[1]) if words else None
    if found is None:
        return wording.measured(result.conditions[0].measure, value)
    return f"{_Shown(value):{found[1]}}{found[2]}".replace("%", " %")


def needed(result: ClaimResult) -> str:
    """``≥ 20 %``: the bound on the first number; empty where it is no fixed one, or the claim is the user's own.

    A cost is said as what it adds, as its number is.
    """
    condition, words = result.conditions[0], _in_plain_words(result)
    sign = SIGNS.get(" ".join(condition.bound.split()[:2]))
    if words is None or sign is None:
        return ""
    limit = condition.limit - 1 if result.id == "S6a" else condition.limit
    return f"{sign} {words[2].format(_Shown(limit))}".replace("%", " %")


def papers(result: ClaimResult) -> str:
    """The paper's numbers beside the claim; empty where it has a picture or a sentence."""
    return "; ".join(_beside(beside, beside.paper) for beside in result.beside)


def _beside(beside: BesideResult, value: float) -> str:
    if beside.measure in BESIDE:
        return BESIDE[beside.measure].format(_Shown(value)).replace("%", " %")
    return f"{measure(beside.measure).words} {value:g}"


def of_seeds(result: ClaimResult) -> str:
    """`` (4 of 5 seeds)`` where the number is not of all seeds: the others could not be read."""
    is_part = 0 < result.num_measured < result.num_seeds
    return f" ({result.num_measured} of {result.num_seeds} seeds)" if is_part else ""


def holding(result: ClaimResult, noun: str = "") -> str:
    """``3 of 5``, or ``0 of 5 seeds, 5 undecided``; empty for a claim that speaks of no seeds."""
    undecided = f", {result.num_undecided} undecided" if result.num_undecided else ""
    return f"{result.seeds_holding} of {result.num_seeds}{noun}{undecided}" if result.num_seeds else ""
