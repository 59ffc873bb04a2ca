"""The content of cell.json: the cell's identity, full configuration, machine, versions and data."""

from typing import Annotated, Any

from pydantic import GetPydanticSchema, ValidationError, model_validator
from pydantic_core import core_schema

from bench.environment import DataRecord, Environment
from bench.records.schema import CellRecord
from bench.records.storage import CorruptRecord
from bench.spec.cells import Cell, digest
from bench.spec.config import Config, Definition

NAMED = ("experiment", "profile", "variant", "arm", "seed")  # of the configuration, once more for a person who reads
RECORD_FORMAT = 2  # of a cell's files; format 1 did not name the cell, and is not read

# a table that is kept unchanged: the key verifies the configuration, and earlier versions had other fields
_TABLE = GetPydanticSchema(lambda *_: core_schema.dict_schema())


class Identity(CellRecord):
    """The content of cell.json."""

    format: int
    experiment: str
    profile: str
    variant: str | None
    arm: str
    seed: int
    key: str
    definition_key: str
    config: Annotated[Config, _TABLE]
    definition: Annotated[Definition, _TABLE]
    environment: Annotated[Environment, _TABLE]
    data: Annotated[DataRecord, _TABLE]

    @model_validator(mode="after")
    def _names_its_configuration(self) -> "Identity":
        wrong = [name for name in NAMED if self.config.get(name, "absent") != getattr(self, name)]  # absent is not None
        training: Any = self.config.get("training")
        if not isinstance(training, dict) or type(training.get("iterations")) is not int:
            wrong.append("iterations")
        if wrong:
            raise ValueError(", ".join(wrong))
        return self

    @classmethod
    def of(cls, cell: Cell, environment: Environment, data: DataRecord) -> "Identity":
        """The identity of a cell that is about to train."""
        return cls(
            format=RECORD_FORMAT,
            **{name: getattr(cell, name) for name in NAMED},
            key=cell.key,
            definition_key=cell.definition_key,
            config=cell.config,
            definition=cell.definition,
            environment=environment,
            data=data,
        )

    @classmethod
    def read(cls, value: dict[str, Any]) -> "Identity":
        """Validate the content of cell.json. Raises CorruptRecord for another format, or if it is inconsistent."""
        found = value.get("format")
        if found != RECORD_FORMAT:
            raise CorruptRecord(f"cell.json: record format {found}, this version reads {RECORD_FORMAT}")
        try:
            identity = cls.model_validate(value)
        except ValidationError as error:
            wrong = [str(e["loc"][0] if e["loc"] else e["ctx"]["error"]) for e in error.errors(include_url=False)]
            raise CorruptRecord(f"cell.json: not a cell's identity: {', '.join(wrong)}") from error
        if (identity.key, identity.definition_key) != (digest(identity.config), digest(identity.definition)):
            raise CorruptRecord("cell.json: its keys do not match its configuration")
        return identity

    def cell(self) -> Cell:
        """The cell that it describes."""
        return Cell(self.config, self.definition)
