"""The contents of a report as plain view models, and the templates that render them."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from markupsafe import Markup

from bench.claims.result import ClaimResult
from bench.claims.verdict import DataKind
from bench.report import answers, wording
from bench.report.arms import ArmView
from bench.report.tabular import Table

if TYPE_CHECKING:
    from jinja2 import Environment

PAPERS_TITLE = "InfoGAN, reproduced"
TEMPLATES = Path(__file__).parent / "templates"
SAFE = " !$()*+,-./:;=?@[]^_`{|}~"  # in a URI within quotes of HTML
MAX_SVG = 400_000  # bytes; a larger one is mostly pixels, and the PNG stands alone


@dataclass(frozen=True)
class FigureView:
    """A figure on the page."""

    title: str
    caption: str
    file: str  # the PNG beside the page; empty where there is none
    inline: str  # data URI
    name: str  # of its kind: the last part of its files' names
    variant: str = ""
    factor: str = ""  # that it shows the runs of

    @property
    def is_of_cells(self) -> bool:
        """Whether drawing it takes more of a cell than its curves and numbers."""
        return bool(self.factor) or self.name in ("confusion", "pictures")


@dataclass(frozen=True)
class GridView:
    """One grid of images: a code's traversal, or a picture that a family of measures gives."""

    group: str
    seed: int
    code: str
    inline: str
    file: str  # beside the page; empty where there is none
    best: bool = False  # its seed has the arm's least error on training images
    role: str = ""  # beside a claim: which seed it is

    @property
    def words(self) -> str:
        """The words after the seed: what is shown."""
        shown = "samples, each above its nearest training image" if self.code == "nearest" else f"{self.code} varies"
        return shown + (" (best seed by training error)" if self.best else "")


@dataclass(frozen=True)
class Card:
    """One claim with its arms, the one that answers first."""

    arms: Sequence[ArmView]
    pictures: tuple[FigureView | GridView, ...] = ()

    @property
    def first(self) -> ClaimResult:
        return self.arms[0].result

    @property
    def plain(self) -> str:
        return answers.plain(self.first)

    @property
    def paper(self) -> str:
        """The paper's numbers beside the claim; else how the paper shows it."""
        shown = answers.papers(self.first)
        return shown or ("a picture" if self.first.source.startswith("Fig") else "a sentence")

    @property
    def is_papers_data(self) -> bool:
        """Whether the first arm was judged on the paper's data, or the claim speaks of no data."""
        return self.first.verdict.data.kind is not DataKind.SUBSTITUTE


@dataclass(frozen=True)
class Share:
    """Part of the claims with one answer, for the bar."""

    kind: str
    words: str
    count: int


@dataclass(frozen=True)
class StillView:
    """One generator's images at a few places of its latents, for print and where no script runs."""

    inline: str  # data URI
    words: str


@dataclass(frozen=True)
class ExplorerView:
    """Images to move about in. ``data``: what templates/explorer.js reads, as JSON."""

    data: str
    stills: list[StillView]
    notes: list[str]  # whose images these are, and whose are not there

    @property
    def size_bytes(self) -> int:
        """Size of its pictures, as files."""
        return 3 * len(self.data) // 4


@dataclass(frozen=True)
class SweepView:
    """One experiment at one profile."""

    anchor: str
    experiment: str
    profile: str
    title: str
    headline: str
    lead: str  # the same above cards, which already name each claim
    headline_numbers: str
    data: str
    budget: str
    command: str
    claims: list[Card]  # in the order of the file
    left_out: str  # what the profile leaves out by design
    arms: list[tuple[str, str, str]]  # group, note, settings
    figures: list[FigureView]
    first: list[FigureView]  # those that give the answer at once, if no claim does
    rest: list[FigureView]  # those that are neither there nor beside a claim
    tables: list[Table]
    grids: dict[str, list[GridView]]  # by group
    grids_note: str
    cards: list[Card]
    too_short: str  # why no claim could be judged, where the budget is why
    environment: list[tuple[str, str]]
    notes: list[str]
    missing: list[str]
    explorer: ExplorerView | None = None


@dataclass(frozen=True)
class ThroughputView:
    """How fast training is on this machine."""

    machines: list[tuple[str, str]]
    figures: list[FigureView]
    tables: list[Table]
    missing: list[str]


@dataclass(frozen=True)
class ReportView:
    """The whole report."""

    sweeps: list[SweepView] = field(default_factory=list)
    kept_apart: list[tuple[str, list[str]]] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)  # experiments without any record
    cost: Table | None = None  # what codes and Q cost
    throughput: ThroughputView | None = None
    answer: str = ""  # the first screen's sentence
    shares: Sequence[Share] = ()
    cost_cards: Sequence[Card] = ()
    title: str = PAPERS_TITLE
    links: Sequence[tuple[str, str]] = ()  # to pages around it: their words and addresses
    drawn_by: str = ""  # the command that draws the whole page, where this is a part of it

    @property
    def is_papers(self) -> bool:
        """Whether it answers claims of the paper, or holds nothing yet."""
        return self.title == PAPERS_TITLE


@dataclass(frozen=True)
class FolderView:
    """One results folder on a page over several."""

    anchor: str
    name: str
    page: str  # relative address of its own report; empty where it has none
    report: ReportView
    missing: list[str]


@dataclass(frozen=True)
class CombinedView:
    """A page over several results folders."""

    answer: str
    shares: Sequence[Share]
    cards: Sequence[Card]
    folders: Sequence[FolderView]
    links: Sequence[tuple[str, str]]  # further pages: their words and addresses
    missing: Sequence[str]


def data_uri(content: bytes, kind: str) -> str:
    """``content`` as a data URI. ``kind``: its media type. An SVG, which is text, takes a quarter less as such."""
    if kind == "image/svg+xml":
        return f"data:{kind},{quote(content, safe=SAFE)}"
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def environment(*, is_html: bool) -> "Environment":
    """The templates' environment. It escapes every value: names, notes and errors are somebody else's text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=is_html,
        undefined=StrictUndefined,
        finalize=wording.unbroken if is_html else wording.markdown_value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not is_html,
    )


def markdown(view: ReportView) -> bytes:
    """The report as Markdown."""
    return environment(is_html=False).get_template("report.md.j2").render(report=view).encode()


def html(view: ReportView) -> bytes:
    """The report as one page for a browser."""
    template = environment(is_html=True).get_template("report.html.j2")
    script = Markup((TEMPLATES / "explorer.js").read_text()) if any(s.explorer for s in view.sweeps) else ""
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return template.render(report=view, script=script, script_sha256=hashed).encode()


def render_combined(view: CombinedView) -> bytes:
    """The page over several folders, as HTML."""
    return environment(is_html=True).get_template("combined.html.j2").render(page=view, script="").encode()
