"""``check``: has MI convergence regressed, compared with stored runs?"""

import hashlib
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Unpack

import typer

from bench.analysis.runs import Sweep
from bench.analysis.statistics import GateOutcome
from bench.commands.baseline import BASELINES, Train, current_sweep, default_baseline, gate_rule, read_baseline
from bench.commands.run import train_missing
from bench.console import BadInput, Exit, escape, say, say_as_is
from bench.context import Context
from bench.gate import compare as gate
from bench.gate import files as gate_files
from bench.gate import output as gate_output
from bench.gate.history import HISTORY
from bench.gate.watched import watched_arms, watched_seeds
from bench.options import GateExperiment, GateOptions
from bench.paths import require_file, require_folder, require_writable
from bench.records.folder import CellFolder
from bench.records.storage import write_atomic
from bench.spec.criteria import GateTable

BASELINE_CHARACTERS = 12  # of the digest that names a baseline in a history
CODES: dict[GateOutcome, Exit] = {"ok": Exit.OK, "regressed": Exit.FAILED, "inconclusive": Exit.INCONCLUSIVE}
COLOURS: dict[GateOutcome, str] = {"ok": "green", "regressed": "red", "inconclusive": "yellow"}


def _is_missing(folder: CellFolder) -> bool:
    return folder.state() == "missing"


def _all_cells(context: Context, holds: Callable[[CellFolder], bool]) -> bool:
    """Whether it holds of all cells; of one that cannot be read it does not, which is reported with its records."""
    with suppress(OSError):
        return all(holds(CellFolder.of(context.results, cell)) for cell in context.cells)
    return False


def check(
    experiment: GateExperiment = "mi-gate",
    baseline_file: Annotated[
        Path | None,
        typer.Option("--baseline", help="Baseline to compare with. Default: results/baseline/EXPERIMENT.json."),
    ] = None,
    train: Train = False,
    record: Annotated[
        bool, typer.Option("--record", help="Also add the result to the committed history beside the baselines.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit code 1 also for a tolerated change for the worse: slower, or a lower L_I."),
    ] = False,
    json: Annotated[
        str | None,
        typer.Option(
            "--json", help="Also write the JSON to this file. -: print it, and everything else on standard error."
        ),
    ] = None,
    **options: Unpack[GateOptions],
) -> Exit:
    """Has MI convergence regressed? 0 ok, 1 regressed, 2 bad input, 3 inconclusive, which is never "passed".

    Five new seeds are compared with the baseline's ten: the ratio of T80 with its
    exact interval, and the final L_I. If the answer is not ok, five more seeds
    decide once. With --run they are trained at once; without it they are named.
    A tolerated change is still reported: "ok, but slower: 4 % [2, 6]".
    """
    if json not in (None, "-"):
        require_file("--json", Path(json))
    if record:
        require_file("--record:", BASELINES / HISTORY)
    with redirect_stdout(sys.stderr) if json == "-" else nullcontext():  # standard output contains only the JSON
        code, text = _check(experiment, baseline_file, options, train=train, record=record, strict=strict)
    if json == "-":
        sys.stdout.write(text)
    elif json and text:
        write_atomic(Path(json), text.encode())
    return code


def _check(
    experiment: str, baseline_file: Path | None, options: Mapping[str, Any], *, train: bool, record: bool, strict: bool
) -> tuple[Exit, str]:
    """Returns the exit code and the JSON text, which is empty after an interruption."""
    context = Context([experiment], **options)
    require_folder("folder of checks", context.results / "check")
    rule = gate_rule(context, experiment)
    path = baseline_file or default_baseline(experiment)
    base = read_baseline(path, experiment, context)
    if isinstance(base, str):
        if baseline_file is not None:
            raise BadInput(f"--baseline: {base}")
        if not train and _all_cells(context, _is_missing):
            raise BadInput(f"nothing to check: {base}")
        return conclude(gate.inconclusive(experiment, base), rule, None, context.results, record=record, strict=strict)
    chosen = context.selection.seeds
    looks = [chosen] if chosen else [tuple(rule.new_seeds), (*rule.new_seeds, *rule.more_seeds)]
    last = _look(rule, base, looks[-1], options)
    if not train and _all_cells(last, _is_missing):
        raise BadInput(f"nothing to check: {context.results} has no run of {experiment} with these settings; add --run")
    require_writable(context.results)
    if _all_cells(last, lambda folder: bool((result := folder.result()) and result.ended)):
        looks = looks[-1:]  # all ten have ended, so use them at once
    name = hashlib.sha256(path.read_bytes()).hexdigest()[:BASELINE_CHARACTERS]
    for index, seeds in enumerate(looks):
        context = _look(rule, base, seeds, {**options, "download": train, "trains": train})
        if train:
            code = train_missing(context)
            if code in (Exit.INTERRUPTED, Exit.TERMINATED):
                return code, ""
        new = current_sweep(context)
        result = replace(gate.compare(rule, base, new, seeds), baseline=name)
        if result.outcome == "ok" or not result.next_seeds or not train:
            break
        if index + 1 < len(looks):
            say(f"first look: {result.outcome}: {escape(result.reason)}; running more seeds to decide once")
    return conclude(result, rule, new, context.results, record=record, strict=strict)


def _look(rule: GateTable, base: Sweep, seeds: tuple[int, ...], options: Mapping[str, Any]) -> Context:
    """The cells of one look. A watched arm has fewer seeds, and no cells if the baseline has none."""
    context = Context([base.experiment], **{**options, "seeds": seeds})
    idle = [arm for arm in watched_arms(rule) if arm not in base.groups()]
    wanted = [c for c in context.cells if c.group not in idle and c.seed in watched_seeds(rule, c.group, seeds)]
    context.cells = wanted or context.cells
    return context


def conclude(
    result: gate.Check, rule: GateTable, new: Sweep | None, results: Path, *, record: bool = False, strict: bool = False
) -> tuple[Exit, str]:
    """Say what the comparison found and write its files; returns the exit code and the JSON text.

    ``record``: also add it to the committed history. ``strict``: a tolerated change for the worse fails, too.
    """
    lines = list(gate_output.lines(result, rule))
    advice = lines.pop() if result.next_seeds else ""
    *details, verdict = lines
    for line in details:
        say_as_is(line)
    outcome = gate_output.outcome_of(result, strict)
    colour = "yellow" if outcome == "ok" and result.is_worse else COLOURS[outcome]
    say(f"[{colour}]{escape(verdict)}[/]")
    if outcome != result.outcome:
        say(f"[{colour}]--strict: this change for the worse is tolerated, but it does not pass[/]")
    if advice:
        say_as_is(advice)
    require_writable(results)
    histories = [results / HISTORY] + ([BASELINES / HISTORY] if record else [])
    text = gate_files.write(result, rule, new, results, histories, strict=strict)
    say(f"written: {escape(str(results / 'check' / result.experiment))}.json, .xml and .md")
    return CODES[outcome], text
