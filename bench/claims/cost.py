"""S6a, "negligible computation cost": what codes, Q and their bound add to an iteration, from a stored measurement.

The measurement is bench.throughput.cost's; here it is read and judged. No torch. No record, no verdict.
"""

import math
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from bench.claims.conditions import ConditionResult
from bench.claims.judge import ClaimResult, claim_result
from bench.claims.verdict import Budget, BudgetKind, Data, DataKind, Outcome, Verdict
from bench.records.storage import read_plain_json
from bench.spec.criteria import CostTable
from infogan.data.base import one_line

FORMAT = 1
RECORD = Path("throughput", "cost.json")  # in a results folder
MAX_NUMBER = 1e15  # of a record; what is larger was not measured


@dataclass(frozen=True)
class NetworkCost:
    """One network: InfoGAN's iteration over the plain GAN's."""

    network: str
    ratio: float
    low: float
    high: float
    level: float
    num_pairs: int
    infogan_ms: float
    gan_ms: float
    infogan_parameters: int
    gan_parameters: int
    infogan_gflop: float
    gan_gflop: float


@dataclass(frozen=True)
class Cost:
    """A record: its networks, and on what it was measured."""

    networks: list[NetworkCost]
    batch_size: int
    width: float
    clock: str
    machine: str
    kernels: str  # of both sides, as a network's setting of that name


def read_cost(results: Path) -> Cost | None:
    """None where nothing was measured. Raises ValueError, in one line, for a file that is no such record."""
    try:
        raw: dict[str, Any] = read_plain_json(results / RECORD)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ValueError(one_line(f"{RECORD.as_posix()}: {error}")) from error
    try:
        if raw["format"] != FORMAT:
            raise ValueError(f"format {raw['format']}, this version reads {FORMAT}")
        f = raw["fingerprint"]
        machine = f"{f['cpu']} ({f['instructions']}), {f['threads']} thread, torch {f['torch']}, load {raw['load']}"
        networks = [NetworkCost(**entry) for entry in raw["networks"]]
        for network in networks:
            if not isinstance(network.network, str) or not all(map(_is_number, astuple(network)[1:])):
                raise ValueError(f"network {network.network!r}: a value is not a number")
        kernels = str(raw.get("kernels", "torch"))  # records without had PyTorch's
        return Cost(networks, int(raw["batch_size"]), float(raw["width"]), str(raw["clock"]), machine, kernels)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(one_line(f"{RECORD.as_posix()}: not a record of `python -m bench cost`: {error}")) from error


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < MAX_NUMBER


def judge_cost(claim: CostTable, cost: Cost | None) -> list[ClaimResult]:
    """A verdict per network; one "not measured" where there is no record.

    Reproduced where the whole interval lies below the bound, not reproduced where all of it lies above; where the bound
    lies inside, the pairs do not tell, and that is "not measured".
    """
    if cost is None or not cost.networks:
        reason = "nothing recorded; `python -m bench cost` measures it"
        return [_result(claim, "all networks", None, Outcome.NOT_MEASURED, reason, BudgetKind.UNSTATED)]
    results = []
    budget = f"width {cost.width:g}, batch {cost.batch_size}, one thread, kernels {cost.kernels}"
    for network in cost.networks:
        if network.num_pairs < claim.min_pairs:
            outcome, reason = Outcome.NOT_MEASURED, f"{network.num_pairs} pairs, {claim.min_pairs} needed"
        elif network.high <= claim.at_most:
            outcome, reason = Outcome.REPRODUCED, f"upper end {network.high:.3f} meets at most {claim.at_most:g}"
        elif network.low > claim.at_most:
            outcome, reason = Outcome.NOT_REPRODUCED, f"lower end {network.low:.3f} is above {claim.at_most:g}"
        else:
            outcome, reason = (
                Outcome.NOT_MEASURED,
                f"the interval [{network.low:.3f}, {network.high:.3f}] holds the bound",
            )
        results.append(_result(claim, network.network, network, outcome, reason, budget))
    return results


def _result(
    claim: CostTable, arm: str, cost: NetworkCost | None, outcome: Outcome, reason: str, budget: str
) -> ClaimResult:
    upper = cost.high if cost else math.nan
    bound = f"at most {claim.at_most:g}"
    holds = upper <= claim.at_most  # NaN is not
    condition = ConditionResult("cost_ratio", "", "pairs", bound, claim.basis, upper, holds, {}, limit=claim.at_most)
    data = Data(DataKind.ANY, "random pixels, which cost what the data do")
    return claim_result(
        claim,
        arm,
        verdict=Verdict(outcome, data, Budget(BudgetKind.UNSTATED, budget)),
        reason=reason,
        interval=(cost.ratio, cost.low, cost.high) if cost else None,
        criterion=f"cost_ratio, upper end of its interval, {bound}",
        conditions=(condition,),
    )
