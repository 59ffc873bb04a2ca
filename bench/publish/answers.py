"""The whole paper on one page: one line a claim, with the best evidence that is committed.

``python -m bench.publish.answers`` fills README's block of answers and writes results/reference/README.md, both from
the references' claims.json. A test holds them equal.
"""

import json
import math
import sys
from collections.abc import Iterable
from pathlib import Path

from bench.environment import ROOT
from bench.publish.documents import markdown_table, with_block
from bench.records.storage import write_atomic
from bench.report import answers, wording
from bench.report.evidence import Evidence, best, of_folder
from bench.spec.experiment import arm_of, variant_of

REFERENCES = ROOT / "results" / "reference"
README = ROOT / "README.md"
PAGE = REFERENCES / "README.md"
BLOCK = "answers"


def committed(references: Path = REFERENCES) -> list[Evidence]:
    """Every verdict of every reference."""
    found = []
    for path in sorted(references.glob("*/claims.json")):
        found += of_folder(json.loads(path.read_text()), path.parent.name)
    return found


def ours(found: list[Evidence]) -> str:
    """The claim's first number, of the first arm; of a claim about cost, over all networks. Then what stands beside."""
    entry = found[0].entry
    first = entry["conditions"][0]
    if entry["value"] is None and not entry.get("num_blank"):
        return wording.ABSENT
    median, best = (-math.inf if value is None else value for value in (entry["value"], first["value"]))
    ratios = [one.entry["value"] for one in found if one.entry["value"] is not None]
    words = answers.number_words(entry["id"], median, best, ratios) or wording.ABSENT
    parts: list[str | None] = [words + answers.of_seeds(entry["num_measured"], entry["num_seeds"])]
    parts += [_beside(b["measure"], b["median"]) for b in entry["beside"] if b["measure"] != first["measure"]]
    return "; ".join(part or wording.ABSENT for part in parts)


def needed(one: Evidence) -> str:
    """The bound on the number shown."""
    first = one.entry["conditions"][0]
    return answers.needed(one.entry["id"], first["bound"], first["limit"]) or wording.ABSENT


def papers(one: Evidence) -> str:
    """The paper's numbers beside the claim; a dash where it has a picture or a sentence."""
    return "; ".join(_beside(b["measure"], b["paper"]) for b in one.entry["beside"]) or wording.ABSENT


def _beside(measure: str, value: float | None) -> str:
    words = None if value is None else answers.beside_words(measure, value)
    return words or wording.ABSENT


def seeds(one: Evidence) -> str:
    """How many seeds meet all of the claim; a claim about cost has none."""
    entry = one.entry
    return answers.holding(entry["seeds_holding"], entry["num_seeds"], entry.get("num_undecided", 0))


def answer(found: list[Evidence]) -> str:
    """``yes (infogan-fast-q), partly (infogan)``; the arms are left out where all agree.

    Of one arm in several readings the readings are named: ``yes (authors), not at this budget (tables)``.
    """
    by_word: dict[str, list[str]] = {}
    is_one_arm = len({arm_of(one.group) for one in found}) == 1 and all(variant_of(one.group) for one in found)
    for one in found:
        smaller = ", smaller budget" if found[0].is_papers_budget and not one.is_papers_budget else ""
        by_word.setdefault(answers.ANSWERS[one.outcome], []).append(
            f"`{variant_of(one.group) if is_one_arm else one.group}`{smaller}"
        )
    if len(by_word) == 1:
        text = f"**{next(iter(by_word))}**"
    else:
        text = ", ".join(f"**{word}** ({wording.listed(groups)})" for word, groups in by_word.items())
    substitute = all(one.entry["data"] == "a substitute" for one in found)
    return f"{text}, on a substitute" if substitute else text


def table(evidence: Iterable[Evidence]) -> str:
    """One line a claim, as Markdown: what README shows."""
    rows = []
    for claim, found in best(evidence).items():
        first = found[0]
        plain = answers.plain(claim, first.entry["text"])
        rows.append([claim, plain, ours(found), needed(first), papers(first), seeds(first), answer(found)])
    return markdown_table(["", "claim", "ours", "needed", "the paper", "seeds", "does it hold?"], rows)


def page(evidence: Iterable[Evidence]) -> str:
    """The table with a line for every arm, its budget and its report, as Markdown."""
    columns, rows = ["", "arm", "holds?", "ours", "needed", "seeds", "budget", "report"], []
    for claim, of_claim in best(evidence).items():
        rows.append([f"**{claim}**", f"**{of_claim[0].entry['text']}**", *[""] * 6])
        for one in of_claim:
            link = f"[{one.folder}]({one.folder}/report.md)"
            cells = [f"`{one.group}`", one.words, ours([one]), needed(one), seeds(one), one.entry["budget"], link]
            rows.append(["", *cells])
    about = "Every claim, every arm, the best committed evidence. `python -m bench.publish.answers` writes this page."
    return f"# The whole paper on one page\n\n{about}\n\n{markdown_table(columns, rows)}\n"


def main() -> int:
    """Write README's block and the page."""
    evidence = committed()
    write_atomic(README, with_block(README.read_text(), BLOCK, table(evidence)).encode())
    write_atomic(PAGE, page(evidence).encode())
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
