"""Tables of a paired record: the fused step in each precision, its ratio to other steps, its share of the ceiling."""

from collections.abc import Callable

from bench.records.throughput import (
    Measurement,
    PairedRecord,
    RatioRecord,
    Share,
    WorkloadRecord,
    images_per_s,
    precision_of,
    step_ms,
)
from bench.report import wording
from bench.report.tabular import Table

STEPS = {
    "reference": "the reference step",
    "plain": "a plain alternating loop",
    "as_commonly_written": "the structure of the popular ports",
    "plain_gan": "a plain GAN, without codes and Q",
    "fused_torch": "itself with PyTorch's own kernels",
    "fused_float32": "itself in float32",
}
WHERE = ["network", "precision", "batch", "width", "kernels"]
SPEED_OF = {  # what the table of speeds divides by
    "as_commonly_written": "of the popular ports' time",
    "reference": "of the reference step's",
    "fused_float32": "of its own in float32",
}
SPEED_HEADINGS = ["iteration (ms)", "images/s", *SPEED_OF.values(), "of the ceiling (%)"]


def paired_tables(record: PairedRecord) -> list[Table]:
    """Three tables: the speed at a glance, all ratios, shares of the ceiling."""
    return [_speeds(record), _ratios(record), _ceiling(record)]


def _interval(
    middle: float, ends: RatioRecord | Share, decimals: int, write: Callable[[float, int], str] = wording.number
) -> str:
    shown, low, high = (write(value, decimals) for value in (middle, ends["low"], ends["high"]))
    return f"{shown} [{low}, {high}]"


def _where(workload: WorkloadRecord) -> list[str | int | float]:
    own = [workload["network"], precision_of(workload)]
    return [*own, workload["batch_size"], workload["width"], workload["kernels"]]


def _where_shown(workload: WorkloadRecord) -> list[str]:
    return [f"{v:g}" if isinstance(v, float) else str(v) for v in _where(workload)]


def speed(measurement: Measurement) -> list[str]:
    """The fused step at a glance: ms, images per second, the ratios of ``SPEED_OF``, share of the ceiling."""
    own_ms, share = step_ms(measurement), measurement["ceiling"]["direct"]
    ratios = [_ratio(measurement, name) for name in SPEED_OF]
    return [
        wording.number(own_ms, 1),
        wording.number(images_per_s(measurement["workload"], own_ms), 0),
        *("" if ratio is None else _interval(ratio["ratio"], ratio, 3) for ratio in ratios),
        _interval(share["share"], share, 1, wording.percent),
    ]


def _ratio(measurement: Measurement, name: str) -> RatioRecord | None:
    comparison = measurement["comparisons"].get(name)
    return None if comparison is None else comparison["ratio"][comparison["clock"]]


def _speeds(record: PairedRecord) -> Table:
    """A row for each network in each precision."""
    rows, values = [], []
    for m in record["measurements"]:
        where, own_ms = _where(m["workload"]), step_ms(m)
        ratios = [ratio and ratio["ratio"] for ratio in (_ratio(m, name) for name in SPEED_OF)]
        rows.append([*_where_shown(m["workload"]), *speed(m)])
        rate = images_per_s(m["workload"], own_ms)
        values.append([*where, own_ms, rate, *ratios, m["ceiling"]["direct"]["share"]])
    caption = (
        "Below 1 the fused step takes less time than the other step of the same network, which computes in float32. "
        "The ceiling is the rate of a large matrix product in the precision of the fused step."
    )
    keys = [*WHERE, "ms", "images_per_s", *(f"of_{name}" for name in SPEED_OF), "share_direct"]
    headings = [*WHERE, *SPEED_HEADINGS]
    return Table("throughput-speeds", "The fused step in each precision", caption, headings, rows, keys, values, 2)


def _ratios(record: PairedRecord) -> Table:
    rows, values = [], []
    for m in record["measurements"]:
        for name, c in m["comparisons"].items():
            ratio = c["ratio"][c["clock"]]
            shown = _where_shown(m["workload"])
            own_ms, other_ms = c["step_ms"][c["clock"]], c["other_ms"][c["clock"]]
            times = [wording.number(own_ms, 1), wording.number(other_ms, 1)]
            rows.append([STEPS.get(name, name), *shown, _interval(ratio["ratio"], ratio, 3), *times, str(ratio["num"])])
            values.append(
                [name, *_where(m["workload"]), ratio["ratio"], ratio["low"], ratio["high"], ratio["level"],
                 ratio["num"], own_ms, other_ms, c["clock"]]
            )  # fmt: skip
    clocks = wording.listed(dict.fromkeys(str(v[-1]) for v in values))
    caption = (
        f"Time of the fused step divided by that of another way to train the same networks ({clocks} time). Below 1 "
        "the fused step is faster. Median of pairs of blocks in random order in one process, with its exact interval. "
        "The other steps compute in float32."
    )
    keys = ["against", *WHERE, "ratio", "low", "high", "level", "pairs", "fused_ms", "other_ms", "clock"]
    headings = ["fused step against", *WHERE, "ratio of times", "fused (ms)", "other (ms)", "pairs"]
    return Table("throughput-ratios", "The fused step against others", caption, headings, rows, keys, values)


def _ceiling(record: PairedRecord) -> Table:
    rows, values = [], []
    for m in record["measurements"]:
        c = m["ceiling"]
        shown = _where_shown(m["workload"])
        shares, rates = [c["direct"], c["executed"]], [c["direct_gflop"], c["executed_gflop"], c["matrix_gflops_per_s"]]
        intervals = [_interval(share["share"], share, 1, wording.percent) for share in shares]
        rows.append([*shown, *intervals, *(wording.number(rate, 1) for rate in rates)])
        numbers = [number for share in shares for number in (share["share"], share["low"], share["high"])]
        values.append([*_where(m["workload"]), *numbers, *rates])
    size = record["measurements"][0]["ceiling"]["matrix_size"]
    caption = (
        f"Arithmetic rate of the fused step as a share of the ceiling: the rate of a {size} x {size} matrix product in "
        "the same precision and process, by the faster of PyTorch's BLAS and oneDNN. Direct: the arithmetic of the "
        "layers as the paper states them. Executed: the arithmetic that was done, which is less with Winograd-type "
        "convolutions."
    )
    keys = [*WHERE, "share_direct", "direct_low", "direct_high", "share_executed", "executed_low", "executed_high"]
    keys += ["direct_gflop", "executed_gflop", "matrix_gflops_per_s"]
    headings = [*WHERE, "of the ceiling, direct (%)", "executed (%)", "direct (GFLOP)", "executed (GFLOP)"]
    headings += ["ceiling (GFLOP/s)"]
    return Table("throughput-ceiling", "Share of the ceiling", caption, headings, rows, keys, values)
