"""``python -m bench throughput``: check the options before any heavy import, then measure, print and write."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from bench.console import BadInput, Exit, escape
from bench.console import console as shared_console
from bench.paths import require_writable
from bench.records.folder import THROUGHPUT as FOLDER
from bench.records.storage import write_plain_json
from bench.records.throughput import Measurement, PairedRecord, RatioRecord, Record, images_per_s, precision_of, step_ms
from bench.spec.schema import suggest
from bench.throughput import CARD_RECORD
from infogan.architectures import ARCHITECTURES
from infogan.cores import usable_cores
from infogan.runtime import available_device

if TYPE_CHECKING:
    from bench.throughput.gate import Verdict

KERNELS = ("torch", "winograd", "fastest")
RECORD = "paired.json"
NO_BF16 = "bf16: left out, this device has no instructions that multiply bfloat16"


@dataclass(frozen=True)
class Options:
    """Options of the command line."""

    networks: str = "mnist"
    batch_size: int = 128
    width: float = 1.0
    threads: int = 1
    kernels: str = "fastest"
    device: str = "auto"
    against: Path | None = None
    suite: bool = False
    card: bool = False


def throughput(results: Path, options: Options, console: Console | None = None) -> int:
    """Measure, print and write. Returns 0, or with ``against`` the gate's exit code. Raises BadInput."""
    console = console or shared_console
    results = results.absolute()
    names, device = _checked(options)
    record = results / FOLDER / RECORD
    if options.against is not None and options.against.resolve() == record.resolve():
        raise BadInput(f"this measurement would replace --against {options.against}: copy that file elsewhere first")
    from bench.throughput.session import read_baseline

    baseline = read_baseline(options.against) if options.against is not None else None
    require_writable(results)
    if options.suite:
        from bench.throughput.suite import run_suite

        run_suite(results / FOLDER, device, console)
        return 0
    if options.card:
        return _measure_card(results / FOLDER / CARD_RECORD, names[0], device, options, console)
    workloads = [(name, options.batch_size, options.width, options.kernels, device) for name in names]
    return _measure(record, workloads, device, options.threads, baseline, console)


def _checked(options: Options) -> tuple[list[str], str]:
    """Check the options; return the networks and the device."""
    names = [name.strip() for name in options.networks.split(",")]
    for name in names:
        if name not in ARCHITECTURES:
            raise BadInput(f"unknown network {name!r}{suggest(name, list(ARCHITECTURES))}")
    if options.kernels not in KERNELS:
        raise BadInput(f"unknown kernels {options.kernels!r}{suggest(options.kernels, list(KERNELS))}")
    if not 0 < options.width <= 8:
        raise BadInput(f"--width must be above 0 and at most 8, got {options.width:g}")
    if options.threads > usable_cores():
        raise BadInput(f"--threads {options.threads} is more than the {usable_cores()} cores of this machine")
    if options.card:
        given = [name for name in ("threads", "kernels", "against", "suite") if _is_given(options, name)]
        if given:
            raise BadInput(f"--card has its own settings: leave --{given[0]} out")
        if len(names) > 1:
            raise BadInput(f"--card measures one network, got {len(names)}")
    if options.suite:
        single = ("networks", "batch_size", "width", "threads", "kernels", "against")
        given = [name for name in single if _is_given(options, name)]
        if given:
            flag = given[0].replace("_", "-")
            raise BadInput(
                f"--{flag} is for single measurements and --suite has settings of its own: leave one of them out"
            )
    try:
        device = available_device(options.device)
    except ValueError as error:
        raise BadInput(str(error)) from error
    return list(dict.fromkeys(names)), device


def _is_given(options: Options, name: str) -> bool:
    return bool(getattr(options, name) != getattr(Options(), name))


def _measure_card(path: Path, network: str, device: str, options: Options, console: Console) -> int:
    from bench.throughput.card import ROWS, measure_card
    from bench.throughput.workloads import Workload

    workload = Workload(network, options.batch_size, options.width, device=device)
    failed = measure_card(path, workload, lambda text: console.print(text, highlight=False, soft_wrap=True))
    told = f"{len(ROWS) - failed} of {len(ROWS)} rows measured; record: {escape(str(path))}"
    console.print(told, highlight=False, soft_wrap=True)
    return int(Exit.FAILED if failed else Exit.OK)


def _measure(
    path: Path,
    workloads: list[tuple[Any, ...]],
    device: str,
    threads: int,
    baseline: PairedRecord | None,
    console: Console,
) -> int:
    from bench.throughput import gate
    from bench.throughput.session import Session
    from bench.throughput.workloads import Workload

    session = Session(device, threads, lambda text: console.print(f"[dim]{escape(text)}[/dim]", highlight=False))
    measurements: list[Measurement] = []
    verdicts: list[gate.Verdict] = []
    for workload in workloads:
        own = session.measure(Workload(*workload), baseline)
        measurements += own
        for measurement in own:
            print_measurement(measurement, console)
        if len(own) == 1:
            console.print(f"  {NO_BF16}", highlight=False, soft_wrap=True)
        record: PairedRecord = {**session.record("paired"), "measurements": measurements}
        write_plain_json(path, record)
        if baseline is not None:
            verdict = gate.against(baseline, record["fingerprint"], own[0])
            verdicts.append(verdict)
            _print_verdict(verdict, own[0]["workload"]["network"], console)
    console.print(escape(machine(record)), highlight=False, soft_wrap=True)
    console.print(f"record: {escape(str(path))}", highlight=False, soft_wrap=True)
    return gate.EXIT[gate.worst([v.outcome for v in verdicts])] if verdicts else 0


def machine(record: Record) -> str:
    """Describe the machine in one line."""
    f, load = record["fingerprint"], record["load"]
    device = "" if f["gpu"] is None else f", {f['gpu']}"
    return (
        f"{f['cpu']} ({f['instructions']}), {f['cores']} cores, {f['threads']} threads, torch {f['torch']}{device}; "
        f"load {load['before']:g} before, {load['after']:g} after"
    )


def interval(ratio: RatioRecord) -> str:
    return f"{ratio['ratio']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}]"


def print_measurement(measurement: Measurement, console: Console) -> None:
    """Print the step's speed, every comparison on both clocks, and the share of the ceiling."""
    workload, comparisons = measurement["workload"], measurement["comparisons"]
    precision, reference, own_ms = precision_of(workload), comparisons["reference"], step_ms(measurement)
    clock = reference["clock"]
    name = "step_time_ratio" if precision == "float32" else "fused / reference"
    console.print(
        f"[bold]{workload['network']}[/bold] batch {workload['batch_size']}, width {workload['width']:g}, "
        f"kernels {workload['kernels']}, [bold]{precision}[/bold]: {own_ms:.1f} ms, "
        f"{images_per_s(workload, own_ms):.0f} images/s; {name} {interval(reference['ratio'][clock])} in {clock} time",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    for name, c in comparisons.items():
        processor, wall = interval(c["ratio"]["processor"]), interval(c["ratio"]["wall"])
        own, other = c["step_ms"][clock], c["other_ms"][clock]
        rates = f"{images_per_s(workload, own):.0f} / {images_per_s(workload, other):.0f}"
        console.print(
            f"  fused / {name}: {processor} processor, {wall} wall; {c['ratio'][clock]['num']} pairs; "
            f"{own:.1f} / {other:.1f} ms, {rates} images/s",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    ceiling = measurement["ceiling"]
    shares = " | ".join(
        f"{gflop:.1f} GFLOP {kind}: {share['share']:.1%} [{share['low']:.1%}, {share['high']:.1%}]"
        for kind, gflop, share in (
            ("direct", ceiling["direct_gflop"], ceiling["direct"]),
            ("executed", ceiling["executed_gflop"], ceiling["executed"]),
        )
    )
    console.print(
        f"  share of the {precision} matrix product's {ceiling['matrix_gflops_per_s']:.0f} GFLOP/s: {shares}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def _print_verdict(verdict: "Verdict", network: str, console: Console) -> None:
    style = {"ok": "green", "regressed": "red", "inconclusive": "yellow"}[verdict.outcome]
    console.print(
        f"[{style}]{verdict.outcome}[/{style}] {escape(network)}: {escape(verdict.reason)}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
