"""``make site``: a static folder with the whole paper, each reference's report, the gate's history and the documents.

``python -m bench.publish.site --to site`` writes it anew. It needs no server and loads nothing from elsewhere. Its
addresses are relative, so that it works below any path (GitHub Pages: docs/ci-site.yml).
"""

import posixpath
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from markupsafe import Markup

from bench.analysis.statistics import median_interval
from bench.analysis.sweep_file import read_curves
from bench.commands.baseline import BASELINES
from bench.context import DEFAULT_SPEC
from bench.environment import ROOT
from bench.gate.history import HISTORY, comparable, read_history
from bench.publish.documents import DOCUMENTS, REFERENCES, parser_of
from bench.publish.markdown import title_of, to_html
from bench.records.storage import write_atomic
from bench.report import pages, wording
from bench.report.build import collect
from bench.report.combined import combine, smaller
from bench.report.figures.history import draw_history
from bench.report.figures.style import Drawing
from bench.report.files import Collected
from bench.spec.tables import load_spec

BESIDE = ("CONTRIBUTING.md", "CHANGELOG.md", "bench/throughput/NOTES.md")
PUBLISHED = (*(path.relative_to(ROOT).as_posix() for path in DOCUMENTS), *BESIDE)
QUESTION = "Does mutual information still converge as fast?"
MARK = ".site"  # in a folder that this module has written, and may write anew


class Site:
    """The site so far, by path below its folder: bytes of ours, or copies of the tree's files."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.references: list[str] = []

    def links(self, page: str) -> list[tuple[str, str]]:
        """The site's main pages, as seen from one of them."""
        main = {
            "Every claim": "index.html",
            "Start here": "README.html",
            "Documents": "docs/index.html",
            "Regressions": "history.html",
        }
        return [(words, _relative(target, page)) for words, target in main.items() if target != page]

    def document(self, page: str, title: str, template: str = "document.html.j2", **values: object) -> None:
        drawn = pages.environment(is_html=True).get_template(template)
        self.files[page] = drawn.render(title=title, links=self.links(page), script="", **values).encode()

    def target(self, document: str, link: str) -> str | None:
        """A link of a document of the tree, as its page has it; what it leads to is taken along."""
        if ":" in link or link.startswith("#"):
            return link
        path, hash_, anchor = link.partition("#")
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(document), path))
        page = self._page(wanted)
        return None if page is None else _relative(page, posixpath.splitext(document)[0] + ".html") + hash_ + anchor

    def _page(self, wanted: str) -> str | None:
        if wanted in PUBLISHED:
            return posixpath.splitext(wanted)[0] + ".html"
        if wanted == "results/reference/README.md":
            return "index.html"
        folder, _, name = wanted.rpartition("/")
        if name == "report.md" and folder.removeprefix("results/reference/") in self.references:
            return f"{folder}/index.html"
        file = ROOT / wanted
        if not file.is_file():
            return None
        self.files[wanted] = file.read_bytes()
        return wanted


def _relative(target: str, page: str) -> str:
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


def build() -> dict[str, bytes]:
    """Every file of the site by its path."""
    site, spec = Site(), load_spec(DEFAULT_SPEC)
    folders = sorted({path.parent for path in REFERENCES.glob("*/claims.json")})
    site.references = [folder.name for folder in folders]
    found = {folder.name: collect(folder, spec) for folder in folders}
    addresses = {name: f"results/reference/{name}/index.html" for name in found}
    for name, collected in found.items():
        page = addresses[name]
        view = replace(_lean(collected), links=site.links(page))
        site.files[page] = pages.html(view)
        tables = {path: content for path, content in collected.files.items() if path.startswith("tables/")}
        site.files |= {posixpath.join(posixpath.dirname(page), path): content for path, content in tables.items()}
    combined = combine(found, spec, addresses, site.links("index.html"))
    site.files["index.html"] = pages.render_combined(combined.view)
    texts = {name: (ROOT / name).read_text() for name in PUBLISHED}
    for name, text in texts.items():
        content = Markup(to_html(text, partial(site.target, name)))
        site.document(posixpath.splitext(name)[0] + ".html", title_of(text, name), content=content)
    titles = {posixpath.splitext(name)[0] + ".html": title_of(text, name) for name, text in texts.items()}
    listed = {_relative(page, "docs/index.html"): titles[page] for page in sorted(titles, key=titles.__getitem__)}
    site.document("docs/index.html", "Documents", "documents.html.j2", listed=listed)
    checks = [
        (name, d and (pages.data_uri(d.png, "image/png"), d.title, d.caption), rows) for name, d, rows in _checks()
    ]
    site.document("history.html", QUESTION, "history.html.j2", baselines=_baselines(), checks=checks)
    return site.files


def _lean(collected: Collected) -> pages.ReportView:
    """The report with smaller pictures, without the names of their files, which the site does not hold, and without
    what other pages of the site measure.
    """
    sweeps = [
        replace(
            sweep,
            first=[replace(figure, file="", inline=smaller(figure.inline)) for figure in sweep.first],
            rest=[replace(figure, file="", inline=smaller(figure.inline)) for figure in sweep.rest],
            cards=[
                replace(card, pictures=tuple(replace(own, inline=smaller(own.inline)) for own in card.pictures))
                for card in sweep.cards
            ],
            grids={
                group: [replace(view, inline=smaller(view.inline)) for view in views]
                for group, views in sweep.grids.items()
            },
        )
        for sweep in collected.view.sweeps
    ]
    return replace(collected.view, sweeps=sweeps, absent=[])


def _baselines() -> list[list[str]]:
    """A row for each group of each baseline."""
    rows = []
    for path in sorted(BASELINES.glob("*.json"), key=lambda path: path.stem):
        sweep = read_curves(path)
        for group, runs in sweep.groups().items():
            times = median_interval(list(sweep.t80(group).values()))
            machine = runs[0].environment
            torch, cpu = machine.get("packages", {}).get("torch", "?"), machine.get("cpu", "?")
            interval = wording.with_interval("t80", times.median, times.low, times.high)
            rows.append([path.stem, sweep.experiment, group, str(len(runs)), interval, str(torch), str(cpu)])
    return rows


def _checks() -> list[tuple[str, Drawing | None, list[list[str]]]]:
    """For each experiment and arm that was checked: their names, the figure of its history, a row for each check."""
    try:
        checks = read_history(BASELINES / HISTORY)
    except OSError:
        checks = []
    found = []
    for experiment, arm in dict.fromkeys((check.experiment, arm) for check in checks for arm in check.arms):
        of_experiment = [check for check in checks if check.experiment == experiment]
        own, _ = comparable(of_experiment, arm)  # the figure's caption says how many others there are
        rows = []
        for check in own:
            line = check.arms[arm]
            ratio, low, high = (wording.number(n) for n in (line.ratio, line.low, line.high))
            rows.append(
                [check.commit[:12], check.time_utc, check.outcome, f"{line.bound} {ratio}".strip(), f"[{low}, {high}]"]
            )
        found.append((f"{experiment}, {arm}", draw_history(of_experiment, arm), rows))
    return found


def require_ours(to: Path) -> None:
    """Raise ValueError for a folder that is neither new, nor empty, nor an earlier site."""
    if to.exists() and (not to.is_dir() or (any(to.iterdir()) and not (to / MARK).exists())):
        raise ValueError(f"{to} is not empty and no earlier site; name another folder")


def write(files: dict[str, bytes], to: Path) -> None:
    """Write the site into a new or an empty folder, or in place of an earlier site. ValueError for any other folder."""
    to = to.resolve()  # where a link points to, as its server reads it
    require_ours(to)
    to.absolute().parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=to.absolute().parent, prefix=f".{to.name}.") as scratch:
        made = Path(scratch, "site")
        for path, content in {MARK: b"", ".nojekyll": b"", **files}.items():
            write_atomic(made / path, content)
        if to.exists():
            to.rename(Path(scratch, "earlier"))
        made.rename(to)


def main() -> int:
    """Exit code 0; 2 with one line where the folder cannot take it."""
    parser = parser_of("site", __doc__)
    parser.add_argument("--to", type=Path, default=Path("site"), help="folder, new or an earlier site (default: site)")
    options = parser.parse_args()
    try:
        require_ours(options.to)  # before the minute that it takes
        files = build()
        write(files, options.to)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    size = sum(map(len, files.values()))
    print(f"{len(files)} files, {size / 1e6:.1f} MB; open {options.to / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
