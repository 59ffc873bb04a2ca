"""Remarks: what a person saw in results and the numbers do not say. They change no verdict and stand beside it.

``remarks.toml`` in a results folder, or in a reference::

    [chairs-cpu.F4a]                                            # experiment and profile (of the cost: "cost"), claim
    "rotation-authors/infogan" = "its best run hardly draws chairs" # variant and arm
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, RootModel, ValidationError

from bench.claims.result import ClaimResult
from bench.spec.mistakes import explain
from bench.spec.reading import Source, SpecError, tables_of
from bench.spec.schema import suggest
from infogan.data.base import one_line

FILE = "remarks.toml"
MAX_BYTES = 100_000
PARTS = "sweep", "claim", "arm"  # of a remark's place
Remarks = Mapping[tuple[str, str, str], str]  # by sweep, claim and group

_Remark = Annotated[str, AfterValidator(lambda text: one_line(" ".join(text.split())))]


class _File(RootModel[dict[str, dict[str, dict[str, _Remark]]]]):
    model_config = ConfigDict(frozen=True, strict=True, defer_build=True)


def read_remarks(results: Path) -> Remarks:
    """The remarks of a folder; none where it has no such file. Raises ValueError with one line for a malformed one."""
    path = results / FILE
    if not path.is_file():
        return {}
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(one_line(f"{path}: {size:,} bytes, {MAX_BYTES:,} are allowed"))
    try:
        tables = tables_of(path)
        sweeps = _File.model_validate(tables).root
    except SpecError as error:
        raise ValueError(str(error)) from error
    except ValidationError as error:
        told = explain(Source(path, tables), _File, error)
        raise ValueError(f'{told}; expected [EXPERIMENT-PROFILE.CLAIM] and ARM = "remark"') from error
    return {
        (sweep, claim, group): text
        for sweep, claims in sweeps.items()
        for claim, groups in claims.items()
        for group, text in groups.items()
    }


def as_toml(remarks: Remarks) -> bytes:
    """The file that reads back as these remarks, one in a line."""
    entries = ([json.dumps(part, ensure_ascii=False) for part in (*place, text)] for place, text in remarks.items())
    return "".join(f"{'.'.join(place)} = {text}\n" for *place, text in entries).encode()


def with_remarks(results: Iterable[ClaimResult], remarks: Remarks) -> list[ClaimResult]:
    """Each result with its remark, if it has one."""
    return [replace(result, remark=remarks.get(_key(result), "")) for result in results]


def unused(remarks: Remarks, results: Iterable[ClaimResult]) -> list[str]:
    """A line for each remark on a verdict that there is not: which part of its place is unknown, and the choices."""
    known = {_key(result) for result in results}
    return [f"{FILE}: {_unknown(key, known)}" for key in remarks if key not in known]


def _unknown(key: tuple[str, str, str], known: set[tuple[str, str, str]]) -> str:
    place = f"[{key[0]}.{key[1]}] {key[2]}"
    if not known:
        return f"{place}: there are no verdicts here"
    part = max(part for part in range(3) if any(other[:part] == key[:part] for other in known))
    choices = sorted({other[part] for other in known if other[:part] == key[:part]})
    return f"{place}: no verdict of {PARTS[part]} {key[part]!r}{suggest(key[part], choices)}"


def _key(result: ClaimResult) -> tuple[str, str, str]:
    return "-".join(filter(None, (result.experiment, result.profile))), result.id, result.group
