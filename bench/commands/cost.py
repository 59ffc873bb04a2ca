"""``cost``: measure the cost of codes and Q, unless this machine's record exists."""

from typing import Annotated

import typer

from bench.console import BadInput, console
from bench.context import DEFAULT_SPEC, require_profile
from bench.options import Results, SpecOption
from bench.paths import DEFAULT_RESULTS, require_writable
from bench.spec.schema import PROFILES
from bench.spec.tables import load_spec


def cost(
    spec: SpecOption = DEFAULT_SPEC,
    results: Results = DEFAULT_RESULTS,
    profile: Annotated[str, typer.Option(help=f"Budget of pairs: {', '.join(PROFILES)}.")] = "cpu",
) -> None:
    """Measure what codes and Q add to the time of a plain GAN's iteration, on one CPU thread (claim S6a).

    The record is RESULTS/throughput/cost.json. If this machine has made it for
    this code, nothing is measured.
    """
    claim = load_spec(spec).cost
    if claim is None:
        raise BadInput(f"{spec} has no table [cost]")
    require_profile(profile, claim.profiles)
    require_writable(results)
    from bench.throughput.cost import measure_cost

    measure_cost(results.absolute(), claim, profile, console)
