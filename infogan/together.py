"""Several trainings in one process, such as the seeds of an arm: each to the bits that it would have alone.

They take turns at an iteration each. On a GPU each has a stream and a graph of its own, so that small kernels of one
fill what another leaves free. Nothing is shared but the images, if the caller hands the same tensor to all of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import torch

from infogan.training import Progress, Trainer


def iterations(trainer: Trainer, log_every: int = 25, also_at: Sequence[int] = ()) -> Iterator[Progress | None]:
    """As ``Trainer.run``, with None after each iteration that the device was given: then others may have their turn.

    Raises NonFiniteLoss with the first bad iteration.
    """
    stops = sorted(set(also_at))
    while not trainer.done:
        for _ in range(trainer.until_read(log_every, stops)):
            trainer.enqueue(1)
            yield None
        yield trainer.read()


def take_turns(parts: Sequence[Iterator[object]], device: str) -> Iterator[int]:
    """Go on with each of ``parts`` to its next pause, then with each again, until all have ended.

    Yields after each round how many are left. What one raises ends all: a part that may fail alone catches it itself.
    """
    on_gpu = device == "cuda" and len(parts) > 1
    streams = [torch.cuda.Stream() if on_gpu else None for _ in parts]
    for stream in streams:
        if stream is not None:  # what was copied to the device before is there before anybody reads it
            stream.wait_stream(torch.cuda.current_stream())
    running = list(zip(parts, streams, strict=True))
    ended = object()
    while running:
        for pair in list(running):
            part, stream = pair
            with torch.cuda.stream(stream) if stream is not None else nullcontext():
                if next(part, ended) is ended:
                    running.remove(pair)
        yield len(running)
