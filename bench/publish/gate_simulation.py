"""Simulate the gate's procedure: how often it gives each answer, by the true ratio and the spread between seeds.

The decisions are the gate's own: :func:`bench.gate.compare.decide` and :func:`bench.gate.watched.decide_watched` at the
first look, at the second one if the first was not ok, and :func:`bench.gate.change.find_change` on pairs. Only the
seeds are simulated, and none of them collapses or fails.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from bench.analysis.statistics import OUTCOMES, FloatArray, proportion_interval
from bench.gate.change import BySeed, find_change
from bench.gate.compare import decide, worst
from bench.gate.watched import decide_watched, watched_seeds
from bench.publish.documents import markdown_table
from bench.spec.criteria import GateTable, WatchedTable
from bench.spec.vocabulary import measure

BUDGET = 300.0
MEDIAN_T80 = 98.0  # the baseline's; only ratios matter
FINAL_NATS, FINAL_SPREAD_NATS = 2.17, 0.0054  # the baseline's
PAIRED_FINAL_SPREAD_NATS = 0.005  # of such a pair, as measured
RATIOS = (1.0, 1.05, 1.1, 1.2, 1.5)
SPREADS = (0.02, 0.05, 0.1)
PAIRED_SPREADS = (0.0073, 0.011)  # of a pair whose weights start a last bit apart, as measured, and half as much again
PAIRED_RATIOS = (1.0, 1.02, 1.03, 1.05, 1.1)
MOVED = (0.0, 0.5, 1.0, 1.5, 2.0)  # margins that a watched number moves by
MOVE_SPREAD = 0.2  # standard deviation of a move between seeds, as a share of it
ROUNDED = 0.0005  # spread of an unchanged pair, where pairs are compared: a thousand times what roundings do

Sample = Callable[[np.random.Generator, int], FloatArray]  # (num,) times of seeds, unchanged


@dataclass(frozen=True)
class Found:
    """The answers of a simulated procedure."""

    outcomes: Counter[str]
    mean_new_seeds: float


def lognormal(spread: float) -> Sample:
    """Seeds whose log T80 is normal."""
    return lambda rng, num: MEDIAN_T80 * np.exp(spread * rng.normal(size=num))


def resampled(real: FloatArray) -> Sample:
    """Seeds drawn from real ones, with replacement."""
    return lambda rng, num: rng.choice(real, num)


def procedure(rule: GateTable, sample: Sample, ratio: float, num_draws: int) -> Found:
    """The answers on draws with a baseline and new seeds of their own; the new ones are slower by ``ratio``."""
    rng, counts, num_seeds = np.random.default_rng(0), Counter[str](), 0
    looks = [tuple(rule.new_seeds), (*rule.new_seeds, *rule.more_seeds)]
    for _ in range(num_draws):
        base = _numbered(rule.baseline_seeds, sample(rng, len(rule.baseline_seeds)))
        new = _numbered(looks[-1], ratio * sample(rng, len(looks[-1])))
        nats = [_numbered(side, rng.normal(FINAL_NATS, FINAL_SPREAD_NATS, len(side))) for side in (base, new)]
        for look in looks:
            t80, final = ({seed: side[seed] for seed in look} for side in (new, nats[1]))
            outcome, _ = worst(decide(rule, BUDGET, (base, t80), (nats[0], final))[-1])
            if outcome == "ok":
                break
        counts[outcome] += 1
        num_seeds += len(look)
    return Found(counts, num_seeds / num_draws)


def changes(rule: GateTable, paired_spread: float, ratio: float, num_draws: int) -> Counter[str]:
    """How often five pairs show that it is "slower", that L_I is "lower", or "anything": either, in any direction."""
    rng, counts, seeds = np.random.default_rng(0), Counter[str](), rule.new_seeds
    for _ in range(num_draws):
        base = MEDIAN_T80 * np.exp(0.022 * rng.normal(size=len(seeds)))
        new = base * ratio * np.exp(paired_spread * rng.normal(size=len(seeds)))
        nats = rng.normal(FINAL_NATS, FINAL_SPREAD_NATS, len(seeds))
        later = nats + rng.normal(0, PAIRED_FINAL_SPREAD_NATS * paired_spread / PAIRED_SPREADS[0], len(seeds))
        sides = [_numbered(seeds, values) for values in (base, new, nats, later)]
        found = find_change(rule, BUDGET, (sides[0], sides[1]), (sides[2], sides[3]), [])
        counts["slower"] += found.t80.direction == "worse"
        counts["lower"] += found.final.direction == "worse"
        counts["anything"] += {found.t80.direction, found.final.direction} != {"none"}
    return counts


def watched_outcomes(
    rule: GateTable, table: WatchedTable, real: FloatArray, loss: float, is_paired: bool, num_draws: int
) -> Counter[str]:
    """Answers on a watched number that is lower by about ``loss``, on seeds drawn from real ones."""
    rng, counts = np.random.default_rng(0), Counter[str]()
    looks = [watched_seeds(rule, table.arm, look) for look in (tuple(rule.new_seeds), tuple(rule.baseline_seeds))]
    for _ in range(num_draws):
        base = _numbered(rule.baseline_seeds, rng.choice(real, len(rule.baseline_seeds)))
        same = np.array([base[s] for s in looks[-1]]) + ROUNDED * rng.normal(size=len(looks[-1]))
        others = rng.choice(real, len(looks[-1]))
        losses = loss * (1 + MOVE_SPREAD * rng.normal(size=len(looks[-1])))
        new = _numbered(looks[-1], (same if is_paired else others) - losses)
        for look in looks:
            outcome = decide_watched(rule, table, base, {seed: new[seed] for seed in look}, is_paired)[-1]
            if outcome == "ok":
                break
        counts[outcome] += 1
    return counts


def watched_table(rule: GateTable, real: dict[tuple[str, str], FloatArray], num_draws: int) -> str:
    """Markdown: a row for each watched number and margin, ``real`` by arm and measure; a column for each move."""
    rows = []
    for table in rule.watched:
        for margin, how in ((table.margin_paired, "pairs"), (table.margin, "two samples")):
            if margin is None:
                continue
            of = table, real[table.arm, table.measure]
            found = [watched_outcomes(rule, *of, m * margin, how == "pairs", num_draws) for m in MOVED]
            name = f"{table.arm}, {measure(table.measure).words}, {how}, margin {margin:g}"
            rows.append([name, *(shares(counts, num_draws) for counts in found)])
    return markdown_table(["watched", *(f"lower by {m:g} margins" if m else "unchanged" for m in MOVED)], rows)


def _numbered(seeds: Iterable[int], values: FloatArray) -> BySeed:
    return dict(zip(seeds, values.tolist(), strict=True))


def procedure_table(rule: GateTable, real_t80: FloatArray, num_draws: int) -> str:
    """Markdown: a row per spread, a column per true ratio, cells regressed / inconclusive / ok in per cent."""
    rows = []
    samples: list[tuple[str, Sample]] = [(f"drawn, sd log T80 {spread:g}", lognormal(spread)) for spread in SPREADS]
    samples.append((f"the {len(real_t80)} real T80s, resampled", resampled(real_t80)))
    for name, sample in samples:
        found = [procedure(rule, sample, ratio, num_draws) for ratio in RATIOS]
        cells = [shares(f.outcomes, num_draws) for f in found]
        rows.append([name, *cells, f"{found[0].mean_new_seeds:.2f}"])
    return markdown_table(["seeds", *(f"x{ratio:g}" for ratio in RATIOS), "new seeds at x1"], rows)


def change_table(rule: GateTable, num_draws: int) -> str:
    """Markdown: a row per spread of a pair, a column per true ratio: how often "slower" is said, and anything at x1."""
    rows = []
    for spread in PAIRED_SPREADS:
        counts = [changes(rule, spread, ratio, num_draws) for ratio in PAIRED_RATIOS]
        anything = share(counts[0]["anything"], num_draws)
        rows.append([f"{spread:g}", anything, *(share(c["slower"], num_draws) for c in counts)])
    slower = [f"slower at x{ratio:g}" for ratio in PAIRED_RATIOS]
    return markdown_table(["sd of a pair's log ratio", "anything at x1", *slower], rows)


def shares(counts: Counter[str], num_draws: int) -> str:
    """``1.2 / 30 / 68.8``, in the order of OUTCOMES."""
    return " / ".join(share(counts[outcome], num_draws) for outcome in OUTCOMES)


def share(num: int, num_draws: int) -> str:
    """Per cent; if it never or always happened, the bound that so many draws give at 95 %."""
    if num in (0, num_draws):
        bound = 100 * proportion_interval(num, num_draws)[0 if num else 1]
        digits = max(1, math.ceil(-math.log10(max(100 - bound if num else bound, 1e-9))))
        return f">{bound:.{digits}f}" if num else f"<{bound:.{digits}f}"
    return f"{100 * num / num_draws:.2g}" if num < num_draws / 10 else f"{100 * num / num_draws:.4g}"
