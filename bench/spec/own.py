"""Custom parts of a file of experiments, given by import path, and their entries in a cell's configuration.

Nothing is imported here. The table of a custom architecture, which only an import can tell, is registered before cells
are planned (:mod:`bench.run.own`) or taken from a cell's record.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Discriminator, Tag, model_validator

from bench.spec.reading import Source, SpecError
from bench.spec.schema import Table, suggest
from infogan.own import OPTIMIZERS, OwnError
from infogan.own.sources import Reference, is_reference
from infogan.version import code_digest

STEPS = ("fused", "reference")
FIELDS = ("architecture", "optimizer", "step")


def _own_or_one_of(known: Collection[str], whose: str) -> AfterValidator:
    def check(text: str) -> str:
        if text not in known and not is_reference(text):
            choices = f"{whose}{suggest(text, list(known))}"
            raise ValueError(f"expected module:name, path/to/file.py:name or {choices}")
        return text

    return AfterValidator(check)


StepName = Annotated[str, _own_or_one_of(STEPS, "a built-in step")]
OptimizerName = Annotated[str, _own_or_one_of(OPTIMIZERS, "an optimiser of torch")]


class OptimizerTable(Table):
    """An optimiser with its options, which are checked when it is created, before any training."""

    model_config = ConfigDict(extra="allow")

    name: OptimizerName
    """a name of torch.optim in lower case, or module:name; all other fields are its options"""

    @model_validator(mode="after")
    def _options_are_plain(self) -> "OptimizerTable":
        for name, value in (self.__pydantic_extra__ or {}).items():
            values = value if isinstance(value, list) else [value]
            if not all(isinstance(v, int | str) or (isinstance(v, float) and math.isfinite(v)) for v in values):
                raise ValueError(f"{name} = {value!r}: expected a finite number, true, false, text, or a list of these")
        return self


def _kind_of_optimizer(value: Any) -> str:
    return "[table]" if isinstance(value, dict | OptimizerTable) else "[name]"


# tags in brackets are removed from messages (bench.spec.mistakes)
Optimizer = Annotated[
    Annotated[OptimizerName, Tag("[name]")] | Annotated[OptimizerTable, Tag("[table]")],
    Discriminator(_kind_of_optimizer),
]


@dataclass
class Own:
    """Folders that references are resolved from, and the known tables of custom networks."""

    folders: dict[str, Path] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)

    def reference(self, text: str) -> Reference:
        """Resolve a reference.

        Raises SpecError unless the user's file or command line names it: a record's word is not enough.
        """
        if text not in self.folders:
            raise SpecError(f"{text}: named neither by this file of experiments nor by --set")
        return Reference(text, self.folders[text])

    def entries(
        self, architecture: str, training: Mapping[str, Any], tables: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Entries of a configuration for its custom parts; empty if there are none. Raises SpecError.

        ``tables``: of networks, instead of the registered ones.
        """
        named = {"architecture": architecture, "step": training["step"]}
        optimizer = training.get("optimizer")
        named |= {"optimizer": optimizer["name"]} if optimizer else {}
        own: dict[str, Any] = {}
        try:
            for kind, text in named.items():
                if is_reference(text):
                    own[kind] = {"source": self.reference(text).digest}
        except OwnError as error:
            raise SpecError(str(error)) from error
        if "architecture" in own:
            known = self.tables if tables is None else tables
            own["architecture"]["table"] = known[architecture]
        return own | {"code": code_digest(("own",))} if own or optimizer else {}


def sources_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the custom sources in a recorded configuration, by kind."""
    own = config.get("own")
    parts = own.items() if isinstance(own, Mapping) else ()
    found = {kind: part.get("source") for kind, part in parts if isinstance(part, Mapping)}
    return {f"source of {kind}": digest for kind, digest in found.items() if isinstance(digest, str)}


def references(source: Source) -> dict[str, Path]:
    """All references in a file and those that it extends, with the folder of the file they stand in.

    References on the command line are resolved from the current folder. Raises SpecError if one text means two files.
    """
    found: dict[str, Path] = {}
    for location, text in _named(source.tables, ()):
        origin = source.origin([location])
        folder = Path.cwd() if origin.startswith("--") else Path(origin).absolute().parent
        before = found.setdefault(text, folder)
        if before != folder and _file(text, before) != _file(text, folder):
            raise SpecError(
                f"{source.path}: {text} is named in two files but means different sources, in {before} and in {folder}"
            )
    return found


def _named(table: Any, location: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, value in table.items() if isinstance(table, dict) else ():
        at = (*location, str(name))
        if name in FIELDS and isinstance(value, dict) and isinstance(value.get("name"), str):
            at, value = (*at, "name"), value["name"]
        if at[-1] in (*FIELDS, "name") and isinstance(value, str) and is_reference(value):
            yield at, value
        elif len(at) < 8:
            yield from _named(value, at)


def _file(text: str, folder: Path) -> Path | None:
    try:
        return Reference(text, folder).file
    except OwnError:
        return None
