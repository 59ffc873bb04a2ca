"""Claims as the first screen shows them: badge, value, criterion; and the sentence that answers Figure 1."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from bench.analysis.runs import Sweep
from bench.claims.conditions import ConditionResult
from bench.claims.judge import BesideResult, ClaimResult, budget_used, data_used, left_out
from bench.claims.verdict import BudgetKind, DataKind, Outcome, Verdict
from bench.report import answers, wording
from bench.spec.experiment import ExperimentTable
from bench.spec.vocabulary import measure
from infogan.data import own

DISTANCE = "figure1_distance_nats"


@dataclass(frozen=True)
class Badge:
    """A verdict's class for its colour, a sign for those who do not see it, and its words."""

    kind: str
    sign: str
    text: str


@dataclass(frozen=True)
class Criterion:
    sign: str  # met, missed or unknown
    text: str
    basis: str


@dataclass(frozen=True)
class ArmVerdict:
    """One claim for one arm, in words."""

    arm: str
    badge: Badge
    measure: str
    value: str
    unit: str
    holding: str
    holding_interval: str  # Clopper and Pearson's, of the share of seeds; empty where no seed is asked
    criteria: list[Criterion]
    beside: list[str]
    reason: str


@dataclass(frozen=True)
class ClaimRows:
    """One claim with its arms."""

    id: str
    text: str
    source: str
    arms: list[ArmVerdict]


def by_claim(results: Iterable[ClaimResult]) -> list[list[ClaimResult]]:
    """Results of the same claim together, in the order of the claims."""
    claims: dict[str, list[ClaimResult]] = {}
    for result in results:
        claims.setdefault(result.id, []).append(result)
    return list(claims.values())


def claim_rows(results: Iterable[ClaimResult]) -> list[ClaimRows]:
    """Results of one sweep, by claim."""
    return [
        ClaimRows(same[0].id, same[0].text, same[0].source, [_arm(result) for result in same])
        for same in by_claim(results)
    ]


def _arm(result: ClaimResult) -> ArmVerdict:
    shown = measure(result.conditions[0].measure)
    low, high = wording.number(result.seeds_low, 2), wording.number(result.seeds_high, 2)
    holding = answers.holding(result.seeds_holding, result.num_seeds, result.num_undecided)
    diverged = result.num_seeds - len(result.conditions[0].seeds)  # they count as seeds and have no value
    holding += f", {diverged} diverged" if diverged else ""
    show = "shows" if result.num_blank == 1 else "show"
    holding += f", {result.num_blank} {show} nothing of the data" if result.num_blank else ""
    value = wording.with_interval(shown.name, result.value, result.low, result.high)
    unit = f"{result.unit}{answers.of_seeds(result.num_measured, result.num_seeds)}".lstrip()
    return ArmVerdict(
        arm=result.group,
        badge=badge(result.verdict),
        measure=shown.words,
        value=value,
        unit="" if value in wording.WORDS else unit,
        holding=holding,
        holding_interval=f"[{low}, {high}]" if result.num_seeds else "",
        criteria=[_criterion(condition) for condition in result.conditions],
        beside=[_beside(b) for b in result.beside],
        reason="" if result.verdict.is_measured else result.reason,
    )


BADGES = {
    Outcome.REPRODUCED: ("yes", "✓"),
    Outcome.PARTLY: ("part", "◐"),
    Outcome.NOT_REPRODUCED: ("no", "✗"),
    Outcome.NOT_REACHED: ("budget", "○"),
    Outcome.NOT_MEASURED: ("none", wording.ABSENT),
}


def badge(verdict: Verdict) -> Badge:
    """How a verdict is shown."""
    return Badge(*BADGES[verdict.outcome], answers.in_words(verdict))


def _criterion(condition: ConditionResult) -> Criterion:
    unknown = math.isnan(condition.value)
    sign = wording.ABSENT if unknown else "✓" if condition.holds else "✗"
    where = "worst seed" if condition.over == "every seed" and not unknown else condition.over
    is_nothing = math.isinf(condition.value) and all(
        map(math.isnan, condition.seeds.values())
    )  # blank or diverged, all
    number = "none shows it" if is_nothing else wording.measured(condition.measure, condition.value)
    found = "" if unknown else f" {number}"
    asked = f"{measure(condition.measure).words} {condition.bound} {condition.unit}".rstrip()
    text = f"{asked}; {where}{found}"
    return Criterion(sign, text, condition.basis)


def _beside(beside: BesideResult) -> str:
    """The paper's number and ours."""
    known, ours = measure(beside.measure), wording.measured(beside.measure, beside.median)
    unit = "" if known.unit.startswith("iteration") or ours == wording.ABSENT else f" {known.unit}"
    return f"{known.words} {beside.paper:g}, here {ours}{unit}"


def headline(results: list[ClaimResult]) -> str:
    """Which arm follows the paper's InfoGAN curve; where no claim asks that, the claims by verdict."""
    return answer_of_figure1(results) or _by_verdict(results)


def answer_of_figure1(results: list[ClaimResult]) -> str:
    """Which arm follows the paper's InfoGAN curve; empty where no claim asks that."""
    asked = [(r, c) for r in results for c in r.conditions if c.measure == DISTANCE]
    if not asked:
        return ""
    decided = [(r, c) for r, c in asked if r.verdict.is_measured]
    if not decided:
        return f"Whether the paper's curve appears is not measured yet: {asked[0][0].reason}."
    matching = [r.arm for r, c in decided if c.holds]
    others = [r.arm for r, c in decided if not c.holds]
    reproduced = {r.arm for r, _ in decided if r.verdict.outcome is Outcome.REPRODUCED}
    if matching == ["infogan-fast-q"] and others == ["infogan"] and reproduced == {"infogan-fast-q"}:
        sentence = (
            "The paper's curve appears with Q's head at the generator's rate (infogan-fast-q), "
            "not with the rates of the paper's tables (infogan)"
        )
    elif not matching:
        sentence = f"The paper's curve does not appear ({wording.listed(others)})"
    elif others:
        sentence = f"The paper's curve appears with {wording.listed(matching)}, not with {wording.listed(others)}"
    else:
        sentence = f"The paper's curve appears with {wording.listed(matching)}"
    data = decided[0][0].verdict.data
    ons = {DataKind.PAPERS: "", DataKind.SUBSTITUTE: ", on a substitute for its data"}
    on = ons.get(data.kind, f", on {data.words}")
    undecided = [r.arm for r, c in asked if not r.verdict.is_measured]
    rest = f" Not measured: {wording.listed(undecided)}." if undecided else ""
    return f"{sentence}{on}.{rest}"


def _by_verdict(results: list[ClaimResult]) -> str:
    """``Do the claims hold? Yes on a substitute: F2c (infogan). Open: F2a (infogan).``"""
    found: dict[str, list[str]] = {}
    order = list(Outcome)
    for r in sorted(results, key=lambda r: order.index(r.verdict.outcome)):
        found.setdefault(answers.in_words(r.verdict), []).append(f"{r.id} ({r.group})")
    said = [f"{v[:1].upper()}{v[1:]}: {wording.listed(ids)}." for v, ids in found.items()]
    return f"Do the claims hold? {' '.join(said)}" if said else ""


def too_short(results: list[ClaimResult], sweep: Sweep, experiment: ExperimentTable | None) -> str:
    """Why no claim could be judged, where the budget is why; empty elsewhere."""
    iterations = sweep.definition["training"]["iterations"]
    asked = [claim.min_iterations for claim in experiment.claims] if experiment else []
    if not results or any(result.verdict.is_measured for result in results) or iterations >= min(asked):
        return ""
    return f"Too short to judge: {iterations:,} iterations, and the claims ask for {min(asked):,} or more."


def left_out_sentence(sweep: Sweep, experiment: ExperimentTable | None) -> str:
    """Which arms the profile leaves out by design, with their claims; empty where it has all."""
    absent = left_out(experiment, sweep) if experiment else {}
    parts = [f"{group} ({wording.listed(ids)})" for group, ids in absent.items()]
    return f"Not part of profile {sweep.profile}: {', '.join(parts)}." if parts else ""


def headline_numbers(results: list[ClaimResult]) -> str:
    """What the headline rests on: the distances to the paper's curve, and T80 beside the paper's."""
    sentences = []
    results = [r for r in results if r.verdict.is_measured]
    distances = [(r.arm, c) for r in results for c in r.conditions if c.measure == DISTANCE and not math.isnan(c.value)]
    if distances:
        found = ", ".join(f"{arm} {wording.measured(DISTANCE, c.value)}" for arm, c in distances)
        sentences.append(
            f"Largest distance of the median curve to the paper's: {found} nats ({distances[0][1].bound} asked)."
        )
    times = [(r.arm, b) for r in results for b in r.beside if b.measure == "t80" and b.seeds]
    if times:
        found = ", ".join(f"{arm} {wording.measured('t80', b.median)}" for arm, b in times)
        sentences.append(f"Iterations to 0.8 H(c), median: {found}; the paper's curve about {times[0][1].paper:g}.")
    return " ".join(sentences)


def data_sentence(sweep: Sweep, experiment: ExperimentTable | None) -> str:
    """What the cells were trained on, in one line; a substitute is called one."""
    data = sweep.definition["data"]
    text = f"{data['name']}, source {data['source']!r}, digest {data['digest'][:12]}, "
    text += f"{data['num_images']:,} training images used."
    described = [str(run.data["note"]) for run in sweep.runs if run.data.get("note")]
    text += f" {wording.scrubbed(described[0])}" if described else ""
    if experiment is None or data["name"] == own.NAME:
        return text
    used = data_used(sweep, experiment).kind
    if used is DataKind.SUBSTITUTE:
        return f"{text} This is a substitute, not the paper's data."
    return f"{text} This is {used} data set."


def budget_sentence(sweep: Sweep, experiment: ExperimentTable | None) -> str:
    """Iterations, width, cells done, and how that compares with the paper's."""
    definition = sweep.definition
    done = sum(run.state == "done" for run in sweep.runs)
    text = f"{definition['training']['iterations']:,} iterations, width {definition['network']['width']:g}, "
    text += f"{done} of {len(sweep.runs)} recorded cells finished."
    if experiment is None:
        return text
    used = budget_used(sweep, experiment)
    if used.words == BudgetKind.UNSTATED:
        return text if definition["data"]["name"] == own.NAME else f"{text} The paper states no budget for it."
    return f"{text} Against the paper's: {'the same' if used.kind is BudgetKind.PAPERS else used.words}."
