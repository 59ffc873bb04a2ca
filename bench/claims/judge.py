"""The paper's claims to verdicts. Criteria stand in experiments.toml; here is only the rule that applies them.

A verdict has three parts: outcome, data (the paper's or a substitute), budget (the paper's or reduced).
The unit is the seed. A verdict never changes an exit code.
"""

import math
from collections.abc import Sequence

import numpy as np

from bench.analysis import statistics
from bench.analysis.runs import Run, Sweep
from bench.claims.conditions import GroupRuns, ask, check
from bench.claims.outcome import outcome_of
from bench.claims.result import BesideResult, ClaimResult
from bench.claims.verdict import Budget, BudgetKind, Data, Verdict
from bench.spec.cells import digest
from bench.spec.criteria import BesideTable, ClaimTable
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
    runs = GroupRuns.of(sweep, group_name(variant, arm), experiment.blank)
    asked = [ask(condition, sweep, runs.group) for condition in claim.deciding_first]
    tested = [(one, check(one, runs)) for one in asked]
    conditions = tuple(condition for _, condition in tested)
    budget = Budget.of(sweep, experiment)
    outcome, reason = outcome_of(claim, tested, runs, reduced=budget.kind is BudgetKind.REDUCED)
    measured = [v for v in conditions[0].seeds.values() if not math.isnan(v)]
    measured += [asked[0].worst] * runs.num_worst
    value, low, high = _interval(measured, asked[0].worst) if measured else (None, None, None)
    held, seeds_low, seeds_high = runs.meeting(asked), 0.0, 1.0
    if runs.num_seeds:
        num_possible = runs.num_seeds - held.count(False) - runs.num_diverged
        seeds_low, _ = statistics.proportion_interval(held.count(True), runs.num_seeds)
        _, seeds_high = statistics.proportion_interval(num_possible, runs.num_seeds)
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
        verdict=Verdict(outcome, Data.of(sweep, experiment), budget),
        iterations=runs.iterations,
        value=value,
        low=low,
        high=high,
        unit=conditions[0].unit,
        num_measured=len(measured),
        num_seeds=runs.num_seeds,
        seeds_holding=held.count(True),
        seeds_low=seeds_low,
        seeds_high=seeds_high,
        criterion="; ".join(f"{c.measure} {c.bound} ({c.over})" for c in conditions),
        reason=reason,
        conditions=conditions,
        beside=tuple(_beside(b, runs.done) for b in claim.beside),
        num_blank=len(runs.blank),
        num_undecided=held.count(None),
    )


def _interval(values: list[float], worst: float) -> tuple[float, float, float]:
    """Median, low and high of the seeds' values, some of which may be the ``worst``, an infinity."""
    sign = math.copysign(1.0, worst)  # an interval takes infinity for late, never for low
    found = statistics.median_interval([sign * value for value in values])
    low, high = sorted((sign * found.low, sign * found.high))
    return sign * found.median, low, high


def _beside(asked: BesideTable, runs: Sequence[Run]) -> BesideResult:
    seeds = {run.cell.seed: run.summary.get(asked.measure, math.nan) for run in runs}
    median = float(np.median(list(seeds.values()))) if seeds else math.nan
    unit = MEASURES[asked.measure].unit
    return BesideResult(asked.measure, unit, asked.paper, median, seeds, asked.said)
