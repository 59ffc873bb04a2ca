"""A report before it is written, and as files: each whole or not at all, and what an earlier one left removed."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from bench.claims.result import ClaimResult
from bench.records.storage import plain_text, write_atomic
from bench.report import pages, tabular
from bench.report.sentences import Answers

# names that only a report gives: an earlier report's files that this one does not make are removed
OWN_FILES = re.compile(
    r"figures/.+-(mutual-information|first-iterations|losses|t80|history|schedule|settings|pictures|choices|codes|factor-.+|trajectory|usable"
    r"|confusion|training-images)\.(png|svg)|figures/pictures\.json|figures/throughput\.(png|svg)|figures/.+-traversal-.+\.png"
    r"|tables/(claims|cost|throughput-[a-z]+|memory|seeds-cost)\.csv"
    r"|tables/.+-(arms|measures|digits|for-free|seeds|comparisons|settings|timing|factors|disentanglement)\.csv"
)
CLAIM_COLUMNS = [
    *("experiment", "profile", "id", "variant", "arm", "verdict", "data", "budget", "value", "low", "high", "unit"),
    *("num_seeds", "seeds_holding", "seeds_low", "seeds_high", "criterion", "reason", "text", "claims_digest"),
]


@dataclass
class Collected:
    """A report before it is written."""

    view: pages.ReportView = field(default_factory=pages.ReportView)
    files: dict[str, bytes] = field(default_factory=dict)  # figures and tables, by their path in the report's folder
    claims: list[ClaimResult] = field(default_factory=list)
    answers: Answers = field(default_factory=Answers)
    missing: list[str] = field(default_factory=list)  # experiments without records, cells not done, damaged records
    left_out: list[str] = field(default_factory=list)  # arms that a profile leaves out by design


@dataclass
class Report(Collected):
    """A report that is written."""

    folder: Path = Path()

    @property
    def html(self) -> Path:
        return self.folder / "index.html"

    @property
    def markdown(self) -> Path:
        return self.folder / "report.md"


def written(found: Collected, destination: Path, *, with_page: bool = True) -> Report:
    """Write a report, each file whole or not at all, and remove an earlier one's leftovers; returns where it is.

    ``with_page``: with index.html, which repeats everything for a browser.
    """
    entries = [claim.to_json() for claim in found.claims]
    files = found.files | {
        "tables/claims.csv": tabular.csv_bytes(
            CLAIM_COLUMNS, [[e[column] for column in CLAIM_COLUMNS] for e in entries]
        ),
        "claims.json": plain_text(entries).encode(),
        "report.md": pages.markdown(found.view),
    }
    if with_page:
        files["index.html"] = pages.html(found.view)  # last: it speaks of the others
    for name, content in files.items():
        write_atomic(destination / name, content)
    for path in sorted([*destination.glob("figures/*"), *destination.glob("tables/*")]):
        name = path.relative_to(destination).as_posix()
        if name not in files and OWN_FILES.fullmatch(name) and path.is_file():
            path.unlink()
    return Report(**vars(found), folder=destination)
