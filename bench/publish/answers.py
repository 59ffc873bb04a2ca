"""The whole paper on one page: one line a claim, with the best evidence that is committed.

``python -m bench.publish.answers`` fills README's block of answers and writes results/reference/README.md, both from
the references' claims.json. A test holds them equal.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from bench.claims.result import ClaimResult
from bench.claims.verdict import DataKind
from bench.environment import ROOT
from bench.publish.documents import markdown_table, parser_of, with_block
from bench.records.storage import write_atomic
from bench.report import answers as words
from bench.report import wording
from bench.report.evidence import Evidence, best, of_folder

REFERENCES = ROOT / "results" / "reference"
README = ROOT / "README.md"
PAGE = REFERENCES / "README.md"
BLOCK = "answers"


def committed(references: Path = REFERENCES) -> list[Evidence]:
    """Every verdict of every reference. Raises ValueError for a claims.json that does not read."""
    found = []
    for path in sorted(references.glob("*/claims.json")):
        found += of_folder(map(ClaimResult.from_json, json.loads(path.read_text())), path.parent.name)
    return found


def answer(found: list[Evidence]) -> str:
    """``yes (infogan-fast-q), partly (infogan)``, and remarks; the arms are left out where all agree.

    Of one arm in several readings the readings are named: ``yes (authors), not at this budget (tables)``.
    """
    by_word: dict[str, list[str]] = {}
    results = [one.result for one in found]
    is_one_arm = len({result.arm for result in results}) == 1 and all(result.variant for result in results)
    for one in found:
        smaller = ", smaller budget" if found[0].is_papers_budget and not one.is_papers_budget else ""
        by_word.setdefault(words.ANSWERS[one.result.verdict.outcome], []).append(
            f"`{one.result.variant if is_one_arm else one.result.group}`{smaller}"
        )
    if len(by_word) == 1:
        text = f"**{next(iter(by_word))}**"
    else:
        text = ", ".join(f"**{word}** ({wording.listed(groups)})" for word, groups in by_word.items())
    is_substitute = all(result.verdict.data.kind is DataKind.SUBSTITUTE for result in results)
    parts = [f"{text}, on a substitute" if is_substitute else text]
    named = [
        (
            f"`{result.variant if is_one_arm else result.group}`: " if len(found) > 1 else "",
            wording.markdown_value(result.remark),
        )
        for result in results
        if result.remark
    ]
    return "; ".join([*parts, *(f"{who}{remark}" for who, remark in named)])


def _numbers(results: list[ClaimResult]) -> tuple[str, str]:
    """(our number, the bound on it)."""
    return words.ours(results, with_interval=True), words.needed(results[0]) or wording.ABSENT


def table(evidence: Iterable[Evidence]) -> str:
    """One line a claim, as Markdown: what README shows."""
    rows = []
    for claim, found in best(evidence).items():
        results = [one.result for one in found]
        first = results[0]
        beside = [text or wording.ABSENT for text in (words.papers(first), words.holding(first))]
        rows.append([claim, words.plain(first), *_numbers(results), *beside, answer(found)])
    return markdown_table(["", "claim", "ours", "needed", "the paper", "seeds", "does it hold?"], rows)


def page(evidence: Iterable[Evidence]) -> str:
    """The table with a line for every arm, its budget and its report, as Markdown."""
    columns, rows = ["", "arm", "holds?", "ours", "needed", "seeds", "budget", "report"], []
    for claim, found in best(evidence).items():
        rows.append([f"**{claim}**", f"**{found[0].result.text}**", *[""] * 6])
        for one in found:
            link, result = f"[{one.folder}]({one.folder}/report.md)", one.result
            verdict = "; ".join(
                [words.in_words(result.verdict), *([wording.markdown_value(result.remark)] if result.remark else [])]
            )
            cells = [f"`{result.group}`", verdict, *_numbers([result])]
            rows.append(["", *cells, words.holding(result) or wording.ABSENT, result.verdict.budget.words, link])
    about = (
        "Every claim, every arm, the best committed evidence. Numbers: the median over seeds and, in brackets, its "
        "interval; where it says best run, that one decides. A verdict compares the number with its bound, not the "
        "interval: where the interval contains the bound, five other seeds might give another answer. "
        "`python -m bench.publish.answers` writes this page."
    )
    return f"# The whole paper on one page\n\n{about}\n\n{markdown_table(columns, rows)}\n"


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
