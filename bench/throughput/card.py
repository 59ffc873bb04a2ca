"""Speed of an iteration on one GPU: eager or as a graph, three precisions, one or five seeds, both memory formats, and
the popular ports; each relative to the GPU's own matrix product.

A row alternates with a large product in its precision, and is written as soon as it is measured, so a failure costs
only its own row. On a CPU the same rows run as a rehearsal, without graphs and small.
"""

import random
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, cast

import torch

from bench.analysis.statistics import median_interval
from bench.console import escape
from bench.records.storage import write_plain_json
from bench.records.throughput import CardRow
from bench.throughput import paired
from bench.throughput.as_commonly_written import AsCommonlyWritten
from bench.throughput.ceiling import TYPES, MatrixProduct, direct_flops
from bench.throughput.session import Announce, Session, synchroniser
from bench.throughput.workloads import Workload, next_batch, pixels, trainer, training_config
from infogan.blocks import NetworkSettings
from infogan.runtime import Precision, gpu_products
from infogan.together import iterations, take_turns
from infogan.training import Trainer, TrainingConfig

STRETCH = {"cuda": 25, "cpu": 2}  # iterations per call; training reads from a GPU as often
MANY = 10**5  # iterations; no row reaches this
ROUNDS = {"cuda": 7, "cpu": 3}  # [min, max] of seven contains the median with 98 %
PRODUCT_SIZES = {"cuda": 8192, "cpu": 512}
SEEDS = 5


@dataclass(frozen=True)
class Row:
    """What is measured. ``order``: memory format of images and weights, that of training ("own") or the other."""

    name: str
    precision: Precision = "float32"
    is_captured: bool = True
    num_seeds: int = 1
    order: Literal["own", "other"] = "own"
    is_popular: bool = False


PRECISIONS: tuple[Precision, ...] = ("float32", "tf32", "bf16")
ROWS = (
    Row("eager", is_captured=False),
    *(Row("graph", precision) for precision in PRECISIONS),
    *(Row(f"graph, {SEEDS} seeds", precision, num_seeds=SEEDS) for precision in PRECISIONS),
    *(Row("graph, other memory order", precision, order="other") for precision in PRECISIONS),
    Row("popular port", is_captured=False, is_popular=True),
    Row("popular port, as PyTorch rounds by default", "tf32", is_captured=False, is_popular=True),
)


@dataclass(frozen=True)
class _OtherOrder(TrainingConfig):
    """A configuration with the other memory format for images and weights."""

    @property
    def memory_format(self) -> torch.memory_format:
        own = super().memory_format
        return torch.channels_last if own == torch.contiguous_format else torch.contiguous_format


def config_of(row: Row, workload: Workload) -> TrainingConfig:
    """Training configuration of a row."""
    base = training_config(workload, "reference" if row.is_popular else "fused")
    capture: Literal["off", "graph"] = "graph" if row.is_captured and workload.device == "cuda" else "off"
    network: NetworkSettings = replace(base.network, precision=row.precision)
    config = replace(base, iterations=MANY, capture=capture, network=network)
    return _OtherOrder(**vars(config)) if row.order == "other" else config


def calls_of(row: Row, workload: Workload) -> Callable[[], object]:
    """A function that runs a stretch of iterations of each of the row's seeds."""
    if row.is_popular:
        return _popular(workload, rounds_as_default=row.precision == "tf32")
    images = pixels(workload).to(workload.device)
    trainers = [Trainer(config_of(row, workload), images, seed) for seed in range(row.num_seeds)]
    num = STRETCH[workload.device]
    rounds = take_turns([iterations(trainer, num) for trainer in trainers], workload.device)

    def stretch() -> None:
        for _ in range(num + 1):  # the last turn reads
            next(rounds)

    return stretch


def _popular(workload: Workload, *, rounds_as_default: bool) -> Callable[[], object]:
    run = trainer(replace(workload, kernels="torch"), "reference")
    loop = AsCommonlyWritten(workload.network, run.players, workload.width)

    def stretch() -> None:
        with _default_rounding() if rounds_as_default else gpu_products("float32"):
            for _ in range(STRETCH[workload.device]):
                loop.step(next_batch(run).contiguous())

    return stretch


@contextmanager
def _default_rounding() -> Iterator[None]:
    """PyTorch's default precision: TF32 for convolutions, exact matrix products."""
    with gpu_products("float32"):
        torch.backends.cudnn.conv.fp32_precision = "tf32"  # type: ignore[attr-defined]
        yield


def measure_row(row: Row, workload: Workload, rng: random.Random) -> CardRow:
    """Milliseconds per iteration of one seed, images/s of all seeds, and share of the product's rate."""
    device = workload.device
    product = MatrixProduct(device, TYPES[row.precision], PRODUCT_SIZES[device])
    if device == "cuda":  # after the product is made, which needs a copy more; its matrices are subtracted below
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()

    def multiply() -> None:
        with gpu_products(row.precision):
            product()

    calls = {"row": calls_of(row, workload), "product": multiply}
    times = paired.rounds(calls, ROUNDS[device], rng, synchroniser(device))
    num = STRETCH[device] * row.num_seeds
    own_s = [seconds / num for seconds in times["row"]["wall"]]
    rates = [product.flops / seconds for seconds in times["product"]["wall"]]
    shares = [direct_flops(workload) / own / rate for own, rate in zip(own_s, rates, strict=True)]
    ms, share = median_interval([1e3 * s for s in own_s]), median_interval(shares)
    return _named(row) | {
        "ms": ms.median,
        "ms_low": ms.low,
        "ms_high": ms.high,
        "images_per_s": workload.batch_size * 1e3 / ms.median,
        "share": share.median,
        "share_low": share.low,
        "share_high": share.high,
        "product_tflops_per_s": statistics.median(rates) / 1e12,
        "peak_mb": (torch.cuda.max_memory_allocated() - product.num_bytes) / 2**20 if device == "cuda" else None,
    }


def _named(row: Row) -> CardRow:
    return cast(CardRow, asdict(row))


def measure_card(path: Path, workload: Workload, say: Announce, rows: tuple[Row, ...] = ROWS) -> int:
    """Measure all ``rows`` and write the record to ``path``; return how many failed."""
    session = Session(workload.device, 1, say)
    measured: list[CardRow] = []
    for row in rows:
        try:
            measured.append(measure_row(row, workload, session.rng))
        except (RuntimeError, ValueError) as error:  # errors of CUDA and PyTorch
            measured.append(_named(row) | {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"})
        say(line(measured[-1]))
        write_plain_json(path, {**session.record("card"), "workload": workload.record(), "rows": measured})
    return sum("error" in row for row in measured)


def line(row: CardRow) -> str:
    """A row as text."""
    name = f"{row['name']}, {row['precision']}"
    if "error" in row:
        return f"{name}: not measured: {escape(row['error'])}"
    return (
        f"{name}: {row['ms']:.3f} [{row['ms_low']:.3f}, {row['ms_high']:.3f}] ms per iteration of one seed, "
        f"{row['images_per_s']:.0f} images/s, {row['share']:.1%} of the product's "
        f"{row['product_tflops_per_s']:.3g} TFLOP/s"
    )
