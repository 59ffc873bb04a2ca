"""Publish throughput records as the reference: the records, their figure, tables of docs/THROUGHPUT.md and README.md.

``python -m bench.publish.throughput RESULTS`` copies the newest records of RESULTS/throughput to
results/reference/throughput/ and fills the blocks. A test recomputes them from the committed records.
"""

import os
import sys
from pathlib import Path

from bench.environment import ROOT
from bench.publish.documents import README, REFERENCES, markdown_table, parser_of, with_block
from bench.records.folder import THROUGHPUT
from bench.records.storage import write_atomic, write_plain_json
from bench.records.throughput import Measurement, images_per_s, precision_of, step_ms
from bench.report import wording
from bench.report.paired_steps import SPEED_HEADINGS, SPEED_OF, STEPS, speed
from bench.report.throughput import Records, machines, read_records

FOLDER = REFERENCES / THROUGHPUT
BLOCK = "throughput"
DOCUMENT = ROOT / "docs" / "THROUGHPUT.md"
SPEED_BLOCK = "speed"
FIGURE = "throughput.png"
NOTHING = "No record is published yet; what was measured on a Xeon stands in [the notes](../bench/throughput/NOTES.md)."


def shown_block(records: Records, figure: str | None) -> str:
    """The section as Markdown: the speed of each network in each precision, other steps, the machine, the figure."""
    if records.paired is None:
        return NOTHING
    measurements = records.paired["measurements"]
    parts = [_speeds(measurements), _note(measurements), _others(measurements)]
    parts += [f"Measured with `{words.replace(' on ', '` on ', 1)}." for _, words in machines(records)]
    if figure is not None:
        parts.append(f"![Images per second and time of an iteration against the batch size]({figure})")
    return "\n\n".join(parts)


def _speeds(measurements: list[Measurement]) -> str:
    rows = []
    for m in measurements:
        of_ceiling = (f"{m['ceiling'][key]:.0f}" for key in ("direct_gflop", "matrix_gflops_per_s"))
        rows.append([m["workload"]["network"], precision_of(m["workload"]), *speed(m), *of_ceiling])
    headings = ["fused step of", "precision", *SPEED_HEADINGS, "GFLOP of an iteration", "ceiling (GFLOP/s)"]
    return markdown_table(headings, rows)


def speed_block(records: Records) -> str:
    """README's table: images per second of each network, and the share of a product's rate, by precision."""
    if records.paired is None:
        return NOTHING
    machine = records.paired["fingerprint"]
    shown: dict[str, dict[str, str]] = {}
    for m in records.paired["measurements"]:
        row, precision = shown.setdefault(m["workload"]["network"], {}), precision_of(m["workload"])
        rate, share = images_per_s(m["workload"], step_ms(m)), m["ceiling"]["direct"]["share"]
        row[precision] = f"{rate:,.0f} ({100 * share:.0f} %)"
        ports = m["comparisons"].get("as_commonly_written")
        if ports is not None:
            row["ports"] = f"{images_per_s(m['workload'], ports['other_ms'][ports['clock']]):,.0f}"
    titles = {"float32": "float32", "bf16": "bfloat16", "ports": "popular ports (float32)"}
    columns = {c: title for c, title in titles.items() if any(c in row for row in shown.values())}
    where = f"{machine['cpu']} ({machine['instructions']}), one thread"
    return markdown_table(
        [where, *columns.values()], [[network, *(row.get(c, "") for c in columns)] for network, row in shown.items()]
    )


def _note(measurements: list[Measurement]) -> str:
    """What the table holds: the workloads and the ceiling."""
    workloads = [m["workload"] for m in measurements]
    shared = [f"batch {w['batch_size']}, width {w['width']:g}, kernels `{w['kernels']}`" for w in workloads]
    size = measurements[0]["ceiling"]["matrix_size"]
    libraries = dict.fromkeys(
        f"{m['ceiling']['matrix_library']} in {precision_of(m['workload'])}" for m in measurements
    )
    return (
        f"All at {wording.listed(dict.fromkeys(shared))}. The other steps compute in float32. The ceiling "
        f"is the rate of a {size} x {size} matrix product in the same precision and process "
        f"({wording.listed(libraries)}). Operations are counted as the paper states its layers."
    )


def _others(measurements: list[Measurement]) -> str:
    """The comparisons that the first table has no column for."""
    rows = []
    for m in measurements:
        own = f"{m['workload']['network']}, {precision_of(m['workload'])}"
        for name, c in m["comparisons"].items():
            if name not in SPEED_OF:
                r = c["ratio"][c["clock"]]
                rows.append([own, STEPS.get(name, name), f"{r['ratio']:.3f} [{r['low']:.3f}, {r['high']:.3f}]"])
    return markdown_table(["fused step of", "against", "ratio of step times"], rows)


def publish(results: Path) -> Path:
    """Write the reference folder and its block; returns the folder. ValueError where nothing was measured."""
    records = read_records(results / THROUGHPUT)
    if records.paired is None:
        raise ValueError(f"{results / THROUGHPUT} holds no record of python -m bench throughput")
    for name, record in (("paired", records.paired), ("suite", records.suite)):
        if record is not None:
            write_plain_json(FOLDER / f"{name}.json", record)
    if records.suite is not None:
        from bench.report.figures.throughput import draw_throughput

        drawing = draw_throughput(records.suite)
        if drawing is not None:
            write_atomic(FOLDER / FIGURE, drawing.png)
    for document, blocks in committed_blocks().items():
        text = document.read_text()
        for name, block in blocks.items():
            text = with_block(text, name, block)
        write_atomic(document, text.encode())
    return FOLDER


def committed_blocks() -> dict[Path, dict[str, str]]:
    """The blocks of each document, by name, from the committed records."""
    figure, records = FOLDER / FIGURE, read_records(FOLDER)
    shown = Path(os.path.relpath(figure, DOCUMENT.parent)).as_posix() if figure.exists() else None
    return {DOCUMENT: {BLOCK: shown_block(records, shown)}, README: {SPEED_BLOCK: speed_block(records)}}


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
