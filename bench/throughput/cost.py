"""``python -m bench cost``: InfoGAN's iteration against that of a plain GAN on the same networks, for claim S6a.

Interleaved pairs in CPU time of one thread, plus parameters and floating-point operations. Measuring a network stops
when the claim can be judged for it. If a record of the same machine, code and protocol exists, nothing is measured.
"""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from rich.console import Console
from rich.markup import escape

from bench.claims.cost import FORMAT, RECORD, NetworkCost, read_cost
from bench.records.storage import read_plain_json, write_plain_json
from bench.spec.criteria import CostTable
from bench.spec.settings import Kernels
from bench.throughput import paired
from bench.throughput.ceiling import executed_flops
from bench.throughput.session import Session
from bench.throughput.workloads import NETWORKS, Workload, iteration

CLOCK: paired.Clock = "processor"
KERNELS: Kernels = "fastest"  # as in training, on both sides of a pair
BLOCK_S = 0.05


class Protocol(TypedDict):
    """How the networks are measured."""

    batch_size: int
    width: float
    kernels: Kernels
    pairs: int  # at most, per network


def measure_cost(results: Path, claim: CostTable, profile: str, console: Console) -> None:
    """Measure every network and write the record, unless it exists."""
    wanted = protocol(claim, profile)
    session = Session("cpu", 1, lambda text: console.print(escape(text), highlight=False))
    path = results / RECORD
    record = {**session.record("cost"), "format": FORMAT, "clock": CLOCK, **wanted}
    if is_held(results, record):
        console.print(f"cost: measured already, {escape(str(path))}", highlight=False, soft_wrap=True)
        return
    networks = [_network(session, name, wanted, claim).model_dump() for name in NETWORKS]
    load = session.record("cost")["load"]
    write_plain_json(path, record | {"load": f"{load['before']:g} to {load['after']:g}", "networks": networks})
    console.print(f"cost: {escape(str(path))}", highlight=False, soft_wrap=True)


def protocol(claim: CostTable, profile: str) -> Protocol:
    """The protocol; records with the same protocol on the same machine are equivalent."""
    pairs = claim.profiles[profile]
    return {"batch_size": claim.batch_size, "width": claim.width, "kernels": KERNELS, "pairs": pairs}


def is_held(results: Path, record: Mapping[str, Any]) -> bool:
    """Whether a valid record of the same machine, code and protocol, with at least as many pairs, exists."""
    try:
        if read_cost(results) is None:
            return False
        held = read_plain_json(results / RECORD)
        same = ("fingerprint", "code", "batch_size", "width", "clock", "kernels")
        return all(held[name] == record[name] for name in same) and held["pairs"] >= record["pairs"]
    except (LookupError, TypeError, ValueError):
        return False


def looks(claim: CostTable, num_pairs: int) -> tuple[int, ...]:
    """Numbers of pairs after which measuring may stop: the minimum for the claim, and all."""
    return (claim.min_pairs, num_pairs) if claim.min_pairs < num_pairs else (num_pairs,)


def decided(claim: CostTable) -> paired.Decided:
    """A rule to stop once the whole interval is on one side of the claim's bound."""

    def is_decided(pairs: paired.Pairs) -> bool:
        ratio = pairs.ratio(CLOCK)
        return ratio.high <= claim.at_most or ratio.low > claim.at_most

    return is_decided


def _network(session: Session, name: str, wanted: Protocol, claim: CostTable) -> NetworkCost:
    """Measure one network."""
    workload = Workload(name, wanted["batch_size"], wanted["width"], wanted["kernels"])
    session.announce(f"cost of codes and Q: {workload.name}")
    infogan, gan = iteration("fused", workload), iteration("plain_gan", workload)
    pairs = session.pairs(infogan, gan, decided(claim), looks=looks(claim, wanted["pairs"]), block_s=BLOCK_S)
    ratio = pairs.ratio(CLOCK)
    costs = workload.costs()
    own, q = costs["generator"].parameters + costs["discriminator"].parameters, costs["q"].parameters
    infogan_ms, gan_ms = (1e3 * statistics.median(times[CLOCK]) for times in (pairs.a_s, pairs.b_s))
    return NetworkCost(
        network=name,
        ratio=ratio.ratio,
        low=ratio.low,
        high=ratio.high,
        level=ratio.level,
        num_pairs=ratio.num,
        log_ratios=[round(value, 6) for value in pairs.log_ratios(CLOCK)],
        infogan_ms=infogan_ms,
        gan_ms=gan_ms,
        infogan_parameters=own + q,
        gan_parameters=own,
        infogan_gflop=executed_flops(infogan) / 1e9,
        gan_gflop=executed_flops(gan) / 1e9,
    )
