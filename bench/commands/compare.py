"""``compare``: one arm against another of the same experiment, or against itself without ``--set``, paired by seed."""

import math
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from bench.console import BadInput, Exit, escape, say
from bench.context import Context
from bench.options import CompareOptions
from bench.spec.criteria import GateTable
from bench.spec.tables import arm_of, variant_of

if TYPE_CHECKING:
    from bench.analysis.runs import Sweep
    from bench.gate.change import Change


def compare(
    experiment: Annotated[str, typer.Argument(help="An experiment with a categorical code.")],
    base: Annotated[str, typer.Argument(help="ARM or VARIANT/ARM to compare with. --set does not change it.")],
    new: Annotated[
        str | None, typer.Argument(help="ARM or VARIANT/ARM. Default: BASE with --set.", show_default=False)
    ] = None,
    train: Annotated[bool, typer.Option("--run", help="First train the missing cells of both.")] = False,
    **options: Unpack[CompareOptions],
) -> None:
    """Say how much slower or faster one arm learns its code than another, paired by seed: "4 % slower [2, 6]"."""
    from bench.commands.gate import current_sweep, gate_rule
    from bench.commands.run import run

    settings = options["settings"] or []
    if new in (None, base) and not settings:
        raise BadInput(f"{base} would be compared with itself: name another arm, or --set something")
    sides: list[Any] = []
    for group, given in ((base, None), (new or base, settings)):
        chosen: dict[str, Any] = {
            **options,
            "settings": given,
            "arms": arm_of(group),
            "variants": variant_of(group) or None,
        }
        context = Context([experiment], **chosen, download=train, trains=train)
        rule = gate_rule(context, experiment)
        code = run(context) if train else Exit.OK
        if code not in (Exit.OK, Exit.NOT_TRACKED):
            raise typer.Exit(int(code))
        sides.append(current_sweep(context, context.cells))
    named = [base, " ".join([new or base, *(f"--set {text}" for text in settings)])]
    say(escape(f"{named[1]} against {named[0]}: {compared(rule, named, *sides)}"))


def compared(rule: GateTable, names: list[str], base: "Sweep", new: "Sweep") -> str:
    """``4 % slower [2, 6]`` with what it rests on, or why that cannot be said."""
    from bench.gate.output import slower_line

    for name, sweep in zip(names, (base, new), strict=True):
        if not any(run.state == "done" or run.diverged for run in sweep.runs):
            return f"nothing to compare: no cell of {name} is finished; add --run"
    budget = base.runs[0].cell.iterations
    if not any(math.isfinite(time) for sweep in (base, new) for time in _t80(sweep).values()):
        return f"too short to judge: no seed of either reaches 0.8 H(c) within its {budget} iterations"
    return slower_line(change_between(rule, base, new))


def change_between(rule: GateTable, base: "Sweep", new: "Sweep") -> "Change":
    """The gate's question whether anything changed at all, of two sweeps of one group each."""
    from bench.gate.change import find_change, why_not_paired
    from bench.gate.compare import NO_INFORMATION_NATS

    ended = [[run for run in sweep.runs if run.state == "done" or run.diverged] for sweep in (base, new)]
    final = [
        {run.cell.seed: NO_INFORMATION_NATS if run.diverged else run.summary["mi_final_nats"] for run in runs}
        for runs in ended
    ]
    budget = float(base.runs[0].cell.iterations)
    return find_change(rule, budget, (_t80(base), _t80(new)), (final[0], final[1]), why_not_paired(*ended))


def _t80(sweep: "Sweep") -> dict[int, float]:
    (group,) = sweep.groups()
    return sweep.t80(group)
