"""How long a report of a million points takes, on finished cells with made curves: ``scaling --report``."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from bench.context import Context
from bench.environment import ROOT, DataRecord
from bench.records.folder import CellFolder
from bench.records.history import History
from bench.records.schema import Result, Seconds
from bench.records.seals import read_json, write_json

REPORT = {"mnist-mi": ("paper", "0-15"), "mnist": ("cpu", "0-34")}  # 80 and 70 cells, 1.1 million points


def timed(*arguments: str) -> tuple[float, float]:
    """Processor and wall seconds of a command of ``bench`` and its children, over its output file."""
    command, started = [sys.executable, "-m", "bench", *arguments], time.perf_counter()
    environment = os.environ | {"MLFLOW_TRACKING_URI": ""}  # the folder's own store
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - started


def synthetic_records(results: Path) -> tuple[int, int]:
    """Finished cells with made curves, through the real writers; gives the numbers of cells and of points."""
    num_cells = num_points = 0
    for name, (profile, seeds) in REPORT.items():
        for cell in Context([name], results=results, profile=profile, seeds=seeds, device="cpu").cells:
            folder, rng = CellFolder.of(results, cell), np.random.default_rng(cell.seed)
            t = np.arange(1, cell.iterations + 1)
            ceiling, pace = rng.uniform(2.0, 2.3), rng.uniform(20, 60)
            noise = rng.normal(0, 0.02, (7, len(t)))
            columns = {"loss/discriminator": 1.2 + noise[0], "loss/generator": 0.7 + noise[1]}
            for number, code in enumerate(cell.config["codes"], 1):
                columns[f"mi/c{number}"] = ceiling * (1 - np.exp(-t / pace)) + noise[1 + number]
                if code["kind"] == "continuous":
                    columns[f"explained/c{number}"] = 1 - np.exp(-t / pace) + noise[3 + number]
            values = np.stack(list(columns.values()), axis=1).astype(np.float32)
            data = cell.config["data"]
            said: DataRecord = {"name": data["name"], "source": data["source"], "note": "-", "is_papers": False}
            folder.write_identity(cell, {"git_commit": "-"}, said)
            folder.write_history(History(tuple(columns), values, t[24::25], np.full(len(t) // 25, 30.0)))
            folder.write_traversals({"c1": rng.integers(0, 255, (10, 10, 28, 28, 1), dtype=np.uint8)})
            codes = {f"c{number}": ceiling for number in range(1, len(cell.config["codes"]) + 1)}
            seconds = Seconds(train=30.0, checkpoint=0.1, evaluate=1.0, prepare=0.1)
            folder.write_result(
                Result(
                    status="done",
                    iterations=cell.iterations,
                    mi_frozen_nats=codes,
                    seconds=seconds,
                    resumes=0,
                    peak_memory_mb=500.0,
                    notes=[],
                )
            )
            num_cells, num_points = num_cells + 1, num_points + values.size
    return num_cells, num_points


def measure_report(folder: Path) -> dict[str, float]:
    """Time of a report of 150 cells; the records stay, so that it can be repeated."""
    results, counts = folder / "report", folder / "report-records.json"
    if not counts.exists():
        shutil.rmtree(results, ignore_errors=True)
        num_cells, num_points = synthetic_records(results)
        write_json(counts, {"cells": num_cells, "points": num_points})
    cpu_s, wall_s = timed("report", "--results", str(results))
    return read_json(counts) | {"cpu_s": cpu_s, "wall_s": wall_s}
