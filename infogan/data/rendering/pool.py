"""Render in several processes. Neither their number nor the death of one changes a byte."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

MIN_PARALLEL = 100  # fewer images are not worth starting processes

Result = TypeVar("Result")


def results(
    function: Callable[..., Result], tasks: Mapping[int, tuple[Any, ...]], num_images: int, num_processes: int
) -> Generator[tuple[int, Result], None, None]:
    """Yield ``function``'s result for each task as it completes, in parallel where that is possible and worth it.

    ``num_images`` is the total number of images in all tasks. Tasks that a dead process left undone run in this
    process.
    """
    remaining = dict(tasks)
    is_daemon = multiprocessing.current_process().daemon  # daemons may not have children
    if min(num_processes, len(tasks)) > 1 and num_images >= MIN_PARALLEL and not is_daemon:
        yield from _in_parallel(function, remaining, num_processes)
    for k, arguments in remaining.items():
        yield k, function(*arguments)


def _in_parallel(
    function: Callable[..., Result], tasks: dict[int, tuple[Any, ...]], num_processes: int
) -> Generator[tuple[int, Result], None, None]:
    """Run tasks in processes and remove finished ones from ``tasks``; some remain if a process dies or cannot start."""
    context = multiprocessing.get_context("spawn")  # safe with torch's threads, and the same on every system
    pool = ProcessPoolExecutor(min(num_processes, len(tasks)), context, initializer=_start_worker)
    try:
        futures = {pool.submit(function, *arguments): k for k, arguments in tasks.items()}
        for future in as_completed(futures):
            result = future.result()
            del tasks[futures[future]]
            yield futures[future], result
    except BrokenProcessPool:
        pass
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """End a worker at once and silently on Ctrl-C, and when its parent ends for any reason."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()
