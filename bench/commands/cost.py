"""``cost``: measure the cost of codes and Q, unless this machine's record exists."""

from pathlib import Path

from bench.console import BadInput, console
from bench.context import require_profile
from bench.paths import require_writable
from bench.spec.tables import load_spec


def cost(spec: Path, results: Path, profile: str | None) -> None:
    """Measure the cost of codes and Q, unless this machine's record exists."""
    claim = load_spec(spec).cost
    if claim is None:
        raise BadInput(f"{spec} has no table [cost]")
    profile = "cpu" if profile is None else profile
    require_profile(profile, claim.profiles)
    require_writable(results)
    from bench.throughput.cost import measure_cost

    measure_cost(results.absolute(), claim, profile, console)
