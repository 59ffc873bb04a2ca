"""What every executor is: it takes tasks, reports events, heeds a request to stop and tells how each cell ended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bench.records.tasks import CellTask, EventValues

OnEvent = Callable[[CellTask, str, EventValues], None]


class ExecutorError(Exception):
    """The executor cannot be used; the message is one line for the user."""


@dataclass
class StopRequest:
    """Set by a signal handler, read by the executor's loop."""

    signals: list[int] = field(default_factory=list)

    @property
    def requested(self) -> bool:
        return bool(self.signals)

    @property
    def urgent(self) -> bool:
        """A second signal: do not wait for checkpoints."""
        return len(self.signals) > 1


class Executor(Protocol):
    """Where cells run."""

    @property
    def jobs(self) -> int:
        """How many cells run at a time."""

    def run(
        self, tasks: list[CellTask], on_event: OnEvent, stop: StopRequest, tick: Callable[[], None] = lambda: None
    ) -> dict[str, str]:
        """Outcome by cell key: ``done``, ``failed``, ``stopped``, or absent for a cell that was not started.

        Of a cell come ``started``, more than once where its worker died and another went on, then whatever the cell
        reports, then one outcome with a ``message``. ``tick`` is called a few times a second.
        """
