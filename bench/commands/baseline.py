"""``baseline``: store finished runs for check to compare with; and what check, compare and bisect read of runs."""

from pathlib import Path
from typing import Annotated, Any, Unpack

import typer

from bench.analysis.runs import Sweep, load_run
from bench.analysis.sweep_file import read_curves, write_curves
from bench.commands.run import train_missing
from bench.console import BadInput, Exit, escape, plural, say
from bench.context import Context
from bench.environment import ROOT, command
from bench.options import GateExperiment, GateOptions
from bench.paths import require_file
from bench.records.folder import CellFolder
from bench.records.storage import CorruptRecord, in_words
from bench.run.plan import plan
from bench.spec.criteria import GateTable
from infogan.data.base import one_line

BASELINES = ROOT / "results" / "baseline"
Train = Annotated[bool, typer.Option("--run", help="Train the missing seeds first.")]


def baseline(
    experiment: GateExperiment = "mi-gate",
    to: Annotated[Path | None, typer.Option(help="File to write. Default: results/baseline/EXPERIMENT.json.")] = None,
    train: Train = False,
    **options: Unpack[GateOptions],
) -> Exit:
    """Store finished runs as the baseline of check. Never do this after a red check: it would hide the finding."""
    path = to or default_baseline(experiment)
    require_file("--to", path)
    context = Context([experiment], **options)
    rule = gate_rule(context, experiment)
    seeds = context.selection.seeds or tuple(rule.baseline_seeds)
    chosen: dict[str, Any] = {**options, "seeds": seeds}
    context = Context([experiment], **chosen, download=train, trains=train)
    code = train_to_the_end(context) if train else Exit.OK
    if code not in (Exit.OK, Exit.NOT_TRACKED):
        return code
    sweep = current_sweep(context)
    ended = {run.cell.name for run in sweep.runs if run.ended}
    unfinished = [cell.name for cell in context.cells if cell.name not in ended]
    if unfinished:
        lacking = plural(len(unfinished), "finished cell")
        raise BadInput(f"the baseline lacks {lacking}, {unfinished[0]} first; add --run")
    write_curves(path, sweep)
    num_diverged = sum(run.diverged for run in sweep.runs)
    of_them = f", {num_diverged} of them diverged," if num_diverged else ""
    say(f"baseline of {plural(len(sweep.runs), 'run')}{of_them} written to {escape(str(path))}")
    return code


def default_baseline(experiment: str) -> Path:
    """Path of an experiment's committed baseline."""
    return BASELINES / f"{experiment}.json"


def read_baseline(path: Path, experiment: str, context: Context | None = None) -> Sweep | str:
    """The baseline, or the reason why there is none, with the command that makes one from the cells of ``context``."""
    try:
        sweep = read_curves(path)
    except FileNotFoundError:
        to = [] if path == default_baseline(experiment) else ["--to", path]
        words = ("baseline", experiment, "--run", *to)
        made = context.again(*words, profile=True) if context else command(*words)
        return f"no baseline at {path}; make one with `{made}`"
    except (OSError, ValueError) as error:
        return one_line(f"{path} is not a baseline: {error}")
    if sweep.experiment != experiment:
        return one_line(f"{path} is a baseline of {sweep.experiment}, not of {experiment}")
    return sweep


def gate_rule(context: Context, experiment: str) -> GateTable:
    table = context.spec.experiments[experiment]
    if not any(code.kind == "categorical" for code in table.codes):
        raise BadInput(f"{experiment} has no categorical code and so no T80; choose another experiment")
    return table.gate


def current_sweep(context: Context) -> Sweep:
    """Read the records of exactly the context's cells, so that runs of another definition are excluded."""
    runs = []
    for cell in context.cells:
        folder = CellFolder.of(context.results, cell)
        try:
            if folder.state() != "missing":
                runs.append(load_run(folder))
        except (CorruptRecord, OSError) as error:
            say(f"[yellow]damaged:[/yellow] {escape(cell.name)}: {escape(in_words(error))}")
    first = context.cells[0]
    return Sweep(first.experiment, first.profile, first.definition, first.definition_key, runs)


def train_to_the_end(context: Context) -> Exit:
    """Run the cells. What fails by diverging has ended, which is a result about its seed: OK if nothing else failed."""
    code = train_missing(context)
    if code == Exit.FAILED and all(p.state in ("done", "diverged") for p in plan(context.results, context.cells, None)):
        return Exit.OK
    return code
