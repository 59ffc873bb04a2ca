"""What every command says and how it ends: the console, one line of it, exit codes, a user's mistake.

Text of a user (a path, a name, a message) goes through :func:`escape` before it stands beside markup of ours.
"""

import errno
import io
import sys
import textwrap
from enum import IntEnum
from itertools import accumulate
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = ["BadInput", "Exit", "console", "escape", "guard_streams", "is_watched", "new_table", "say"]

LOG_WIDTH = 10_000  # columns of a file or pipe: wide enough for every row of a table


class Exit(IntEnum):
    """Exit codes promised by ``python -m bench``."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    INCONCLUSIVE = 3
    NOT_TRACKED = 4
    INTERRUPTED = 130
    TERMINATED = 143


class BadInput(Exception):
    """The user's mistake, in one line."""


def is_watched() -> bool:
    """Whether somebody watches standard output: only then are there bars, and lines as wide as the window."""
    return sys.stdout is not None and sys.stdout.isatty()


console = Console(emoji=False, highlight=False, width=None if is_watched() else LOG_WIDTH)


def say(text: str, *, to_copy: bool = False) -> None:
    """One line with markup: whole in a log, broken between words in a window.

    ``to_copy``: a command or an address, which stays whole there too. So does a path longer than the window.
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
        console.print(part, soft_wrap=True)


def new_table(*columns: str, right: bool = False) -> Table:
    """An empty table without lines, in which no name is ever cut: long ones wrap.

    Columns after the first are aligned to the ``right`` where they hold numbers.
    """
    new = Table(box=None, pad_edge=False)
    for index, column in enumerate(columns):
        new.add_column(column, justify="right" if right and index else "left", overflow="fold")
    return new


# ---------------------------------------------------------------- streams that never raise
class _Lenient(io.FileIO):
    """A standard stream that may break: what is said then is lost, and nothing else changes.

    A reader that has left (``| head``) is no news. Any other failure is told on standard error, once.
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
    """From here on, no print of this process raises, whatever the console's encoding and whoever has left.

    A character that the encoding lacks becomes a question mark. A stream that was replaced before (by a test) stays.
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
