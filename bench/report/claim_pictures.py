"""Which picture shows a claim: the figure of its factor or curve, or the median seed's images of its code."""

import math
from collections.abc import Sequence
from dataclasses import replace

from bench.analysis.runs import Run, Sweep
from bench.claims.result import ClaimResult
from bench.records.schema import Measured
from bench.report.cards import by_claim
from bench.report.pages import FigureView, GridView
from bench.spec.vocabulary import MEASURED, measure
from infogan.measures.catalogue import FAMILIES

Pictures = tuple[FigureView | GridView, ...]


def claim_pictures(
    results: Sequence[ClaimResult], sweep: Sweep, figures: Sequence[FigureView], grids: dict[str, list[GridView]]
) -> dict[str, Pictures]:
    """Pictures by claim. One picture stands beside one claim alone, the first that it shows."""
    found: dict[str, Pictures] = {}
    taken: set[str] = set()
    for same in by_claim(results):
        candidates = [_grids(result, sweep, grids) for result in same] + [_figures(result, figures) for result in same]
        fresh = [tuple(picture for picture in shown if picture.inline not in taken) for shown in candidates]
        if any(fresh):
            chosen = found[same[0].id] = next(filter(None, fresh))
            taken |= {picture.inline for picture in chosen}
    return found


def _figures(result: ClaimResult, figures: Sequence[FigureView]) -> Pictures:
    known = measure(result.conditions[0].measure)
    if known.factor:
        name = f"-factor-{known.factor.replace('_', '-')}-"
    elif known.name in MEASURED:
        name = "-trajectory."
    else:
        name = "-mutual-information."
    variant = f"-{result.variant}-" if result.variant else ""
    return tuple([figure for figure in figures if name in figure.paths[0] and variant in figure.paths[0]][:1])


def _grids(result: ClaimResult, sweep: Sweep, grids: dict[str, list[GridView]]) -> Pictures:
    """The median seed's images, then the best seed's where they are others; of a kept picture its own seed's."""
    seeds = {seed: value for seed, value in result.conditions[0].seeds.items() if math.isfinite(value)}
    runs = {run.cell.seed: run for run in sweep.done(result.group)}
    own = {(view.seed, view.code): view for view in grids.get(result.group, [])}
    ordered = sorted(seeds, key=lambda seed: seeds[seed])
    chosen = {ordered[(len(ordered) - 1) // 2]: "the median seed"} if ordered else {}
    for view in own.values():
        if view.best and len(chosen) < 2:
            chosen.setdefault(view.seed, "the best seed")
    wanted = [((seed, _code(runs[seed], result)), role) for seed, role in chosen.items() if seed in runs]
    found = [replace(own[key], role=role) for key, role in wanted if key in own]
    if not found:
        codes = {code for (_, code), _ in wanted}
        found = [replace(view, role="seed") for view in own.values() if view.code in codes][:1]
    return tuple(found)


def _code(run: Run, result: ClaimResult) -> str:
    """Whose images show the claim's number: the code that moves the stroke, or the one whose category is a digit."""
    known = measure(result.conditions[0].measure)
    swept = run.measures.get("strokes", Measured()).details.get("sweeps", {}).get(known.factor, {})
    return str(swept.get("latent", "c1" if known.name in FAMILIES["digits"] else ""))
