"""Time that a cell spends outside its training steps: sampling, evaluation, checkpoints, start-up and tracking."""

import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from bench.console import Exit
from bench.environment import ROOT
from bench.records.find import find_cells
from bench.records.seals import write_sealed
from bench.records.throughput import CellOverhead, Checkpoint, Sampling, Timed
from bench.throughput.session import synchroniser
from bench.throughput.workloads import Workload, next_batch, trainer
from bench.tracking.connection import is_installed
from infogan.data.base import one_line
from infogan.measures.bound import frozen_bounds_nats
from infogan.streams import stream

REPEATS = 5
SAMPLE_BATCH = 500
CELL = ("mnist-mi", "--profile", "smoke", "--arms", "infogan", "--seeds", "0", "--jobs", "1")
TYPICAL_CELL_S = 180.0
CHECKPOINT_EVERY_S = 60.0


class CellFailed(RuntimeError):
    """The small cell could not be trained; the message is one line."""


def _median_ms(call: Callable[[], object], device: str, repeats: int = REPEATS) -> float:
    synchronise, times = synchroniser(device), []
    call()
    for _ in range(repeats):
        synchronise()
        started = time.perf_counter()
        call()
        synchronise()
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)


def sampler(device: str) -> Callable[[], None]:
    """A function that samples latents and generates ``SAMPLE_BATCH`` images with the paper's MNIST generator."""
    players = trainer(Workload("mnist", device=device), "fused").players

    @torch.no_grad()
    def sample() -> None:
        players.generator(players.sample(SAMPLE_BATCH).inputs_NZ)

    return sample


def sampling_ms(device: str) -> Sampling:
    """Time of :func:`sampler` in ms."""
    ms = _median_ms(sampler(device), device)
    return {"batch_size": SAMPLE_BATCH, "ms": ms, "images_per_s": 1e3 * SAMPLE_BATCH / ms}


def evaluator(device: str) -> Callable[[], None]:
    """A function that computes the frozen bound for the paper's MNIST networks, including calibration."""
    run = trainer(Workload("mnist", device=device), "fused")
    players, evaluation = run.players, stream(0, "evaluation", device)

    def evaluate() -> None:
        frozen_bounds_nats(players.generator, players.discriminator, players.spec, evaluation)

    return evaluate


def evaluation_ms(device: str) -> Timed:
    """Time of :func:`evaluator` in ms."""
    return {"ms": _median_ms(evaluator(device), device, 1)}


def checkpoint_ms(device: str, folder: Path) -> Checkpoint:
    """Time to write one checkpoint of the paper's MNIST networks durably to disk."""
    run = trainer(Workload("mnist", device=device), "fused")
    run.players.optimizer_generator.zero_grad()
    run._step(run.players, next_batch(run))  # creates the optimisers' moments

    def save() -> None:
        content = io.BytesIO()
        torch.save({"trainer": run.state_dict()}, content)
        write_sealed(folder / "checkpoint.pt", content.getvalue())

    ms = _median_ms(save, device)
    size_mb = (folder / "checkpoint.pt").stat().st_size / 1e6
    return {"ms": ms, "size_mb": size_mb, "share_of_training": ms / 1e3 / CHECKPOINT_EVERY_S}


def cell_overhead(device: str) -> CellOverhead:
    """Train a small cell through the real command line; return its seconds by part.

    Includes tracking if MLflow is installed. Raises CellFailed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "bench", "run", *CELL, "--device", device, "--results", str(folder)]
        tracked = [] if is_installed() else ["--no-tracking"]
        environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        started = time.perf_counter()
        ended = subprocess.run([*command, *tracked], capture_output=True, text=True, cwd=ROOT, env=environment)
        seconds = time.perf_counter() - started
        if ended.returncode not in (Exit.OK, Exit.NOT_TRACKED):  # the cell is finished in both cases
            raise CellFailed(f"a small cell ended with {ended.returncode}: {one_line(ended.stdout + ended.stderr)}")
        (cell,) = find_cells(folder).folders
        result = cell.result()
        assert result is not None
        assert result.seconds is not None
        parts = result.seconds.as_json()
        parts["start-up and tracking"] = seconds - sum(parts.values())
        checkpoint = checkpoint_ms(device, folder)
    beside = seconds - parts["train"]
    return {
        "command": " ".join([*CELL, *tracked]),
        "iterations": result.iterations,
        "seconds": seconds,
        "parts_s": parts,
        "beside_training_s": beside,
        "share_of_typical_cell": beside / TYPICAL_CELL_S,
        "checkpoint": checkpoint,
    }
