"""``--set table.field=value``: settings of the command line, which override every arm and variant.

They are validated by the same strict tables as the file and become part of each cell's key.
"""

import copy
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from bench.spec.mistakes import explain
from bench.spec.reading import Source, SpecError, entries
from bench.spec.schema import Table
from bench.spec.settings import Iterations, NetworkTable, NumImages, TrainingTable, Width
from infogan.data.base import one_line

OPTION = "--set"


class SetBudget(Table):
    """Fields of a profile that can be set."""

    iterations: Iterations | None = None
    width: Width | None = None
    num_images: NumImages | None = None


class SetTable(Table):
    """Tables and fields that can be set."""

    training: TrainingTable = TrainingTable()
    network: NetworkTable = NetworkTable()
    profile: SetBudget = SetBudget()


@dataclass(frozen=True)
class Setting:
    """One setting of the command line."""

    table: str  # training, network or profile
    field: str
    value: Any
    text: str  # as the user wrote it

    @property
    def name(self) -> str:
        return f"{self.table}.{self.field}"


def parse(texts: Iterable[str]) -> list[Setting]:
    """Parse settings such as ``training.beta1=0.9``, with values in TOML. Raises SpecError."""
    settings: dict[str, Setting] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        table, dot, field = name.strip().partition(".")
        if not (equals and dot and field) or "." in field or '"' in name or "\n" in text:
            raise SpecError(
                one_line(f"{OPTION} {text}: write a table, a field and a value, such as training.beta1=0.9")
            )
        try:
            read = tomllib.loads(f"value = {value}")["value"]
        except (ValueError, RecursionError) as error:
            quoted = f"""{name.strip()}='"{value.strip()}"'"""
            raise SpecError(
                one_line(f"{OPTION} {text}: the value is not TOML: {error}; text must be quoted: {quoted}")
            ) from error
        if name.strip() in settings:
            raise SpecError(one_line(f"{OPTION} {text}: {name.strip()} is set twice"))
        settings[name.strip()] = Setting(table, field, read, text)
    _check(list(settings.values()))
    return list(settings.values())


def _check(settings: Sequence[Setting]) -> None:
    tables: dict[str, dict[str, Any]] = {}
    for setting in settings:
        tables.setdefault(setting.table, {})[setting.field] = setting.value
    try:
        SetTable.model_validate(tables)
    except ValidationError as error:
        raise SpecError(explain(Source(OPTION, tables), SetTable, error)) from error


def applied(source: Source, settings: Sequence[Setting], experiments: Sequence[str] | None) -> Source:
    """A copy of the source, not yet checked, with the settings in every table that could state them.

    ``experiments``: only in their tables, and in the arms, which all experiments share; None: in all.
    """
    changed = Source(source.path, copy.deepcopy(source.tables), dict(source.origins))
    for location, kind, table in _tables(changed.tables):
        if location[0] == "experiments" and experiments is not None and location[1] not in experiments:
            continue
        for setting in settings:
            if setting.table == kind:
                table[setting.field] = setting.value
                changed.origins[*location, setting.field] = OPTION
    return changed


def _tables(tables: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str, dict[str, Any]]]:
    """Place, kind and content of every table of training, network or budget settings; other values are skipped."""
    for name, arm in entries(tables, "arms"):
        yield ("arms", name), "training", arm
    for name, experiment in entries(tables, "experiments"):
        at = ("experiments", name)
        variants = [((*at, "variants", own), table) for own, table in entries(experiment, "variants")]
        for place, table in [(at, experiment), *variants]:
            for kind in ("training", "network"):
                if isinstance(inner := table.setdefault(kind, {}), dict):
                    yield (*place, kind), kind, inner
        yield from (((*at, "profiles", own), "profile", table) for own, table in entries(experiment, "profiles"))
