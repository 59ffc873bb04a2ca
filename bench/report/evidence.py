"""Verdicts from several results folders on the same claim: which of them answers it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.claims.judge import ClaimResult
from bench.claims.verdict import ON, Outcome
from bench.report import answers


@dataclass(frozen=True)
class Evidence:
    """One folder's verdict on a claim, of one arm or variant."""

    entry: dict[str, Any]  # as claims.json has it
    folder: str
    is_papers_budget: bool  # by its profile
    result: ClaimResult | None = None  # where it was judged just now

    @property
    def outcome(self) -> Outcome:
        verdict = str(self.entry["verdict"])
        for ending in ON.values():
            verdict = verdict.removesuffix(ending)
        return Outcome(verdict)

    @property
    def words(self) -> str:
        """The verdict as a person reads it."""
        return answers.ANSWERS[self.outcome] + str(self.entry["verdict"]).removeprefix(self.outcome)

    @property
    def group(self) -> str:
        variant = self.entry["variant"]
        return self.entry["arm"] if variant is None else f"{variant}/{self.entry['arm']}"


def of_folder(
    entries: Sequence[dict[str, Any]], folder: str, results: Sequence[ClaimResult] | None = None
) -> list[Evidence]:
    """The verdicts of a claims.json, with the results in its order where they are at hand.

    A verdict on cost has no profile of its own: it counts as measured beside the largest of its folder.
    """
    profiles = {entry["profile"] for entry in entries}
    judged: Sequence[ClaimResult | None] = results if results is not None else [None] * len(entries)
    return [
        Evidence(entry, folder, "paper" in ({entry["profile"]} if entry["profile"] else profiles), result)
        for entry, result in zip(entries, judged, strict=True)
    ]


def best(evidence: Iterable[Evidence]) -> dict[str, list[Evidence]]:
    """Evidence by claim, a piece for each arm: at the paper's budget where measured, of most seeds; those first.

    Then the first variant of the claim's, since it is the reading that we stand for, and the best answer among its
    arms. An arm that was never trained is left out where another one was.
    """
    chosen: dict[tuple[str, str], Evidence] = {}
    for one in evidence:
        key = (one.entry["id"], one.group)
        before = chosen.get(key)
        if before is None or _rank(one) < _rank(before):
            chosen[key] = one
    claims: dict[str, list[Evidence]] = {}
    for (claim, _), one in sorted(chosen.items(), key=lambda item: item[0][0]):
        claims.setdefault(claim, []).append(one)
    for claim, found in claims.items():
        trained = [one for one in found if one.entry["num_seeds"] or one.outcome is not Outcome.NOT_MEASURED]
        variants = list(dict.fromkeys(one.entry["variant"] for one in trained or found))
        claims[claim] = sorted(trained or found, key=lambda one: _order(one, variants))
    return claims


def _rank(one: Evidence) -> tuple[bool, bool, int]:
    return one.outcome is Outcome.NOT_MEASURED, not one.is_papers_budget, -one.entry["num_seeds"]


def _order(one: Evidence, variants: list[str | None]) -> tuple[bool, int, int]:
    return not one.is_papers_budget, variants.index(one.entry["variant"]), answers.ORDER.index(one.outcome)
