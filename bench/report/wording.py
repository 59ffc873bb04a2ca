"""Numbers and words as a reader sees them: what is infinite or absent gets a word, paths of this machine are cut."""

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from bench.spec import vocabulary
from infogan.data.base import one_line

ABSENT = "\u2013"  # a dash
NOT_REACHED = "not reached"
NOTHING = "nothing"  # of the worst of all values
WORDS = (ABSENT, NOT_REACHED, NOTHING)  # that stand for a number


def measured(measure: str, value: float | None) -> str:
    """A measure's value; an infinite one was not reached within the budget."""
    return number(value, vocabulary.measure(measure).decimals)


def number(value: float | Decimal | None, decimals: int = 3, infinite: str = NOT_REACHED) -> str:
    """Fixed decimals and thousands separators; a word for what is infinite, a dash for what is not there.

    The worst of all values is that of a run which shows nothing of what is asked.
    """
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return infinite if value > 0 else NOTHING
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if not float(text.replace(",", "")) else text  # no "-0.000"


def percent(share: float, decimals: int = 0) -> str:
    """``36.8``: a share in per cent, rounded as :func:`number` rounds the share; 100 times a float is another float."""
    return number(100 * Decimal(share), decimals)


def with_interval(measure: str, value: float | None, low: float | None, high: float | None) -> str:
    """``21.3 [20.9, 22.0]``; one word where both ends and the value are the same word."""
    parts = [measured(measure, v) for v in (value, low, high)]
    return parts[0] if len(set(parts)) == 1 and parts[0] in WORDS else f"{parts[0]} [{parts[1]}, {parts[2]}]"


def unbroken(text: Any) -> Any:
    """A text whose signs stay in one line with their numbers, ``≥ 5.5 %``; anything else, and markup, as it is."""
    is_plain = isinstance(text, str) and not hasattr(text, "__html__")
    return re.sub(r"(?<=[≥≤]) (?=\d)|(?<=\d) (?=%)", "\u00a0", text) if is_plain else text


def listed(words: Iterable[str]) -> str:
    """``a, b and c``."""
    items = list(words)
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


_ABSOLUTE_PATH = re.compile(r"(?<![\w./:~])(?:~|[A-Za-z]:)?(?:[/\\][\w.@%+=-]+){2,}[/\\]?")


def scrubbed(text: Any, limit: int = 300) -> str:
    """One line of a message, absolute paths cut to their last part: a report may be published."""
    line = one_line(" ".join(str(text).split()))
    line = _ABSOLUTE_PATH.sub(lambda m: "…/" + re.split(r"[/\\]", m.group().rstrip("/\\"))[-1], line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def file_part(text: str) -> str:
    """A recorded name as part of a file's name: no separators, no dots."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-")[:80] or "unnamed"


def markdown_value(value: Any) -> Any:
    """A value in Markdown text or a table cell: shown as it is, never read as markup."""
    if hasattr(value, "__html__"):  # already safe: markupsafe's protocol
        return value
    text = " ".join(str(value).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`|\[\]*])", r"\\\1", text)
