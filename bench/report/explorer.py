"""The explorer of the codes: atlases of a few seeds, so that a reader can move codes, noise and a plain GAN's codes."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.analysis.pictures import category_labels, digit_of_categories, grid_png
from bench.analysis.runs import Run, Sweep, median_of, ranked
from bench.records.storage import CorruptRecord
from bench.report import wording
from bench.report.atlases import NOISE, Atlas, NoAtlas, Panel, atlas_of
from bench.report.codes import BASELINE_ARM
from bench.report.pages import ExplorerView, StillView, data_uri
from bench.spec.experiment import arm_of, same_variant
from bench.spec.selection import seeds_in_words

MAX_BYTES = 450_000  # of all pictures in one explorer; the default seeds of the first arms come first
MAX_WORTH_DRAWING = 100_000  # bytes left, below which no further atlas is drawn


@dataclass
class _Cell:
    """A run whose images are on the page."""

    run: Run
    atlas: Atlas
    words: str  # seed 3 (the median)
    panels: list[Panel]

    @property
    def size_bytes(self) -> int:
        return self.atlas.size_bytes(self.panels)

    def to_json(self) -> dict[str, Any]:
        layout = self.atlas.layout
        # a continuous code is what most claims are about: the page opens with one, where there is one
        ordered = sorted(self.panels, key=lambda panel: all(axis.kind == "categorical" for axis in panel.axes))
        panels = [
            panel.model_dump() | {"picture": data_uri(self.atlas.pictures[panel.name], "image/webp")}
            for panel in ordered
        ]
        shape = {name: getattr(layout, name) for name in ("rows", "across", "width", "height")}
        return {"group": self.run.cell.group, "words": self.words, "labels": self._labels(), "panels": panels} | shape

    def _labels(self) -> list[str]:
        """Names of the first categorical code's categories."""
        axes = [axis for panel in self.panels for axis in panel.axes if axis.kind == "categorical"]
        digits = digit_of_categories(self.run.measures)
        return category_labels(len(axes[0].values), digits) if axes and digits else []


@dataclass
class _Explorer:
    """Collects cells while there is room."""

    cells: dict[tuple[str, int], _Cell] = field(default_factory=dict)
    left_out: list[Run] = field(default_factory=list)
    without: dict[str, list[str]] = field(default_factory=dict)  # runs that have no atlas, by the reason

    def add(self, run: Run, words: str, *, with_noise: bool) -> None:
        key = run.cell.group, run.cell.seed
        used = sum(cell.size_bytes for cell in self.cells.values())
        if key in self.cells:
            return
        if MAX_BYTES - used < MAX_WORTH_DRAWING:
            self.left_out.append(run)
            return
        try:
            atlas = atlas_of(run)
        except NoAtlas as error:
            self.without.setdefault(wording.scrubbed(error), []).append(run.cell.name)
            return
        cell = _Cell(run, atlas, words, atlas.layout.panels if with_noise else atlas.codes)
        if used + cell.size_bytes > MAX_BYTES:
            self.left_out.append(run)
        else:
            self.cells[key] = cell

    def lines(self) -> list[str]:
        found = self.without.items()
        return [f"no images in the explorer of {wording.listed(sorted(runs))}: {why}" for why, runs in found]

    def of(self, group: str) -> list[_Cell]:
        return [cell for (own, _), cell in self.cells.items() if own == group]


def explorer(sweep: Sweep, order: Sequence[str]) -> tuple[ExplorerView | None, list[str]]:
    """The explorer of a sweep whose cells were measured, and lines on what it lacks; None without any atlas.

    ``order``: the groups that the report shows. Every arm's median seed comes first, then its best, then the others.
    """
    runs = {group: [run for run in sweep.done(group) if run.measures and run.folder] for group in order}
    ranks = {group: list(_seeds(own)) for group, own in runs.items() if own}
    treated = [group for group in ranks if any(ranks[group][0][0].cell.config["training"]["mi_weight_generator"])]
    against = {group: _baseline(group, ranks, treated) for group in treated}
    found = _Explorer()
    for rank in range(max(map(len, ranks.values()), default=0)):
        for group in treated:
            for own in (group, against[group]):
                if own is not None and rank < len(ranks[own]):
                    found.add(*ranks[own][rank], with_noise=own == group)
    settings = [(group, against[group]) for group in treated if found.of(group)]
    if not settings:
        return None, found.lines()
    cells = list(found.cells.values())
    places = {id(cell): place for place, cell in enumerate(cells)}
    data = {
        "cells": [cell.to_json() for cell in cells],
        "settings": [
            {"group": group, "cells": [places[id(cell)] for cell in found.of(group)]}
            | {"against": [places[id(cell)] for cell in found.of(other)] if other else []}
            for group, other in settings
        ],
    }
    try:
        stills = list(_stills(found, *settings[0]))
    except CorruptRecord as error:
        return None, [*found.lines(), f"no explorer: {wording.scrubbed(error)}"]
    return ExplorerView(json.dumps(data), stills, _notes(found)), []


def _seeds(runs: list[Run]) -> Iterator[tuple[Run, str]]:
    """Runs of a group with their words: the median, the best, the others by seed."""
    best_first = ranked(runs)
    median, best = median_of(best_first), best_first[0]
    yield median, f"seed {median.cell.seed} (the median)" if len(runs) > 1 else f"seed {median.cell.seed}"
    if best is not median:
        yield best, f"seed {best.cell.seed} (the best)"
    for run in sorted(runs, key=lambda run: run.cell.seed):
        if run is not median and run is not best:
            yield run, f"seed {run.cell.seed}"


def _baseline(group: str, ranks: Iterable[str], treated: list[str]) -> str | None:
    """The plain GAN beside which a group is shown: its own variant's, else another's."""
    own = same_variant(group, BASELINE_ARM)
    plain = [other for other in ranks if other not in treated]
    named = [other for other in plain if arm_of(other) == BASELINE_ARM]
    return own if own in plain else next(iter([*named, *plain]), None)


def _stills(found: _Explorer, group: str, other: str | None) -> Iterator[StillView]:
    """For the first setting: its codes, its noise, and the plain GAN's codes."""
    first = found.of(group)[0]
    noise = [panel for panel in first.panels if panel.name == NOISE]
    yield _still(first, first.atlas.codes)
    if noise:
        yield _still(first, noise)
    for cell in found.of(other)[:1] if other else []:
        yield _still(cell, cell.atlas.codes)


def _still(cell: _Cell, panels: Sequence[Panel]) -> StillView:
    """A line of images for each axis: it moves, all else stays in the middle."""
    lines, said = [], []
    for panel in panels:
        images = cell.atlas.images(panel)[0]
        shape = [len(axis.values) for axis in panel.axes]
        images = images.reshape(*shape, *images.shape[1:])
        middle = [0 if axis.kind == "categorical" else len(axis.values) // 2 for axis in panel.axes]
        for place, axis in enumerate(panel.axes):
            if axis.kind == "categorical" and panel.name == NOISE and len(panel.axes) > 1:
                continue  # the codes' panel shows it
            index: list[Any] = [*middle]
            index[place] = slice(None)
            lines.append(images[tuple(index)])
            ends = f"from {axis.values[0]:g} to {axis.values[-1]:g}"
            said.append(f"{axis.name} {'through its categories' if axis.kind == 'categorical' else ends}")
    across = max(map(len, lines))
    blank = [np.pad(line, [(0, across - len(line)), (0, 0), (0, 0), (0, 0)], constant_values=255) for line in lines]
    noun = "noise" if panels[0].name == NOISE else "codes"
    words = f"{cell.run.cell.group}, {cell.words}, {noun}, line by line: {wording.listed(said)}; all else is fixed."
    return StillView(data_uri(grid_png(np.stack(blank)), "image/png"), words)


def _notes(found: _Explorer) -> list[str]:
    shown = wording.listed(f"{cell.run.cell.group}, {cell.words}" for cell in found.cells.values())
    encodings = {cell.atlas.layout.encoding for cell in found.cells.values()}
    notes = [f"Drawn by the trained generators, and packed ({wording.listed(sorted(encodings))}): {shown}."]
    if found.left_out:
        by_group: dict[str, list[int]] = {}
        for run in found.left_out:
            by_group.setdefault(run.cell.group, []).append(run.cell.seed)
        seeds = (f"{group}, seeds {seeds_in_words(own)}" for group, own in by_group.items())
        notes.append(f"Left out to keep the page small: {'; '.join(seeds)}.")
    return notes + [f"{line[0].upper()}{line[1:]}." for line in found.lines()]
