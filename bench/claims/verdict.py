"""A verdict as a value: outcome, data and budget, each with its kind, and the words that a reader sees."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a claim, in the order in which reports list it."""

    REPRODUCED = "reproduced"
    PARTLY = "partly reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_REACHED = "not reached within budget"
    NOT_MEASURED = "not measured"


class DataKind(StrEnum):
    """What a claim was judged on."""

    PAPERS = "the paper's"
    PART = "a part of the paper's"
    SUBSTITUTE = "a substitute"
    ANY = "any"  # the claim does not speak of data


class BudgetKind(StrEnum):
    """How the training compares with the paper's."""

    PAPERS = "the paper's"
    REDUCED = "reduced"
    UNSTATED = "not stated by the paper"


ON = {DataKind.PART: " on a part", DataKind.SUBSTITUTE: " on a substitute"}  # endings of a verdict's words


@dataclass(frozen=True)
class Data:
    kind: DataKind
    words: str


@dataclass(frozen=True)
class Budget:
    kind: BudgetKind
    words: str


@dataclass(frozen=True)
class Verdict:
    """The answer to a claim."""

    outcome: Outcome
    data: Data
    budget: Budget

    @property
    def is_measured(self) -> bool:
        return self.outcome is not Outcome.NOT_MEASURED

    def __str__(self) -> str:
        """``partly reproduced on a substitute``."""
        return f"{self.outcome}{ON.get(self.data.kind, '')}" if self.is_measured else str(self.outcome)
