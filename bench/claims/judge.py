"""The paper's claims to verdicts. Criteria stand in experiments.toml; here is only the rule that applies them.

A verdict has three parts: outcome, data (the paper's or a substitute), budget (the paper's or reduced).
The unit is the seed. A verdict never changes an exit code.
"""

import math

import numpy as np

from bench.analysis import statistics
from bench.analysis.runs import Run, Sweep
from bench.claims.conditions import Asked, ask, blank_seeds, check, holds_for
from bench.claims.result import BesideResult, ClaimResult, ConditionResult
from bench.claims.verdict import Budget, BudgetKind, ClaimOutcome, Data, Verdict
from bench.console import plural
from bench.spec.cells import digest
from bench.spec.criteria import BesideTable, BlankTable, ClaimTable
from bench.spec.experiment import ExperimentTable, group_name, groups
from bench.spec.selection import seeds_of
from bench.spec.vocabulary import MEASURES
from infogan.data import own


def claims_digest(experiment: ExperimentTable) -> str:
    """Hash of the claims table, printed with every verdict."""
    rules = [claim.rule() for claim in experiment.claims]
    for condition in (condition for rule in rules for condition in rule["conditions"]):
        if condition["above_best_of"] is None:  # a table without this later key keeps the hash that its reports print
            del condition["above_best_of"]
    return digest([*rules, experiment.blank.model_dump()] if experiment.blank else rules)[:12]


def judge(experiment: ExperimentTable, sweep: Sweep) -> list[ClaimResult]:
    """The verdict on every claim of an experiment for each of its arms and variants, from a sweep's runs.

    There is none on a user's own images if the file names another data set, since its claims are about that one.
    What the profile leaves out is judged only if it was run all the same; see :func:`left_out`.
    """
    if sweep.definition["data"]["name"] == own.NAME and isinstance(experiment.data, str):
        return []
    absent = left_out(experiment, sweep)
    return [
        _judge_arm(claim, experiment, sweep, variant, arm)
        for claim in experiment.claims
        for variant, arm in groups(experiment, claim.arms, claim.variants)
        if claim.id not in absent.get(group_name(variant, arm), ())
    ]


def left_out(experiment: ExperimentTable, sweep: Sweep) -> dict[str, list[str]]:
    """Ids of the claims on each group that the sweep's profile leaves out by design and that nobody ran."""
    budget = experiment.profiles.get(sweep.profile)
    found: dict[str, list[str]] = {}
    if budget is None:
        return found
    recorded = sweep.groups()
    for claim in experiment.claims:
        for variant, arm in groups(experiment, claim.arms, claim.variants):
            planned = arm in (budget.arms or experiment.arms) and seeds_of(experiment, budget, variant, arm)
            if not planned and group_name(variant, arm) not in recorded:
                found.setdefault(group_name(variant, arm), []).append(claim.id)
    return found


def _judge_arm(
    claim: ClaimTable, experiment: ExperimentTable, sweep: Sweep, variant: str | None, arm: str
) -> ClaimResult:
    group = group_name(variant, arm)
    runs = sweep.done(group)
    num_diverged = sum(run.diverged for run in sweep.groups().get(group, []))
    num_seeds = len(runs) + num_diverged
    blank = blank_seeds(experiment.blank, runs)
    asked = [ask(condition, sweep, group) for condition in claim.deciding_first]
    conditions = tuple(check(one, sweep, group, runs, num_diverged, blank) for one in asked)
    headline = [v for v in conditions[0].seeds.values() if not math.isnan(v)]
    headline += [asked[0].worst] * (len(blank) + num_diverged)
    held = [holds_for(asked, run, blank) for run in runs]
    data, budget = Data.of(sweep, experiment), Budget.of(sweep, experiment)
    reduced = budget.kind is BudgetKind.REDUCED
    outcome, reason = _outcome(claim, asked, conditions, runs, num_diverged, sweep, experiment.blank, reduced=reduced)
    value, low, high = _interval(headline, asked[0].worst) if headline else (None, None, None)
    seeds_low, seeds_high = 0.0, 1.0
    if num_seeds:
        seeds_low, _ = statistics.proportion_interval(held.count(True), num_seeds)
        _, seeds_high = statistics.proportion_interval(num_seeds - held.count(False) - num_diverged, num_seeds)
    return ClaimResult(
        experiment=sweep.experiment,
        profile=sweep.profile,
        claims_digest=claims_digest(experiment),
        id=claim.id,
        arm=arm,
        variant=variant,
        text=claim.text,
        plain=claim.plain,
        said=claim.said,
        source=claim.source,
        verdict=Verdict(outcome, data, budget),
        iterations=sweep.definition["training"]["iterations"],
        value=value,
        low=low,
        high=high,
        unit=conditions[0].unit,
        num_measured=len(headline),
        num_seeds=num_seeds,
        seeds_holding=held.count(True),
        seeds_low=seeds_low,
        seeds_high=seeds_high,
        criterion="; ".join(f"{c.measure} {c.bound} ({c.over})" for c in conditions),
        reason=reason,
        conditions=conditions,
        beside=tuple(_beside(b, runs) for b in claim.beside),
        num_blank=len(blank),
        num_undecided=held.count(None),
    )


def _interval(values: list[float], worst: float) -> tuple[float, float, float]:
    """Median, low and high of the seeds' values, some of which may be the ``worst``, an infinity."""
    sign = math.copysign(1.0, worst)  # an interval takes infinity for late, never for low
    found = statistics.median_interval([sign * value for value in values])
    low, high = sorted((sign * found.low, sign * found.high))
    return sign * found.median, low, high


def _no_value(asked: Asked, condition: ConditionResult, runs: list[Run]) -> str:
    """Why a number is missing: because of the runs themselves, or of the rivals that they must exceed."""
    measure, arm = condition.measure, asked.table.above_best_of
    words = MEASURES[measure].words
    if asked.is_open and any(asked.meets(value) for value in condition.seeds.values()):
        return f"no best of {arm} for {words}{_why_not(measure, list(asked.rivals))}"
    return f"no value for {words}{_why_not(measure, runs)}"


def _why_not(measure: str, runs: list[Run]) -> str:
    """The first seed without the measure, with its reason if it recorded one; empty if none did and no seed has it."""
    without = [run for run in runs if measure not in run.summary]
    for run in without:
        for entry in run.measures.values():
            for beginning, reason in entry.reasons.items():
                if not beginning or measure.startswith(f"{beginning}_"):
                    return f" (seed {run.cell.seed}: {reason.removeprefix('not measured: ')})"
    return f" (seed {without[0].cell.seed})" if 0 < len(without) < len(runs) else ""


def _beside(asked: BesideTable, runs: list[Run]) -> BesideResult:
    seeds = {run.cell.seed: run.summary.get(asked.measure, math.nan) for run in runs}
    median = float(np.median(list(seeds.values()))) if seeds else math.nan
    unit = MEASURES[asked.measure].unit
    return BesideResult(asked.measure, unit, asked.paper, median, seeds, asked.said)


def _outcome(
    claim: ClaimTable,
    asked: list[Asked],
    conditions: tuple[ConditionResult, ...],
    runs: list[Run],
    num_diverged: int,
    sweep: Sweep,
    rule_of_blank: BlankTable | None,
    *,
    reduced: bool,
) -> tuple[ClaimOutcome, str]:
    """The outcome, and its reason in words."""
    num_seeds = len(runs) + num_diverged
    iterations = sweep.definition["training"]["iterations"]
    if num_seeds < claim.min_seeds:
        return ClaimOutcome.NOT_MEASURED, f"{plural(num_seeds, 'seed')} ended, {claim.min_seeds} needed"
    if iterations < claim.min_iterations:
        return ClaimOutcome.NOT_MEASURED, f"a budget of {iterations} iterations, {claim.min_iterations} needed"
    blank = blank_seeds(rule_of_blank, runs)
    together, remark = _hold_together(asked, runs, num_seeds, blank)
    outcome, best = (_decided(conditions, together, unknown=fill, reduced=reduced) for fill in (False, True))
    if outcome is not best:
        unmeasured = [(one, c) for one, c in zip(asked, conditions, strict=True) if math.isnan(c.value)]
        return ClaimOutcome.NOT_MEASURED, "; ".join(_no_value(one, c, runs) for one, c in unmeasured) or remark
    all_blank = len(blank) == num_seeds
    reasons = [_said(one, c, runs, all_blank=all_blank) for one, c in zip(asked, conditions, strict=True)]
    if blank and rule_of_blank is not None:
        rule = f"{rule_of_blank.measure} below {rule_of_blank.below:g}"
        reasons.append(f"{len(blank)} of {num_seeds} seeds show nothing of the data ({rule})")
    if num_diverged:
        reasons.append(f"{num_diverged} of {num_seeds} seeds diverged")
    if remark and all(c.holds for c in conditions):
        reasons.append(remark)
    return outcome, "; ".join(reasons)


def _said(asked: Asked, condition: ConditionResult, runs: list[Run], *, all_blank: bool) -> str:
    """What became of one condition, in words."""
    if math.isinf(condition.value) and all_blank:
        return f"{condition.measure}: no seed shows it, {condition.bound} asked"
    if math.isnan(condition.value):
        return _no_value(asked, condition, runs)
    return f"{condition.measure} = {condition.value:.3g} {'meets' if condition.holds else 'misses'} {condition.bound}"


def _decided(
    conditions: tuple[ConditionResult, ...], together: bool | None, *, unknown: bool, reduced: bool
) -> ClaimOutcome:
    """The outcome if everything undecided, also ``together`` if None, held (``unknown`` is True) or failed."""
    holds = [unknown if math.isnan(c.value) else c.holds for c in conditions]
    if all(holds) and (unknown if together is None else together):
        return ClaimOutcome.REPRODUCED
    if any(held for held, c in zip(holds, conditions, strict=True) if not c.guard):
        return ClaimOutcome.PARTLY
    return ClaimOutcome.NOT_REACHED if reduced else ClaimOutcome.NOT_REPRODUCED


def _hold_together(
    asked: list[Asked], runs: list[Run], num_seeds: int, blank: frozenset[int]
) -> tuple[bool | None, str]:
    """Whether more than half of the seeds meet all medians together, since each median may hold because of other seeds.

    None if that depends on seeds without a value. Unless it holds, a remark says why.
    """
    medians = [one for one in asked if one.table.over == "median seed"]
    if len(medians) < 2:
        return True, ""
    found = [holds_for(medians, run, blank) for run in runs]
    if 2 * found.count(True) > num_seeds:
        return True, ""
    if 2 * (found.count(True) + found.count(None)) > num_seeds:
        without = f"{found.count(None)} of {num_seeds} seeds lack a value"
        return None, f"{without} of the conditions that a seed must hold together"
    return False, f"no more than {found.count(True)} of {num_seeds} seeds meet all of it"
