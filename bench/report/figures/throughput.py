"""The figure of the throughput suite: images per second and time of an iteration against the batch size."""

from typing import Literal

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.records.throughput import SuiteRecord, SuiteRow
from bench.report.figures.style import STYLE, Drawing, line_style, logarithmic, save, ticks

# a step, and the line of the product in its precision
CEILINGS = (("fused", "-", "at the rate of a matrix product"), ("fused_bf16", ":", "at that of a product in bf16"))


def draw_throughput(record: SuiteRecord) -> Drawing | None:
    """Figure of a suite's record; None where it has no MNIST on one thread."""
    rows = [row for row in record["rows"] if row["threads"] == 1]
    if not any(row["network"] == "mnist" for row in rows):
        return None
    with rc_context(STYLE):
        figure = Figure(figsize=(9.6, 4.2), layout="constrained")
        rate, time = figure.subplots(1, 2)
        _panel(rate, rows, "images_per_s", "images per second")
        _panel(time, rows, "clock_ms", "time of an iteration (ms)")
        figure.legend(*rate.get_legend_handles_labels(), loc="outside upper center", ncols=4)
        caption = (
            "The paper's MNIST networks, medians of blocks that take turns in one process. Black lines are what the "
            "rate of a large matrix product would give for the same arithmetic, in float32 and where measured in bf16."
        )
        return save(figure, "throughput", "Images per second and time of an iteration against the batch size", caption)


def _panel(axes: Axes, rows: list[SuiteRow], quantity: Literal["images_per_s", "clock_ms"], label: str) -> None:
    """MNIST by batch size on logarithmic axes, with what the matrix product's rate would give as a line."""
    mnist = [row for row in rows if row["network"] == "mnist"]
    for number, step in enumerate(dict.fromkeys(row["step"] for row in mnist)):
        own = sorted((r for r in mnist if r["step"] == step), key=lambda r: r["batch_size"])
        axes.plot(
            [r["batch_size"] for r in own],
            [r[quantity] for r in own],
            marker="o",
            label=step.replace("_", " "),
            **line_style(number),
        )
    sizes = sorted({row["batch_size"] for row in mnist})
    for step, style, label_of in CEILINGS:
        own_s = {r["batch_size"]: r["direct_gflop"] / r["matrix_gflops_per_s"] for r in mnist if r["step"] == step}
        values = [size / s if quantity == "images_per_s" else 1e3 * s for size, s in sorted(own_s.items())]
        if own_s:
            axes.plot(sorted(own_s), values, color="black", linewidth=1, linestyle=style, label=label_of)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    low, high = axes.get_ylim()
    logarithmic(axes.yaxis, ticks(high / low))
    axes.set_xlabel("batch size (MNIST, one thread)")
    axes.set_ylabel(label)
