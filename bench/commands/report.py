"""``report``: write the report of a results folder, or one page over several, and print the answers."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from bench.analysis.results import PACKS
from bench.analysis.sweep_file import CURVES
from bench.console import BadInput, escape, say, say_as_is
from bench.context import require_profile
from bench.gate.history import HISTORY
from bench.options import Experiments, Images, Resize, Settings, SpecOption
from bench.paths import DEFAULT_RESULTS, on_results, require_file, require_folder, require_writable
from bench.records.folder import THROUGHPUT
from bench.records.pack_format import PackError
from bench.records.unpacking import unpack
from bench.report import Combined, Report, answers, names_of, write_combined, write_report
from bench.report.arms import BADGES
from bench.report.sentences import Answers, sentence
from bench.spec.images import replacement
from bench.spec.reading import BUILTIN
from bench.spec.selection import experiment_table
from bench.spec.tables import Spec, load_spec
from infogan.data.base import one_line

STYLES = {"yes": "green", "part": "yellow", "none": "dim"}
COMMITTED = "results/reference/README.md"


def report(
    experiments: Experiments = None,
    spec: SpecOption = BUILTIN,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of the cells; the report is written there. With --to: any number of folders or packs.",
            show_default=str(DEFAULT_RESULTS),
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Only this profile. Default: every profile that has cells.")
    ] = None,
    settings: Settings = None,
    images: Images = None,
    resize: Resize = False,
    to: Annotated[
        Path | None, typer.Option(help="FILE.html: one page over all folders, with the best evidence for each claim.")
    ] = None,
) -> None:
    """Write the report (index.html, report.md, claims.json) on the recorded cells, and print its answers."""
    replaced, folders = replacement(experiments, images, resize), results or [DEFAULT_RESULTS]
    if len(folders) > 1 and to is None:
        raise BadInput("several --results need --to FILE.html: they make one page")
    loaded = load_spec(spec, settings or (), replaced, experiments)
    for name in experiments or []:
        experiment_table(loaded, name)
    require_profile(profile)
    if to is not None:
        _combined(folders, loaded, to, experiments, profile)
        return
    (folder,) = folders
    require_results(folder, spec)
    require_writable(folder)
    written = write_report(folder.absolute(), loaded, experiments=experiments, profile=profile)
    _say_all(written, written.html)


def _combined(folders: list[Path], spec: Spec, to: Path, experiments: list[str] | None, profile: str | None) -> None:
    require_file("--to", to)
    if to.suffix != ".html":
        raise BadInput(f"--to {to}: it writes a page, FILE.html")
    with ExitStack() as stack:
        read = []
        for path in folders:
            if path.is_file():
                scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                try:
                    unpack([path], scratch)
                except PackError as error:
                    raise BadInput(one_line(f"--results: {error}")) from error
                read.append(scratch)
            else:
                require_results(path, spec.given.path)
                read.append(path.absolute())
        named = dict(zip(names_of(folders), read, strict=True))
        written = write_combined(named, spec, to, experiments, profile)
    _say_all(written, to)


def require_results(folder: Path, spec: Path = BUILTIN) -> None:
    """Raise BadInput if the folder does not exist, or holds nothing that a report shows."""
    require_folder("results", folder)
    if not folder.exists():
        raise BadInput(f"{folder} does not exist; `{on_results(folder, 'run', 'EXPERIMENT', spec=spec)}` creates it")
    if _has_cells(folder):
        return
    inner = sorted(path.name for path in folder.iterdir() if path.is_dir() and _has_cells(path))
    if inner or not any((folder / name).exists() for name in (THROUGHPUT, HISTORY)):
        named = f"; choose one of its folders: {', '.join(inner)}" if inner else ""
        raise BadInput(one_line(f"{folder} holds no records{named}"))


def _has_cells(folder: Path) -> bool:
    """Whether a folder has cells, packs of them, or what is left of their curves."""
    return any(next(folder.glob(name), None) for name in ("cells", PACKS, CURVES))


def _say_all(written: Report | Combined, page: Path) -> None:
    for line in written.left_out:
        say_as_is(line)
    for line in written.missing:
        say(f"[yellow]missing:[/yellow] {escape(line)}")
    say_answers(written.answers)
    say(f"report: {escape(str(page))}")


def say_answers(found: Answers) -> None:
    """Print one line per claim and arm, in the report's words, and one per sweep without a judged claim."""
    for data, budget in dict.fromkeys((c.verdict.data.words, c.verdict.budget.words) for c in found.judged):
        say(f"data: {escape(data)}; budget: {escape(budget)}")
    for claim in found.judged:
        word = answers.in_words(claim.verdict)
        colour = STYLES.get(BADGES[claim.verdict.outcome][0], "red")
        start, _, rest = sentence(claim).partition(word)
        say(f"[bold]{escape(start)}[/bold][{colour}]{escape(word)}[/]{escape(rest)}")
    for line in found.headlines:
        say_as_is(line)
    for line in dict.fromkeys(found.too_short):  # folders may say the same
        say(f"[yellow]{escape(line)}[/yellow] The committed answer: {COMMITTED}")
