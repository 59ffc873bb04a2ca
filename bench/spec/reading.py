"""Read files of experiments as plain tables, resolve what a file extends, and record the file of each field.

A file that extends another adds to it and changes nothing in it, so all cells of the other keep their keys and
verdicts. It can add arms, experiments, variants and profiles by name, and entries to the lists in ``ADDED``.
"""

import os
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.environment import ROOT
from infogan.data.base import decoded, one_line

BUILTIN = (ROOT / "bench" / "experiments.toml").resolve()  # a link in a checkout, a file when installed
EXTENDS = "extends"
ADDED = ("arms", "measures", "claims")  # lists of an experiment, variant or profile that may be extended
# tables whose keys are names chosen by the user
BY_NAME = ("arms", "networks", "experiments", "variants", "profiles", "group_seeds")
NEW = ("profiles", "group_seeds", "claims")  # may be added where absent; first variants would change the existing cells
MAX_FILES = 10  # in a chain, each extending the next

Location = tuple[str, ...]


class SpecError(Exception):
    """experiments.toml, or a selection from it, is invalid; the message is one line for the user."""


@dataclass
class Source:
    """A file merged with everything that it extends."""

    path: Path | str  # of the file, or the name of an option
    tables: dict[str, Any]
    origins: dict[Location, str] = field(default_factory=dict)  # path of the file in which a table or field stands

    def origin(self, locations: Iterable[Sequence[Any]]) -> str:
        """File of the first of these locations that is stated; else that of the innermost table around the last one."""
        location: Location = ()
        for named in locations:
            location = tuple(str(part) for part in named)
            if location in self.origins:
                return self.origins[location]
        while location and location not in self.origins:
            location = location[:-1]
        return self.origins.get(location, str(self.path))


def read(path: Path) -> Source:
    """Read a file and what it extends. Raises SpecError."""
    return _read(path, ())


def _read(path: Path, above: tuple[Path, ...]) -> Source:
    own = tables_of(path)
    _anchor(own, path.parent)
    base_name = own.pop(EXTENDS, None)
    if base_name is None:
        source = Source(path, own)
        _note(source, (), own, path)
        return source
    if not isinstance(base_name, str) or "\0" in base_name:  # no path has a NUL
        raise SpecError(one_line(f'{path}: {EXTENDS} = {base_name!r}: expected "builtin" or the path of a file'))
    base_path = BUILTIN if base_name == "builtin" else path.parent / base_name
    chain = (*above, path.resolve())
    if base_path.resolve() in chain or len(chain) > MAX_FILES:
        raise SpecError(
            one_line(f"{path}: {EXTENDS} = {base_name!r}: circular extends, or a chain of more than {MAX_FILES} files")
        )
    try:
        source = _read(base_path, chain)
    except SpecError as error:
        if base_path.is_file():  # an error in that file, which the message names
            raise
        raise SpecError(one_line(f"{path}: {EXTENDS} = {base_name!r}: {error}")) from error
    source.path = path
    _add(source, (), source.tables, own, path)
    return source


def tables_of(path: Path) -> dict[str, Any]:
    """A TOML file as it stands. Raises SpecError."""
    try:
        if path.exists() and not path.is_file():  # reading a pipe would block, a device has no end
            raise SpecError(f"{path}: not a file")
        return tomllib.loads(decoded(path.read_bytes()).replace("\r\n", "\n"))
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, UnicodeDecodeError, or a number of 5,000 digits
        raise SpecError(one_line(f"{path}: not valid TOML: {error}")) from error


def entries(table: dict[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
    """The named tables inside ``table[name]``. What is not a table is left out here, and refused when it is checked."""
    found = table.get(name)
    return [(k, v) for k, v in found.items() if isinstance(v, dict)] if isinstance(found, dict) else []


def _anchor(tables: dict[str, Any], folder: Path) -> None:
    """Resolve image folders relative to the file that names them."""
    for _, table in entries(tables, "experiments"):
        data = table.get("data")
        if isinstance(data, dict) and isinstance(data.get("folder"), str):
            data["folder"] = str(folder.absolute() / os.path.expanduser(data["folder"]))


def _note(source: Source, location: Location, value: Any, path: Path) -> None:
    """Record the file of a value and of everything inside it."""
    todo = [(location, value)]
    while todo:
        at, found = todo.pop()
        source.origins[at] = str(path)
        inner = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
        todo += [((*at, str(name)), item) for name, item in inner]


def _add(source: Source, location: Location, base: dict[str, Any], own: dict[str, Any], path: Path) -> None:
    """Add a file's table to that of the same name in the file it extends. Raises SpecError for a change."""
    takes_names = len(location) % 2 == 1  # true for "experiments" and "variants", not for an experiment or a variant
    for name, value in own.items():
        at = (*location, name)
        known = base.get(name)
        if name in base and known == value:
            continue
        if isinstance(value, dict) and isinstance(known, dict) and (takes_names or name in BY_NAME):
            _add(source, at, known, value, path)
        elif name not in base and (takes_names or not location or name in NEW):
            base[name] = value
            _note(source, at, value, path)
        elif not takes_names and name in ADDED and isinstance(known, list) and isinstance(value, list):
            _lengthen(source, at, known, value, path)
        else:
            raise SpecError(_clash(source, at, known, value, path))


def _lengthen(source: Source, at: Location, known: list[Any], added: list[Any], path: Path) -> None:
    """Append new items to a list. Raises SpecError for another claim with the same id."""
    ids = [claim.get("id") for claim in known if isinstance(claim, dict)]
    for item in added:
        if isinstance(item, dict) and item.get("id") in ids:
            raise SpecError(_clash(source, at, item.get("id"), item.get("id"), path))
        if item not in known:
            known.append(item)
            _note(source, (*at, str(len(known) - 1)), item, path)


def _clash(source: Source, at: Location, known: Any, value: Any, path: Path) -> str:
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
    has = "" if known is None else f" has {known!r}" if len(repr(known)) <= 60 else " has another value"
    field, where = f"[{'.'.join(at[:-1])}] {at[-1]} = {shown}" if at[1:] else f"[{at[0]}]", source.origin([at])
    if known is None and at[-1] == "variants":
        return one_line(
            f"{path}: {field}: {'.'.join(at[:-1])} of {where} has no variants, and first ones would replace its cells; "
            f'make an experiment with like = "{at[-2]}" and put the variants there'
        )
    return one_line(
        f"{path}: {field}: the table is {where}'s, which{has or ' does not state it'}; a file can "
        "add to what it extends but not change it: choose another name, or use --set"
    )
