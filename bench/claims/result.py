"""A judged claim: one object for every page, and a line of claims.json, from which it is read back."""

import math
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter

from bench.claims.verdict import Verdict
from bench.records.storage import plain_json
from bench.spec.criteria import Said
from bench.spec.experiment import group_name

Known = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]  # JSON has null for NaN


@dataclass(frozen=True)
class ConditionResult:
    """One number of a claim against its bound."""

    measure: str
    unit: str
    over: str
    bound: str  # "at least 0.95"
    basis: str
    value: Known  # what the bound was held against: the worst seed, the median, or the median curve's; NaN: undecided
    holds: bool
    seeds: dict[int, Known]  # NaN: not measured, or blank
    guard: bool = False
    limit: Known = math.nan  # the bound as a number, for drawing; NaN where it has none

    @property
    def worst(self) -> float:
        """The value of a seed that shows nothing of what is asked."""
        return math.inf if self.bound.startswith("at most") else -math.inf


@dataclass(frozen=True)
class BesideResult:
    """A number shown beside the paper's, without a bound."""

    measure: str
    unit: str
    paper: float
    median: Known
    seeds: dict[int, Known]
    said: Said = ""  # how both numbers are said; only with it is the median shown


@dataclass(frozen=True, kw_only=True)
class ClaimResult:
    """One claim for one arm or variant. The fields stand in the order of claims.json."""

    experiment: str
    profile: str  # empty for a claim about cost, which speaks of no cells
    claims_digest: str  # hash of the criteria
    id: str
    arm: str
    variant: str | None = None
    text: str
    plain: str = ""  # the text in plain words, in the JSON where the claim's table has them
    said: Said = ""  # how its first number is said, in the JSON where the claim's table has it
    source: str
    verdict: Verdict
    iterations: int = 0  # of each run; 0 for a claim about cost
    value: float | None  # median over seeds of the first condition's measure; infinite where that seed shows nothing
    low: float | None
    high: float | None
    unit: str
    num_measured: int = 0  # number of seeds behind value, low and high
    num_seeds: int = 0  # 0: the claim does not speak of seeds, or none has ended
    seeds_holding: int = 0
    seeds_low: float = 0.0  # Clopper-Pearson, 95 %, of the share of seeds that hold, whatever the undecided ones are
    seeds_high: float = 1.0
    criterion: str
    reason: str
    conditions: tuple[ConditionResult, ...]
    beside: tuple[BesideResult, ...] = ()
    num_blank: int = 0  # seeds that show nothing of the data; in the JSON where there are any
    num_undecided: int = 0  # seeds that may hold or not, for want of a value; in the JSON where there are any
    remark: str = ""  # a person's, beside the verdict; in the JSON where there is one

    @property
    def group(self) -> str:
        """Variant and arm."""
        return group_name(self.variant, self.arm)

    @property
    def has_run(self) -> bool:
        """Whether anything was run for it: a seed ended, or pairs were timed."""
        return bool(self.num_seeds) or self.value is not None

    def to_json(self) -> dict[str, Any]:
        """Plain values; a number that is not finite becomes None with its meaning left to the reason."""
        values: dict[str, Any] = {}
        for name, value in asdict(self).items():
            if name == "verdict":
                values |= {"verdict": str(self.verdict)} | self.verdict.to_json()
            elif name not in ("plain", "said", "num_blank", "num_undecided", "remark") or value:
                values[name] = value
        return plain_json(values)

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "ClaimResult":
        """An entry of claims.json. Raises ValueError for another.

        JSON has no infinity, so that of a seed which shows nothing is restored: a median of measured seeds has a value,
        and so has every condition of a verdict.
        """
        try:
            verdict = Verdict.from_json(entry)
        except (LookupError, TypeError) as error:
            raise ValueError(f"not a judged claim: {type(error).__name__}: {error}") from error
        found = _adapter().validate_python(entry | {"verdict": verdict})
        conditions = tuple(
            replace(one, value=one.worst) if verdict.is_measured and math.isnan(one.value) else one
            for one in found.conditions
        )
        ends = {name: getattr(found, name) for name in ("value", "low", "high")}
        if found.num_measured:
            ends = {name: conditions[0].worst if end is None else end for name, end in ends.items()}
        return replace(found, conditions=conditions, **ends)


@cache
def _adapter() -> TypeAdapter[ClaimResult]:
    return TypeAdapter(ClaimResult)
