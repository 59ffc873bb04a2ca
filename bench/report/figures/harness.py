"""Figures of the harness itself: a launch's cells in their slots over wall time, and its cost against their number."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from bench.records.schedule import Schedule
from bench.report import wording
from bench.report.figures.style import COLOURS, MARKERS, STYLE, Drawing, logarithmic, save

OTHER = "#CCCCCC"  # cells of another experiment in the same launch
PANELS = (
    ("MB", ("launcher_peak_mb",)),
    ("seconds per cell", ("outside_s_per_cell",)),
    ("seconds of processor", ("launcher_cpu_s", "plan_cpu_s", "report_cpu_s", "sync_cpu_s")),
)


def draw_schedule(schedule: Schedule, definition: str) -> Drawing:
    """Training is solid, what a cell does beside it pale; colours tell arms apart, unless they are too many."""
    own = [span for span in schedule.spans if span.definition == definition]
    arms = list(dict.fromkeys(span.group for span in own))
    is_named = len(arms) <= len(COLOURS)  # else they share one colour
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 0.9 + 0.42 * schedule.jobs + 0.2 * (len(arms) > 0)), layout="constrained")
        axes = figure.subplots()
        for span in schedule.spans:
            mine = span.definition == definition
            colour = COLOURS[arms.index(span.group) * is_named] if mine else OTHER
            bar: dict[str, Any] = {"height": 0.72, "left": span.start_s / 60, "color": colour}
            axes.barh(span.slot, (span.end_s - span.start_s) / 60, alpha=0.35, **bar)
            axes.barh(span.slot, span.train_s / 60, edgecolor="white", linewidth=0.6, **bar)
        axes.axvline(schedule.wall_s / 60, color="#333333", linewidth=0.9)
        axes.axvline(schedule.ideal_s / 60, color="#333333", linewidth=0.9, dashes=(3, 2))
        axes.set_yticks(range(schedule.jobs), [str(slot + 1) for slot in range(schedule.jobs)])
        axes.set_ylim(schedule.jobs - 0.5, -0.5)
        axes.set_xlim(0, 1.02 * max(schedule.wall_s, schedule.ideal_s) / 60)
        axes.set_xlabel("wall time (minutes)")
        axes.set_ylabel("slot")
        for number, arm in enumerate(arms[: len(COLOURS)]):
            axes.barh(0, 0, color=COLOURS[number], label=arm)
        if is_named and len(arms) > 1:
            figure.legend(loc="outside upper center", fontsize=8, ncols=min(5, len(arms)))
        slots = "The slot" if schedule.jobs == 1 else f"The {schedule.jobs} slots"
        others = " Grey: cells of other experiments." if len(own) < len(schedule.spans) else ""
        caption = (
            f"Each bar is a cell; its solid part is training.{others} {slots} trained during "
            f"{wording.percent(schedule.efficiency, 1)} % of the wall time of {schedule.wall_s / 60:.1f} minutes. "
            f"Dashed: the {schedule.ideal_s / 60:.1f} minutes that the trainings alone would need."
        )
        return save(figure, "schedule", "Schedule of the largest launch", caption)


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
