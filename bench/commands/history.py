"""``history``: T80 and throughput over commits, from recorded checks."""

from pathlib import Path

from bench.console import BadInput, Exit, console, escape, new_table, say
from bench.context import require_writable
from bench.gate.history import ArmLine, HistoryLine, read_history
from bench.records.storage import write_atomic


def history(experiment: str, file: Path, to: Path) -> Exit:
    """List the checks of an experiment in ``file``, and draw them to ``to``/history-EXPERIMENT.ARM.png and .svg."""
    try:
        checks = [check for check in read_history(file) if check.experiment == experiment]
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error
    arms = list(dict.fromkeys(arm for check in checks for arm in check.arms))
    if not arms:
        raise BadInput(
            f"{file} holds no check of {experiment} with a ratio; `python -m bench check {experiment}` adds one"
        )
    from bench.report.figures import draw_history

    require_writable(to)
    for arm in arms:
        table = new_table("commit", "checked (UTC)", "outcome", "T80 ratio", "interval", "step time, fused / reference")
        for check in checks:
            if arm in check.arms:
                table.add_row(*map(escape, _row(check, check.arms[arm])))
        say(f"[bold]{escape(experiment)}, {escape(arm)}[/bold]")
        console.print(table)
        drawing = draw_history(checks, arm)
        if drawing is not None:
            say(escape(drawing.caption))
            for kind, content in (("png", drawing.png), ("svg", drawing.svg)):
                path = to / f"history-{experiment}.{arm.replace('/', '.')}.{kind}"  # names have no dots
                write_atomic(path, content)
                say(f"written: {escape(str(path))}")
    return Exit.OK


def _row(check: HistoryLine, arm: ArmLine) -> list[str]:
    def number(value: float | None) -> str:
        return "unbounded" if value is None else f"{value:.3f}"

    timed = check.throughput
    ratio = "not comparable" if arm.ratio is None else number(arm.ratio)
    interval = f"[{number(arm.low)}, {number(arm.high)}]"
    times = f"{number(timed.ratio)} [{number(timed.low)}, {number(timed.high)}]" if timed else "-"
    return [check.commit, check.time_utc, check.outcome, ratio, interval, times]
