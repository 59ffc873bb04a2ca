"""Which picture shows a claim: the figure of its factor or curve, or the median seed's images of its code."""

import math
from collections.abc import Sequence

from bench.analysis.runs import Run, Sweep
from bench.claims.judge import ClaimResult
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
    for result in results:
        if result.id in found:
            continue
        of_claim = _grids(result, sweep, grids) or _figures(result, figures)
        fresh = tuple(picture for picture in of_claim if picture.inline not in taken)
        if fresh:
            found[result.id] = fresh
            taken |= {picture.inline for picture in fresh}
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
    """The median seed's images, then the best seed's where they are others."""
    seeds = {seed: value for seed, value in result.conditions[0].seeds.items() if math.isfinite(value)}
    runs = {run.cell.seed: run for run in sweep.done(result.group)}
    own = {(view.seed, view.code): view for view in grids.get(result.group, [])}
    ordered = sorted(seeds, key=lambda seed: seeds[seed])
    chosen = [ordered[(len(ordered) - 1) // 2]] if ordered else []
    chosen += [view.seed for view in own.values() if view.best and view.seed not in chosen][:1]
    found = [own.get((seed, _code(runs[seed], result))) for seed in chosen if seed in runs]
    return tuple(view for view in found if view is not None)


def _code(run: Run, result: ClaimResult) -> str:
    """Whose images show the claim's number: the code that moves the stroke, or the one whose category is a digit."""
    known = measure(result.conditions[0].measure)
    swept = run.measures.get("strokes", {}).get("details", {}).get("sweeps", {}).get(known.factor, {})
    return str(swept.get("latent", "c1" if known.name in FAMILIES["digits"] else ""))
