"""The console that all commands share: output lines, tables, exit codes, signals and errors in the user's input.

Pass text from the user (a path, a name, a message) through :func:`escape` before adding markup.
"""

import errno
import io
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from itertools import accumulate
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

LOG_WIDTH = 10_000  # columns in a file or pipe, enough for any row of a table


class Exit(IntEnum):
    """Exit codes of ``python -m bench``."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    INCONCLUSIVE = 3
    NOT_TRACKED = 4
    INTERRUPTED = 130
    TERMINATED = 143

    @classmethod
    def of_signal(cls, signum: int) -> "Exit":
        """Exit code of a command that a signal has stopped. A closed terminal counts as SIGTERM."""
        return cls.INTERRUPTED if signum == signal.SIGINT else cls.TERMINATED


@contextmanager
def received_signals(on_first: Callable[[], None] = lambda: None) -> Iterator[list[int]]:
    """Collect the signals that ask for an end, instead of raising exceptions, so that nothing interrupts a shutdown.

    SIGHUP, of a closed terminal, is one of them unless nohup ignores it. ``on_first`` is called at the first signal.
    """
    received: list[int] = []

    def handle(signum: int, _: object) -> None:
        received.append(signum)
        if len(received) == 1:
            on_first()

    hangup = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    before = {signum: signal.signal(signum, handle) for signum in (signal.SIGINT, signal.SIGTERM, *hangup)}
    try:
        yield received
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


class BadInput(Exception):
    """A mistake in the user's input, described in one line."""


def is_watched() -> bool:
    """Whether standard output is a terminal. Only then are there progress bars and lines wrapped to its width."""
    return sys.stdout is not None and sys.stdout.isatty()


console = Console(emoji=False, highlight=False, width=None if is_watched() else LOG_WIDTH)


def say(text: str, *, to_copy: bool = False) -> None:
    """Print a line with markup: in one piece in a log, wrapped between words in a terminal.

    ``to_copy``: a command or an address, which is not wrapped there either. Nor is a path longer than the terminal.
    """
    line = console.render_str(text)
    if to_copy or not line.plain.strip():
        console.print(line, soft_wrap=True)
        return
    words = textwrap.TextWrapper(
        console.width, expand_tabs=False, drop_whitespace=False, break_long_words=False, break_on_hyphens=False
    )
    ends = accumulate(len(part) for part in words.wrap(line.plain))
    for part in line.divide(list(ends)[:-1]):
        part.rstrip()
        if part:  # not the space between two words that each fill a line
            console.print(part, soft_wrap=True)


def say_as_is(text: str) -> None:
    """Print a line of text from elsewhere, without markup."""
    say(escape(text))


def plural(count: int, noun: str) -> str:
    """``1 seed``, ``5 seeds``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def new_table(*columns: str, right: bool = False) -> Table:
    """An empty table without borders that wraps long cells instead of cutting them.

    ``right``: align all columns but the first to the right, for numbers.
    """
    new = Table(box=None, pad_edge=False)
    for index, column in enumerate(columns):
        new.add_column(column, justify="right" if right and index else "left", overflow="fold")
    return new


# ---------------------------------------------------------------- streams that never raise
class _Lenient(io.FileIO):
    """A standard stream that drops output it cannot write, so that the command goes on.

    A closed reader (``| head``) is ignored. Any other failure is reported once on standard error.
    """

    failed = False

    def write(self, data: Any, /) -> int:
        try:
            written = super().write(data)
        except OSError as error:
            if error.errno != errno.EPIPE and not self.failed and sys.stderr is not None and self.fileno() != 2:
                self.failed = True
                print(f"standard output cannot be written, the command goes on: {error.strerror}", file=sys.stderr)
            return memoryview(data).nbytes
        return written


def guard_streams() -> None:
    """Make sure that no later print of this process raises, whatever the encoding and whether or not anybody reads.

    Characters that the encoding lacks become question marks. A stream that was already replaced (by a test) is left
    alone.
    """
    for name, errors in ("stdout", "replace"), ("stderr", "backslashreplace"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream is getattr(sys, f"__{name}__"):
            stream.flush()
            raw = _Lenient(stream.fileno(), "wb", closefd=False)
            buffered = raw if stream.write_through else io.BufferedWriter(raw)
            guarded = io.TextIOWrapper(
                buffered,
                stream.encoding,
                errors,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, guarded)
