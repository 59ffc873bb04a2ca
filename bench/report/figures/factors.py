"""Figures 3 to 6 in the paper's layout, and which code moves which factor."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.pictures import GAP, tiled_height
from bench.analysis.runs import Run
from bench.analysis.summary import code_names
from bench.console import plural
from bench.report import wording
from bench.report.factors import FactorRun, FactorRuns, entry
from bench.report.figures.style import STYLE, Drawing, save, show_images
from bench.spec import vocabulary
from bench.spec.experiment import arm_of
from infogan.measures.catalogue import FACTORS

WIDTH, MARGIN = 8.4, 0.1  # inches
SMALL_COLUMNS = 3
_LINE = 0.17  # inches of a line of text
NOISE_ROW = "noise"


def draw_runs(found: FactorRuns) -> Drawing | None:
    """The best run's pictures large, every other run's small, none left out; None where no run has pictures."""
    runs = [run for run in found.runs if run.grid is not None]
    if not runs:
        return None
    first = found.best if found.best is not None and found.best.grid is not None else runs[0]
    others = [run for run in runs if run is not first]
    small: list[tuple[np.ndarray, str]] = [(r.grid, _title(found, r)) for r in others if r.grid is not None]
    if first.noise_grid is not None:
        small.append((first.noise_grid, f"seed {first.run.cell.seed}: a noise dimension instead"))
    with rc_context(STYLE):
        assert first.grid is not None
        large_height = tiled_height(first.grid, WIDTH - 2 * MARGIN)
        width = (WIDTH - (SMALL_COLUMNS + 1) * MARGIN) / SMALL_COLUMNS
        small_height = tiled_height(small[0][0], width) if small else 0.0
        num_rows = -(-len(small) // SMALL_COLUMNS)
        height = large_height + 2.6 * _LINE + num_rows * (small_height + 1.5 * _LINE) + MARGIN
        figure = Figure(figsize=(WIDTH, height))
        top = height - 1.2 * _LINE
        large_title = f"{found.factor.replace('_', ' ')}, {_title(found, first)}"
        axes = _grid_axes(figure, MARGIN, top, WIDTH - 2 * MARGIN, large_height, first.grid, large_title, 9.5)
        size = first.grid.shape[3] + GAP
        columns = [f"{first.code} = {first.columns[0]}", *first.columns[1:]]
        axes.set_xticks([k * size + (size - GAP) / 2 - 0.5 for k in range(first.grid.shape[1])], columns)
        axes.tick_params(axis="x", length=0, pad=2, labelsize=8.5)
        top -= large_height + 1.4 * _LINE
        for k, (grid, title) in enumerate(small):
            row, column = divmod(k, SMALL_COLUMNS)
            left = MARGIN + column * (width + MARGIN)
            at = top - row * (small_height + 1.5 * _LINE) - 1.2 * _LINE
            _grid_axes(figure, left, at, width, small_height, grid, title, 7.5)
        name = f"factor-{found.factor.replace('_', '-')}-{arm_of(found.group)}"
        heading = f"{found.claim}: {found.title}" if found.claim else f"{found.factor.replace('_', ' ')}, {found.group}"
        return save(figure, name, heading, _caption(found, first), found.factor)


def _title(found: FactorRuns, run: FactorRun) -> str:
    marks = [word for word, other in (("best by rule", found.best), ("median", found.median)) if run is other]
    unit = vocabulary.measure(found.measure).unit
    value = "not measured"
    if not math.isnan(run.value):
        value = f"{wording.measured(found.measure, run.value)} {unit}".rstrip()
    return f"seed {run.run.cell.seed}{f' ({wording.listed(marks)})' if marks else ''}, {run.code}: {value}"


def _caption(found: FactorRuns, first: FactorRun) -> str:
    text = "Each row has other noise and other codes. "
    if vocabulary.measure(found.measure).is_of_categories:
        text += (
            f"Columns: the categories of {first.code}, ordered by {found.factor.replace('_', ' ')} as the readers see "
            "it on other samples. "
        )
    else:
        text += f"Columns: the code of each run that moves {found.factor.replace('_', ' ')} most, from -1 to 1. "
    if found.best is None:
        reason = next((run.reason for run in found.runs if run.reason), "no such code")
        return text + f"No run could be measured ({reason}): the code is the readers' guess and none is the best."
    chosen, number = (vocabulary.measure(name).words for name in (found.rule, found.measure))
    return text + (
        f"Large: the best of {plural(len(found.measured), 'run')} by rule ({chosen}), measured on other "
        f"samples. Small: every other run. Numbers: {number}."
    )


def _grid_axes(
    figure: Figure, left: float, top: float, width: float, height: float, grid: np.ndarray, title: str, size: float
) -> Axes:
    """Draw ``grid`` with its upper edge at ``top``; lengths in inches."""
    full = figure.get_size_inches()[1]
    axes = figure.add_axes((left / WIDTH, (top - height) / full, width / WIDTH, height / full))
    show_images(axes, grid)
    axes.set_title(title, fontsize=size, pad=2.5, loc="left")
    axes.set_yticks([])
    axes.set_xticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def draw_codes(runs_of: dict[str, list[Run]]) -> Drawing | None:
    """Code by factor, the first-order index of every code, a panel a run; None where nothing was measured."""
    tables = [(group, run, *_table(run)) for group, runs in runs_of.items() for run in runs]
    absent = [f"{group} seed {run.cell.seed}" for group, run, table, _, _ in tables if not table.size]
    tables = [one for one in tables if one[2].size]
    if not tables:
        return None
    columns = min(len(tables), 5)
    num_rows = -(-len(tables) // columns)
    most_codes = max(len(codes) for _, _, _, codes, _ in tables)
    most_factors = max(len(factors) for _, _, _, _, factors in tables)
    cell = min(0.36, (WIDTH / columns - 0.6) / most_factors)
    with rc_context(STYLE):
        panel = most_codes * 0.2 + 1.0
        height = num_rows * panel
        figure = Figure(figsize=(WIDTH, height))
        for k, (group, run, table, codes, factors) in enumerate(tables):
            row, column = divmod(k, columns)
            left, width = column / columns + 0.5 / WIDTH, cell * len(factors) / WIDTH
            bottom = 1 - (row * panel + 0.25 + 0.2 * len(codes)) / height
            axes = figure.add_axes((left, bottom, width, 0.2 * len(codes) / height))
            _matrix(axes, table, codes, factors)
            axes.set_title(f"{arm_of(group)}, seed {run.cell.seed}", fontsize=7.5, pad=2, loc="left")
        caption = (
            "First-order Sobol index of every code on every factor as the readers see it, from samples that did not "
            f"choose a code. At 1 the code alone decides the factor. Last row, {NOISE_ROW}: the noise dimension "
            "that the same search finds. Grey: not measured. *: a continuous code."
        )
        if absent:
            caption += f" No panel, since the readers could read no factor: {wording.listed(absent)}."
        return save(figure, "codes", "Which code moves which factor", caption)


def _table(run: Run) -> tuple[np.ndarray, list[str], list[str]]:
    """Indices, (codes and noise, factors), NaN where not measured, with the names of rows and columns."""
    known = entry(run).get("factors", {})
    factors = [name for name in FACTORS if name in known]
    config = run.cell.config
    codes = [f"c{i}" for i in range(1, 1 + len(config["codes"]))]
    if not any("first_order" in known[name] for name in factors):
        return np.empty((0, 0)), codes, factors
    table = np.full((len(codes) + 1, len(factors)), np.nan)
    for column, name in enumerate(factors):
        scored = known[name].get("first_order", {}).get("scoring", {})
        table[:-1, column] = [scored.get(code, math.nan) for code in codes]
        table[-1, column] = known[name]["numbers"].get("noise_first_order", math.nan)
    continuous = code_names(config, "continuous")
    return table, [*(f"{code}*" if code in continuous else code for code in codes), NOISE_ROW], factors


def _matrix(axes: Axes, table: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> None:
    axes.set_facecolor("#D8D8D8")
    axes.imshow(np.clip(table, 0, 1), cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    for (row, column), value in np.ndenumerate(table):
        if value >= 0.05:
            colour = "white" if value > 0.55 else "#222222"
            axes.text(
                column, row, f"{value:.2f}".removeprefix("0"), ha="center", va="center", fontsize=5.5, color=colour
            )
    axes.set_yticks(range(len(rows)), rows, fontsize=6.5)
    axes.set_xticks(
        range(len(columns)), [name.replace("_", " ") for name in columns], rotation=55, ha="right", fontsize=6.5
    )
    axes.tick_params(length=0, pad=1)
