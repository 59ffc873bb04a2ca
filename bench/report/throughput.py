"""The report's throughput section, from the records under RESULTS/throughput: ratios, share of the ceiling, the suite.

Numbers are those of the records; what was not measured is named with the command that measures it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bench.records.throughput import (
    CardRecord,
    PairedRecord,
    SuiteRecord,
    SuiteRow,
    load_in_words,
    measured_on,
    precision_of,
    read,
)
from bench.report import wording
from bench.report.paired_steps import paired_tables
from bench.report.tabular import Table

SUITE, PAIRED = "python -m bench throughput --suite", "python -m bench throughput"
CARD = "python -m bench throughput --card"
NO_GPU = "anything on a GPU"


@dataclass(frozen=True)
class Records:
    """The newest record of each kind; None where there is none."""

    paired: PairedRecord | None = None
    suite: SuiteRecord | None = None
    card: CardRecord | None = None
    unreadable: list[str] = field(default_factory=list)


def read_records(folder: Path) -> Records:
    """Records of all JSON files in ``folder``; a file that is no record of this version is named, and passed over."""
    newest: dict[str, Any] = {}  # a record by its kind
    unreadable = []
    for path in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime):
        try:
            record = read(path)
        except (OSError, ValueError) as error:
            unreadable.append(f"throughput/{path.name}: {wording.scrubbed(error)}")
            continue
        if record is not None:
            newest[record["kind"]] = record
    return Records(**newest, unreadable=unreadable)


def tables(records: Records) -> list[Table]:
    """The tables of the records that are there."""
    found = []
    if records.paired is not None:
        found += paired_tables(records.paired)
    if records.suite is not None:
        found += [_suite(records.suite), _beside(records.suite)]
    if records.card is not None:
        found.append(_card(records.card))
    return found


def missing(records: Records) -> list[str]:
    """One line each for what was not measured here, with its command."""
    lines = [f"unreadable: {line}" for line in records.unreadable]
    if records.paired is None:
        lines.append(f"ratios of the fused step: {PAIRED}")
    elif all(precision_of(m["workload"]) == "float32" for m in records.paired["measurements"]):
        lines.append(f"the fused step in bf16: {PAIRED} on a device that multiplies bfloat16")
    if records.suite is None:
        lines.append(f"networks, batch sizes, threads, sampling, evaluation, a whole cell: {SUITE}")
    measured = [r["fingerprint"]["gpu"] for r in (records.paired, records.suite, records.card) if r]
    if not any(measured):
        lines.append(f"{NO_GPU}: {CARD} --device cuda on a machine that has one")
    return lines


def machines(records: Records) -> list[tuple[str, str]]:
    """Name of each record, with where and how it was measured."""
    listed = []
    for name, record in (("ratios", records.paired), ("suite", records.suite), ("card", records.card)):
        if record is not None:
            where = f"{measured_on(record['fingerprint'])}; {load_in_words(record['load'])}"
            words = f"{record['command']} on {where}; commit {record['git_commit']}"
            listed.append((name, wording.scrubbed(words, 600)))
    return listed


def _suite(record: SuiteRecord) -> Table:
    rows_of: list[Mapping[str, object]] = [*record["rows"]]
    rows = [
        [
            r["network"], f"{r['width']:g}", str(r["batch_size"]), str(r["threads"]), r["step"].replace("_", " "),
            wording.number(r["clock_ms"], 1), wording.number(r["images_per_s"], 0),
            f"{r['of_fused']:.2f} [{r['of_fused_low']:.2f}, {r['of_fused_high']:.2f}]",
            wording.percent(r["share_direct"], 1), wording.percent(r["share_executed"], 1),
        ]
        for r in record["rows"]
    ]  # fmt: skip
    keys = [*SuiteRow.__annotations__]
    clocks = wording.listed(f"{c} time" for c in dict.fromkeys(r["clock"] for r in record["rows"]))
    caption = (
        f"Medians of blocks that alternate in one process, in {clocks}. One thread is measured in processor time, "
        "several in wall time. Fused, reference and the plain steps use PyTorch's own kernels; fused fastest uses "
        "those of the experiments, and fused bf16 computes in bfloat16. The ceiling is that of a step's own precision."
    )
    headings = ["network", "width", "batch", "threads", "step", "iteration (ms)", "images/s", "of fused [interval]"]
    headings += ["of the ceiling, direct (%)", "executed (%)"]
    values = [[row[key] for key in keys] for row in rows_of]
    return Table("throughput-suite", "Every step, network and batch size", caption, headings, rows, keys, values)


CARD_NUMBERS = ("ms", "ms_low", "ms_high", "images_per_s", "share", "product_tflops_per_s")


def _card(record: CardRecord) -> Table:
    """Rows of one GPU; one that could not run says so."""
    values, rows = [], []
    for row in record["rows"]:
        name, numbers = [row["name"], row["precision"], row["num_seeds"]], cast(Mapping[str, Any], row)
        values.append([*name, *(numbers.get(key) for key in CARD_NUMBERS)])
        if "error" in row:
            rows.append([*map(str, name), f"not measured: {wording.scrubbed(row['error'])}", "", ""])
            continue
        middle, low, high = (wording.number(ms, 3) for ms in (row["ms"], row["ms_low"], row["ms_high"]))
        share = f"{wording.percent(row['share'], 1)} % of {row['product_tflops_per_s']:.3g} TFLOP/s"
        images = wording.number(row["images_per_s"], 0)
        rows.append([*map(str, name), f"{middle} [{low}, {high}]", images, share])
    workload, gpu = record["workload"], record["fingerprint"]["gpu"]
    caption = (
        f"{workload['network']}, batch {workload['batch_size']}, width {workload['width']:g}, "
        f"on {gpu or 'a CPU: a rehearsal'}. Each row alternates with a large square matrix product."
    )
    headings = ["iteration", "precision", "seeds at once", "ms of one seed", "images/s", "share of the product's rate"]
    keys = ["iteration", "precision", "seeds", *CARD_NUMBERS]
    return Table("throughput-card", "One GPU", caption, headings, rows, keys, values, num_text=2)


def _beside(record: SuiteRecord) -> Table:
    values: list[tuple[str, str, float, str]] = []  # a suite that was cut has some of it
    if sampling := record.get("sampling"):
        values.append(("sampling", f"{sampling['batch_size']} images", sampling["ms"], "ms"))
        values.append(("sampling", "rate", sampling["images_per_s"], "images/s"))
    if evaluation := record.get("evaluation"):
        values.append(("evaluation", "the frozen bound, calibration included", evaluation["ms"], "ms"))
    if cell := record.get("cell"):
        values += [
            ("checkpoint", f"{cell['checkpoint']['size_mb']:.0f} MB", cell["checkpoint"]["ms"], "ms"),
            *(("a small cell", part, seconds, "s") for part, seconds in cell["parts_s"].items()),
            ("a small cell", "beside its training", cell["beside_training_s"], "s"),
            ("a small cell", "the same, of a cell of three minutes", 100 * cell["share_of_typical_cell"], "%"),
        ]
    rows = [[what, part, wording.number(value, 1), unit] for what, part, value, unit in values]
    small = f" The small cell: python -m bench run {cell['command']}." if cell else ""
    caption = f"Everything except the training steps.{small}"
    columns = ["what", "part", "value", "unit"]
    return Table("throughput-beside", "Beside the training step", caption, columns, rows, columns, values, num_text=2)
