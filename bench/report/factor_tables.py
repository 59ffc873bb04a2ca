"""Tables of known factors: every run of each, the best by rule and the median; what Q knows of them."""

import math
import re
from collections.abc import Sequence

import numpy as np

from bench.analysis import statistics
from bench.analysis.runs import Run, Sweep
from bench.console import plural
from bench.report import wording
from bench.report.codes import BASELINE_ARM
from bench.report.factors import MAX_OUTSIDE, FactorRun, FactorRuns, entry
from bench.report.tabular import Table
from bench.spec import vocabulary
from bench.spec.experiment import same_variant
from infogan.measures.catalogue import DISENTANGLEMENT, VOTES

NUMBER = re.compile(r"\d+(?:\.\d+)?")


def factor_tables(sweep: Sweep, found: Sequence[FactorRuns], groups: Sequence[str]) -> list[Table]:
    """The tables of factors and of disentanglement."""
    return [_factors(found), _disentanglement(sweep, groups)]


def _factors(found: Sequence[FactorRuns]) -> Table:
    rows, records = [], []
    for study in found:
        best, shown = study.best, wording.ABSENT
        if best is not None:
            shown = f"{wording.measured(study.measure, best.value)}, seed {best.run.cell.seed}"
        row = [study.claim, study.factor.replace("_", " "), study.group]
        row += [vocabulary.measure(study.measure).without_factor, _every_run(study), _note(study)]
        row += [shown, _interval(study.measure, [run.value for run in study.measured])]
        row += [wording.measured(study.measure, _median_of(study, beside)) for beside in ("noise", "ceiling")]
        rows.append([*row, _beyond(study, found)])
        records += [_record(study, run) for run in study.runs]
    headings = ["claim", "factor", "arm", "number", "every seed", "note", "best by rule", "median [interval]"]
    headings += ["noise dimension", "ceiling", "best beyond the GAN's best"]
    caption = (
        "Best by rule: the run whose code has the largest first-order index; its number comes from other samples. "
        "Every seed: * that run, † the median. Noise dimension: the same search over the noise dimensions, median over "
        "seeds. Ceiling: the same readers see the factor itself, moved by the renderer or cut into categories. Best "
        "beyond the GAN's best: both are the best by rule among the seeds that both arms have."
    )
    keys = ["claim", "factor", "arm", "seed", "measure", "value", "rule", "chosen_by", "code", "is_best", "is_median"]
    keys += ["noise", "ceiling", "reason"]
    return Table("factors", "Factors, every run", caption, headings, rows, keys, records, num_text=6)


def _record(study: FactorRuns, run: FactorRun) -> list[object]:
    """One run in full, in the order of the file's columns."""
    found = [run.run.cell.seed, study.measure, run.value, study.rule, run.chosen_by, run.code, run is study.best]
    beside = [_beside(run.run, study.measure, row) for row in ("noise", "ceiling")]
    return [study.claim, study.factor, study.group, *found, run is study.median, *beside, run.reason]


def _interval(name: str, values: list[float]) -> str:
    """Median and interval of a measure's values; a dash for none."""
    if not values:
        return wording.ABSENT
    found = statistics.median_interval(values)
    return wording.with_interval(name, found.median, found.low, found.high)


def _beyond(study: FactorRuns, found: Sequence[FactorRuns]) -> str:
    """Whether the best run goes beyond the plain GAN's, each the best of the seeds that both have."""
    group = same_variant(study.group, BASELINE_ARM)
    baseline = next((other for other in found if (other.group, other.measure) == (group, study.measure)), None)
    if baseline is None or baseline is study:
        return wording.ABSENT
    common = {run.run.cell.seed for run in study.measured} & {run.run.cell.seed for run in baseline.measured}
    ours, theirs = study.of_seeds(common).best, baseline.of_seeds(common).best
    if ours is None or theirs is None:
        return wording.ABSENT
    is_beyond = ours.value < theirs.value if study.is_low_better else ours.value > theirs.value
    return f"{'yes' if is_beyond else 'no'}, of {plural(len(common), 'seed')}"


def _every_run(study: FactorRuns) -> str:
    words = []
    for run in study.runs:
        marks = "".join(sign for sign, other in (("*", study.best), ("†", study.median)) if run is other)
        words.append(f"{run.run.cell.seed}: {wording.measured(study.measure, run.value)}{marks}")
    return ", ".join(words)


def _beside(run: Run, measure: str, row: str) -> float:
    """The number of ``measure`` in the noise's or the ceiling's row."""
    known = vocabulary.measure(measure)
    beside = vocabulary.of_factor(known.factor or "", f"{row}_{known.number}")
    return run.summary.get(beside.name, math.nan) if beside else math.nan


def _median_of(study: FactorRuns, row: str) -> float:
    values = [v for v in (_beside(run.run, study.measure, row) for run in study.runs) if not math.isnan(v)]
    return float(np.median(values)) if values else math.nan


def _span(reasons: Sequence[str]) -> str:
    """Reasons that differ only in their numbers as one, with the range of each number."""
    numbers = zip(*(NUMBER.findall(reason) for reason in reasons), strict=True)
    spans = iter([" to ".join(dict.fromkeys((min(n, key=float), max(n, key=float)))) for n in numbers])
    return NUMBER.sub(lambda _: next(spans), reasons[0])


def _note(study: FactorRuns) -> str:
    """Why runs have no number, counted by reason; whether the readers had to extrapolate in those that have one."""
    reasons: dict[str, list[str]] = {}  # by what they say but for their numbers
    for run in study.runs:
        if math.isnan(run.value):
            reason = run.reason or "no such code"
            reasons.setdefault(NUMBER.sub("", reason), []).append(reason)
    notes = [f"{len(alike)} of {len(study.runs)} not measured: {_span(alike)}" for alike in reasons.values()]
    outside = [run.run.summary.get(f"{study.factor}_outside", 0.0) for run in study.measured]
    if max(outside, default=0.0) > MAX_OUTSIDE:
        notes.append(f"up to {wording.percent(max(outside))} % of samples are read beyond the data's range")
    return "; ".join(notes)


def _votes(runs: Sequence[Run]) -> str:
    """How far a seed's share of votes is from certain; empty where it was recorded without its interval."""
    ends = [tuple(run.summary[end] for end in VOTES) for run in runs if VOTES.keys() <= run.summary.keys()]
    if not ends:
        return ""
    low, high = max(ends, key=lambda pair: pair[1] - pair[0])
    return f"95 % interval over the votes of one seed, the widest: {low:.2f} to {high:.2f}"


def _disentanglement(sweep: Sweep, groups: Sequence[str]) -> Table:
    rows, records = [], []
    for group in groups:
        runs = sweep.done(group)
        for name, words in DISENTANGLEMENT.items():
            columns = []
            for suffix in ("", "_shuffled", "_ceiling"):
                columns.append([run.summary[name + suffix] for run in runs if name + suffix in run.summary])
                own = [name + suffix, *(end + suffix for end in VOTES if end.startswith(name))]
                records += [
                    [group, number, run.cell.seed, run.summary[number]]
                    for number in own
                    for run in runs
                    if number in run.summary
                ]
            reasons = [entry(run).get("disentanglement", {}).get("", {}).get("reasons", {}).get(name) for run in runs]
            reason = next((r for r in reasons if r), "") or (_votes(runs) if name == "factor_vae" else "")
            if not any(columns) and not reason:
                continue
            shown = [_interval(name, values) for values in columns]
            rows.append([group, words.partition(" of Q")[0].partition(",")[0], reason, *shown])
    caption = (
        "Median [interval] over seeds. The scores use Q's mean, or its probabilities for a categorical code, on "
        "held-out images, with batch-norm statistics frozen over training images. States are 10 equally filled bins. "
        "Bias: the factors are shuffled. Ceiling: the readers take Q's place. DCI uses random forests that see every "
        "code at every split; published tables mostly use boosted trees. Do not compare with other codebases "
        "(docs/MEASURES.md)."
    )
    headings = ["arm", "score", "note", "Q", "bias: factors shuffled", "ceiling: the readers"]
    keys = ["arm", "score", "seed", "value"]
    return Table("disentanglement", "Disentanglement of Q", caption, headings, rows, keys, records, num_text=3)
