"""``history``: T80 and throughput over commits, from recorded checks."""

from pathlib import Path
from typing import Annotated

import typer

from bench.console import BadInput, console, escape, new_table, say, say_as_is
from bench.context import DEFAULT_SPEC
from bench.gate.history import HISTORY, ArmLine, HistoryLine, comparable, read_history
from bench.options import GateExperiment, Results
from bench.paths import DEFAULT_RESULTS, on_results, require_writable
from bench.records.storage import write_atomic
from bench.spec.schema import suggest
from bench.spec.tables import load_spec


def history(
    experiment: GateExperiment = "mi-gate",
    file: Annotated[Path | None, typer.Option(help="Checks to list. Default: RESULTS/history.jsonl.")] = None,
    results: Results = DEFAULT_RESULTS,
) -> None:
    """List and draw the checks over the commits: T80's ratio, throughput, and where their level changed.

    Each check adds a line to RESULTS/history.jsonl. With --record it also adds
    the line to results/baseline/history.jsonl.
    """
    path, to = file or results / HISTORY, results / "history"
    try:
        every = read_history(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    checks = [check for check in every if check.experiment == experiment]
    arms = list(dict.fromkeys(arm for check in checks for arm in check.arms))
    if not arms:
        known = dict.fromkeys([*(check.experiment for check in every), *load_spec(DEFAULT_SPEC).experiments])
        if experiment not in known:
            raise BadInput(f"unknown experiment {experiment!r}{suggest(experiment, list(known))}")
        hint = f"; `{on_results(results, 'check', experiment, '--run')}` adds one" if file is None else ""
        raise BadInput(f"{path} holds no check of {experiment} with a ratio{hint}")
    from bench.report.figures.history import draw_history

    require_writable(to)
    for arm in arms:
        table = new_table("commit", "checked (UTC)", "outcome", "T80 ratio", "interval", "step time, fused / reference")
        own, others = comparable(checks, arm)
        for check in own:
            table.add_row(*map(escape, _row(check, check.arms[arm])))
        say(f"[bold]{escape(experiment)}, {escape(arm)}[/bold] against baseline {escape(own[-1].baseline)}")
        console.print(table)
        if others:
            say(others)
        drawing = draw_history(checks, arm)
        if drawing is not None:
            say_as_is(drawing.caption)
            for kind, content in (("png", drawing.png), ("svg", drawing.svg)):
                drawn = to / f"history-{experiment}.{arm.replace('/', '.')}.{kind}"  # names have no dots
                write_atomic(drawn, content)
                say(f"written: {escape(str(drawn))}")


def _row(check: HistoryLine, arm: ArmLine) -> list[str]:
    def number(value: float | None) -> str:
        return "unbounded" if value is None else f"{value:.3f}"

    timed = check.throughput
    ratio = "not comparable" if arm.ratio is None else f"{arm.bound} {number(arm.ratio)}".strip()
    interval = f"[{number(arm.low)}, {number(arm.high)}]"
    times = f"{number(timed.ratio)} [{number(timed.low)}, {number(timed.high)}]" if timed else "-"
    return [check.commit, check.time_utc, check.outcome, ratio, interval, times]
