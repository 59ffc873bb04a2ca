"""``python -m bench throughput``: checks its options before anything heavy is imported, measures, prints, writes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.grid import check_writable
from bench.spec import suggest
from infogan.architectures import ARCHITECTURES
from infogan.runtime import available_device, usable_cores

if TYPE_CHECKING:
    from bench.throughput.gate import Verdict

CONVOLUTIONS = ("direct", "winograd", "fastest")
FOLDER = "throughput"
RECORD = "paired.json"


class BadOption(ValueError):
    """A wrong option, in one line."""


def throughput(
    results: Path,
    networks: str,
    batch_size: int,
    width: float,
    threads: int,
    convolutions: str,
    device: str,
    against: Path | None,
    suite: bool,
    console: Console,
) -> int:
    """Measure and print; returns the exit code: 0, or with ``against`` the gate's. Raises BadOption."""
    names = _checked_networks(networks)
    if convolutions not in CONVOLUTIONS:
        raise BadOption(f"unknown convolutions {convolutions!r}{suggest(convolutions, list(CONVOLUTIONS))}")
    if not 0 < width <= 8:
        raise BadOption(f"--width must be above 0 and at most 8, got {width:g}")
    if threads > usable_cores():
        raise BadOption(f"--threads {threads} is more than the {usable_cores()} cores of this machine")
    if suite and against is not None:
        raise BadOption("--against compares single measurements; leave out --suite")
    try:
        device = available_device(device)
    except ValueError as error:
        raise BadOption(str(error)) from error
    results = results.absolute()
    unwritable = check_writable(results)
    if unwritable:
        raise BadOption(unwritable)

    from bench.throughput.session import BadBaseline, read_baseline

    try:
        baseline = read_baseline(against) if against is not None else None
    except BadBaseline as error:
        raise BadOption(str(error)) from error
    if suite:
        from bench.throughput.suite import run_suite

        run_suite(results / FOLDER, device, console)
        return 0
    workloads = [(name, batch_size, width, convolutions, device) for name in names]
    return _measure(results / FOLDER / RECORD, workloads, device, threads, baseline, console)


def _checked_networks(networks: str) -> list[str]:
    names = [name.strip() for name in networks.split(",")]
    for name in names:
        if name not in ARCHITECTURES:
            raise BadOption(f"unknown network {name!r}{suggest(name, list(ARCHITECTURES))}")
    return list(dict.fromkeys(names))


def _measure(
    path: Path,
    workloads: list[tuple[Any, ...]],
    device: str,
    threads: int,
    baseline: dict[str, Any] | None,
    console: Console,
) -> int:
    from bench.throughput import gate
    from bench.throughput.session import Session, write
    from bench.throughput.workloads import Workload

    session = Session(device, threads, lambda text: console.print(f"[dim]{escape(text)}[/dim]", highlight=False))
    measurements, verdicts = [], []
    for workload in workloads:
        measurement = session.measure(Workload(*workload), baseline)
        measurements.append(measurement)
        print_measurement(measurement, console)
        write(path, session.record("paired", measurements=measurements))
        if baseline is not None:
            record = session.record("paired")
            verdict = gate.against(baseline, record["fingerprint"], measurement)
            verdicts.append(verdict)
            _print_verdict(verdict, measurement["workload"]["network"], console)
    record = session.record("paired", measurements=measurements)
    write(path, record)
    console.print(machine(record), highlight=False, soft_wrap=True)
    console.print(f"record: {path}", highlight=False, soft_wrap=True)
    return gate.EXIT[gate.worst([v.outcome for v in verdicts])] if verdicts else 0


def machine(record: dict[str, Any]) -> str:
    """The machine in one line."""
    f, load = record["fingerprint"], record["load"]
    device = "" if f["gpu"] is None else f", {f['gpu']}"
    return (
        f"{f['cpu']} ({f['instructions']}), {f['cores']} cores, {f['threads']} threads, torch {f['torch']}{device}; "
        f"load {load['before']:g} before, {load['after']:g} after"
    )


def interval(ratio: dict[str, Any]) -> str:
    return f"{ratio['ratio']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}]"


def print_measurement(measurement: dict[str, Any], console: Console) -> None:
    """step_time_ratio, then every comparison with both clocks, then the share of the ceiling."""
    workload, comparisons = measurement["workload"], measurement["comparisons"]
    clock = comparisons["reference"]["clock"]
    console.print(
        f"[bold]{workload['network']}[/bold] batch {workload['batch_size']}, width {workload['width']:g}, "
        f"{workload['convolutions']} convolutions: "
        f"step_time_ratio {interval(comparisons['reference']['ratio'][clock])} in {clock} time",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    table = Table(box=None, pad_edge=False)
    for column in ("fused over", "processor time", "wall time", "pairs", "fused ms", "other ms"):
        table.add_column(column, no_wrap=True)
    for name, c in comparisons.items():
        processor, wall = (interval(c["ratio"][k]) for k in ("processor", "wall"))
        ms = (f"{c[side][clock]:.1f}" for side in ("step_ms", "other_ms"))
        table.add_row(name, processor, wall, str(c["ratio"][clock]["num"]), *ms)
    console.print(table, highlight=False)
    ceiling = measurement["ceiling"]
    shares = " | ".join(
        f"{ceiling[f'{kind}_gflop']:.1f} GFLOP {kind}: {ceiling[kind]['share']:.1%} "
        f"[{ceiling[kind]['low']:.1%}, {ceiling[kind]['high']:.1%}]"
        for kind in ("direct", "executed")
    )
    console.print(
        f"share of the matrix product's {ceiling['matrix_gflops_per_s']:.0f} GFLOP/s: {shares}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def _print_verdict(verdict: "Verdict", network: str, console: Console) -> None:
    style = {"ok": "green", "regressed": "red", "inconclusive": "yellow"}[verdict.outcome]
    console.print(
        f"[{style}]{verdict.outcome}[/{style}] {escape(network)}: {escape(verdict.reason)}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
