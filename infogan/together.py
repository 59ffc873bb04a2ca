"""Several trainers in one process, such as the seeds of an arm: each to the bits that it would have alone.

On a GPU each has a stream and a graph of its own, so that small kernels of one fill what another leaves free. Nothing
is shared but the images, if the caller hands the same tensor to all of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch

from infogan.training import NonFiniteLoss, Progress, Trainer


class Together:
    """Takes turns with ``trainers``, an iteration of each at a time.

    One whose loss stops being a number leaves the others alone: its error is in ``failures``, by its place.
    """

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        self.trainers = list(trainers)
        self.failures: dict[int, NonFiniteLoss] = {}
        self._streams = [torch.cuda.Stream() if t.config.device == "cuda" else None for t in self.trainers]
        for stream in self._streams:
            if stream is not None:  # what the constructors copied to the device is there before anybody reads it
                stream.wait_stream(torch.cuda.current_stream())

    @property
    def running(self) -> list[int]:
        """Places of the trainers that have iterations left."""
        return [k for k, trainer in enumerate(self.trainers) if not trainer.done and k not in self.failures]

    def run(self, log_every: int = 25, also_at: Sequence[int] = ()) -> Iterator[dict[int, Progress]]:
        """Train all to their ends. Yields by place the progress of those that were read, whenever any is due.

        The host waits only there. Trainers may stand at different iterations, as after a resumption.
        """
        stops = sorted(set(also_at))
        while running := self.running:
            due = {k: self.trainers[k].until_read(log_every, stops) for k in running}
            stretch = min(due.values())
            for _ in range(stretch):
                for k in running:
                    with self._on_own_stream(k):
                        self.trainers[k].enqueue(1)
            yield self._read([k for k in running if due[k] == stretch])

    def _read(self, places: list[int]) -> dict[int, Progress]:
        found: dict[int, Progress] = {}
        for k in places:
            try:
                with self._on_own_stream(k):
                    found[k] = self.trainers[k].read()
            except NonFiniteLoss as error:
                self.failures[k] = error
        return found

    def _on_own_stream(self, place: int) -> AbstractContextManager[object]:
        stream = self._streams[place]
        return nullcontext() if stream is None else torch.cuda.stream(stream)
