"""``make bench``: time per iteration by network, batch size, threads and implementation, in under ten minutes.

In each case all variants and the matrix product alternate in random order, one block per round, so they share the load
of the machine; a variant's ratio to the fused step is taken within each round.
"""

import csv
import io
import random
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from bench import environment
from bench.analysis.statistics import median_interval
from bench.records.storage import write_atomic, write_plain_json
from bench.records.throughput import Others, SuiteRecord, SuiteRow
from bench.throughput import gate, paired, session
from bench.throughput.ceiling import TYPES, MatrixProduct, direct_flops, executed_flops, product_name
from bench.throughput.overhead import cell_overhead, evaluation_ms, sampling_ms
from bench.throughput.workloads import Workload, iteration
from infogan.cores import usable_cores
from infogan.runtime import Precision

STEPS = ("fused", "reference", "plain", "plain_gan", "as_commonly_written")
ROUNDS = 7  # [min, max] of seven contains the median with 98 %


@dataclass(frozen=True)
class Case:
    """Variants of one workload on a number of threads."""

    workload: Workload
    threads: int = 1
    steps: tuple[str, ...] = STEPS


def cases(device: str, cores: int) -> list[Case]:
    """The cases, in order. More than one thread only on a CPU with more than one core."""
    mnist = [Workload("mnist", batch, device=device) for batch in (32, 128)]
    fastest = ("fused_fastest", *(("fused_bf16",) if environment.multiplies_bf16(device) else ()))
    listed = [Case(w, steps=(*STEPS, *(fastest if device == "cpu" else ("fused_graph",)))) for w in mnist]
    few = ("fused", "reference", "as_commonly_written")
    if device == "cpu" and cores > 1:
        listed.append(Case(Workload("mnist", 128), threads=2, steps=few))
    listed.append(Case(Workload("chairs", 32, 0.25, device=device)))
    listed += [Case(Workload(network, 32, device=device), steps=few) for network in ("svhn", "celeba")]
    return listed


def _precision(step: str) -> Precision:
    return "bf16" if step == "fused_bf16" else "float32"


def measure_case(case: Case, rng: random.Random) -> list[SuiteRow]:
    """Measure one row per variant, with its share of the rate of products in its own precision.

    Leaves the process with the case's number of threads.
    """
    workload = case.workload
    session.prepare(workload.device, case.threads)
    synchronise = session.synchroniser(workload.device)
    calls: dict[str, paired.Call] = {step: iteration(step, workload) for step in case.steps}
    executed = {step: executed_flops(call) for step, call in calls.items()}
    products = {p: MatrixProduct(workload.device, TYPES[p]) for p in dict.fromkeys(map(_precision, case.steps))}
    calls |= {product_name(precision): product for precision, product in products.items()}
    times = paired.rounds(calls, ROUNDS, rng, synchronise)
    clock = gate.clocks(workload.device, case.threads)[0]
    rows: list[SuiteRow] = []
    direct = direct_flops(workload)
    for step in case.steps:
        name, product = product_name(_precision(step)), products[_precision(step)]
        seconds, wall = (statistics.median(times[step][c]) for c in (clock, "wall"))
        pairs = zip(times[step][clock], times["fused"][clock], strict=True)
        of_fused = median_interval([own / fused for own, fused in pairs])
        of_product = statistics.median(
            own / unit for own, unit in zip(times[step][clock], times[name][clock], strict=True)
        )
        rows.append(
            {
                "network": workload.network,
                "width": workload.width,
                "batch_size": workload.batch_size,
                "threads": case.threads,
                "step": step,
                "clock": clock,
                "clock_ms": 1e3 * seconds,
                "wall_ms": 1e3 * wall,
                "images_per_s": workload.batch_size / seconds,
                "of_fused": of_fused.median,
                "of_fused_low": of_fused.low,
                "of_fused_high": of_fused.high,
                "share_direct": direct / product.flops / of_product,
                "share_executed": executed[step] / product.flops / of_product,
                "direct_gflop": direct / 1e9,
                "executed_gflop": executed[step] / 1e9,
                "matrix_gflops_per_s": product.flops / statistics.median(times[name][clock]) / 1e9,
            }
        )
    return rows


def run_suite(folder: Path, device: str, console: Console) -> None:
    """Measure every case; write suite.json, suite.csv and the figure into ``folder``. Raises CellFailed."""
    rng = random.Random(0)
    rows: list[SuiteRow] = []
    todo = cases(device, usable_cores())
    started = session.Session(device, 1, lambda _: None)
    parts: list[Callable[[], Others]] = [
        lambda: {"sampling": sampling_ms(device)},
        lambda: {"evaluation": evaluation_ms(device)},
        lambda: {"cell": cell_overhead(device)},
    ]
    others: Others = {}

    def written() -> SuiteRecord:
        """Write the record so far: the machine may be taken away before the end."""
        listed = [asdict(case) for case in todo]
        record: SuiteRecord = {**started.record("suite"), "cases": listed, "rows": rows, **others}
        write_plain_json(folder / "suite.json", record)
        write_atomic(folder / "suite.csv", to_csv(rows).encode())
        return record

    with Progress(*Progress.get_default_columns(), console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("measuring", total=len(todo) + len(parts))
        for case in todo:
            rows += measure_case(case, rng)
            written()
            progress.advance(bar)
        session.prepare(device, 1)
        for measure_part in parts:
            others.update(measure_part())
            written()
            progress.advance(bar)
    record = written()
    from bench.report.figures.throughput import draw_throughput

    drawing = draw_throughput(record)
    if drawing:
        for kind, content in (("svg", drawing.svg), ("png", drawing.png)):
            write_atomic(folder / f"{drawing.name}.{kind}", content)
    _print(rows, others, console)
    console.print(f"suite.json, suite.csv, throughput.svg and .png in {folder}", highlight=False, soft_wrap=True)


def to_csv(rows: list[SuiteRow]) -> str:
    """The table as CSV, with numbers to five digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(SuiteRow.__annotations__), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})
    return text.getvalue()


def _print(rows: list[SuiteRow], others: Others, console: Console) -> None:
    for r in rows:
        workload = Workload(r["network"], r["batch_size"], r["width"]).name
        console.print(
            f"{workload}, {r['threads']} threads, {r['step']}: {r['clock_ms']:.0f} ms ({r['clock']} time), "
            f"{r['images_per_s']:.0f} images/s, "
            f"{r['of_fused']:.2f} [{r['of_fused_low']:.2f}, {r['of_fused_high']:.2f}] of fused, "
            f"{r['share_direct']:.0%} of the ceiling ({r['share_executed']:.0%} executed)",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    cell = others["cell"]
    console.print(
        f"sampling {others['sampling']['images_per_s']:.0f} images/s; evaluation {others['evaluation']['ms']:.0f} ms; "
        f"checkpoint {cell['checkpoint']['ms']:.0f} ms; beside its training steps a small cell takes "
        f"{cell['beside_training_s']:.1f} s, {cell['share_of_typical_cell']:.1%} of three minutes",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
