"""Damage to files, from a seed: to bytes like a bad disk, to text like a careless or hostile editor."""

import random
import re
import struct
from collections.abc import Callable

EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
NUMBERS = ("0", "-1", "1e400", "nan", "-inf", "1e-400", "9" * 25, "9" * 5000, "0x10", "1_000", "true", "'1'", "[]", "")
TEXTS = (
    "\x00",
    "\x1b[2J",
    "\u202e",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "../../../etc",
    "\r",
    "\n",
    '"',
    "'''",
)
BRACKETS = ("[" * 3000, "{" * 500, "a." * 3000 + "b = 1\n", "[[", "]]", "=", "#", ",")  # fmt: skip


def _place(raw: bytearray, rng: random.Random) -> int:
    """A place anywhere, but half of the time in the first 200 bytes, since headers matter most."""
    return rng.randrange(min(len(raw), 200) if rng.random() < 0.5 else len(raw))


def _flip(raw: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8, 32))):
        raw[_place(raw, rng)] ^= 1 << rng.randrange(8)


def _truncate(raw: bytearray, rng: random.Random) -> None:
    del raw[_place(raw, rng) :]


def _extreme(raw: bytearray, rng: random.Random) -> None:
    """Make a number of a header huge, in either byte order."""
    width = rng.choice((1, 2, 4, 8))
    value = rng.choice(EXTREMES) & ((1 << 8 * width) - 1)
    at = _place(raw, rng)
    raw[at : at + width] = value.to_bytes(width, rng.choice(("little", "big")))


def _remove(raw: bytearray, rng: random.Random) -> None:
    at = _place(raw, rng)
    del raw[at : at + rng.randrange(1, 64)]


def _repeat(raw: bytearray, rng: random.Random) -> None:
    at = _place(raw, rng)
    raw[at:at] = raw[at : at + rng.randrange(1, 256)] * rng.choice((1, 3))


def _swap(raw: bytearray, rng: random.Random) -> None:
    size = rng.randrange(1, max(2, len(raw) // 4))
    a, b = (rng.randrange(max(1, len(raw) - size)) for _ in range(2))
    raw[a : a + size], raw[b : b + size] = raw[b : b + size], raw[a : a + size]


def _noise(raw: bytearray, rng: random.Random) -> None:
    at = _place(raw, rng)
    raw[at : at + rng.randrange(1, 64)] = rng.randbytes(rng.randrange(1, 64))


def _double(raw: bytearray, rng: random.Random) -> None:
    """Replace a float by NaN, infinity or a huge number."""
    at = _place(raw, rng)
    raw[at : at + 8] = struct.pack("<d", rng.choice((float("nan"), float("inf"), -1e308)))


BYTE_DAMAGE: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(_flip, _flip, _truncate, _extreme, _extreme),
    *(_remove, _repeat, _swap, _noise, _double),
)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Apply one to three kinds of damage; sometimes nothing is left."""
    if rng.random() < 0.01:
        return b""
    raw = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if raw:
            rng.choice(BYTE_DAMAGE)(raw, rng)
    return bytes(raw)


def rewritten(text: str, rng: random.Random) -> bytes:
    """Drop, double or exchange lines; replace numbers and words; insert control characters and brackets."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        kind = rng.randrange(8)
        if kind == 0:
            del lines[at : at + rng.choice((1, 1, 2, 10))]
        elif kind == 1:
            lines.insert(rng.randrange(len(lines)), lines[at])
        elif kind == 2:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        if kind <= 2:
            text = "\n".join(lines)
        elif kind <= 4:
            text = _replaced(text, r"-?\d+(\.\d+)?(e-?\d+)?", rng.choice(NUMBERS), rng)
        elif kind == 5:
            words = re.findall(r"[A-Za-z][\w-]+", text) or [""]
            text = _replaced(text, r"[A-Za-z][\w-]+", rng.choice(words), rng)
        else:
            cut = rng.randrange(len(text) + 1)
            text = text[:cut] + rng.choice(TEXTS + BRACKETS) + text[cut:]
    content = text.encode("utf-8", "surrogatepass")
    return damaged(content, rng) if content and rng.random() < 0.15 else content


def _replaced(text: str, pattern: str, by: str, rng: random.Random) -> str:
    found = list(re.finditer(pattern, text))
    if not found:
        return text
    match = rng.choice(found)
    return text[: match.start()] + by + text[match.end() :]


def changed_json(value: object, rng: random.Random) -> object:
    """Change one value somewhere inside, remove a key or lengthen a list: the record is well formed, but wrong."""
    others = (None, True, -1, 0, 1e308, "x", "../../up", "\x1b[31m", [], {}, [None], {"a": None}, 10**30)
    if rng.random() < 0.15 or not isinstance(value, dict | list) or not value:
        return rng.choice(others)
    if isinstance(value, list):
        copy = list(value)
        at = rng.randrange(len(copy))
        if rng.random() < 0.2:
            del copy[at]
        else:
            copy[at] = changed_json(copy[at], rng)
        return copy
    table = dict(value)
    key = rng.choice(list(table))
    if rng.random() < 0.2:
        del table[key]
    else:
        table[key] = changed_json(table[key], rng)
    return table
