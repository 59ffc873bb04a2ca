"""Several trainings in one process, such as the seeds of an arm. On a CPU each gets the bits that it has alone.

They take turns, one iteration each. On a GPU each has its own stream and graph, so that small kernels of one run beside
those of another. They share nothing but the images, if the caller passes the same tensor to all of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from infogan.training import Progress, Trainer


def iterations(trainer: Trainer, log_every: int = 25, also_at: Sequence[int] = ()) -> Iterator[Progress | None]:
    """Like ``Trainer.run``, but also yields None after each launched iteration, so that others can have their turn.

    Raises NonFiniteLoss with the first bad iteration.
    """
    stops = sorted(set(also_at))
    while not trainer.done:
        for _ in range(trainer.until_read(log_every, stops)):
            trainer.enqueue(1)
            yield None
        yield trainer.read()


def take_turns(parts: Sequence[Iterator[object]], device: str) -> Iterator[int]:
    """Advance each of ``parts`` to its next yield, round after round, until all have ended.

    Yields the number of parts left after each round. An exception of one ends all: a part that may fail must catch it.
    """
    on_gpu = device == "cuda" and len(parts) > 1
    streams = [torch.cuda.Stream() if on_gpu else None for _ in parts]
    for stream in streams:
        if stream is not None:  # earlier copies to the device finish before any part reads them
            stream.wait_stream(torch.cuda.current_stream())
    running = list(zip(parts, streams, strict=True))
    ended = object()
    while running:
        for pair in list(running):
            part, stream = pair
            with _on(stream):
                if next(part, ended) is ended:
                    running.remove(pair)
        yield len(running)


@contextmanager
def _on(stream: torch.cuda.Stream | None) -> Iterator[None]:
    """Context in which a part runs on its own stream, if it has one, and captures its graph there.

    By default all graphs of a process are captured on one stream. cuBLAS has a workspace for each stream, so they would
    write to the same one side by side, and the end of one graph would free it for all (pytorch/pytorch#193402). Set
    here and not where a graph is captured, since that file decides the keys of all cells.
    """
    if stream is None:
        yield
        return
    graph = torch.cuda.graph
    before, graph.default_capture_stream = graph.default_capture_stream, stream
    try:
        with torch.cuda.stream(stream):
            yield
    finally:
        graph.default_capture_stream = before
