"""The answer of an experiment that no claim of the paper speaks of: each arm against the first, in one sentence."""

from collections.abc import Sequence

from bench.analysis import statistics
from bench.analysis.runs import Sweep
from bench.console import plural
from bench.gate.arms import diverged_among, held_against
from bench.report import wording
from bench.report.inventory import ordered_groups
from bench.spec.criteria import GATE, GateTable
from bench.spec.experiment import ExperimentTable, arm_of, variant_of

BASE_ARM = "infogan"  # whose T80 the others are compared with, where it is there
MAX_NAMED = 4  # arms in the sentence; the table of comparisons has all


def base_of(order: Sequence[str]) -> str:
    """The arm that the others are held against."""
    recorded = [arm_of(group) for group in order]
    return BASE_ARM if BASE_ARM in recorded else next(iter(recorded), BASE_ARM)


def headline(sweep: Sweep, experiment: ExperimentTable | None) -> str:
    """``slow against infogan: 10 % slower [7, 13] ...``; of a single arm its own numbers; empty without seeds."""
    order, rule = ordered_groups(sweep, experiment), experiment.gate if experiment else GATE
    finished = [group for group in order if any(run.ended for run in sweep.groups()[group])]
    bases = [group for group in finished if arm_of(group) == base_of(order)]
    sentences = [sentence for base in bases for sentence in _against(rule, sweep, base, finished)]
    if sentences:
        rest = f"; {len(sentences) - MAX_NAMED} more below" if len(sentences) > MAX_NAMED else ""
        return f"{'; '.join(sentences[:MAX_NAMED])}{rest}."
    return f"{'; '.join(_alone(sweep, group) for group in finished[:MAX_NAMED])}." if finished else ""


def _against(rule: GateTable, sweep: Sweep, base: str, finished: Sequence[str]) -> list[str]:
    if not sweep.entropy_nats:
        return []
    runs = sweep.groups()
    watched = {table.arm for table in rule.watched}  # with few seeds, and against a baseline: not against each other
    others = [group for group in finished if group != base and variant_of(group) == variant_of(base)]
    others = [group for group in others if arm_of(group) not in watched]
    answers = [held_against(rule, runs[base], runs[group], (base, group)) for group in others]
    return [f"{group} against {base}: {answer.short}" for group, answer in zip(others, answers, strict=True)]


def _alone(sweep: Sweep, group: str) -> str:
    """T80 and the last L_I of one group, of several seeds with an interval; how many seeds finished where it has no
    categorical code; and how many diverged.
    """
    runs = sweep.done(group)
    parts = []
    for measure, words in (("t80", "80 % of H(c) at iteration {}"), ("mi_final_nats", "at the end L_I is {} nats")):
        values = [run.summary[measure] for run in runs if measure in run.summary]
        if values:
            found = statistics.median_interval(values)
            shown = wording.measured(measure, found.median)
            if len(values) > 1:
                shown = wording.with_interval(measure, found.median, found.low, found.high)
            parts.append((words if shown != wording.NOT_REACHED else "80 % of H(c) {}").format(shown))
    if not parts and runs:
        parts.append(f"{plural(len(runs), 'seed')} finished")
    parts += diverged_among([run for run in sweep.groups()[group] if run.ended])
    return f"{group}: {', '.join(parts)}"
