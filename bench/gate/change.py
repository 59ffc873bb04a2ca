"""The gate's third question: did anything change at all? Small changes are tolerated, but they are reported.

A seed has the same random streams as the baseline's seed of that number, so a pair of runs tells far more than two
samples: on the same processor, kernels and libraries, unchanged code repeats T80 within 1 %. The records tell whether
the pairs are valid; if they are not, the two sets are compared as samples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from bench.analysis.runs import Run
from bench.analysis.samples import FloatArray
from bench.analysis.statistics import NO_BOUND, Bound, hodges_lehmann_ratio, median_interval, shift_interval
from bench.console import plural
from bench.gate.rules import MINIMUM_SEEDS
from bench.spec.criteria import GateTable

MINIMUM_PAIRS = 5
SAME_START_NATS = 1e-4  # largest difference of first values on one stream; those of other seeds differ by 0.003
FIRSTS = {"loss/discriminator": "D's first loss", "mi/c1": "the first L_I of c1"}  # the second: of a custom step
NUM_SIDES = 4  # of alpha: two measures, two directions
ENUMERATED = 16  # pairs: all 65,536 signs; of more pairs as many random ones
DECIDES_BITS = ("torch", "numpy")

Direction = Literal["none", "worse", "better", "not tested"]
BySeed = dict[int, float]
Sides = tuple[BySeed, BySeed]  # base and new


@dataclass(frozen=True)
class Shift:
    """The change of one measure, in log T80 or in nats of L_I: positive means later, or more information."""

    direction: Direction
    estimate: float
    low: float
    high: float
    level: float
    p: float | None  # exact, one-sided, in the direction of the estimate; None: the interval decided
    bound: Bound = ""  # of an estimate that failures leave open on one side


@dataclass(frozen=True)
class Change:
    """The change between two sides, however small."""

    is_paired: bool
    not_paired: list[str]  # why not
    num_pairs: int
    t80: Shift
    final: Shift

    @property
    def is_worse(self) -> bool:
        """Whether T80 is later or the final L_I lower, beyond chance and beyond what is worth a word."""
        return "worse" in (self.t80.direction, self.final.direction)


def values_by_seed(runs: Sequence[Run], measure: str) -> BySeed:
    """A measure of ended runs, by seed. A run that diverged never reaches T80 and ends without information."""
    of_diverged = math.inf if measure == "t80" else 0.0
    return {run.cell.seed: of_diverged if run.diverged else run.summary[measure] for run in runs}


def change_between(rule: GateTable, base: Sequence[Run], new: Sequence[Run]) -> Change:
    """The change from ``base`` to ``new``: runs of one group each that have ended."""
    t80, final_nats = ((values_by_seed(base, name), values_by_seed(new, name)) for name in ("t80", "mi_final_nats"))
    return find_change(rule, float(base[0].cell.iterations), t80, final_nats, why_not_paired(base, new))


def find_change(rule: GateTable, budget: float, t80: Sides, final_nats: Sides, not_paired: list[str]) -> Change:
    """The change between two sides. ``not_paired``: what :func:`why_not_paired` says."""
    seeds = sorted(t80[0].keys() & t80[1].keys())
    if len(seeds) < MINIMUM_PAIRS:
        not_paired = [*not_paired, f"{plural(len(seeds), 'seed')} in common, pairs need {MINIMUM_PAIRS}"]
    shifts = _paired(rule, budget, seeds, t80, final_nats) if not not_paired else _apart(rule, budget, t80, final_nats)
    return Change(not not_paired, not_paired, len(seeds), *shifts)


def _paired(rule: GateTable, budget: float, seeds: list[int], t80: Sides, final_nats: Sides) -> list[Shift]:
    """The changes within pairs. A T80 beyond the budget counts as the budget, which bounds the change of its pair."""
    base_logs, new_logs = ({seed: math.log(min(side[seed], budget)) for seed in seeds} for side in t80)
    failed = [np.array([not side[seed] <= budget for seed in seeds]) for side in t80]
    none = [np.zeros(len(seeds), dtype=bool)] * 2  # the final L_I is there in every run
    measures = (
        (base_logs, new_logs, math.log1p(rule.notice), 1, failed),
        (*final_nats, rule.final_notice_nats, -1, none),
    )
    shifts = []
    for base, new, notice, sign, (base_failed, new_failed) in measures:
        differences = np.array([new[seed] - base[seed] for seed in seeds])
        interval = median_interval(differences)
        is_least = np.median(np.where(new_failed, math.inf, differences)) > interval.median
        is_most = np.median(np.where(base_failed, -math.inf, differences)) < interval.median
        bound = NO_BOUND if is_least == is_most else "at least" if is_least else "at most"
        p = sign_flip_p(math.copysign(1, interval.median) * differences)
        is_shown = p <= max(rule.change_alpha / NUM_SIDES, 0.5 ** len(seeds)) and abs(interval.median) >= notice
        direction = _direction(interval.median * sign) if is_shown else "none"
        shifts.append(Shift(direction, interval.median, interval.low, interval.high, interval.level, p, bound))
    return shifts


def _apart(rule: GateTable, budget: float, t80: Sides, final_nats: Sides) -> list[Shift]:
    """The changes between two samples: one is shown if its exact rank interval does not contain 0."""
    (base, new), (base_nats, new_nats) = ([[*side.values()] for side in measure] for measure in (t80, final_nats))
    alpha = rule.change_alpha / NUM_SIDES
    ratio, shift = hodges_lehmann_ratio(base, new, budget, alpha), shift_interval(base_nats, new_nats, alpha)
    with np.errstate(divide="ignore"):
        logs = [float(np.log(v)) for v in (ratio.ratio, ratio.low, ratio.high)]  # of no bound -inf, of no ratio NaN
    shifts = []
    for (middle, low, high), level, notice, sign, bound in (
        (logs, ratio.level, math.log1p(rule.notice), 1, ratio.bound),
        ((shift.shift, shift.low, shift.high), shift.level, rule.final_notice_nats, -1, NO_BOUND),
    ):
        is_shown = (low > 0 or high < 0) and abs(middle) >= notice
        is_tested = min(len(base), len(new)) >= MINIMUM_SEEDS
        direction = (_direction(middle * sign) if is_shown else "none") if is_tested else "not tested"
        shifts.append(Shift(direction, middle, low, high, level, None, bound))
    return shifts


def _direction(loss: float) -> Direction:
    return "worse" if loss > 0 else "better"


def sign_flip_p(differences: FloatArray) -> float:
    """One-sided p of "above 0": the share of all ways to flip the signs, (num,), whose sum is as large. Exact up to 16.

    It assumes only that without a change a pair's difference is as likely below 0 as above.
    """
    sums = _signs(len(differences)) @ differences
    return float(np.mean(sums >= sums[0] - 1e-9 * np.abs(differences).sum()))


@lru_cache(maxsize=8)
def _signs(num: int) -> FloatArray:
    """Signs to flip by: (65,536 or 2**num, num) of 1 and -1, the first row all 1."""
    if num <= ENUMERATED:
        return np.array(1 - 2 * (np.arange(2**num)[:, None] >> np.arange(num) & 1), dtype=np.float64)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (2**ENUMERATED, num))
    signs[0] = 1
    return signs


def why_not_paired(base: Sequence[Run], new: Sequence[Run]) -> list[str]:
    """Why runs of the same seed are not valid pairs, from the first seed that differs; empty if they are."""
    old = {run.cell.seed: run for run in base}
    pairs = sorted((run.cell.seed, _differences(old[run.cell.seed], run)) for run in new if run.cell.seed in old)
    seed, found = next((pair for pair in pairs if pair[1]), (None, []))
    if found and seed != pairs[0][0]:
        found = [f"{words} (seed {seed})" for words in found]
    streams = other_streams(base, new)
    return [*found, streams] if streams else found


def _differences(old_run: Run, new_run: Run) -> list[str]:
    """What makes two runs of one seed round differently, in words."""
    old, now = _machine(old_run), _machine(new_run)
    found = [
        f"another {what} ({old[what]}, here {now[what]})"
        for what in old
        if old[what] is not None and now[what] is not None and old[what] != now[what]
    ]
    if (kernels := _network(old_run)) != _network(new_run):
        found.append("other kernels" if kernels[-1] is not None else "the baseline does not say which kernels")
    return found


def other_streams(base: Sequence[Run], new: Sequence[Run]) -> str:
    """Evidence that runs of the same seed do not start alike; empty if they do."""
    no_curve = [run for run in (*base, *new) if run.diverged and run.history is None]  # before its first checkpoint
    unknown = {run.cell.seed for run in no_curve}  # the other seeds tell
    steps = {run.cell.config["training"].get("step") for run in (*base, *new)}
    column = "loss/discriminator" if len(steps) == 1 else "mi/c1"  # another step may have another loss of D
    firsts = [
        {run.cell.seed: _first(run, column) for run in runs if run.cell.seed not in unknown} for runs in (base, new)
    ]
    apart = [
        seed
        for seed in sorted(firsts[0].keys() & firsts[1].keys())
        if not abs(firsts[0][seed] - firsts[1][seed]) <= SAME_START_NATS  # NaN: no curve, nothing to check on
    ]
    start = "other random streams, or settings that change the start"
    return f"{start}: {FIRSTS[column]} differs (seed {apart[0]})" if apart else ""


def _machine(run: Run) -> dict[str, object]:
    """The parts of a machine that decide roundings; None: not recorded."""
    environment, packages = run.environment, run.environment.get("packages", {})
    return {
        "device": environment.get("gpu") or environment.get("device"),
        "processor": environment.get("cpu"),
        "kind of processor": environment.get("processor"),
        "setting of the libraries": environment.get("variables"),
        **{name: packages.get(name) for name in DECIDES_BITS},
    }


def _network(run: Run) -> list[object]:
    """The settings that decide how layers are computed."""
    network = run.cell.config["network"]
    kernels = network.get("kernels", network.get("convolutions"))
    fast_layers = network.get("fast_layers", [] if kernels == "torch" else None)
    return [kernels, network.get("precision", "float32"), fast_layers]


def _first(run: Run, column: str) -> float:
    history = run.history
    return math.nan if history is None or not len(history) else float(history.column(column)[0])
