"""Counts that the fault and fuzz suites print at the end of a session."""

from collections import Counter
from typing import Any

FAULTS: Counter[str] = Counter()  # rounds, losses, and faults by kind
SEEDS: list[int] = []  # seeds of the rounds, which determine faults and times
MUTANTS: dict[str, Counter[str]] = {}  # by reader: accepted, refused, and findings (neither of the two)


def state() -> dict[str, Any]:
    """This process's counts, for another process to ``add``."""
    return {
        "faults": dict(FAULTS),
        "seeds": SEEDS,
        "mutants": {reader: dict(counts) for reader, counts in MUTANTS.items()},
    }


def add(other: dict[str, Any]) -> None:
    """Add the counts of another process, given as its ``state``."""
    FAULTS.update(other.get("faults", {}))
    SEEDS.extend(other.get("seeds", []))
    for reader, counts in other.get("mutants", {}).items():
        MUTANTS.setdefault(reader, Counter()).update(counts)


def lines() -> list[str]:
    """The lines to print; none if neither suite ran."""
    told = []
    if FAULTS:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(FAULTS.items()) if kind not in ("rounds", "losses"))
        num_faults = FAULTS.total() - FAULTS["rounds"] - FAULTS["losses"]
        told.append(f"rounds {FAULTS['rounds']}, faults {num_faults}, losses {FAULTS['losses']} ({kinds})")
        told.append(f"  seeds {' '.join(map(str, sorted(SEEDS)))}")
    if MUTANTS:
        num = sum(counts.total() for counts in MUTANTS.values())
        findings = sum(counts["findings"] for counts in MUTANTS.values())
        told.append(f"mutants {num}, findings {findings}")
        for reader, counts in sorted(MUTANTS.items()):
            told.append(f"  {reader}: {counts['refused']} refused, {counts['accepted']} read")
    return told
