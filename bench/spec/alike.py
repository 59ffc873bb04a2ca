"""What an experiment shares with another one: with ``like = "mnist"`` it states only where it differs."""

import copy
from typing import Any

from bench.spec.reading import Source, SpecError
from bench.spec.schema import suggest
from infogan.data.base import one_line

LIKE = "like"
# what is trained, on what; which cells there are, and what is claimed of them, is an experiment's own
SHARED = ("data", "source", "architecture", "noise", "codes", "training", "network", "measures", "paper")


def filled(source: Source) -> Source:
    """The source, with what its experiments take from others written out. Raises SpecError for one that is not there.

    A field of ``SHARED`` is taken whole, or not at all where the experiment states it.
    """
    experiments = source.tables.get("experiments")
    if isinstance(experiments, dict):
        for name in experiments:
            _fill(source, experiments, name, ())
    return source


def _fill(source: Source, experiments: dict[str, Any], name: str, above: tuple[str, ...]) -> None:
    table = experiments[name]
    if not isinstance(table, dict) or LIKE not in table:
        return
    base, chain = table[LIKE], (*above, name)
    stated = f"{source.origin([('experiments', name, LIKE)])}: [experiments.{name}] {LIKE} = {base!r}"
    if not isinstance(base, str) or not isinstance(experiments.get(base), dict):
        choices = suggest(str(base), [other for other in experiments if other != name])
        raise SpecError(one_line(f"{stated}: expected the name of another experiment{choices}"))
    if base in chain:
        raise SpecError(one_line(f"{stated}: these experiments are like each other without end"))
    _fill(source, experiments, base, chain)
    for field in SHARED:
        if field in experiments[base] and field not in table:
            table[field] = copy.deepcopy(experiments[base][field])
            _note(source, ("experiments", base, field), ("experiments", name, field))


def _note(source: Source, there: tuple[str, ...], here: tuple[str, ...]) -> None:
    """Remember of what was taken in which file it stands."""
    for location, path in list(source.origins.items()):
        if location[: len(there)] == there:
            source.origins[here + location[len(there) :]] = path
