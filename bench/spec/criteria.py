"""Tables of experiments.toml for judgement: the paper's claims with their criteria, and the regression gate's rule."""

import re
from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from bench.spec.schema import ClaimId, Float, Name, Number, ProfileName, Seed, Seeds, Table, suggest
from bench.spec.settings import Width
from bench.spec.vocabulary import CLAIMED, MEASURES

NUMBER = re.compile(r"\{(?:median|best):(?P<format>\.(?P<digits>\d)[%fg])\}(?P<unit>°?)")  # in a claim's words


def _one_of(known: Collection[str]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in known:
            raise ValueError(f"unknown measure{suggest(name, list(known))}; docs/MEASURES.md#names lists them")
        return name

    return AfterValidator(check)


def _not_t80(name: str) -> str:
    if name == "t80":  # the difference of two infinite numbers is none
        raise ValueError("t80 cannot be watched: the gate itself compares it; watch mi_final_nats or another")
    return name


def _takes_a_number(words: str) -> str:
    literal = NUMBER.sub("", words)
    if (words and literal == words) or "{" in literal or "}" in literal:
        raise ValueError("expected a number in it, such as {median:.1%}, {median:.0f} or {best:.2g}")
    return words


Measure = Annotated[str, _one_of(CLAIMED)]
Said = Annotated[str, AfterValidator(_takes_a_number)]


class ConditionTable(Table):
    """One number, one bound, and the reason for the bound.

    ``best seed`` makes the paper's "best of 5 runs" a rule: the seed with the largest ``chosen_by``, which is measured
    on other samples than the judged number. ``above_best_of`` names an arm whose best run, of the same variant and by
    the same number, must be exceeded. A ``guard`` also holds if nothing happens: it is necessary for "reproduced", but
    alone does not make a claim "partly reproduced".
    """

    measure: Measure
    """name of the measure (docs/MEASURES.md#names)"""
    over: Literal["every seed", "median seed", "median curve", "best seed"]
    """the runs that count: every seed, the median, or the best"""
    chosen_by: Measure | None = None
    """for best seed: the measure that chooses it"""
    at_least: Number | None = None
    """lower bound"""
    at_most: Number | None = None
    """upper bound"""
    above_best_of: Name | None = None
    """an arm; its best run is the lower bound"""
    guard: bool = False
    """the condition must hold too, but alone it proves nothing"""
    basis: str = Field(min_length=10)
    """reason for the bound"""

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
    """name of the measure"""
    below: Number
    """a run below this bound is blank"""
    basis: str = Field(min_length=10)
    """reason for the bound"""


class BesideTable(Table):
    """A number shown next to a claim together with the paper's, without a bound."""

    measure: Measure
    """name of the measure"""
    paper: Number
    """the paper's value"""
    said: Said = ""
    """how both numbers are said, as `peak of {median:.2f} nats`; absent: only the paper's, by the measure's name"""

    @model_validator(mode="after")
    def _median(self) -> "BesideTable":
        if "{best" in self.said:
            raise ValueError("said: {best} is not possible beside the paper's number; use {median}")
        return self


class ClaimTable(Table):
    id: ClaimId
    """a capital letter, a number, and perhaps a letter"""
    text: str = Field(min_length=5)
    """the claim"""
    plain: str = ""
    """the claim in plain words, for cards and tables; absent: its text"""
    said: Said = ""
    """how its first number is said, as `{median:.0%} of the digits`, or with `{best:.2f}` for the best seed's; absent:
    the measure's name and value"""
    source: str = Field(min_length=3)
    """place in the paper"""
    arms: list[Name] = Field(min_length=1)
    """arms on which the claim is tested"""
    variants: list[Name] | None = None
    """variants on which it is tested; absent: all"""
    min_seeds: int = Field(ge=1)
    """with fewer finished seeds the claim is not measured"""
    min_iterations: int = Field(ge=1)
    """with fewer iterations the claim is not measured"""
    conditions: list[ConditionTable] = Field(min_length=1)
    """conditions that must all hold"""
    beside: list[BesideTable] = Field(default_factory=list)
    """measures shown beside the paper's numbers"""

    @model_validator(mode="after")
    def _more_than_guards(self) -> "ClaimTable":
        if all(condition.guard for condition in self.conditions):
            raise ValueError("needs at least one condition that is not a guard")
        if "{best" in self.said and self.deciding_first[0].over != "best seed":
            raise ValueError("said: {best} needs over = 'best seed' in the first condition; use {median}")
        return self

    def rule(self) -> dict[str, Any]:
        """What the claim is judged by, without how it is told."""
        return self.model_dump(exclude={"plain": True, "said": True, "beside": {"__all__": {"said"}}})

    @property
    def deciding_first(self) -> list[ConditionTable]:
        """The conditions in the file's order, but with guards, which alone prove nothing, at the end."""
        return sorted(self.conditions, key=lambda condition: condition.guard)


class CostTable(Table):
    """A claim about the cost of an iteration, judged on interleaved pairs instead of cells; see bench.claims.cost."""

    id: ClaimId
    """as for other claims"""
    text: str = Field(min_length=5)
    """the claim"""
    plain: str = ""
    """the claim in plain words; absent: its text"""
    source: str = Field(min_length=3)
    """place in the paper"""
    beside: Name  # the claim is judged only with a measurement or records of this experiment
    """experiment that the claim is shown with"""
    at_most: Annotated[float, Field(gt=1, lt=10)]
    """bound for the upper end of the ratio's interval"""
    basis: str = Field(min_length=10)
    """reason for the bound"""
    min_pairs: int = Field(ge=6)
    """with fewer pairs the claim is not measured"""
    batch_size: int = Field(ge=2, le=65536)
    """batch size of the measurement"""
    width: Width = 1.0
    """width of the networks in the measurement"""
    profiles: dict[ProfileName, Annotated[int, Field(ge=8, le=10_000)]]  # fewer give no interval
    """number of pairs to measure, by profile"""

    def rule(self) -> dict[str, Any]:
        """What the claim is judged by, without how it is told."""
        return self.model_dump(exclude={"plain"})


class WatchedTable(Table):
    """A number of an arm that the gate checks if the baseline has it."""

    arm: Name
    """arm that the number is of"""
    measure: Annotated[str, _one_of(MEASURES), AfterValidator(_not_t80)]
    """the number that is watched; not t80, which the gate itself compares and which may be infinite"""
    margin: Annotated[Float, Field(gt=0)]
    """move that passes, in the measure's unit"""
    margin_paired: Annotated[Float, Field(gt=0)] | None = None
    """the same for pairs of the same seed; absent: pairing does not help"""
    worse: Literal["lower", "either"] = "either"
    """direction that is a regression"""
    seeds: list[Seed] = Field(default_factory=list)
    """seeds of a look that the arm is trained with; empty: all of them"""
    basis: str = Field(min_length=10)
    """the reason for the margins"""


class GateTable(Table):
    """The regression gate's rule for an experiment; see docs/REGRESSION.md."""

    baseline_seeds: Seeds
    """seeds of the baseline"""
    new_seeds: Seeds
    """seeds of the first look"""
    more_seeds: Seeds  # the second look decides
    """further seeds, if the first look is not ok"""
    tolerance: Annotated[float, Field(gt=0, lt=10)] = 0.10
    """slowdown of T80 that still passes, as a share"""
    margin: Annotated[float, Field(gt=0, lt=10)] = 0.20
    """slowdown of T80 that ok excludes, as a share"""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05  # split among the tests of one check
    """probability of a false alarm"""
    final_margin_nats: Annotated[float, Field(gt=0)] = 0.05
    """loss of the final L_I that still passes, nats"""
    change_alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """probability of reporting a change where there is none; with few pairs the smallest possible: five allow 1/32 for
    each measure and direction"""
    notice: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """smallest change of T80 that is reported, as a share"""
    final_notice_nats: Annotated[float, Field(ge=0, lt=10)] = 0.01
    """smallest change of the final L_I that is reported, nats"""
    watched: list[WatchedTable] = Field(default_factory=list)
    """numbers of other arms that must not move"""
    watched_alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01  # split among their tests, in addition to alpha
    """probability of calling one of these numbers moved when it is not, for unpaired samples; pairs must all move in
    the same direction"""


GATE = GateTable(baseline_seeds=list(range(10)), new_seeds=[0, 1, 2, 3, 4], more_seeds=[5, 6, 7, 8, 9])  # the default
