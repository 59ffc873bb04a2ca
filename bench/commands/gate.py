"""``baseline`` and ``check`` as plain functions."""

from pathlib import Path
from typing import Any

from bench.analysis.runs import Sweep, load_run, read_curves, write_curves
from bench.analysis.summary import code_names
from bench.commands.run import run
from bench.console import BadInput, Exit, escape, say
from bench.context import Context, require_writable
from bench.environment import ROOT
from bench.gate import compare as gate
from bench.gate import output as gate_output
from bench.records.folder import CellFolder
from bench.records.storage import CorruptRecord
from bench.spec.cells import Cell
from bench.spec.criteria import GateTable
from infogan.data.base import one_line

BASELINES = ROOT / "results" / "baseline"
CODES = {"ok": Exit.OK, "regressed": Exit.FAILED, "inconclusive": Exit.INCONCLUSIVE}
COLOURS = {"ok": "green", "regressed": "red", "inconclusive": "yellow"}


def default_baseline(experiment: str) -> Path:
    """Where the committed baseline of an experiment lies."""
    return BASELINES / f"{experiment}.json"


def current_sweep(context: Context, cells: list[Cell]) -> Sweep:
    """What the records hold of exactly these cells: another definition's runs never enter."""
    runs = []
    for cell in cells:
        folder = CellFolder.of(context.results, cell)
        if folder.state() != "missing":
            try:
                runs.append(load_run(folder))
            except CorruptRecord as error:
                say(f"[yellow]damaged:[/yellow] {escape(cell.name)}: {escape(str(error))}")
    first = cells[0]
    return Sweep(first.experiment, first.profile, first.definition, first.definition_key, runs)


def _rule(context: Context, experiment: str) -> GateTable:
    table = context.spec.experiments[experiment]
    if not code_names({"codes": [code.model_dump() for code in table.codes]}, "categorical"):
        raise BadInput(f"{experiment} has no categorical code and so no T80 to gate; choose another experiment")
    return table.gate


def baseline(experiment: str, destination: Path | None, *, train: bool, **options: Any) -> Exit:
    """Store the finished runs of the baseline's seeds as one JSON file."""
    context = Context([experiment], **options)
    rule = _rule(context, experiment)
    seeds = context.selection.seeds or tuple(rule.baseline_seeds)
    context = Context([experiment], **(options | {"seeds": seeds, "download": train, "trains": train}))
    if train:
        code = run(context)
        if code not in (Exit.OK, Exit.NOT_TRACKED):
            return code
    sweep = current_sweep(context, context.cells)
    unfinished = [cell.name for cell in context.cells if not _is_done(context, cell)]
    if unfinished:
        raise BadInput(f"{len(unfinished)} cells of the baseline are not finished ({unfinished[0]} ...); add --run")
    path = destination or default_baseline(experiment)
    write_curves(path, sweep)
    say(f"baseline of {len(sweep.runs)} runs written to {escape(str(path))}")
    return Exit.OK


def _is_done(context: Context, cell: Cell) -> bool:
    return CellFolder.of(context.results, cell).state() == "done"


def _read_baseline(path: Path, experiment: str) -> Sweep | str:
    """The baseline, or why there is none."""
    try:
        sweep = read_curves(path)
    except FileNotFoundError:
        return f"no baseline at {path}; make one with `python -m bench baseline {experiment} --run`"
    except (OSError, ValueError) as error:
        return one_line(f"{path} is not a baseline: {error}")
    if sweep.experiment != experiment:
        return one_line(f"{path} is a baseline of {sweep.experiment}, not of {experiment}")
    return sweep


def check(experiment: str, baseline_file: Path | None, *, train: bool, record: bool = False, **options: Any) -> Exit:
    """Compare the current definition's runs with the baseline; with ``train``, run what is missing first.

    The first look is at five seeds. When it is not ok, five more decide once, ten against ten.
    """
    context = Context([experiment], **options)
    rule = _rule(context, experiment)
    base = _read_baseline(baseline_file or default_baseline(experiment), experiment)
    if baseline_file is not None and isinstance(base, str):
        raise BadInput(f"--baseline: {base}")
    chosen = context.selection.seeds
    looks = [chosen] if chosen else [tuple(rule.new_seeds), (*rule.new_seeds, *rule.more_seeds)]
    if not chosen and isinstance(base, Sweep):
        everything = Context([experiment], **(options | {"seeds": looks[-1]}))
        if all(_is_done(everything, cell) for cell in everything.cells):
            looks = looks[-1:]  # all ten are there: it is decided on ten against ten
    result, new = gate.inconclusive(experiment, base if isinstance(base, str) else "nothing was compared"), None
    for index, seeds in enumerate(looks):
        if isinstance(base, str):
            break
        context = Context([experiment], **(options | {"seeds": seeds, "download": train, "trains": train}))
        if train:
            code = run(context)
            if code in (Exit.INTERRUPTED, Exit.TERMINATED):
                return code
        new = current_sweep(context, context.cells)
        result = gate.compare(rule, base, new, seeds)
        if result.outcome == "ok" or not result.next_seeds or not train:
            break
        if index + 1 < len(looks):
            say(f"first look: {result.outcome}: {escape(result.reason)}; running more seeds to decide once")
    _print_and_write(result, rule, new, context.results, record=record)
    return CODES[result.outcome]


def _print_and_write(result: gate.Check, rule: GateTable, new: Sweep | None, results: Path, *, record: bool) -> None:
    *details, verdict = gate_output.lines(result, rule)
    if result.next_seeds:
        details, verdict, advice = details[:-1], details[-1], verdict
    else:
        advice = ""
    for line in details:
        say(escape(line))
    say(f"[{COLOURS[result.outcome]}]{escape(verdict)}[/]")
    if advice:
        say(escape(advice))
    require_writable(results)
    histories = [results / "history.jsonl"] + ([BASELINES / "history.jsonl"] if record else [])
    gate_output.write(result, rule, new, results, histories)
    say(f"written: {escape(str(results / 'check' / result.experiment))}.json and .xml")
