"""Figure of the harness's cost against the number of cells."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from bench.report.figures.style import COLOURS, MARKERS, STYLE, Drawing, logarithmic, save

PANELS = (
    ("MB", ("launcher_peak_mb",)),
    ("seconds per cell", ("outside_s_per_cell",)),
    ("seconds of processor", ("launcher_cpu_s", "plan_cpu_s", "report_cpu_s", "sync_cpu_s")),
)


def draw_scaling(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Drawing:
    """Three panels on logarithmic axes; ``names``: what a person reads for a quantity."""
    with rc_context(STYLE):
        figure = Figure(figsize=(10.5, 3.6), layout="constrained")
        sizes = [row["cells"] for row in rows]
        for axes, (unit, quantities) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
            for number, quantity in enumerate(quantities):
                values = [row[quantity] for row in rows]
                label = names[quantity]
                axes.plot(sizes, values, color=COLOURS[number], marker=MARKERS[number], linewidth=1.4, label=label)
            last = max(rows[-1][quantity] for quantity in quantities)
            if unit == "seconds of processor":
                linear = [last * size / sizes[-1] for size in sizes]
                axes.plot(sizes, linear, color="#888888", linewidth=0.9, dashes=(1, 2), label="linear")
            axes.set_xscale("log")
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.minorticks_off()
            if unit == "seconds of processor":
                axes.set_yscale("log")
                logarithmic(axes.yaxis)
            else:
                axes.set_ylim(0, 1.25 * max(row[quantities[0]] for row in rows))
            axes.set_xlabel("cells")
            axes.set_ylabel(unit)
            axes.legend(fontsize=8)
        caption = (
            "Sweeps of tiny cells: the launcher's memory, what a cell costs beside its training, and the commands."
        )
        return save(figure, "scaling", "Cost as work grows", caption)
