"""The interface of executors: run tasks, report events, handle requests to stop, and return each cell's outcome."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bench.records.tasks import CellTask, EventValues

OnEvent = Callable[[CellTask, str, EventValues], None]


class ExecutorError(Exception):
    """The executor cannot be used; the message is one line for the user."""


@dataclass
class StopRequest:
    """A request to stop, set by a signal handler and read by the executor's loop."""

    signals: list[int] = field(default_factory=list)

    @property
    def requested(self) -> bool:
        return bool(self.signals)

    @property
    def urgent(self) -> bool:
        """Whether there was a second signal: do not wait for checkpoints."""
        return len(self.signals) > 1


class Executor(Protocol):
    """Runs cells somewhere."""

    @property
    def jobs(self) -> int:
        """Number of cells that run at a time."""

    def run(
        self, tasks: list[CellTask], on_event: OnEvent, stop: StopRequest, tick: Callable[[], None] = lambda: None
    ) -> dict[str, str]:
        """Run the tasks; return the outcome by cell key: ``done``, ``failed`` or ``stopped``; absent if not started.

        Events of a cell: ``started``, again if its worker died and another took over; then those that the cell reports;
        then its outcome with a ``message``. ``tick`` is called a few times per second.
        """
