"""``compare``: compare two arms of an experiment, or an arm with and without ``--set``, paired by seed."""

from typing import Annotated, Any, Unpack

import typer

from bench.analysis.runs import Run
from bench.commands.baseline import current_sweep, gate_rule, train_to_the_end
from bench.console import BadInput, Exit, say_as_is
from bench.context import Context
from bench.gate.arms import held_against
from bench.options import CompareOptions, GateExperiment
from bench.spec.experiment import arm_of, variant_of
from bench.spec.schema import suggest


def compare(
    experiment: GateExperiment,
    base: Annotated[str, typer.Argument(help="ARM or VARIANT/ARM to compare with. --set does not change it.")],
    new: Annotated[str | None, typer.Argument(help="ARM or VARIANT/ARM. Default: BASE with --set.")] = None,
    train: Annotated[bool, typer.Option("--run", help="First train the missing cells of both.")] = False,
    **options: Unpack[CompareOptions],
) -> Exit:
    """Say how much slower or faster one arm learns its code than another, paired by seed: "4 % slower [2, 6]".

    Exit codes: 0 measured; 2 bad input; 3 too little is trained to tell.
    """
    settings = options["settings"] or []
    if new in (None, base) and not settings:
        raise BadInput(f"{base} would be compared with itself: name another arm, or change a setting with --set")
    contexts = []  # both are checked before any training
    for group, given in ((base, None), (new or base, settings)):
        chosen: dict[str, Any] = {
            **options,
            "settings": given,
            "arms": arm_of(group),
            "variants": variant_of(group) or None,
        }
        context = Context([experiment], **chosen, download=train, trains=train)
        rule = gate_rule(context, experiment)
        if group not in (known := list(dict.fromkeys(cell.group for cell in context.cells))):
            raise BadInput(f"{experiment}: {group!r} is not one arm{suggest(group, known)}")
        contexts.append(context)
    sides: list[list[Run]] = []
    end = Exit.OK
    for context in contexts:
        code = train_to_the_end(context) if train else Exit.OK
        if code not in (Exit.OK, Exit.NOT_TRACKED):
            return code
        end = max(end, code)
        sides.append(current_sweep(context).runs)
    named = [base, " ".join([new or base, *(f"--set {text}" for text in settings)])]
    answer = held_against(rule, sides[0], sides[1], named)
    hint = "" if train or answer.change or all(sides) else "; add --run"
    say_as_is(f"{named[1]} against {named[0]}: {answer.sentence}{hint}")
    return Exit.INCONCLUSIVE if answer.why_not else end
