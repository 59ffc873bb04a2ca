"""A sweep's claims, data and budget in sentences, and the answers of several sweeps as the last lines of a command."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.analysis.results import load
from bench.analysis.runs import Sweep
from bench.claims.judge import judge, left_out
from bench.claims.remarks import read_remarks, with_remarks
from bench.claims.result import ClaimResult
from bench.claims.verdict import Budget, BudgetKind, Data, DataKind
from bench.report import answers, unclaimed, wording
from bench.spec.experiment import ArmTable, ExperimentTable
from bench.spec.tables import Spec
from infogan.data import own

DISTANCE = "figure1_distance_nats"


@dataclass
class Answers:
    """The answers of some sweeps: claims that could be judged, and one line each for the other sweeps."""

    judged: list[ClaimResult] = field(default_factory=list)
    too_short: list[str] = field(default_factory=list)  # for all of their claims
    headlines: list[str] = field(default_factory=list)  # of those that no claim speaks of

    def add(self, sweep: Sweep, experiment: ExperimentTable | None, results: list[ClaimResult], headline: str) -> str:
        """Add a sweep; returns why it is too short for its claims. ``headline``: of one without claims."""
        why = too_short(results, sweep, experiment)
        name = f"{sweep.experiment}, {sweep.profile}"
        if why:
            self.too_short.append(f"{name}: {why}")
        elif results:
            self.judged += results
        elif headline:
            self.headlines.append(f"{name}: {headline}")
        return why


def answers_of(results: Path, spec: Spec, profiles: Mapping[str, str]) -> Answers:
    """The answers of a folder, for experiments by their profile; nothing about arms that were not run."""
    found = Answers()
    try:
        remarks = read_remarks(results)
    except ValueError:  # the report says what is wrong with them
        remarks = {}
    for sweep in load(results, profiles, None, spec).sweeps:
        if sweep.profile != profiles[sweep.experiment]:
            continue
        experiment = spec.experiments.get(sweep.experiment)
        judged = judge(experiment, sweep) if experiment else []
        claims = with_remarks((claim for claim in judged if claim.num_seeds), remarks)
        found.add(sweep, experiment, claims, "" if claims else unclaimed.headline(sweep, experiment))
    return found


def sentence(result: ClaimResult) -> str:
    """``F2a partly: 13.8 % of digits in a wrong category; the paper: 5 % (infogan-fast-q, 1 of 5 seeds)``."""
    start = f"{result.id} {answers.in_words(result.verdict)}: "
    seeds = answers.holding(result, " seeds")
    of = f" ({result.group}{f', {seeds}' if seeds else ''})"
    remark = f"; {result.remark}" if result.remark else ""
    if not result.verdict.is_measured or result.value is None:
        return f"{start}{result.reason}{remark}{of}"
    paper = f"; the paper: {answers.papers(result)}" if result.beside else ""
    return f"{start}{answers.ours([result], with_bound=True)}{paper}{remark}{of}"


def answer_of_figure1(results: list[ClaimResult], arms: Mapping[str, ArmTable]) -> str:
    """Which arm follows the paper's InfoGAN curve, in the words of its table; empty where no claim asks that."""
    asked = [(r, c) for r in results for c in r.conditions if c.measure == DISTANCE]
    if not asked:
        return ""
    decided = [(r, c) for r, c in asked if r.verdict.is_measured]
    if not decided:
        return f"Whether the paper's curve appears is not measured yet: {asked[0][0].reason}."
    plain = {name: f"{arm.plain} ({name})" for name, arm in arms.items() if arm.plain}
    matching, others = (
        wording.listed(plain.get(r.arm, r.arm) for r, c in decided if c.holds == holds) for holds in (True, False)
    )
    beside = f", not with {others}" if others else ""
    sentence = f"The paper's curve appears with {matching}{beside}"
    if not matching:
        sentence = f"The paper's curve does not appear with {others}"
    data = decided[0][0].verdict.data
    ons = {DataKind.PAPERS: "", DataKind.SUBSTITUTE: ", on a substitute for its data"}
    on = ons.get(data.kind, f", on {data.words}")
    undecided = [r.arm for r, c in asked if not r.verdict.is_measured]
    rest = f" Not measured: {wording.listed(undecided)}." if undecided else ""
    return f"{sentence}{on}.{rest}"


def by_verdict(results: list[ClaimResult]) -> str:
    """``Do the claims hold? Yes on a substitute: F2c (infogan). Open: F2a (infogan).``"""
    found: dict[str, list[str]] = {}
    for r in sorted(results, key=lambda r: answers.ORDER.index(r.verdict.outcome)):
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
    """The numbers behind the headline: the distances to the paper's curve, and T80 beside the paper's."""
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
    """The data that the cells were trained on, in one line; a substitute is called one."""
    data = sweep.definition["data"]
    described = [str(run.data["note"]) for run in sweep.runs if run.data.get("note")]
    text = wording.scrubbed(described[0]) if described else f"{data['name']}, {data['num_images']:,} training images."
    if experiment is None or data["name"] == own.NAME:
        return text
    used = Data.of(sweep, experiment).kind
    if used is DataKind.SUBSTITUTE:
        return text if text.startswith("A substitute") else f"{text} This is a substitute, not the paper's data."
    return f"{text} This is {used} data set."


def budget_sentence(sweep: Sweep, experiment: ExperimentTable | None) -> str:
    """Iterations, width, cells done, reduced precision, and how that compares with the paper's."""
    definition = sweep.definition
    done = sum(run.state == "done" for run in sweep.runs)
    text = f"{definition['training']['iterations']:,} iterations, width {definition['network']['width']:g}, "
    text += f"{done} of {len(sweep.runs)} recorded cells finished."
    if definition["network"].get("precision") == "bf16":
        text += " Products and activations in bfloat16."
    if experiment is None:
        return text
    used = Budget.of(sweep, experiment)
    if used.words == BudgetKind.UNSTATED:
        return text if definition["data"]["name"] == own.NAME else f"{text} The paper states no budget for it."
    if used.kind is BudgetKind.CODES:
        return f"{text} The paper states no iterations; these are its authors' code's."
    return f"{text} Against the paper's: {'the same' if used.kind is BudgetKind.PAPERS else used.words}."
