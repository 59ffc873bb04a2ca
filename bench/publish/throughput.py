"""Publish throughput records as the reference: the records, their figure, and the table of docs/THROUGHPUT.md.

``python -m bench.publish.throughput RESULTS`` copies the newest records of RESULTS/throughput to
results/reference/throughput/ and fills the block. A test recomputes the block from the committed records.
"""

import os
import sys
from pathlib import Path

from bench.environment import ROOT
from bench.publish.documents import markdown_table, parser_of, with_block
from bench.publish.reference import REFERENCES
from bench.records.folder import THROUGHPUT
from bench.records.storage import write_atomic, write_plain_json
from bench.records.throughput import Measurement
from bench.report.throughput import STEPS, Records, machines, read_records

FOLDER = REFERENCES / THROUGHPUT
BLOCK = "throughput"
DOCUMENT = ROOT / "docs" / "THROUGHPUT.md"
FIGURE = "throughput.png"
NOTHING = "No record is published yet; what was measured on a Xeon stands in [the notes](../bench/throughput/NOTES.md)."


def shown_block(records: Records, figure: str | None) -> str:
    """The section as Markdown: a table per measured network, the share of the ceiling, the machine, the figure."""
    parts: list[str] = []
    if records.paired is None:
        return NOTHING
    for measurement in records.paired["measurements"]:
        parts += [_ratios(measurement), _ceiling(measurement)]
    parts += [f"Measured with `{words.replace(' on ', '` on ', 1)}." for _, words in machines(records)]
    if figure is not None:
        parts.append(f"![Images per second and time of an iteration against the batch size]({figure})")
    return "\n\n".join(parts)


def _ratios(measurement: Measurement) -> str:
    w = measurement["workload"]
    step = f"fused step ({w['network']}, batch {w['batch_size']}, width {w['width']:g}, kernels `{w['kernels']}`)"
    rows = []
    for name, c in measurement["comparisons"].items():
        r = c["ratio"][c["clock"]]
        rows.append([STEPS.get(name, name), f"{r['ratio']:.3f} [{r['low']:.3f}, {r['high']:.3f}]"])
    return markdown_table([f"{step} against", "ratio of step times"], rows)


def _ceiling(measurement: Measurement) -> str:
    c = measurement["ceiling"]
    direct, executed = (f"{s['share']:.1%} [{s['low']:.1%}, {s['high']:.1%}]" for s in (c["direct"], c["executed"]))
    return (
        f"Counted as the paper states its layers, an iteration takes {c['direct_gflop']:.1f} GFLOP. The fused step "
        f"does them at {direct} of the rate of a {c['matrix_size']} x {c['matrix_size']} matrix product in the same "
        f"process ({c['matrix_library']}, {c['matrix_gflops_per_s']:.0f} GFLOP/s). Counting only the "
        f"{c['executed_gflop']:.1f} GFLOP that are executed, the share is {executed}."
    )


def publish(results: Path) -> Path:
    """Write the reference folder and its block; returns the folder. ValueError where nothing was measured."""
    records = read_records(results / THROUGHPUT)
    if records.paired is None:
        raise ValueError(f"{results / THROUGHPUT} holds no record of python -m bench throughput")
    for name, record in (("paired", records.paired), ("suite", records.suite)):
        if record is not None:
            write_plain_json(FOLDER / f"{name}.json", record)
    if records.suite is not None:
        from bench.report.figures import draw_throughput

        drawing = draw_throughput(records.suite)
        if drawing is not None:
            write_atomic(FOLDER / FIGURE, drawing.png)
    write_atomic(DOCUMENT, with_block(DOCUMENT.read_text(), BLOCK, committed_block()).encode())
    return FOLDER


def committed_block() -> str:
    """The block from the committed records."""
    figure = FOLDER / FIGURE
    shown = Path(os.path.relpath(figure, DOCUMENT.parent)).as_posix() if figure.exists() else None
    return shown_block(read_records(FOLDER), shown)


def main() -> int:
    """Exit code 0; 2 with one line where there are no records."""
    parser = parser_of("throughput", __doc__)
    parser.add_argument("results", type=Path, help="the folder that holds throughput/")
    options = parser.parse_args()
    try:
        print(publish(options.results))
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
