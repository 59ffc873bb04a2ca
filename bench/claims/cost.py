"""S6a, "negligible computation cost": what codes, Q and their bound add to an iteration, from a stored measurement.

The measurement is bench.throughput.cost's; here it is read and judged. No torch. No record, no verdict.
"""

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from bench.claims.result import ClaimResult, ConditionResult
from bench.claims.verdict import Budget, BudgetKind, ClaimOutcome, Data, DataKind, Verdict
from bench.records.storage import read_plain_json
from bench.records.throughput import Fingerprint, LogRatio, Positive, measured_on
from bench.spec.cells import digest
from bench.spec.criteria import CostTable
from bench.spec.schema import Recorded
from infogan.data.base import one_line

FORMAT = 1
MEASURE = "cost_ratio"
RECORD = Path("throughput", "cost.json")  # in a results folder


class NetworkCost(Recorded):
    """One network: InfoGAN's iteration over the plain GAN's."""

    network: str
    ratio: Positive
    low: Positive
    high: Positive
    level: Positive
    num_pairs: Annotated[int, Field(gt=0)]
    log_ratios: list[LogRatio] = Field(default_factory=list)  # of each pair, in processor time; empty in older records
    infogan_ms: Positive
    gan_ms: Positive
    infogan_parameters: Positive
    gan_parameters: Positive
    infogan_gflop: Positive
    gan_gflop: Positive


class Cost(Recorded):
    """A record: its networks, and on what it was measured."""

    format: Literal[1]
    networks: list[NetworkCost]
    batch_size: int
    width: float
    clock: str
    kernels: str = "torch"  # of both sides, as a network's setting of that name; records without had PyTorch's
    fingerprint: Fingerprint
    load: str

    @property
    def machine(self) -> str:
        return f"{measured_on(self.fingerprint)}; load {self.load}"


def read_cost(results: Path) -> Cost | None:
    """The record of cost, None without one. Raises ValueError, in one line, for a file that is no such record."""
    name = RECORD.as_posix()
    try:
        return Cost.model_validate(read_plain_json(results / RECORD))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(one_line(f"{name}: {error}")) from error
    except ValueError as error:
        words = " ".join(str(error).split())[:200]
        raise ValueError(one_line(f"{name}: not a record of `python -m bench cost`: {words}")) from error


def judge_cost(claim: CostTable, cost: Cost | None) -> list[ClaimResult]:
    """A verdict per network; one "not measured" where there is no record.

    Reproduced where the whole interval lies below the bound, not reproduced where all of it lies above; where the bound
    lies inside, the pairs do not tell, and that is "not measured".
    """
    if cost is None or not cost.networks:
        reason = "nothing recorded; `python -m bench cost` measures it"
        return [_result(claim, None, ClaimOutcome.NOT_MEASURED, reason, BudgetKind.UNSTATED)]
    results = []
    budget = f"width {cost.width:g}, batch {cost.batch_size}, one thread, kernels {cost.kernels}"
    for network in cost.networks:
        if network.num_pairs < claim.min_pairs:
            outcome, reason = ClaimOutcome.NOT_MEASURED, f"{network.num_pairs} pairs, {claim.min_pairs} needed"
        elif network.high <= claim.at_most:
            outcome, reason = ClaimOutcome.REPRODUCED, f"upper end {network.high:.3f} meets at most {claim.at_most:g}"
        elif network.low > claim.at_most:
            outcome, reason = ClaimOutcome.NOT_REPRODUCED, f"lower end {network.low:.3f} is above {claim.at_most:g}"
        else:
            outcome = ClaimOutcome.NOT_MEASURED
            reason = f"the interval [{network.low:.3f}, {network.high:.3f}] holds the bound"
        results.append(_result(claim, network, outcome, reason, budget))
    return results


def _result(claim: CostTable, cost: NetworkCost | None, outcome: ClaimOutcome, reason: str, budget: str) -> ClaimResult:
    upper = cost.high if cost else math.nan
    bound = f"at most {claim.at_most:g}"
    holds = upper <= claim.at_most  # NaN is not
    condition = ConditionResult(MEASURE, "", "pairs", bound, claim.basis, upper, holds, {}, limit=claim.at_most)
    data = Data(DataKind.ANY, "random pixels, which cost what the data do")
    return ClaimResult(
        experiment="cost",
        profile="",
        claims_digest=digest(claim.rule())[:12],
        id=claim.id,
        arm=cost.network if cost else "all networks",
        text=claim.text,
        plain=claim.plain,
        source=claim.source,
        verdict=Verdict(outcome, data, Budget(BudgetKind.UNSTATED, budget)),
        value=cost.ratio if cost else None,
        low=cost.low if cost else None,
        high=cost.high if cost else None,
        unit=condition.unit,
        criterion=f"{MEASURE}, upper end of its interval, {bound}",
        reason=reason,
        conditions=(condition,),
    )
