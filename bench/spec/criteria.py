"""Tables of experiments.toml for judgement: the paper's claims with their criteria, and the regression gate's rule."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from bench.spec.schema import Name, Number, Seed, Seeds, Table, as_float, suggest
from bench.spec.vocabulary import CLAIMED, MEASURES


def _one_of(known: Collection[str]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in known:
            raise ValueError(f"unknown measure{suggest(name, list(known))}")
        return name

    return AfterValidator(check)


Measure = Annotated[str, _one_of(CLAIMED)]


class ConditionTable(Table):
    """One number, one bound, and the reason for the bound.

    ``best seed`` makes the paper's "best of 5 runs" a rule: the seed with the largest ``chosen_by``, which is measured
    on other samples than the judged number. ``above_best_of`` names an arm whose best run, of the same variant and by
    the same number, must be exceeded. A ``guard`` also holds if nothing happens: it is necessary for "reproduced", but
    alone does not make a claim "partly reproduced".
    """

    measure: Measure
    over: Literal["every seed", "median seed", "median curve", "best seed"]
    chosen_by: Measure | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    above_best_of: Name | None = None
    guard: bool = False
    basis: str = Field(min_length=10)

    @model_validator(mode="after")
    def _one_bound(self) -> "ConditionTable":
        if sum(bound is not None for bound in (self.at_least, self.at_most, self.above_best_of)) != 1:
            raise ValueError("needs exactly one of at_least, at_most, above_best_of")
        if (self.over == "best seed") != (self.chosen_by is not None):
            raise ValueError("chosen_by is required with over = 'best seed', and not allowed otherwise")
        return self


class BlankTable(Table):
    """Defines runs that show nothing of their data; a number that could not be measured for them counts as the worst.

    It never makes a condition hold. Without it, a run that cannot be measured could have any value.
    """

    measure: Measure
    below: Number
    basis: str = Field(min_length=10)


class BesideTable(Table):
    """A number shown next to a claim together with the paper's, without a bound."""

    measure: Measure
    paper: Number


class ClaimTable(Table):
    id: Annotated[str, Field(pattern=r"^[A-Z][0-9]+[a-z]?$")]
    text: str = Field(min_length=5)
    source: str = Field(min_length=3)
    arms: list[Name] = Field(min_length=1)
    variants: list[Name] | None = None  # None: all of the experiment's
    min_seeds: int = Field(ge=1)
    min_iterations: int = Field(ge=1)
    conditions: list[ConditionTable] = Field(min_length=1)
    beside: list[BesideTable] = Field(default_factory=list)

    @model_validator(mode="after")
    def _more_than_guards(self) -> "ClaimTable":
        if all(condition.guard for condition in self.conditions):
            raise ValueError("needs at least one condition that is not a guard")
        return self

    @property
    def deciding_first(self) -> list[ConditionTable]:
        """The conditions in the file's order, but with guards, which alone prove nothing, at the end."""
        return sorted(self.conditions, key=lambda condition: condition.guard)


class CostTable(Table):
    """A claim about the cost of an iteration, judged on interleaved pairs instead of cells; see bench.claims.cost."""

    id: Annotated[str, Field(pattern=r"^[A-Z][0-9]+[a-z]?$")]
    text: str = Field(min_length=5)
    source: str = Field(min_length=3)
    beside: Name  # the claim is judged only with a measurement or records of this experiment
    at_most: Annotated[float, Field(gt=1, lt=10)]  # bound on the upper end of the ratio's interval
    basis: str = Field(min_length=10)
    min_pairs: int = Field(ge=6)
    batch_size: int = Field(ge=2, le=65536)
    width: Annotated[float, BeforeValidator(as_float), Field(gt=0, le=8)] = 1.0
    profiles: dict[
        Literal["smoke", "cpu", "paper"], Annotated[int, Field(ge=8, le=10_000)]
    ]  # number of pairs; fewer give no interval


class WatchedTable(Table):
    """A number of an arm that the gate checks if the baseline has it."""

    arm: Name
    measure: Annotated[str, _one_of(MEASURES)]
    margin: Annotated[float, BeforeValidator(as_float), Field(gt=0)]  # in the measure's unit, for unpaired samples
    margin_paired: Annotated[float, BeforeValidator(as_float), Field(gt=0)] | None = None  # None: pairing does not help
    worse: Literal["lower", "either"] = "either"
    seeds: list[Seed] = Field(default_factory=list)  # seeds of a look that the arm is run with; empty: all
    basis: str = Field(min_length=10)


class GateTable(Table):
    """The regression gate's rule for an experiment; see docs/REGRESSION.md."""

    baseline_seeds: Seeds
    new_seeds: Seeds
    more_seeds: Seeds  # run as well if the first look is not ok; the second look decides
    tolerance: Annotated[float, Field(gt=0, lt=10)] = 0.10
    margin: Annotated[float, Field(gt=0, lt=10)] = 0.20
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05  # split among the tests of one check
    final_margin_nats: Annotated[float, Field(gt=0)] = 0.05
    change_alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01  # level of the test for any change
    notice: Annotated[float, Field(ge=0, lt=1)] = 0.01  # a smaller relative change of T80 is not mentioned
    final_notice_nats: Annotated[float, Field(ge=0, lt=10)] = 0.01  # nor is a smaller one of the final L_I
    watched: list[WatchedTable] = Field(default_factory=list)  # besides T80, for arms that are not tested on it
    watched_alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01  # split among their tests, in addition to alpha


GATE = GateTable(baseline_seeds=list(range(10)), new_seeds=[0, 1, 2, 3, 4], more_seeds=[5, 6, 7, 8, 9])  # the default
