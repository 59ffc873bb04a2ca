"""``throughput``: check the options before any heavy import, then measure, print and write."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from bench.commands.gate import CODES, COLOURS
from bench.console import BadInput, Exit, console, escape, say, say_as_is
from bench.context import names_in
from bench.options import Device, Results
from bench.paths import DEFAULT_RESULTS, require_writable
from bench.placement import found_device
from bench.records.folder import THROUGHPUT as FOLDER
from bench.records.storage import write_plain_json
from bench.records.throughput import (
    Measurement,
    PairedRecord,
    RatioRecord,
    images_per_s,
    load_in_words,
    measured_on,
    precision_of,
    step_ms,
)
from bench.spec.schema import suggest
from bench.spec.settings import Kernels
from bench.throughput import CARD_RECORD
from infogan.architectures import ARCHITECTURES
from infogan.cores import usable_cores

if TYPE_CHECKING:
    from bench.throughput.workloads import Workload

KERNELS = get_args(Kernels)
RECORD = "paired.json"
NO_BF16 = "bf16: left out, this device has no instructions that multiply bfloat16"


def throughput(
    ctx: typer.Context,
    results: Results = DEFAULT_RESULTS,
    networks: Annotated[
        str, typer.Option(help=f"Networks to measure, separated by commas: {', '.join(ARCHITECTURES)}.")
    ] = "mnist",
    batch_size: Annotated[int, typer.Option(min=2, max=65536, help="Images per batch.")] = 128,
    width: Annotated[float, typer.Option(help="Width multiplier of the networks, at most 8.")] = 1.0,
    threads: Annotated[int, typer.Option(min=1, max=1024, help="Number of torch threads. Cells train on one.")] = 1,
    kernels: Annotated[
        str,
        typer.Option(
            help="Kernels of the fused step: torch, winograd or fastest, as in experiments. Other steps use torch."
        ),
    ] = "fastest",
    device: Device = "auto",
    against: Annotated[
        Path | None,
        typer.Option(help="A stored record to compare with. Exit code: 0 not slower, 1 slower, 3 inconclusive."),
    ] = None,
    suite: Annotated[
        bool, typer.Option("--suite", help="Measure all networks, batch sizes and numbers of threads, with a figure.")
    ] = False,
    card: Annotated[
        bool, typer.Option("--card", help="Measure one GPU: eager and graph, three precisions, one seed and five.")
    ] = False,
) -> Exit:
    """Compare the speed of the fused step with other ways to write it, and with the machine's matrix products.

    Its records are in RESULTS/throughput.
    """
    names = list(dict.fromkeys(names_in(networks) or ()))
    for name in names:
        if name not in ARCHITECTURES:
            raise BadInput(f"unknown network {name!r}{suggest(name, list(ARCHITECTURES))}")
    if kernels not in KERNELS:
        raise BadInput(f"unknown kernels {kernels!r}{suggest(kernels, list(KERNELS))}")
    if not 0 < width <= 8:
        raise BadInput(f"--width must be above 0 and at most 8, got {width:g}")
    if threads > usable_cores():
        raise BadInput(f"--threads {threads} is more than the {usable_cores()} cores of this machine")
    _require_fitting(ctx, names, card=card, suite=suite)
    device = found_device(device)
    folder = results.absolute() / FOLDER
    record = folder / RECORD
    if against is not None and against.resolve() == record.resolve():
        raise BadInput(f"this measurement would replace --against {against}: copy that file elsewhere first")
    from bench.throughput.session import read_baseline
    from bench.throughput.workloads import Workload

    baseline = read_baseline(against) if against is not None else None
    require_writable(results)
    if suite:
        return _measure_suite(folder, device)
    chosen = cast(Kernels, kernels)
    if card:
        return _measure_card(folder / CARD_RECORD, Workload(names[0], batch_size, width, device=device))
    return _measure(record, [Workload(name, batch_size, width, chosen, device) for name in names], threads, baseline)


def _require_fitting(ctx: typer.Context, networks: Sequence[str], *, card: bool, suite: bool) -> None:
    """Raise BadInput for options that do not go together."""
    if card:
        if given := _given(ctx, "threads", "kernels", "against", "suite"):
            raise BadInput(f"--card has its own settings: leave {given} out")
        if len(networks) > 1:
            raise BadInput(f"--card measures one network, got {len(networks)}")
    if suite and (given := _given(ctx, "networks", "batch_size", "width", "threads", "kernels", "against")):
        raise BadInput(f"{given} is for single measurements and --suite has settings of its own: leave one of them out")


def _given(ctx: typer.Context, *names: str) -> str | None:
    """The first of these options that stands on the command line, as a flag."""
    for name in names:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            return f"--{name.replace('_', '-')}"
    return None


def _measure_suite(folder: Path, device: str) -> Exit:
    from bench.throughput.overhead import CellFailed
    from bench.throughput.suite import run_suite

    try:
        run_suite(folder, device, console)
    except CellFailed as error:
        say(f"[red]failed:[/red] {escape(str(error))}; what was measured before is in {escape(str(folder))}")
        return Exit.FAILED
    return Exit.OK


def _measure_card(path: Path, workload: "Workload") -> Exit:
    from bench.throughput.card import ROWS, measure_card

    failed = measure_card(path, workload, say)
    say(f"{len(ROWS) - failed} of {len(ROWS)} rows measured; record: {escape(str(path))}")
    return Exit.FAILED if failed else Exit.OK


def _measure(path: Path, workloads: Sequence["Workload"], threads: int, baseline: PairedRecord | None) -> Exit:
    from bench.throughput import gate
    from bench.throughput.session import Session

    session = Session(workloads[0].device, threads, lambda text: say(f"[dim]{escape(text)}[/dim]"))
    measurements: list[Measurement] = []
    verdicts: list[gate.SpeedVerdict] = []
    for workload in workloads:
        own = session.measure(workload, baseline)
        measurements += own
        for measurement in own:
            _print_measurement(measurement)
        if len(own) == 1:
            say(f"  {NO_BF16}")
        record: PairedRecord = {**session.record("paired"), "measurements": measurements}
        write_plain_json(path, record)
        if baseline is not None:
            verdict = gate.against(baseline, record["fingerprint"], own[0])
            verdicts.append(verdict)
            style = COLOURS[verdict.outcome]
            say(f"[{style}]{verdict.outcome}[/{style}] {escape(workload.network)}: {escape(verdict.reason)}")
    say_as_is(f"{measured_on(record['fingerprint'])}; {load_in_words(record['load'])}")
    say(f"record: {escape(str(path))}")
    return CODES[gate.worst([v.outcome for v in verdicts])] if verdicts else Exit.OK


def interval(ratio: RatioRecord) -> str:
    return f"{ratio['ratio']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}]"


def _print_measurement(measurement: Measurement) -> None:
    """Print the step's speed, every comparison on both clocks, and the share of the ceiling."""
    workload, comparisons = measurement["workload"], measurement["comparisons"]
    precision, reference, own_ms = precision_of(workload), comparisons["reference"], step_ms(measurement)
    clock = reference["clock"]
    name = "step_time_ratio" if precision == "float32" else "fused / reference"
    say(
        f"[bold]{workload['network']}[/bold] batch {workload['batch_size']}, width {workload['width']:g}, "
        f"kernels {workload['kernels']}, [bold]{precision}[/bold]: {own_ms:.1f} ms, "
        f"{images_per_s(workload, own_ms):.0f} images/s; {name} {interval(reference['ratio'][clock])} in {clock} time"
    )
    for name, c in comparisons.items():
        processor, wall = interval(c["ratio"]["processor"]), interval(c["ratio"]["wall"])
        own, other = c["step_ms"][clock], c["other_ms"][clock]
        rates = f"{images_per_s(workload, own):.0f} / {images_per_s(workload, other):.0f}"
        say(
            f"  fused / {name}: {processor} processor, {wall} wall; {c['ratio'][clock]['num']} pairs; "
            f"{own:.1f} / {other:.1f} ms, {rates} images/s"
        )
    ceiling = measurement["ceiling"]
    shares = " | ".join(
        f"{gflop:.1f} GFLOP {kind}: {share['share']:.1%} [{share['low']:.1%}, {share['high']:.1%}]"
        for kind, gflop, share in (
            ("direct", ceiling["direct_gflop"], ceiling["direct"]),
            ("executed", ceiling["executed_gflop"], ceiling["executed"]),
        )
    )
    say(f"  share of the {precision} matrix product's {ceiling['matrix_gflops_per_s']:.0f} GFLOP/s: {shares}")
