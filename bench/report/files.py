"""A report before it is written, and as files: each whole or not at all, and what an earlier one left removed."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.claims.judge import ClaimResult
from bench.records.storage import write_atomic
from bench.report import pages, tabular
from bench.report.sentences import Answers

# names that only a report gives: an earlier report's files that this one does not make are removed
OWN_FILES = re.compile(
    r"figures/.+-(mutual-information|first-iterations|losses|t80|history|schedule|settings|pictures|choices|codes|factor-.+|trajectory|usable"
    r"|confusion)\.(png|svg)|figures/throughput\.(png|svg)|figures/.+-traversal-.+\.png"
    r"|tables/(claims|cost|throughput-[a-z]+|memory|seeds-cost)\.csv"
    r"|tables/.+-(arms|measures|digits|for-free|seeds|comparisons|settings|timing|factors|disentanglement)\.csv"
)


@dataclass(frozen=True)
class Report:
    """Where the report is and what it found."""

    html: Path
    markdown: Path
    claims_json: Path
    claims: list[ClaimResult]
    answers: Answers
    missing: list[str]  # one line each: experiments without records, cells not done, damaged records
    left_out: list[str]  # one line each: arms that a profile leaves out by design


@dataclass(frozen=True)
class Collected:
    """A report before it is written."""

    view: pages.ReportView
    files: dict[str, bytes]  # figures and tables, by their path in the report's folder
    entries: list[dict[str, Any]]  # as claims.json has them
    claims: list[ClaimResult]  # in the same order
    answers: Answers
    missing: list[str]
    left_out: list[str]


def written(found: Collected, destination: Path) -> Report:
    """Write a report; returns where it is."""
    html, markdown = pages.render(found.view)
    files = found.files | {
        "tables/claims.csv": _claims_csv(found.entries),
        "claims.json": (json.dumps(found.entries, indent=1, allow_nan=False) + "\n").encode(),
        "report.md": markdown,
        "index.html": html,  # last: it speaks of the others
    }
    _write(destination, files)
    html_path, markdown_path, claims_path = (destination / n for n in ("index.html", "report.md", "claims.json"))
    return Report(
        html_path,
        markdown_path,
        claims_path,
        found.claims,
        found.answers,
        found.missing,
        found.left_out,
    )


def _claims_csv(claims: list[dict[str, Any]]) -> bytes:
    columns = [
        "experiment",
        "profile",
        "id",
        "variant",
        "arm",
        "verdict",
        "data",
        "budget",
        "value",
        "low",
        "high",
        "unit",
    ]
    columns += ["num_seeds", "seeds_holding", "seeds_low", "seeds_high", "criterion", "reason", "text", "claims_digest"]
    return tabular.csv_bytes(columns, [[claim[column] for column in columns] for claim in claims])


def _write(destination: Path, files: dict[str, bytes]) -> None:
    """Each file whole or not at all, then an earlier report's leftovers removed."""
    for name, content in files.items():
        write_atomic(destination / name, content)
    for path in sorted([*destination.glob("figures/*"), *destination.glob("tables/*")]):
        name = path.relative_to(destination).as_posix()
        if name not in files and OWN_FILES.fullmatch(name) and path.is_file():
            path.unlink()
