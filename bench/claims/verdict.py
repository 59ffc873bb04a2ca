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
    """The data that a claim was judged on."""

    PAPERS = "the paper's"
    PART = "a part of the paper's"
    SUBSTITUTE = "a substitute"
    ANY = "any"  # the claim does not speak of data


class BudgetKind(StrEnum):
    """How the training compares with the paper's."""

    PAPERS = "the paper's"
    CODES = "the authors' code's"  # where the paper states none
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

    @classmethod
    def read(cls, verdict: str, data: str, budget: str) -> "Verdict":
        """The verdict that these words say. Raises ValueError for words of another kind."""
        for ending in ON.values():
            verdict = verdict.removesuffix(ending)
        kind = next((kind for kind in DataKind if data.startswith(kind)), DataKind.ANY)
        how = next((kind for kind in BudgetKind if budget.startswith(kind)), BudgetKind.UNSTATED)
        return cls(Outcome(verdict), Data(kind, data), Budget(how, budget))

    @property
    def is_measured(self) -> bool:
        return self.outcome is not Outcome.NOT_MEASURED

    def __str__(self) -> str:
        """``partly reproduced on a substitute``."""
        return f"{self.outcome}{ON.get(self.data.kind, '')}" if self.is_measured else str(self.outcome)
