"""Compare one arm with another, paired by seed: for ``compare``, and for reports on experiments without claims.

It asks the gate's question whether anything changed at all (:mod:`bench.gate.change`), about two groups of runs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.runs import Run
from bench.console import plural
from bench.gate.change import Change, change_between, values_by_seed
from bench.gate.output import WORDS, basis, in_nats, in_percent
from bench.gate.rules import MINIMUM_SEEDS
from bench.spec.criteria import GateTable


@dataclass(frozen=True)
class Answer:
    """The change from one arm to another, or why there is none; with too few seeds for a judgement, both."""

    change: Change | None
    why_not: str = ""  # why it cannot be judged; empty if it was
    diverged: str = ""  # the end of every sentence, since both measures count diverged seeds as the worst

    @property
    def sentence(self) -> str:
        """The whole answer: ``4 % slower [2, 6]``, the change of the final L_I, and the comparison behind both."""
        return self._whole() + self.diverged

    @property
    def short(self) -> str:
        """``4 % slower [2, 6]`` and the number of pairs, or why that cannot be said."""
        return self._start() + self.diverged

    def _whole(self) -> str:
        if self.change is None:
            return self.why_not
        t80, final = self.change.t80, self.change.final
        if self.why_not:
            return f"{self._start()}, final {_without_interval(in_nats(final))}"
        level = f", {100 * t80.level:.3g} % intervals" if self.change.is_paired else ""
        return (
            f"{slower_words(self.change)} ({WORDS['t80'][t80.direction]}); "
            f"final {in_nats(final)} ({WORDS['final'][final.direction]}); {basis(self.change, why=True)}{level}"
        )

    def _start(self) -> str:
        if self.change is None:
            return self.why_not
        if self.why_not:
            return f"{self.why_not}; so far {_without_interval(slower_words(self.change))}"
        doubt = ", no change shown" if self.change.t80.direction == "none" else ""
        return f"{slower_words(self.change)} ({basis(self.change)}{doubt})"


def held_against(rule: GateTable, base: Sequence[Run], new: Sequence[Run], names: Sequence[str]) -> Answer:
    """Compare the runs of two groups that have ended. ``names``: of both groups, for the answer."""
    sides = [[run for run in runs if run.ended] for runs in (base, new)]
    for name, ended in zip(names, sides, strict=True):
        if not ended:
            return Answer(None, f"nothing to compare: no cell of {name} is finished")
    found = [diverged_among(runs, f" of {name}") for name, runs in zip(names, sides, strict=True)]
    diverged = "".join(f"; {words}" for side in found for words in side)
    if not any(math.isfinite(time) for runs in sides for time in values_by_seed(runs, "t80").values()):
        budget = sides[0][0].cell.iterations
        return Answer(
            None, f"too short to judge: no seed of either reaches 0.8 H(c) within its {budget} iterations", diverged
        )
    change = change_between(rule, *sides)
    if change.t80.direction != "not tested":
        return Answer(change, diverged=diverged)
    counts = " and ".join(str(len(runs)) for runs in sides)
    return Answer(change, f"too few seeds to judge: {counts}, and each needs {MINIMUM_SEEDS}", diverged)


def diverged_among(runs: Sequence[Run], of: str = "") -> list[str]:
    """``2 of 5 seeds of NAME diverged``, if any of these ended runs did."""
    num = sum(run.diverged for run in runs)
    return [f"{num} of {plural(len(runs), 'seed')}{of} diverged"] if num else []


def _without_interval(text: str) -> str:
    """The words without their interval, which has no bounds if there are too few seeds for a test."""
    return text.partition(" [")[0]


def slower_words(change: Change) -> str:
    """``4 % slower [2, 6]``, ``at least 50 % faster [40, 60]`` or ``not comparable``."""
    is_slower = change.t80.estimate >= 0
    shown = in_percent(change.t80, 1 if is_slower else -1)
    return shown.replace(" [", f" {'slower' if is_slower else 'faster'} [")
