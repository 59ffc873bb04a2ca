"""The schedule of a launch, from launches.jsonl: when its cells ran, and how close it came to the ideal.

A launch is a line of launches.jsonl. Those of earlier versions have no cells, so they have no schedule.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.records.schema import Launch

MAX_JOBS = 1024  # largest number of slots in a schedule


@dataclass(frozen=True)
class Span:
    """A cell in its slot, in seconds since the launch began.

    ``train_s``: within this launch; 0 if it was only measured.

    ``whole``: trained from the first iteration to the last within this launch.
    """

    experiment: str
    name: str
    definition: str
    outcome: str
    slot: int
    start_s: float
    end_s: float
    train_s: float
    whole: bool

    @property
    def group(self) -> str:
        """Variant and arm, the name without its seed."""
        return self.name.rpartition("/")[0]


@dataclass(frozen=True)
class Schedule:
    """Schedule of a launch."""

    jobs: int
    wall_s: float
    spans: tuple[Span, ...]

    @property
    def train_s(self) -> float:
        return sum(span.train_s for span in self.spans)

    @property
    def efficiency(self) -> float:
        """Training time over the time of all slots: 1 if every slot trained during the whole launch."""
        return self.train_s / (self.jobs * self.wall_s)

    @property
    def ideal_s(self) -> float:
        """Wall time of these trainings, longest first, on as many slots: at most 4/3 of the best, without overhead."""
        return makespan_s(sorted((span.train_s for span in self.spans), reverse=True), self.jobs)


def makespan_s(durations_s: Iterable[float], jobs: int) -> float:
    """Time until the last of these durations ends, if they are started in order on ``jobs`` slots."""
    ends = [0.0] * jobs
    for duration in durations_s:
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends)


def schedule(launch: Launch) -> Schedule | None:
    """The schedule of a launch; None if it trained no cell, lists no cells, or has impossible times."""
    cells = sorted(launch.cells, key=lambda cell: cell.start_s)
    if not any(cell.train_s for cell in cells) or launch.wall_s <= 0 or any(c.end_s < c.start_s for c in cells):
        return None
    if launch.jobs is None or not 0 < launch.jobs <= MAX_JOBS:
        return None
    free_at: list[float] = []  # end of the last cell in each slot
    spans = []
    for cell in cells:
        slot = next((i for i, end in enumerate(free_at) if end <= cell.start_s), len(free_at))
        free_at[slot : slot + 1] = [cell.end_s]
        train_s = min(cell.train_s, cell.end_s - cell.start_s)
        whole = cell.outcome == "done" and train_s > 0 and not cell.resumed
        times = cell.start_s, cell.end_s, train_s
        spans.append(Span(cell.experiment, cell.name, cell.definition, cell.outcome, slot, *times, whole))
    return Schedule(max(launch.jobs, len(free_at)), launch.wall_s, tuple(spans))


def largest(launches: Sequence[Launch], definition: str) -> Schedule | None:
    """Schedule of the launch that trained cells of one definition the longest; the newest in a tie."""
    found = [s for s in map(schedule, launches) if s is not None]
    own = [(sum(span.train_s for span in s.spans if span.definition == definition), i) for i, s in enumerate(found)]
    best = max(own, default=(0.0, -1))
    return found[best[1]] if best[0] else None
