"""Resolve ``like``: with ``like = "mnist"`` an experiment states only its differences from another one.

Likewise the network settings of an experiment or a variant can be like an entry of ``[networks]``.
"""

import copy
from typing import Any

from bench.spec.images import OF_NAMED_SETS, OF_THE_PAPER
from bench.spec.reading import Source, SpecError, entries
from bench.spec.schema import suggest
from infogan.data.base import one_line

LIKE, NETWORK, NETWORKS = "like", "network", "networks"
# fields taken from the other experiment; cells and claims are never taken
SHARED = ("data", "source", "architecture", "noise", "codes", "training", "network", "measures", "paper")


def filled(source: Source) -> Source:
    """Write out everything that experiments take from others. Raises SpecError for an unknown name.

    A field of ``SHARED`` is taken as a whole unless the experiment states it; network settings are taken field by
    field. An experiment on the user's own images takes nothing that is about the other's data.
    """
    for name, _ in entries(source.tables, "experiments"):
        _fill(source, source.tables["experiments"], name, ())
    for name, table in entries(source.tables, "experiments"):
        _fill_network(source, table, ("experiments", name))
        for variant, own in entries(table, "variants"):
            _fill_network(source, own, ("experiments", name, "variants", variant))
    return source


def _fill(source: Source, experiments: dict[str, Any], name: str, above: tuple[str, ...]) -> None:
    table = experiments[name]
    if LIKE not in table:
        return
    base, chain = table[LIKE], (*above, name)
    stated = f"{source.origin([('experiments', name, LIKE)])}: [experiments.{name}] {LIKE} = {base!r}"
    if not isinstance(base, str) or not isinstance(experiments.get(base), dict):
        choices = suggest(str(base), [other for other in experiments if other != name])
        raise SpecError(one_line(f"{stated}: expected the name of another experiment{choices}"))
    if base in chain:
        raise SpecError(one_line(f"{stated}: circular like: {' -> '.join((*chain, base))}"))
    _fill(source, experiments, base, chain)
    has_own_images = isinstance(table.get("data"), dict)
    for field in SHARED:
        if field in experiments[base] and field not in table and not (has_own_images and field in OF_THE_PAPER):
            table[field] = copy.deepcopy(experiments[base][field])
            _note(source, ("experiments", base, field), ("experiments", name, field))
            if field == "measures" and has_own_images and isinstance(table[field], list):
                table[field] = [family for family in table[field] if family not in OF_NAMED_SETS]


def _fill_network(source: Source, owner: dict[str, Any], at: tuple[str, ...]) -> None:
    stated, here = owner.get(NETWORK), (*at, NETWORK)
    if not isinstance(stated, dict) or LIKE not in stated:
        return
    named, base = source.tables.get(NETWORKS), stated[LIKE]
    known = named if isinstance(named, dict) else {}
    if not isinstance(base, str) or not isinstance(known.get(base), dict):
        where = f"{source.origin([(*here, LIKE)])}: [{'.'.join(at)}] {NETWORK}.{LIKE} = {base!r}"
        raise SpecError(one_line(f"{where}: expected a name of [{NETWORKS}]{suggest(str(base), list(known))}"))
    own = {name: value for name, value in stated.items() if name != LIKE}
    owner[NETWORK] = copy.deepcopy(known[base]) | own
    for name in known[base].keys() - own.keys():
        source.origins[*here, name] = source.origin([(NETWORKS, base, name)])


def _note(source: Source, there: tuple[str, ...], here: tuple[str, ...]) -> None:
    """Record the file that each taken value stands in."""
    for location, path in list(source.origins.items()):
        if location[: len(there)] == there:
            source.origins[here + location[len(there) :]] = path
