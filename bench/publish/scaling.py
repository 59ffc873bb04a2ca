"""``python -m bench.publish.scaling``: how the harness's cost grows with the number of cells.

Runs sweeps of tiny real cells through the real command line and records the launcher's memory, the time outside
training and the processor time of plan, report and sync. A size that has its record is not run again.
"""

import csv
import io
import math
import shutil
import sys
from pathlib import Path

import numpy as np

from bench.context import DEFAULT_SPEC
from bench.environment import ROOT
from bench.publish.documents import markdown_table, parser_of, with_block
from bench.publish.scaling_report import measure_report, timed
from bench.records.find import find_cells
from bench.records.folder import LAUNCHES
from bench.records.seals import read_json, write_json
from bench.records.storage import plain_text, read_lines, write_atomic
from bench.spec.tables import load_spec
from infogan.cores import usable_cores

DOCS = ROOT / "docs"
SIZES = (5, 15, 50, 150, 500)
EXPERIMENT = """

[experiments.scaling]
title = "Tiny cells"
data = "mnist"
source = "embedded"
architecture = "mnist"
noise = { size = 10 }
codes = [{ kind = "categorical", num_categories = 10 }]
arms = ["infogan"]
seeds = [0]
paper = { iterations = 100, width = 1.0, num_images = 60000 }

[experiments.scaling.training]
batch_size = 32

[experiments.scaling.profiles.cpu]
iterations = 10
width = 0.05
num_images = 640
"""
COLUMNS = {  # quantity -> what a person reads
    "launcher_peak_mb": "launcher's peak memory (MB)",
    "outside_s_per_cell": "per cell outside training (s)",
    "launcher_cpu_s": "launcher's processor time (s)",
    "plan_cpu_s": "plan (s)",
    "report_cpu_s": "report (s)",
    "sync_cpu_s": "sync (s)",
    "database_bytes_per_point": "MLflow's file, bytes a point",
}
# what must grow no worse than linearly
TOTALS = ("launcher_peak_mb", "outside_s", "launcher_cpu_s", "plan_cpu_s", "report_cpu_s", "sync_cpu_s")
# Of log(cost beyond the smallest sweep's) on log(cells beyond it): 1 is linear, whatever the fixed cost; on SIZES n^2
# has 1.83 and n log n 1.17 (both computed), which passes as room for noise.
MAX_SLOPE = 1.2
Row = dict[str, float]  # by column


# ---------------------------------------------------------------- sweeps of real cells
def measure_sweep(folder: Path, num_cells: int) -> Row:
    """One size, from its record where there is one. Raises CalledProcessError where a command fails."""
    record, results, spec = folder / f"{num_cells}.json", folder / f"sweep-{num_cells}", folder / "experiments.toml"
    if record.exists():
        return read_json(record)
    shutil.rmtree(results, ignore_errors=True)  # half a sweep is no measurement
    folder.mkdir(parents=True, exist_ok=True)
    spec.write_text(DEFAULT_SPEC.read_text() + EXPERIMENT)
    cells, where = ["scaling", "--device", "cpu", "--seeds", f"0-{num_cells - 1}"], ["--results", str(results)]
    declared = ["--spec", str(spec)]
    timed("run", *cells, *declared, *where)
    (launch,) = read_lines(results / LAUNCHES)
    if launch["num_done"] != num_cells:
        raise RuntimeError(f"{launch['num_done']} of {num_cells} cells are done")
    outside_s = launch["wall_s"] * usable_cores() - launch["train_s"]
    points = sum((cell.tracking() or {})["points"] for cell in find_cells(results).folders)
    row = {
        "cells": num_cells,
        "launcher_peak_mb": launch["launcher_peak_mb"],
        "outside_s": outside_s,
        "outside_s_per_cell": outside_s / num_cells,
        "launcher_cpu_s": launch["launcher_cpu_s"],
        "wall_s": launch["wall_s"],
        "database_bytes_per_point": (results / "mlflow.db").stat().st_size / points,
    }
    for command, options in {"plan": [*cells, *declared], "report": declared, "sync": []}.items():
        cpu_s, wall_s = timed(command, *options, *where)
        row |= {f"{command}_cpu_s": cpu_s, f"{command}_wall_s": wall_s}
    write_json(record, row)
    shutil.rmtree(results)
    return row


def slope(sizes: list[float], costs: list[float]) -> float | None:
    """Slope of log(cost beyond the cheapest size's) on log(size beyond it): the power with which the cost grows.

    The cheapest is the smallest size, but where starting a process scatters by more than a few cells cost. None where
    fewer than two larger sizes cost more: nothing grows.
    """
    cheapest = costs.index(min(costs))
    base_n, base = sizes[cheapest], costs[cheapest]
    grown = [(n - base_n, c - base) for n, c in zip(sizes, costs, strict=True) if n > base_n and c > base]
    if len(grown) < 2:
        return None
    x, y = np.log(np.array(grown, dtype=float)).T
    return float(np.polyfit(x, y, 1)[0])


def slopes(rows: list[Row]) -> dict[str, float | None]:
    """The powers of every total."""
    sizes = [row["cells"] for row in rows]
    return {name: slope(sizes, [row[name] for row in rows]) for name in TOTALS}


def table(rows: list[Row]) -> str:
    """Markdown, with the slopes below."""
    cells = [[str(row["cells"]), *(f"{row[name]:.3g}" for name in COLUMNS)] for row in rows]
    shown = markdown_table(["cells", *COLUMNS.values()], cells)
    grown = {name: "does not grow" if s is None else f"{s:.2f}" for name, s in slopes(rows).items()}
    told = ", ".join(f"{name} {text}" for name, text in grown.items())
    return f"{shown}\n\nPower of growth (1: linear; at most {MAX_SLOPE:g} passes): {told}.\n"


# ---------------------------------------------------------------- the command
def main() -> int:
    """0: everything grows no worse than linearly; 1: something does; 3: too few sizes to tell."""
    parser = parser_of("scaling", __doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of cells, separated by commas")
    parser.add_argument("--folder", type=Path, default=Path("results/latest/scaling"), help="records, table, figure")
    parser.add_argument("--report", action="store_true", help="only the report of a million points")
    parser.add_argument("--docs", action="store_true", help="put table and figure into docs/")
    options = parser.parse_args()
    folder = options.folder.absolute()
    if options.report:
        folder.mkdir(parents=True, exist_ok=True)
        measured = measure_report(folder)
        took = f"{measured['cpu_s']:.1f} s of processor, {measured['wall_s']:.1f} s"
        print(f"report of {measured['cells']} cells with {measured['points']:,} points: {took}")
        return 0
    try:
        sizes = sorted({int(size) for size in options.sizes.split(",")})
    except ValueError:
        parser.error(f"--sizes {options.sizes!r}: numbers separated by commas, such as 5,15,50")
    if sizes[0] < 1:
        parser.error("--sizes: at least 1 cell")
    load_spec(DEFAULT_SPEC)
    rows = []
    for size in sizes:
        print(f"{size} cells", flush=True)
        rows.append(measure_sweep(folder, size))
        write(folder, rows)
    print(table(rows))
    if options.docs:
        publish(folder, rows)
    grown = slopes(rows)
    if len(sizes) < 4:
        print("fewer than 4 sizes tell nothing about growth")
        return 3
    worse = [name for name, power in grown.items() if power is not None and (power > MAX_SLOPE or math.isnan(power))]
    for name in worse:
        print(f"{name} grows worse than linearly: power {grown[name]:.2f}")
    return 1 if worse else 0


def write(folder: Path, rows: list[Row]) -> None:
    """scaling.json, .csv, .md, .svg and .png."""
    from bench.report.figures.harness import draw_scaling

    content = io.StringIO()
    writer = csv.DictWriter(content, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    drawing = draw_scaling(rows, COLUMNS)
    files = {"csv": content.getvalue().encode(), "md": table(rows).encode(), "svg": drawing.svg, "png": drawing.png}
    record = {"cores": usable_cores(), "rows": rows, "slopes": slopes(rows)}
    files["json"] = plain_text(record).encode()
    for kind, data in files.items():
        write_atomic(folder / f"scaling.{kind}", data)


def publish(folder: Path, rows: list[Row]) -> None:
    """The table into docs/SCALING.md, the figure beside the other pictures."""
    document = DOCS / "SCALING.md"
    write_atomic(document, with_block(document.read_text(), "scaling", table(rows)).encode())
    write_atomic(DOCS / "images" / "scaling.png", (folder / "scaling.png").read_bytes())


if __name__ == "__main__":
    sys.exit(main())
