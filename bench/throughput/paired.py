"""Measure two callables against each other on a shared machine: alternate short blocks and take ratios within pairs.

On a busy machine the time of a step drifts by a third within seconds; the ratio of two consecutive blocks does not. So
A and B alternate in blocks of a fraction of a second, in random order within each pair. The ratio is exp of the median
log ratio, with an order-statistic interval.
There are two clocks: wall time, and CPU time of this process, which for one thread excludes time taken by neighbours.
"""

import gc
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.analysis.statistics import MedianInterval, binomial_median_interval
from bench.records.throughput import Clock

CLOCKS: tuple[Clock, ...] = ("wall", "processor")
LOOKS = (40, 80, 120, 160)  # numbers of pairs after which measuring may stop
ALPHA = 0.05  # one-sided, split over all looks
BLOCK_S = 0.1  # duration of a block, which has at least one iteration
WARM_UP_S = 0.3  # for each callable, before the first block
PRECISE = 1.05  # high / low of an interval that is narrow enough

Call = Callable[[], object]
Times = dict[str, dict[Clock, list[float]]]  # seconds per iteration in each block of each callable


@dataclass(frozen=True)
class Ratio:
    """Time of A over time of B, with its interval; below 1, A is faster."""

    ratio: float
    low: float
    high: float
    level: float
    num: int

    @classmethod
    def of(cls, interval: MedianInterval) -> "Ratio":
        ratio, low, high = math.exp(interval.median), math.exp(interval.low), math.exp(interval.high)
        return cls(ratio, low, high, interval.level, interval.num)


@dataclass
class Pairs:
    """Seconds per iteration of both blocks of each pair, on both clocks."""

    a_s: dict[Clock, list[float]] = field(default_factory=lambda: {clock: [] for clock in CLOCKS})
    b_s: dict[Clock, list[float]] = field(default_factory=lambda: {clock: [] for clock in CLOCKS})
    alpha: float = ALPHA  # of one look; split evenly over the planned looks

    def __len__(self) -> int:
        return len(self.a_s["wall"])

    def log_ratios(self, clock: Clock) -> list[float]:
        """log(A / B) of every pair."""
        return [math.log(a / b) for a, b in zip(self.a_s[clock], self.b_s[clock], strict=True)]

    def ratio(self, clock: Clock) -> Ratio:
        return Ratio.of(binomial_median_interval(self.log_ratios(clock), self.alpha))


Decided = Callable[[Pairs], bool]


def is_precise(clock: Clock) -> Decided:
    """A rule to stop once the interval is narrower than the gate's tolerance."""

    def decided(pairs: Pairs) -> bool:
        ratio = pairs.ratio(clock)
        return ratio.high <= PRECISE * ratio.low

    return decided


def nothing() -> None:
    """Synchronisation on a CPU: nothing to wait for."""


def measure(a: Call, b: Call, decided: Decided, **options: Any) -> Pairs:
    """Alternate ``a`` and ``b``, as :func:`turns` does many."""
    return turns({"a": a, "b": b}, [("a", "b")], decided, **options)["a", "b"]


def turns(
    calls: Mapping[str, Call],
    wanted: Sequence[tuple[str, str]],
    decided: Decided,
    *,
    looks: Sequence[int],
    rng: random.Random | None = None,
    synchronise: Call = nothing,
    block_s: float | None = None,
) -> dict[tuple[str, str], Pairs]:
    """Alternate callables; return the pairs of names that are ``wanted``.

    In each round each callable has one block, which belongs to all of its pairs. Ends once all pairs are ``decided`` at
    one of the ``looks``; each look has an equal share of ALPHA. ``synchronise`` waits for the device, at the start and
    end of each block. ``block_s``: by default BLOCK_S.
    """
    times = _no_times(calls)
    pairs = {(a, b): Pairs(times[a], times[b], ALPHA / len(looks)) for a, b in wanted}
    _alternate(calls, times, looks, lambda: all(map(decided, pairs.values())), rng, synchronise, block_s)
    return pairs


def rounds(calls: Mapping[str, Call], num: int, rng: random.Random, synchronise: Call = nothing) -> Times:
    """Seconds per iteration of each callable in ``num`` rounds; in each round, each has one block, in random order."""
    times = _no_times(calls)
    _alternate(calls, times, (num,), lambda: True, rng, synchronise)
    return times


def _no_times(calls: Mapping[str, Call]) -> Times:
    return {name: {clock: [] for clock in CLOCKS} for name in calls}


def _alternate(
    calls: Mapping[str, Call],
    times: Times,
    looks: Sequence[int],
    is_enough: Callable[[], bool],
    rng: random.Random | None,
    synchronise: Call,
    block_s: float | None = None,
) -> None:
    """Append a block of each callable to ``times`` in each round, until ``is_enough`` at one of the ``looks``."""
    rng = rng or random.Random(0)
    blocks = {name: _Block(call, block_s, synchronise) for name, call in calls.items()}
    gc.collect()
    done = 0
    for look in looks:
        for _ in range(done, look):
            for name in rng.sample(list(blocks), len(blocks)):
                wall, processor = blocks[name].time()
                times[name]["wall"].append(wall)
                times[name]["processor"].append(processor)
        done = look
        if is_enough():
            break


class _Block:
    """A callable, with the number of iterations that fill a block."""

    def __init__(self, call: Call, block_s: float | None, synchronise: Call) -> None:
        self.call, self.synchronise, self.iterations = call, synchronise, 1
        call()  # the first call allocates and compiles
        spent, num = 0.0, 0
        while num == 0 or spent < WARM_UP_S:
            spent, num = spent + self.time()[0], num + 1
        self.iterations = max(1, math.ceil((BLOCK_S if block_s is None else block_s) * num / max(spent, 1e-9)))

    def time(self) -> tuple[float, float]:
        """Seconds per iteration, wall and CPU."""
        self.synchronise()
        wall, processor = time.perf_counter(), time.process_time()
        for _ in range(self.iterations):
            self.call()
        self.synchronise()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        return wall / self.iterations, processor / self.iterations
