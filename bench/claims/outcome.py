"""From the conditions of a claim to its outcome, and the reason in words."""

import math
from collections.abc import Sequence

from bench.analysis.runs import Run
from bench.claims.conditions import Asked, GroupRuns
from bench.claims.result import ConditionResult
from bench.claims.verdict import ClaimOutcome
from bench.console import plural
from bench.spec.criteria import ClaimTable
from bench.spec.vocabulary import MEASURES

Tested = Sequence[tuple[Asked, ConditionResult]]


def outcome_of(claim: ClaimTable, tested: Tested, runs: GroupRuns, *, reduced: bool) -> tuple[ClaimOutcome, str]:
    """The outcome, and its reason in words. ``reduced``: the runs had less than the paper's budget."""
    if runs.num_seeds < claim.min_seeds:
        return ClaimOutcome.NOT_MEASURED, f"{plural(runs.num_seeds, 'seed')} ended, {claim.min_seeds} needed"
    if runs.iterations < claim.min_iterations:
        return ClaimOutcome.NOT_MEASURED, f"a budget of {runs.iterations} iterations, {claim.min_iterations} needed"
    together, remark = _hold_together([asked for asked, _ in tested], runs)
    conditions = [condition for _, condition in tested]
    outcome, best = (_decided(conditions, together, unknown=fill, reduced=reduced) for fill in (False, True))
    if outcome is not best:
        missing = [_no_value(asked, c, runs.able) for asked, c in tested if math.isnan(c.value)]
        return ClaimOutcome.NOT_MEASURED, "; ".join(missing) or remark
    reasons = [_said(asked, condition, runs) for asked, condition in tested]
    if runs.blank and runs.blank_rule is not None:
        rule = f"{runs.blank_rule.measure} below {runs.blank_rule.below:g}"
        reasons.append(f"{len(runs.blank)} of {runs.num_seeds} seeds show nothing of the data ({rule})")
    if runs.num_diverged:
        reasons.append(f"{runs.num_diverged} of {runs.num_seeds} seeds diverged")
    if remark and all(condition.holds for condition in conditions):
        reasons.append(remark)
    return outcome, "; ".join(reasons)


def _decided(
    conditions: Sequence[ConditionResult], together: bool | None, *, unknown: bool, reduced: bool
) -> ClaimOutcome:
    """The outcome if everything undecided, also ``together`` if None, held (``unknown`` is True) or failed."""
    holds = [unknown if math.isnan(c.value) else c.holds for c in conditions]
    if all(holds) and (unknown if together is None else together):
        return ClaimOutcome.REPRODUCED
    if any(held for held, c in zip(holds, conditions, strict=True) if not c.guard):
        return ClaimOutcome.PARTLY
    return ClaimOutcome.NOT_REACHED if reduced else ClaimOutcome.NOT_REPRODUCED


def _hold_together(asked: Sequence[Asked], runs: GroupRuns) -> tuple[bool | None, str]:
    """Whether more than half of the seeds meet all medians together, since each median may hold because of other seeds.

    None if that depends on seeds without a value. Unless it holds, a remark says why.
    """
    medians = [one for one in asked if one.table.over == "median seed"]
    if len(medians) < 2:
        return True, ""
    found = runs.meeting(medians)
    if 2 * found.count(True) > runs.num_seeds:
        return True, ""
    if 2 * (found.count(True) + found.count(None)) > runs.num_seeds:
        without = f"{found.count(None)} of {runs.num_seeds} seeds lack a value"
        return None, f"{without} of the conditions that a seed must hold together"
    return False, f"no more than {found.count(True)} of {runs.num_seeds} seeds meet all of it"


def _said(asked: Asked, condition: ConditionResult, runs: GroupRuns) -> str:
    """What became of one condition, in words."""
    if math.isinf(condition.value) and len(runs.blank) == runs.num_seeds:
        return f"{condition.measure}: no seed shows it, {condition.bound} asked"
    if math.isnan(condition.value):
        return _no_value(asked, condition, runs.able)
    return f"{condition.measure} = {condition.value:.3g} {'meets' if condition.holds else 'misses'} {condition.bound}"


def _no_value(asked: Asked, condition: ConditionResult, runs: Sequence[Run]) -> str:
    """Why a number is missing: because of the runs themselves, or of the rivals that they must exceed."""
    measure, arm = condition.measure, asked.table.above_best_of
    words = MEASURES[measure].words
    if asked.is_open and any(asked.meets(value) for value in condition.seeds.values()):
        return f"no best of {arm} for {words}{_why_not(measure, asked.rivals)}"
    return f"no value for {words}{_why_not(measure, runs)}"


def _why_not(measure: str, runs: Sequence[Run]) -> str:
    """The first seed without the measure, with its reason if it recorded one; empty if none did and no seed has it."""
    without = [run for run in runs if measure not in run.summary]
    for run in without:
        for entry in run.measures.values():
            for beginning, reason in entry.reasons.items():
                if not beginning or measure.startswith(f"{beginning}_"):
                    return f" (seed {run.cell.seed}: {reason.removeprefix('not measured: ')})"
    return f" (seed {without[0].cell.seed})" if 0 < len(without) < len(runs) else ""
