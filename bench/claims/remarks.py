"""Remarks: what a person saw in results and the numbers do not say. They change no verdict and stand beside it.

``remarks.toml`` in a results folder, or in a reference::

    [chairs-cpu.F4a]                                            # experiment and profile (of the cost: "cost"), claim
    "rotation-authors/infogan" = "its best run hardly draws chairs" # variant and arm
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from bench.claims.result import ClaimResult
from infogan.data.base import one_line

FILE = "remarks.toml"
MAX_BYTES = 100_000
Remarks = Mapping[tuple[str, str, str], str]  # by sweep, claim and group


def read_remarks(results: Path) -> Remarks:
    """The remarks of a folder; none where it has no such file. Raises ValueError with one line for a malformed one."""
    path = results / FILE
    if not path.is_file():
        return {}
    try:
        content = path.read_bytes()
        if len(content) > MAX_BYTES:
            raise ValueError(f"{len(content):,} bytes, {MAX_BYTES:,} are allowed")
        return dict(_entries(tomllib.loads(content.decode())))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(one_line(f"{path}: {error}")) from error


def _entries(tables: object) -> Iterable[tuple[tuple[str, str, str], str]]:
    for keys, text in _leaves(tables):
        if len(keys) != 3 or not isinstance(text, str):
            raise ValueError(f'{".".join(keys)} = {text!r}: expected [EXPERIMENT-PROFILE.CLAIM] and ARM = "remark"')
        yield (keys[0], keys[1], keys[2]), one_line(" ".join(text.split()))


def _leaves(value: object, keys: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*keys, key))
    else:
        yield keys, value


def with_remarks(results: Iterable[ClaimResult], remarks: Remarks) -> list[ClaimResult]:
    """Each result with its remark, if it has one."""
    return [replace(result, remark=remarks.get(_key(result), "")) for result in results]


def unused(remarks: Remarks, results: Iterable[ClaimResult]) -> list[str]:
    """A line for each remark on a verdict that there is not."""
    known = {_key(result) for result in results}
    return [
        f"{FILE} remarks on {claim} of {group} in {sweep}, which has no such verdict"
        for sweep, claim, group in remarks
        if (sweep, claim, group) not in known
    ]


def _key(result: ClaimResult) -> tuple[str, str, str]:
    return "-".join(filter(None, (result.experiment, result.profile))), result.id, result.group
