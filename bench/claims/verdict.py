"""A verdict as a value: outcome, data and budget, each with its kind, and the words that a reader sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bench.analysis.runs import Sweep
from bench.spec.experiment import ExperimentTable
from infogan.data import own


class ClaimOutcome(StrEnum):
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
    ANY = "any"  # the claim does not speak of the paper's data


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

    @classmethod
    def of(cls, sweep: Sweep, experiment: ExperimentTable) -> "Data":
        """The data of a sweep, as the claims of its experiment see it."""
        if sweep.definition["data"]["name"] == own.NAME:  # --images leaves claims out, so this one is the user's too
            return cls(DataKind.ANY, "images of your own")
        num_images = sweep.definition["data"]["num_images"]
        if not any(run.data.get("is_papers") for run in sweep.runs):
            return cls(DataKind.SUBSTITUTE, DataKind.SUBSTITUTE)
        if experiment.paper and experiment.paper.num_images and num_images < experiment.paper.num_images:
            return cls(DataKind.PART, f"{DataKind.PART} ({num_images:,} images)")
        return cls(DataKind.PAPERS, DataKind.PAPERS)


@dataclass(frozen=True)
class Budget:
    kind: BudgetKind
    words: str

    @classmethod
    def of(cls, sweep: Sweep, experiment: ExperimentTable) -> "Budget":
        """The paper's budget, or what was cut of it, or that the paper does not state it."""
        iterations, width = sweep.definition["training"]["iterations"], sweep.definition["network"]["width"]
        paper = experiment.paper
        if paper is None:
            return cls(BudgetKind.UNSTATED, BudgetKind.UNSTATED)
        cuts = [f"width {width:g}"] if width < paper.width else []
        full = BudgetKind.CODES if paper.iterations_from == "code" else BudgetKind.PAPERS
        if paper.iterations is not None and iterations < paper.iterations:
            cuts.append(f"{iterations:,} of {full} {paper.iterations:,} iterations")
        unstated = f"{iterations:,} iterations, the paper states none" if paper.iterations is None else ""
        if cuts:
            rest = f"; {unstated}" if unstated else ""
            return cls(BudgetKind.REDUCED, f"reduced ({', '.join(cuts)}){rest}")
        return cls(BudgetKind.UNSTATED, unstated) if unstated else cls(full, full)


@dataclass(frozen=True)
class Verdict:
    """The answer to a claim."""

    outcome: ClaimOutcome
    data: Data
    budget: Budget

    def to_json(self) -> dict[str, str]:
        """Outcome, data and budget, each of the two with its kind for programs."""
        return {
            "outcome": self.outcome,
            "data": self.data.words,
            "data_kind": self.data.kind,
            "budget": self.budget.words,
            "budget_kind": self.budget.kind,
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, str]) -> "Verdict":
        """Raises KeyError without a field, ValueError for another outcome or kind."""
        data = Data(DataKind(entry["data_kind"]), entry["data"])
        return cls(ClaimOutcome(entry["outcome"]), data, Budget(BudgetKind(entry["budget_kind"]), entry["budget"]))

    @property
    def is_measured(self) -> bool:
        return self.outcome is not ClaimOutcome.NOT_MEASURED

    def __str__(self) -> str:
        """``partly reproduced on a substitute``."""
        return f"{self.outcome}{ON.get(self.data.kind, '')}" if self.is_measured else str(self.outcome)
