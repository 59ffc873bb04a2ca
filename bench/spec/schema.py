"""Base classes and types of the tables of experiments.toml: strictness, names, numbers, and suggestions for errors."""

import difflib
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetPydanticSchema
from pydantic_core import core_schema

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,40}$"  # used as a folder name: no separators, no dots
CLAIM_PATTERN = r"^[A-Z][0-9]+[a-z]?$"
MAX_SEED = 2**31 - 1
PROFILES = ("smoke", "cpu", "paper")


class Table(BaseModel):
    """A strict, immutable table. The text below a field is its meaning for editors and in docs/FIELDS.md."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, defer_build=True
    )  # --help needs none built


class Recorded(BaseModel):
    """The fields read from one of our records without a checksum; other fields are ignored.

    Invalid content raises pydantic's ``ValueError``.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


NO_LABEL = r"[^ -#%-~]"  # figure labels are printable ASCII, which every font has, without "$", which starts math mode
LABEL_PATTERN = r"^[ -#%-~]*$"
Label = Annotated[str, Field(pattern=LABEL_PATTERN)]


def as_float(value: Any) -> Any:
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    try:
        return float(value)
    except OverflowError:
        raise ValueError("number too large") from None


Float = Annotated[float, BeforeValidator(as_float)]  # TOML's 1 is meant as 1.0
Number = Annotated[Float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
ClaimId = Annotated[str, Field(pattern=CLAIM_PATTERN)]
ProfileName = Annotated[str, GetPydanticSchema(lambda *_: core_schema.literal_schema(list(PROFILES)))]
IN_WORDS = {  # the patterns, for messages
    NAME_PATTERN: "lower-case letters, digits and hyphens, 41 at most",
    LABEL_PATTERN: "printable ASCII without $",
    CLAIM_PATTERN: "a capital letter, a number and perhaps a letter, such as M1",
}
Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Weight = Annotated[Float, Field(ge=0, le=1000, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED, strict=True)]
Seeds = Annotated[list[Seed], Field(min_length=1)]


def is_digits(text: str) -> bool:
    """Whether ``text`` is a whole number in the digits 0 to 9; ``int`` also reads those of other scripts."""
    return text.isascii() and text.isdecimal()


MAX_CHOICES = 40  # listed in one line; of more, only those that resemble the word


def suggest(value: str, choices: list[str]) -> str:
    """End of an error message: `` (did you mean ...?); choose from ...``."""
    close = difflib.get_close_matches(value, choices, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    shown = choices
    if len(choices) > MAX_CHOICES:
        shown = [*difflib.get_close_matches(value, choices, n=5, cutoff=0.3), f"{len(choices)} in all"]
    return f"{hint}; choose from {', '.join(shown)}"
