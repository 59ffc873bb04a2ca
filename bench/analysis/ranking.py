"""Finished runs of an arm by what they are worth: which seed is the best, which the median."""

from collections.abc import Iterable

from bench.analysis.runs import Run


def ranked(runs: Iterable[Run]) -> list[Run]:
    """The best first; equal ones stay in the order of their seeds."""
    return sorted(runs, key=_worth, reverse=True)


def median_of(best_first: list[Run]) -> Run:
    """The lower median of runs that are ranked. Raises IndexError where there is none."""
    return best_first[len(best_first) // 2]


def _worth(run: Run) -> tuple[float, float]:
    """What ranks a run: few errors on the training digits, which no held-out image chooses; then information."""
    frozen = (run.result and run.result.mi_frozen_nats) or {}
    information_nats = run.summary.get("mi_frozen_nats", sum(frozen.values()))
    return -run.summary.get("digit_error_train", 1.0), information_nats
