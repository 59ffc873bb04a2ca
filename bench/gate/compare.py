"""The regression gate: has MI convergence changed against a stored baseline?

For each arm that converges in the baseline: T80 by the exact Mann-Whitney test, in the form of its Hodges-Lehmann
interval; the final L_I by non-inferiority, since T80 does not see a late collapse (both share alpha); and the guard
against collapsed seeds. For other arms: the watched numbers (:mod:`bench.gate.watched`). In addition, whether anything
changed at all (:mod:`bench.gate.change`). Here are only numbers; :mod:`bench.gate.output` puts them into words and
:mod:`bench.gate.files` writes them.
"""

import math
from dataclasses import dataclass

from bench.analysis import statistics
from bench.analysis.runs import Run, Sweep
from bench.analysis.statistics import OUTCOMES, GateOutcome, ShiftInterval
from bench.gate import rules
from bench.gate.change import BySeed, Change, Sides, change_between, values_by_seed
from bench.gate.health import NOT_MEASURED, HealthCheck, check_health
from bench.gate.rules import Comparison
from bench.gate.treatment import treatment
from bench.gate.watched import Watched, check_watched, watched_arms, watched_seeds
from bench.spec.criteria import GateTable

NUM_TESTS = 2  # T80 and final L_I: alpha is split between them


@dataclass(frozen=True)
class ArmCheck:
    """One arm's comparison."""

    group: str
    outcome: GateOutcome
    reason: str
    t80: Comparison | None
    final: ShiftInterval | None
    final_outcome: GateOutcome | None
    health: HealthCheck
    base_t80: BySeed  # inf: 0.8 H(c) was not reached
    new_t80: BySeed
    base_final_nats: BySeed
    new_final_nats: BySeed
    base_area: BySeed
    new_area: BySeed
    change: Change
    smallest_detectable: float


@dataclass(frozen=True)
class Check:
    """The gate's answer."""

    experiment: str
    outcome: GateOutcome
    reason: str
    arms: list[ArmCheck]
    watched: list[Watched]
    not_gated: dict[str, str]  # arm: why
    treatment: list[str]  # what differs and is under test
    next_seeds: tuple[int, ...]  # to run before deciding; empty when decided
    baseline: str = "?"  # short digest of its file

    @property
    def is_worse(self) -> bool:
        """Whether an arm that is within the tolerance has changed for the worse: what --strict does not let pass."""
        return any(arm.change.is_worse for arm in self.arms)


def compare(rule: GateTable, base: Sweep, new: Sweep, expected_seeds: tuple[int, ...]) -> Check:
    """Compare finished sweeps. Missing, crashed or incomparable runs make it inconclusive, never ok."""
    arms, watched, problems = list[ArmCheck](), list[Watched](), list[str]()
    base_groups, new_groups = base.groups(), new.groups()
    absent = [group for group in (*new_groups, *watched_arms(rule)) if group not in base_groups]
    not_gated = dict.fromkeys(absent, "the baseline has no such arm")
    for group, base_runs in base_groups.items():
        is_watched = group in watched_arms(rule)
        ended = _ended(base_runs)
        has_converged = any(map(math.isfinite, base.t80(group).values()))
        if not ended or not (has_converged or is_watched):
            not_gated[group] = "no seed of the baseline reaches 0.8 H(c)"
            continue
        found, seeds = new_groups.get(group, []), watched_seeds(rule, group, expected_seeds)
        problem = _incomparable(group, ended, found, seeds)
        if problem:
            problems.append(problem)
        elif is_watched:
            watched += check_watched(rule, group, ended, _ended(found))
        else:
            arms.append(_check_arm(rule, group, ended, _ended(found)))
    outcome, reason = _overall(arms, watched, problems)
    used = {run.cell.seed for runs in new_groups.values() for run in runs}
    # False also where no arm of the baseline converges: more seeds would not change that
    is_open = any(arm.outcome != "ok" for arm in arms) or any(one.outcome != "ok" for one in watched)
    more = tuple(rule.more_seeds) if is_open and not problems and not set(rule.more_seeds) <= used else ()
    return Check(base.experiment, outcome, reason, arms, watched, not_gated, treatment(base, new), more)


def inconclusive(experiment: str, reason: str) -> Check:
    """The check of what could not be compared, with its reason."""
    return Check(experiment, "inconclusive", reason, [], [], {}, [], ())


def _ended(runs: list[Run]) -> list[Run]:
    return [run for run in runs if run.ended]


def _incomparable(group: str, base: list[Run], new: list[Run], expected_seeds: tuple[int, ...]) -> str | None:
    """Why two sets of runs cannot be compared, or None."""
    ended = {run.cell.seed: run for run in _ended(new)}
    missing = [seed for seed in expected_seeds if seed not in ended]
    crashed = [run for run in new if run.state == "failed" and not run.diverged and run.cell.seed in expected_seeds]
    if crashed:
        message = (crashed[0].result and crashed[0].result.message) or "no message"
        return f"{group}: seed {crashed[0].cell.seed} crashed: {message}"
    if missing:
        return f"{group}: no finished run for seeds {', '.join(map(str, missing))}"
    ours, theirs = next(iter(ended.values())).cell.comparison, base[0].cell.comparison
    different = [key for key in theirs if ours.get(key) != theirs[key]]
    if different:
        listed = "; ".join(f"{key}: baseline {_short(theirs[key])}, new {_short(ours.get(key))}" for key in different)
        return f"{group}: not comparable with the baseline ({listed})"
    return None


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."


def _check_arm(rule: GateTable, group: str, base: list[Run], new: list[Run]) -> ArmCheck:
    budget = float(base[0].cell.iterations)
    alpha = rule.alpha / NUM_TESTS
    base_t80, new_t80 = values_by_seed(base, "t80"), values_by_seed(new, "t80")
    base_final, new_final = values_by_seed(base, "mi_final_nats"), values_by_seed(new, "mi_final_nats")
    t80, final, final_outcome, findings = decide(rule, budget, (base_t80, new_t80), (base_final, new_final))
    health = check_health(base, new, alpha)
    collapse = "ok" if health.outcome == NOT_MEASURED else health.outcome, f"Collapse: {health.reason}."
    outcome, reason = worst([*findings, collapse])
    if health.outcome == NOT_MEASURED:
        reason += f" Collapse was not measured: {health.reason}."
    base_times, new_times = list(base_t80.values()), list(new_t80.values())
    return ArmCheck(
        group=group,
        outcome=outcome,
        reason=reason,
        t80=t80,
        final=final,
        final_outcome=final_outcome,
        health=health,
        base_t80=base_t80,
        new_t80=new_t80,
        base_final_nats=base_final,
        new_final_nats=new_final,
        base_area=values_by_seed(base, "area_under_curve"),
        new_area=values_by_seed(new, "area_under_curve"),
        change=change_between(rule, base, new),
        smallest_detectable=statistics.smallest_detectable_ratio(base_times, new_times, rule.tolerance, alpha),
    )


def decide(
    rule: GateTable, budget: float, t80: Sides, final_nats: Sides
) -> tuple[Comparison, ShiftInterval | None, GateOutcome, list[tuple[GateOutcome, str]]]:
    """One look at (base, new) of both measures by seed: T80, the final L_I with its outcome, and both as findings."""
    alpha = rule.alpha / NUM_TESTS
    base, new = (list(side.values()) for side in t80)
    compared = rules.compare_convergence(base, new, budget, rule.tolerance, rule.margin, alpha)
    base, new = (list(side.values()) for side in final_nats)
    final, outcome = rules.non_inferior(base, new, rule.final_margin_nats, alpha)
    shown = "" if final is None else f": shift {final.shift:+.3f} nats [{final.low:+.3f}, {final.high:+.3f}]"
    what = "has fallen" if outcome == "regressed" else "may have fallen"
    fallen = f"The final L_I {what} by more than {rule.final_margin_nats:g} nats{shown}."
    return compared, final, outcome, [(compared.outcome, compared.reason), (outcome, fallen)]


def worst(findings: list[tuple[GateOutcome, str]]) -> tuple[GateOutcome, str]:
    """The first regression, else the first doubt, else the first finding."""
    return min(findings, key=lambda finding: OUTCOMES.index(finding[0]))


def _overall(arms: list[ArmCheck], watched: list[Watched], problems: list[str]) -> tuple[GateOutcome, str]:
    """Outcome and reason: every regression, else every problem, else the first doubt; a problem is never ok."""
    found: list[ArmCheck | Watched] = [*arms, *watched]
    regressed = [f"{one.group}: {one.reason}" for one in found if one.outcome == "regressed"]
    if regressed:
        return "regressed", " ".join(regressed)
    if problems:
        return "inconclusive", "; ".join(problems)
    for one in found:
        if one.outcome == "inconclusive":
            return "inconclusive", f"{one.group}: {one.reason}"
    if not arms:
        return "inconclusive", "no arm of the baseline converges, so there is nothing to compare"
    return "ok", " ".join(f"{one.group}: {one.reason}" for one in found)
