"""The whole paper on one page: one line a claim, with the best evidence that is committed.

``python -m bench.publish.answers`` fills README's block of answers and writes results/reference/README.md, both from
the references' claims.json. A test holds them equal.
"""

import json
import sys
from collections.abc import Iterable

from bench.claims.result import ClaimResult
from bench.claims.verdict import DataKind
from bench.environment import ROOT
from bench.publish.documents import README, REFERENCES, markdown_table, parser_of, with_block
from bench.records.storage import write_atomic
from bench.report import answers as words
from bench.report import wording
from bench.report.arms import ArmView
from bench.report.cards import shares
from bench.report.evidence import Evidence, best, budget, of_folder
from bench.report.pages import Card

PAGE = REFERENCES / "README.md"
BLOCK = "answers"
WHERE = {
    "the paper's data": {DataKind.PAPERS, DataKind.PART},
    "substitutes": {DataKind.SUBSTITUTE},
    "cost": {DataKind.ANY},
}


def committed() -> list[Evidence]:
    """Every verdict of every reference. Raises ValueError for a claims.json that does not read."""
    found = []
    for path in sorted(REFERENCES.glob("*/claims.json")):
        found += of_folder(map(ClaimResult.from_json, json.loads(path.read_text())), path.parent.name)
    return found


def answer(found: list[Evidence]) -> tuple[str, str]:
    """What the first arm says, and which arms say otherwise: ``smaller budget: `tables` not at this budget``.

    If there is only one arm, in several variants, the variants are named. Remarks follow the arm that they are about.
    """
    first, *others = found
    results = [one.result for one in found]
    is_one_arm = len({result.arm for result in results}) == 1 and all(result.variant for result in results)
    said = f"**{_word(first)}**"
    if all(result.verdict.data.kind is DataKind.SUBSTITUTE for result in results):
        said += ", on a substitute"
    by_budget: dict[str, dict[str, list[str]]] = {}  # arms, by the start of the sentence and their answer
    for one in others:
        if _word(one) != _word(first):
            start = "" if budget(one) == budget(first) else "smaller budget: "
            name = f"`{one.result.variant if is_one_arm else one.result.group}`{_remark(one)}"
            by_budget.setdefault(start, {}).setdefault(_word(one), []).append(name)
    otherwise = [
        start + ", ".join(f"{wording.listed(names)} {word}" for word, names in by_word.items())
        for start, by_word in by_budget.items()
    ]
    return said + _remark(first), "; ".join(otherwise)


def _word(one: Evidence) -> str:
    return words.ANSWERS[one.result.verdict.outcome]


def _remark(one: Evidence) -> str:
    return f" ({wording.markdown_value(one.result.remark)})" if one.result.remark else ""


def summary(evidence: Iterable[Evidence]) -> str:
    """``Of 7 claims on the paper's data: 4 yes and 3 partly. Of 12 claims on ... Each by its first arm.``"""
    found = [Card([ArmView(one.result) for one in own]) for own in best(evidence)]
    parts = []
    for where, kinds in WHERE.items():
        own = [card for card in found if card.first.verdict.data.kind in kinds]
        counted = wording.listed([f"{share.count} {share.words}" for share in shares(own)])
        if len(own) == 1:
            parts.append(f"The claim on {where}: {shares(own)[0].words}.")
        elif own:
            parts.append(f"Of {len(own)} claims on {where}: {counted}.")
    return " ".join([*parts, "Each by its first arm."])


def _numbers(results: list[ClaimResult]) -> tuple[str, str]:
    """(our number, the bound on it)."""
    return words.ours(results, with_interval=True), words.needed(results[0]) or wording.ABSENT


def table(evidence: Iterable[Evidence]) -> str:
    """The counts, and one line a claim with a link to its report, as Markdown: what README shows."""
    evidence, rows = list(evidence), []
    for found in best(evidence):
        results = [one.result for one in found]
        first = results[0]
        beside = [text or wording.ABSENT for text in (words.papers(first), words.holding(first))]
        link = f"[{first.id}]({REFERENCES.relative_to(ROOT).as_posix()}/{found[0].folder}/report.md)"
        said, otherwise = answer(found)
        rows.append([link, words.plain(first), said, *_numbers(results), *beside, otherwise])
    columns = ["", "claim", "does it hold?", "ours", "needed", "the paper", "seeds", "arms that differ"]
    return f"{summary(evidence)}\n\n{markdown_table(columns, rows)}"


def page(evidence: Iterable[Evidence]) -> str:
    """The table with a line for every arm, its budget and its report, as Markdown."""
    evidence = list(evidence)
    columns, rows = ["", "arm", "holds?", "ours", "needed", "seeds", "budget", "report"], []
    for found in best(evidence):
        rows.append([f"**{found[0].result.id}**", f"**{found[0].result.text}**", *[""] * 6])
        for one in found:
            link, result = f"[{one.folder}]({one.folder}/report.md)", one.result
            verdict = "; ".join(
                [words.in_words(result.verdict), *([wording.markdown_value(result.remark)] if result.remark else [])]
            )
            cells = [f"`{result.group}`", verdict, *_numbers([result])]
            rows.append(["", *cells, words.holding(result) or wording.ABSENT, result.verdict.budget.words, link])
    about = (
        "Every claim, every arm, the best committed evidence: of one arm the runs of the largest budget. Numbers: the "
        "median over seeds and, in brackets, its interval (of five seeds the smallest and the largest, 93.75 %); where "
        "it says best run, that one decides. "
        "*Nothing* is the value of a run whose images show nothing of the data. *Undecided* is a seed that could not "
        "be measured. A verdict compares the number with its bound, not the interval: where the interval contains the "
        "bound, five other seeds might give another answer. [Words and verdicts](../../docs/METRICS.md). "
        "`python -m bench.publish.answers` writes this page."
    )
    return f"# The whole paper on one page\n\n{summary(evidence)}\n\n{about}\n\n{markdown_table(columns, rows)}\n"


def main() -> int:
    """Write README's block and the page."""
    parser_of("answers", __doc__).parse_args()
    evidence = committed()
    write_atomic(README, with_block(README.read_text(), BLOCK, table(evidence)).encode())
    write_atomic(PAGE, page(evidence).encode())
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
