"""Communication between workers and launcher on a Ray cluster: events in one direction, a stop request in the other."""

import threading
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Any

from bench.environment import node_name
from bench.records.tasks import EventValues

EXCHANGE_EVERY_S = 0.5  # between calls of a worker to the launcher's node


@dataclass(frozen=True)
class Event:
    key: str  # the cell's key
    attempt: str  # unique for each start of a task
    kind: str
    values: EventValues


class Hub:
    """An actor on the launcher's node that exchanges events and stop requests."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.stop = False

    def exchange(self, events: list[Event]) -> bool:
        """Called by workers: deliver events, return whether to stop."""
        self.events += events
        return self.stop

    def drain(self, stop: bool) -> list[Event]:
        """Called by the launcher: set whether to stop, return the new events."""
        self.stop = stop
        events, self.events = self.events, []
        return events


class Line:
    """A worker's connection to the hub, served by a thread, so that training never waits for the network."""

    def __init__(self, hub: Any, key: str) -> None:
        self._hub, self._key, self._attempt = hub, key, uuid.uuid4().hex
        self._waiting: deque[Event] = deque()
        self._stop = self._broken = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="events", daemon=True)

    def __enter__(self) -> "Line":
        self.send("started", {"node": node_name()})
        self._exchange()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()
        self._exchange()

    def send(self, kind: str, values: EventValues) -> None:
        """Queue an event. Raises ConnectionError if the launcher is gone."""
        if self._broken:
            raise ConnectionError("the launcher has gone")
        self._waiting.append(Event(self._key, self._attempt, kind, values))

    def told_to_stop(self) -> bool:
        return self._stop

    def _exchange(self) -> None:
        import ray

        events = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            self._stop = ray.get(self._hub.exchange.remote(events)) or self._stop
        except ray.exceptions.RayError:
            self._broken = True

    def _serve(self) -> None:
        while not (self._broken or self._closed.wait(EXCHANGE_EVERY_S)):
            self._exchange()
