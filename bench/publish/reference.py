"""Publish a finished sweep as a reference: its report, its cells as a pack, and the numbers that documents quote.

``python -m bench.publish.reference RESULTS EXPERIMENT PROFILE`` writes results/reference/EXPERIMENT-PROFILE/ and
fills the block of that name in README or docs/, and for ``QUOTED`` also the marked values in docs/DEVIATIONS.md. A test
recomputes all of them from the committed cells, or from the curves if the cells are gone.
``--beside WORD`` writes EXPERIMENT-PROFILE-WORD instead: arms that were trained by other code than the committed ones.
``--again`` draws committed references once more, in today's words, from what they hold. ``--curves`` keeps the curves
and numbers of the cells instead of a pack: half of the bytes, but nobody can continue or measure such cells.
"""

import re
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.analysis.results import load
from bench.analysis.runs import Sweep
from bench.analysis.sweep_file import CURVES, write_curves
from bench.claims.cost import RECORD, judge_cost, read_cost
from bench.claims.judge import judge
from bench.claims.remarks import FILE, as_toml, read_remarks, with_remarks
from bench.claims.result import ClaimResult
from bench.context import DEFAULT_SPEC
from bench.environment import ROOT
from bench.publish.documents import REFERENCES, document_of, markdown_table, parser_of, with_block
from bench.publish.lean import lean, linked_files
from bench.records.packs import pack
from bench.records.storage import write_atomic
from bench.records.unpacking import unpack
from bench.report import unclaimed, wording
from bench.report.arms import ArmView
from bench.report.build import collect
from bench.report.choices import choices_of, choices_table, ratio_words
from bench.report.files import written
from bench.report.sentences import left_out_sentence
from bench.spec.cells import Cell
from bench.spec.tables import load_spec

DEVIATIONS = ROOT / "docs" / "DEVIATIONS.md"
MAX_BYTES = 1_900_000  # of a committed file, which a test keeps below 2 MB
CELLS = "cells.zip"
QUOTED = "mnist-mi-ambiguities"  # whose choices docs/DEVIATIONS.md quotes
_VALUE = re.compile(r"<!--=([a-z0-9-]+)-->.*?<!--/-->")  # a quoted value: its choice, and the text that is replaced


def claims_table(results: list[ClaimResult]) -> str:
    """The claim table as Markdown, and below it what each claim says: of the arms that were run; empty without any."""
    results, rows = [result for result in results if result.has_run], []
    if not results:
        return ""
    for arm in map(ArmView, results):
        value = f"{arm.measure} {arm.value} {arm.unit}".rstrip()
        beside = "; ".join(arm.beside) or wording.ABSENT
        verdict = "; ".join(
            filter(None, (f"{arm.badge.sign} {arm.badge.text}", wording.markdown_value(arm.result.remark)))
        )
        rows.append([arm.result.id, f"`{arm.name}`", verdict, value, arm.holding, beside])
    texts = {result.id: result.text for result in results}
    columns = ["claim", "arm", "holds?", "value, median [interval]", "seeds holding", "the paper's number"]
    return f"{markdown_table(columns, rows)}\n\n{'<br>'.join(f'{claim}: {text}' for claim, text in texts.items())}"


def with_values(text: str, sweep: Sweep) -> str:
    """``text`` with every marked value replaced by what the sweep says of that choice. Raises KeyError for another."""
    choices = choices_of(sweep, load_spec(DEFAULT_SPEC).experiments[sweep.experiment])
    rows_of = {choice.variant: choice.rows for choice in choices.listed}
    trained, baselines = (choices.arms(is_baseline=is_baseline) for is_baseline in (False, True))

    def quoted(match: re.Match[str]) -> str:
        rows = rows_of[match[1]]
        ratios = [ratio_words(rows[arm]) for arm in trained if arm in rows]
        parts = [" / ".join(ratios)] if ratios else []
        parts += [f"`{arm}` peaks at {rows[arm].median('hump_nats'):.2f} nats" for arm in baselines if arm in rows]
        return f"<!--={match[1]}-->{'; '.join(parts)}<!--/-->"

    return _VALUE.sub(quoted, text)


def judged(sweep: Sweep, folder: Path) -> list[ClaimResult]:
    """The claims of a reference sweep, and that of cost beside its experiment, from the record in ``folder``."""
    spec = load_spec(DEFAULT_SPEC)
    results = judge(spec.experiments[sweep.experiment], sweep)
    if spec.cost is not None and spec.cost.beside == sweep.experiment:
        results += judge_cost(spec.cost, read_cost(folder))
    return with_remarks(results, read_remarks(folder))


def shown_table(sweep: Sweep, folder: Path) -> str:
    """The table that a document shows of the reference sweep in ``folder``."""
    experiment = load_spec(DEFAULT_SPEC).experiments[sweep.experiment]
    if experiment.reference_variant:
        table = choices_table(choices_of(sweep, experiment))
        return markdown_table(table.columns, [[f"`{row[0]}`", *row[1:]] for row in table.rows])
    left_out = left_out_sentence(sweep, experiment)
    answer = claims_table(judged(sweep, folder)) or unclaimed.headline(sweep, experiment)
    return answer + (f"\n\n{left_out}" if left_out else "")


def reference_sweep(folder: Path) -> Sweep:
    """The sweep that a reference folder holds. Raises ValueError where it does not read."""
    loaded = load(folder)
    if loaded.damaged or len(loaded.sweeps) != 1:
        raise ValueError(f"{folder} holds no single sound sweep: {'; '.join(loaded.damaged) or 'nothing to read'}")
    return loaded.sweeps[0]


def publish(results: Path, experiment: str, profile: str, *, beside: str = "", curves_only: bool = False) -> Path:
    """Write the reference folder and its block; returns the folder. ValueError where nothing is recorded.

    ``beside``: the last word of the name of a folder beside the experiment's own. A sweep shares one definition, which
    names the training code, so arms trained by other code cannot join a committed one.
    """
    sweeps = load(results, [experiment], profile, load_spec(DEFAULT_SPEC)).sweeps
    if not sweeps:
        raise ValueError(f"{results} holds no cells of {experiment} at profile {profile}")
    name = f"{experiment}-{profile}"
    folder = REFERENCES / (f"{name}-{beside}" if beside else name)
    document_of(folder.name)  # before anything is written
    spec, keys = load_spec(DEFAULT_SPEC), {run.cell.key for run in sweeps[0].runs}
    has_cost = spec.cost is not None and spec.cost.beside == experiment
    about = (name, "cost") if has_cost else (name,)
    remarks = {place: text for place, text in read_remarks(results).items() if place[0] in about}

    def is_shown(cell: Cell) -> bool:
        return cell.key in keys

    with TemporaryDirectory() as scratch:  # drawn from the finished cells alone: the pack holds no other
        whole = Path(scratch, "cells")
        unpack(pack(results, Path(scratch, "cells.zip"), wanted=is_shown).files, whole)
        if (results / RECORD).exists():
            write_atomic(whole / RECORD, (results / RECORD).read_bytes())
        _draw(whole, folder, experiment, profile)
    if curves_only:
        write_curves(folder / CURVES, sweeps[0])
        (folder / CELLS).unlink(missing_ok=True)
    else:
        pack(results, folder / CELLS, pictures=False, max_bytes=MAX_BYTES, replace=True, wanted=is_shown)
        (folder / CURVES).unlink(missing_ok=True)
    if has_cost and (results / RECORD).exists():
        write_atomic(folder / RECORD, (results / RECORD).read_bytes())
    if remarks:  # else those of an earlier reference stay
        write_atomic(folder / FILE, as_toml(remarks))
    again(folder)  # as the committed folder is drawn, which has fewer pictures than the cells
    return folder


def again(folder: Path) -> None:
    """Draw a committed reference once more and fill its block anew. ValueError where it does not read."""
    sweep = reference_sweep(folder)
    memory = folder / "tables" / "memory.csv"
    measured = memory.read_bytes() if memory.exists() else b""
    with TemporaryDirectory() as scratch:  # what it shows of cells that are gone is read before anything is written
        copied = Path(shutil.copytree(folder, Path(scratch) / folder.name))
        _draw(copied, folder, sweep.experiment, sweep.profile)
    if measured and (folder / CURVES).exists():  # what measuring took is not in curves
        write_atomic(memory, measured)
    document = document_of(folder.name)
    write_atomic(document, with_block(document.read_text(), folder.name, shown_table(sweep, folder)).encode())
    if sweep.experiment == QUOTED:
        write_atomic(DEVIATIONS, with_values(DEVIATIONS.read_text(), sweep).encode())


def _draw(results: Path, folder: Path, experiment: str, profile: str) -> None:
    """Write the report on ``results`` into a reference's folder, as it is committed."""
    found = collect(results, load_spec(DEFAULT_SPEC), [experiment], profile)
    written(lean(found, folder, linked_files()), folder, with_page=False)


def main() -> int:
    """Exit code 0; 2 with one line where there is nothing to publish, or no document with a place for it."""
    parser = parser_of("reference", __doc__)
    parser.add_argument("results", type=Path, nargs="?", help="the folder that holds the finished cells")
    parser.add_argument("experiment", nargs="?", help="its name in experiments.toml")
    parser.add_argument("profile", nargs="?", help="smoke, cpu or paper")
    parser.add_argument("--beside", default="", metavar="WORD", help="publish as EXPERIMENT-PROFILE-WORD")
    parser.add_argument("--curves", action="store_true", help="keep the cells' curves and numbers, not a pack of them")
    parser.add_argument("--again", type=Path, nargs="+", metavar="FOLDER", help="committed references, drawn once more")
    options = parser.parse_args()
    given = (options.results, options.experiment, options.profile)
    if (None in given) if options.again is None else (given != (None, None, None)):
        parser.error("give RESULTS EXPERIMENT PROFILE, or --again FOLDER...")
    if options.again is None and options.experiment not in load_spec(DEFAULT_SPEC).experiments:
        parser.error(f"experiments.toml has no experiment {options.experiment!r}")
    try:
        for folder in options.again or ():
            again(folder.resolve())
            print(folder)
        if options.again is None:
            print(publish(*given, beside=options.beside, curves_only=options.curves))
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
