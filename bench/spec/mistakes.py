"""Mistakes in a file of experiments: settings that do not fit are refused, and every error becomes one line.

The line has file, table, field, value and valid choices.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from bench.spec.reading import Source
from bench.spec.schema import IN_WORDS, Table, suggest
from infogan.data.base import one_line

_TAGS = ("categorical", "continuous", "constrained-float")  # besides those in brackets


class Misfit(ValueError):
    """Settings that are each valid but do not fit together, or that refer to something undefined.

    ``locations``: places of the possible mistake, the most likely first.
    """

    def __init__(self, message: str, *locations: Sequence[str]) -> None:
        super().__init__(message)
        self.locations = locations


def require(holds: bool, where: str, field: str, value: Any, expected: str, *locations: Sequence[str]) -> None:
    """Raise Misfit unless ``holds``. ``locations``: places of the possible mistake, by default the named field."""
    if not holds:
        named = locations or [_location(where, field)]
        raise Misfit(f"{where}: {field} = {value!r}: expected {expected}", *named)


def require_unique(values: Sequence[Any], where: str, field: str) -> None:
    require(len(set(values)) == len(values), where, field, values, "no repeated values")


def require_known(names: list[str], known: Any, where: str, field: str) -> None:
    """Raise Misfit for a name that is not among ``known``, or that stands there twice."""
    for index, name in enumerate(names):
        if name not in known:
            location = _location(where, field)
            message = f"{where}: {field} names {name!r}{suggest(name, list(known))}"
            raise Misfit(message, [*location, str(index)], [*location, name], location)
    require_unique(names, where, field)


def _location(where: str, field: str) -> list[str]:
    return [*where.split("."), *field.split(".")]


def explain(source: Source, model: type[BaseModel], error: ValidationError) -> str:
    """Describe the first error in one line. ``model``: the model that the source was validated as."""
    errors = sorted(error.errors(), key=lambda e: e["type"] == "missing")  # a mistyped key often explains a missing one
    if {("defaults",), ("arms",)} <= {e["loc"] for e in errors if e["type"] == "missing"}:
        return one_line(f'{source.path}: neither [defaults] nor [arms]; a file of your own needs extends = "builtin"')
    # of a value that may be one thing or another, there is an error for each: one mistake, which the deepest knows best
    start = _keys(errors[0])
    of_one = [e for e in errors if _keys(e)[: len(start)] == start]
    first = max(of_one, key=lambda e: len(_keys(e)))
    location = _keys(first)
    said, *others = [e["msg"] for e in of_one if _keys(e) == location]
    first = {**first, "msg": ", or ".join([said, *(other.removeprefix("Input should be ") for other in others)])}
    if first["type"] == "missing":  # then all errors are: name every field that this table lacks
        of_one = [e for e in errors if _keys(e)[:-1] == location[:-1]]
        location = [*location[:-1], ", ".join(dict.fromkeys(_keys(e)[-1] for e in of_one))]
    num_more = len(errors) - len(of_one)
    more = f" (and {num_more} more)" if num_more else ""
    return one_line(f"{_where(source, first, location)}: {_what(model, first, location)}{more}")


def _keys(error: Any) -> list[str]:
    """An error's location in the file: without the tags that pydantic adds for the members of a union."""
    return [str(part) for part in error["loc"] if not (isinstance(part, str) and ("[" in part or part in _TAGS))]


def _where(source: Source, first: Any, location: list[str]) -> str:
    cause = first.get("ctx", {}).get("error")
    return source.origin(cause.locations if isinstance(cause, Misfit) else [location])


def _what(model: type[BaseModel], first: Any, location: list[str]) -> str:
    table, field = ".".join(location[:-1]), location[-1] if location else ""
    message = first["msg"].removeprefix("Value error, ")
    if not location:
        return str(message)
    if not table and first["type"] == "value_error":
        return f"[{field}] {message}"
    try:
        shown = repr(first["input"])
    except RecursionError:
        shown = "tables nested too deeply"
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    name = f"[{table}] {field}" if table else field
    if first["type"] == "extra_forbidden":
        message = f"unknown key{_valid_keys(model, first['loc'])}"
    elif first["type"] == "missing":
        return f"{name}: missing"
    elif first["type"] == "string_pattern_mismatch":
        message = f"expected {IN_WORDS[first['ctx']['pattern']]}"
    elif first["type"] == "union_tag_invalid":  # a code of an unknown kind
        return f"{name}.kind = {first['ctx']['tag']!r}: expected {first['ctx']['expected_tags']}"
    return f"{name} = {shown}: {message}"


def _valid_keys(model: Any, location: tuple[Any, ...]) -> str:
    """Suggestions for an unknown key, from the table's model."""
    for part in location[:-1]:
        fields = getattr(model, "model_fields", {})
        if part in fields:
            model = fields[part].annotation
        for _ in range(3):  # unwrap dict, list, optional and annotated types down to a table
            plain = [getattr(a, "__origin__", a) for a in getattr(model, "__args__", ())]  # of Annotated types
            arguments = [a for a in plain if isinstance(a, type) and issubclass(a, Table)]
            model = arguments[0] if arguments else model
    keys = list(getattr(model, "model_fields", {}))
    return suggest(str(location[-1]), keys) if keys else ""
