"""What sweeps answer, as sentences: the last lines of a command."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.analysis.results import load
from bench.analysis.runs import Sweep
from bench.claims.judge import judge
from bench.claims.result import ClaimResult
from bench.report import answers, own, verdicts
from bench.spec.experiment import ExperimentTable
from bench.spec.tables import Spec


@dataclass
class Answers:
    """Of some sweeps: claims that could be judged, and one line each of the others."""

    judged: list[ClaimResult] = field(default_factory=list)
    too_short: list[str] = field(default_factory=list)  # for all of their claims
    headlines: list[str] = field(default_factory=list)  # of those that no claim speaks of

    def add(self, sweep: Sweep, experiment: ExperimentTable | None, results: list[ClaimResult], headline: str) -> str:
        """Add a sweep; returns why it is too short for its claims. ``headline``: of one without claims."""
        too_short = verdicts.too_short(results, sweep, experiment)
        name = f"{sweep.experiment}, {sweep.profile}"
        if too_short:
            self.too_short.append(f"{name}: {too_short}")
        elif results:
            self.judged += results
        elif headline:
            self.headlines.append(f"{name}: {headline}")
        return too_short


def answers_of(results: Path, spec: Spec, profiles: Mapping[str, str]) -> Answers:
    """What a folder answers, of experiments by their profile; nothing of arms that were not run."""
    found = Answers()
    for sweep in load(results, profiles, None, spec).sweeps:
        if sweep.profile != profiles[sweep.experiment]:
            continue
        experiment = spec.experiments.get(sweep.experiment)
        claims = [claim for claim in judge(experiment, sweep) if claim.num_seeds] if experiment else []
        found.add(sweep, experiment, claims, "" if claims else own.headline(sweep, experiment))
    return found


def sentence(result: ClaimResult) -> str:
    """``F2a partly: 13.8 % of digits in a wrong category; the paper: 5 % (infogan-fast-q, 1 of 5 seeds)``."""
    start = f"{result.id} {answers.in_words(result.verdict)}: "
    seeds = answers.holding(result, " seeds")
    of = f" ({result.group}{f', {seeds}' if seeds else ''})"
    if not result.verdict.is_measured or result.value is None:
        return f"{start}{result.reason}{of}"
    paper = f"; the paper: {answers.papers(result)}" if result.beside else ""
    return f"{start}{answers.ours([result], with_bound=True)}{paper}{of}"
