"""Claims and their answers in plain words, for README, the page of the whole paper and the report's first screen."""

import math
from collections.abc import Sequence

from bench.claims.verdict import ON, Outcome, Verdict
from bench.report import wording

ANSWERS = {
    Outcome.REPRODUCED: "yes",
    Outcome.PARTLY: "partly",
    Outcome.NOT_REPRODUCED: "no",
    Outcome.NOT_REACHED: "not at this budget",
    Outcome.NOT_MEASURED: "open",
}
ORDER = list(ANSWERS)  # the best first
_OF_RANGE = "by {best:.2f} of the range in the best run, {median:.2f} in the median"
_OF_QUALITY = "in {median:.0%} of the iterations that quality takes"
# claim: its plain words, those of its first number, and how the bound on that number is said
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
    "F4a": ("A code turns the chair", "by {best:.0f} degrees in the best run, {median:.0f} in the median", "{:g}"),
    "F4b": ("A code makes the chair wide or narrow", _OF_RANGE, "{:g}"),
    "F5a": ("A continuous code changes the lighting of house numbers", "by {median:.2f} of the range", "{:g}"),
    "F5b": ("A category holds what stands beside the digit", "{median:.0%} of that context's entropy", "{:.0%}"),
    "F6a": ("Categories hold the direction of a face", "explain {median:.0%} of its variance", "{:.0%}"),
    "F6b": ("A category holds glasses", "{median:.0%} of one category's faces wear them", "{:.0%}"),
    "F6c": ("Categories order hair from less to more", "explain {median:.0%} of its variance", "{:.0%}"),
    "F6d": ("Categories order faces from stern to happy", "explain {median:.0%} of the emotion's variance", "{:.0%}"),
    "S6a": ("Q costs next to nothing", "an iteration takes {span} longer", "{:.0%}"),
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


def plain(claim: str, text: str) -> str:
    """The claim in plain words; ``text``, its own, where it is not one of the paper's."""
    return PLAIN[claim][0] if claim in PLAIN else text


class _Shown(float):
    """A number, or a word where a run shows nothing."""

    def __format__(self, spec: str) -> str:
        return wording.NOTHING if self == -math.inf else super().__format__(spec)


def number_words(claim: str, median: float, best: float, ratios: Sequence[float] = ()) -> str | None:
    """The claim's first number in words; ``ratios``: of a claim about cost. None for a claim of the user's own."""
    if claim not in PLAIN:
        return None
    least, most = (min(ratios) - 1, max(ratios) - 1) if ratios else (median - 1, median - 1)
    span = f"{least:.1%}" if least == most else f"{least:.1%} to {most:.1%}"
    numbers = {"median": _Shown(median), "best": _Shown(best), "span": span}
    return PLAIN[claim][1].format_map(numbers).replace("%", " %")


def needed(claim: str, bound: str, limit: float | None) -> str | None:
    """``≥ 20 %``: the bound on the claim's first number; ``bound`` says it in words. None for a claim of one's own.

    A cost is said as what it adds, as its number is.
    """
    sign = SIGNS.get(" ".join(bound.split()[:2]))
    if claim not in PLAIN or sign is None or limit is None:
        return None
    return f"{sign} {PLAIN[claim][2].format(limit - 1 if claim == 'S6a' else limit)}".replace("%", " %")


def of_seeds(num_measured: int, num_seeds: int) -> str:
    """`` (4 of 5 seeds)`` where a number is not of all seeds: the others could not be read."""
    return f" ({num_measured} of {num_seeds} seeds)" if 0 < num_measured < num_seeds else ""


def holding(seeds_holding: int, num_seeds: int, num_undecided: int) -> str:
    """``3 of 5``, or ``0 of 5, 5 undecided``; a dash for a claim that speaks of no seeds."""
    undecided = f", {num_undecided} undecided" if num_undecided else ""
    return f"{seeds_holding} of {num_seeds}{undecided}" if num_seeds else wording.ABSENT


def beside_words(measure: str, value: float) -> str | None:
    """A number that stands beside the paper's, in words; None for one that has none."""
    return BESIDE[measure].format(value).replace("%", " %") if measure in BESIDE else None
