"""The whole paper on one page: one line a claim, with the best evidence that is committed.

``python -m bench.publish.answers`` fills README's block of answers and writes results/reference/README.md, both from
the references' claims.json. A test holds them equal.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.claims.verdict import ON, Outcome
from bench.environment import ROOT
from bench.publish.documents import with_block
from bench.records.storage import write_atomic
from bench.report import answers, wording

REFERENCES = ROOT / "results" / "reference"
README = ROOT / "README.md"
PAGE = REFERENCES / "README.md"
BLOCK = "answers"


@dataclass(frozen=True)
class Evidence:
    """One committed verdict on a claim, of one arm or variant."""

    entry: dict[str, Any]  # as claims.json has it
    folder: str

    @property
    def outcome(self) -> Outcome:
        verdict = str(self.entry["verdict"])
        for ending in ON.values():
            verdict = verdict.removesuffix(ending)
        return Outcome(verdict)

    @property
    def group(self) -> str:
        variant = self.entry["variant"]
        return self.entry["arm"] if variant is None else f"{variant}/{self.entry['arm']}"

    @property
    def is_papers_budget(self) -> bool:
        return self.folder.endswith("-paper")


def committed(references: Path = REFERENCES) -> list[Evidence]:
    """Every verdict of every reference."""
    found = []
    for path in sorted(references.glob("*/claims.json")):
        found += [Evidence(entry, path.parent.name) for entry in json.loads(path.read_text())]
    return found


def best(evidence: Iterable[Evidence]) -> dict[str, list[Evidence]]:
    """Evidence by claim, a piece for each arm: at the paper's budget where measured. Those first, then by outcome."""
    chosen: dict[tuple[str, str], Evidence] = {}
    for one in evidence:
        key = (one.entry["id"], one.group)
        before = chosen.get(key)
        if before is None or _rank(one) < _rank(before):
            chosen[key] = one
    claims: dict[str, list[Evidence]] = {}
    for (claim, _), one in sorted(chosen.items(), key=lambda item: item[0][0]):
        claims.setdefault(claim, []).append(one)
    for found in claims.values():
        found.sort(key=_order)
    return claims


def _rank(one: Evidence) -> tuple[bool, bool]:
    return one.outcome is Outcome.NOT_MEASURED, not one.is_papers_budget


def _order(one: Evidence) -> tuple[bool, int]:
    return not one.is_papers_budget, answers.ORDER.index(one.outcome)


def ours(found: list[Evidence]) -> str:
    """The claim's first number, of the first arm; of a claim about cost, over all networks. Then what stands beside."""
    entry = found[0].entry
    first = entry["conditions"][0]
    if entry["value"] is None:
        return wording.ABSENT
    ratios = [one.entry["value"] for one in found if one.entry["value"] is not None]
    parts = [answers.number_words(entry["id"], entry["value"], first["value"], ratios)]
    parts += [_beside(b["measure"], b["median"]) for b in entry["beside"] if b["measure"] != first["measure"]]
    return "; ".join(part or wording.ABSENT for part in parts)


def papers(one: Evidence) -> str:
    """The paper's numbers beside the claim; else how the paper shows it."""
    shown = [_beside(b["measure"], b["paper"]) for b in one.entry["beside"]]
    if shown:
        return "; ".join(shown)
    return "a picture" if one.entry["source"].startswith("Fig") else "a sentence"


def _beside(measure: str, value: float | None) -> str:
    words = None if value is None else answers.beside_words(measure, value)
    return words or wording.ABSENT


def seeds(one: Evidence) -> str:
    """How many seeds meet all of the claim; a claim about cost has none."""
    entry = one.entry
    return f"{entry['seeds_holding']} of {entry['num_seeds']}" if entry["num_seeds"] else wording.ABSENT


def answer(found: list[Evidence]) -> str:
    """``yes (infogan-fast-q), partly (infogan)``; the arms are left out where all agree."""
    by_word: dict[str, list[str]] = {}
    for one in found:
        smaller = ", smaller budget" if found[0].is_papers_budget and not one.is_papers_budget else ""
        by_word.setdefault(answers.ANSWERS[one.outcome], []).append(f"`{one.group}`{smaller}")
    if len(by_word) == 1:
        text = f"**{next(iter(by_word))}**"
        if found[0].outcome is Outcome.REPRODUCED and found[0].entry["conditions"][0]["over"] == "best seed":
            text += " in the best run, as the paper asks"
    else:
        text = ", ".join(f"**{word}** ({wording.listed(groups)})" for word, groups in by_word.items())
    substitute = all(one.entry["data"] == "a substitute" for one in found)
    return f"{text}, on rendered images" if substitute else text


def table(evidence: Iterable[Evidence]) -> str:
    """One line a claim, as Markdown: what README shows."""
    lines = ["| | claim | ours | the paper | seeds | does it hold? |", "|---|---|---|---|---|---|"]
    for claim, found in best(evidence).items():
        first = found[0]
        cells = [claim, answers.plain(claim, first.entry["text"]), ours(found), papers(first), seeds(first)]
        lines.append(f"| {' | '.join([*cells, answer(found)])} |")
    return "\n".join(lines)


def page(evidence: Iterable[Evidence]) -> str:
    """The table with a line for every arm, its budget and its report, as Markdown."""
    found = best(evidence)
    lines = [
        "# The whole paper on one page",
        "",
        "Every claim, every arm, the best committed evidence. `python -m bench.publish.answers` writes this page.",
        "",
        "| | arm | verdict | ours | seeds | budget | report |",
        "|---|---|---|---|---|---|---|",
    ]
    for claim, of_claim in found.items():
        lines.append(f"| **{claim}** | **{of_claim[0].entry['text']}** | | | | | |")
        for one in of_claim:
            link = f"[{one.folder}]({one.folder}/report.md)"
            cells = [f"`{one.group}`", one.entry["verdict"], ours([one]), seeds(one), one.entry["budget"], link]
            lines.append(f"| | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write README's block and the page."""
    evidence = committed()
    write_atomic(README, with_block(README.read_text(), BLOCK, table(evidence)).encode())
    write_atomic(PAGE, page(evidence).encode())
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
