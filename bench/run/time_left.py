"""How far a sweep has come and how long it will still take: training by its pace, measures by what they took."""

import statistics
import time
from collections.abc import Mapping

from bench.records.schedule import makespan_s
from bench.records.tasks import CellTask, EventValues
from bench.run.work import Work

NOMINAL_S = 60.0  # seconds for which the estimated pace counts beside the measured one


def duration(seconds: float) -> str:
    """Seconds in words, such as "3 min 20 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class TimeLeft:
    """Overall progress in expected seconds of work (training, then measures), so that cells count by their size.

    The pace is measured at events that show progress, and pulled towards the estimate's as if ``NOMINAL_S`` seconds had
    gone as estimated: the start of a cell says little about its training. While a family is measured no event comes;
    its seconds are then counted down, and waiting longer than expected changes nothing. A family takes what it took in
    this sweep. Before one has ended, it takes what was expected, or longer where all work does: fast training makes no
    measure faster.
    """

    def __init__(self, tasks: list[CellTask], works: Mapping[str, Work], jobs: int) -> None:
        self.work = {task.cell.key: works[task.cell.key] for task in tasks}
        self.jobs = max(1, min(jobs, len(self.work)))  # cells at a time
        self.resumed = {key: work.reached * work.train_s for key, work in self.work.items()}
        self.reached = dict(self.resumed)
        self.skipped = dict.fromkeys(self.work, 0.0)  # work that a failed or diverged cell leaves undone
        self.begun: dict[str, list[str]] = {key: [] for key in self.work}  # families; the last one is being measured
        self.measured_since: dict[str, float] = {}  # start of the family that a cell measures now
        self.took_s: dict[str, list[float]] = {}  # by family, in this sweep
        self.running: set[str] = set()
        self.ended: set[str] = set()
        self.finished = 0
        self.failed = 0
        self.started = time.monotonic()
        self.pace = 1 / self.jobs  # seconds per expected second of work

    def update(self, task: CellTask, kind: str, values: EventValues) -> None:
        key, now = task.cell.key, time.monotonic()
        work = self.work[key]
        if kind == "started":  # on a cluster, a cell can start again from its checkpoint
            self.reached[key], self.begun[key] = self.resumed[key], []
            self.running.add(key)
            self.ended.discard(key)
        if kind in ("progress", "resumed"):
            self.reached[key] = work.train_s * values.get("iteration", 0) / task.cell.iterations
        if kind == "resumed":
            self.resumed[key] = self.reached[key]
        if kind in ("evaluating", "done") and key in self.measured_since:
            self.took_s.setdefault(self.begun[key][-1], []).append(now - self.measured_since[key])
        if kind == "evaluating":
            measured = sum(work.measures_s.get(family, 0.0) for family in self.begun[key])
            self.reached[key] = work.train_s + measured + (work.outside_s if "family" in values else 0.0)
            self.begun[key] += [values["family"]] if "family" in values else []
        if kind in ("done", "failed"):
            if kind == "failed" or self.reached[key] < work.train_s:
                self.skipped[key] = work.total_s - self.reached[key]
            self.reached[key] = work.total_s
            self.ended.add(key)
            self.finished += kind == "done"
            self.failed += kind == "failed"
        if kind in ("done", "failed", "stopped"):
            self.running.discard(key)
        if kind in ("started", "evaluating", "done", "failed", "stopped"):
            self.measured_since.pop(key, None)
        if kind == "evaluating" and "family" in values:
            self.measured_since[key] = now
        if kind in ("progress", "evaluating", "done", "failed"):
            done = sum(self._reached(each, now) - self.resumed[each] - self.skipped[each] for each in self.work)
            self.pace = (now - self.started + NOMINAL_S) / (max(done, 0.0) + NOMINAL_S * self.jobs)

    def _family_s(self, key: str, family: str) -> float:
        """Seconds that a cell's family takes."""
        if family in self.took_s:
            return statistics.median(self.took_s[family])
        return max(1.0, self.pace * self.jobs) * self.work[key].measures_s.get(family, 0.0)

    def _waited(self, key: str, now: float) -> float:
        """Share of the family that a cell measures now which is done; 1 where it takes longer than expected."""
        seconds = self._family_s(key, self.begun[key][-1])
        return min(1.0, (now - self.measured_since[key]) / seconds) if seconds else 1.0

    def _reached(self, key: str, now: float) -> float:
        """Expected seconds of a cell that are done, with its share of the family that is being measured."""
        if key not in self.measured_since:
            return self.reached[key]
        return self.reached[key] + self._waited(key, now) * self.work[key].measures_s.get(self.begun[key][-1], 0.0)

    @property
    def share(self) -> float:
        total = sum(work.total_s for work in self.work.values())
        return sum(self.reached.values()) / total if total else 1.0

    def _left_s(self, key: str) -> float:
        """Seconds that a cell still needs."""
        if key in self.ended:
            return 0.0
        work, now = self.work[key], time.monotonic()
        training_s = self.pace * self.jobs * max(0.0, work.train_s + work.outside_s - self.reached[key])
        measures_s = sum(self._family_s(key, family) for family in work.measures_s if family not in self.begun[key])
        if key in self.measured_since:
            measures_s += (1 - self._waited(key, now)) * self._family_s(key, self.begun[key][-1])
        return training_s + measures_s

    def eta_s(self) -> float:
        """Seconds left: cells that run go on in their slots, the others follow in order. An odd last one runs alone."""
        order = sorted(self.work, key=lambda key: key not in self.running)
        return makespan_s(map(self._left_s, order), self.jobs)

    def words(self, key: str = "") -> str:
        """The time left, of all cells or of one; that a measure takes longer than expected, rather than no time."""
        seconds = self._left_s(key) if key else self.eta_s()
        if self.measured_since and round(seconds) == 0:
            return "still measuring, longer than expected"
        return f"about {duration(seconds)} left"

    def line(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.finished}/{len(self.work)} cells{failed}, {self.share:.0%}, {self.words()}"
