"""The cost of a sweep's cells: seconds, peak memory, and wall time against the number of seeds."""

import math
import statistics
from collections.abc import Sequence

from bench.analysis.runs import Sweep
from bench.console import plural
from bench.records.schedule import Schedule, makespan_s, schedule
from bench.report import wording
from bench.report.tabular import Table

SEEDS = (1, 3, 5, 10)
TIMING = {  # of the file: heading and decimals of what is shown
    "step_ms_median": ("step (ms)", 1),
    "train_s": ("training (s)", 1),
    "checkpoint_s": ("checkpoints (s)", 1),
    "evaluate_s": ("measuring (s)", 1),
    "prepare_s": ("preparing (s)", 1),
    "overhead_share": ("checkpoints / training (%)", 1),
    "peak_memory_mb": ("peak memory (MB)", 0),
}


def timing_table(sweep: Sweep, order: Sequence[str]) -> Table:
    """Seconds of each group's finished cells by what they were spent on."""
    rows, values = [], []
    for group in order:
        results = [run.result for run in sweep.done(group) if run.result]
        seconds = [result.seconds for result in results if result.seconds]
        if not seconds:
            continue
        steps = [run.summary["step_ms"] for run in sweep.done(group) if "step_ms" in run.summary]
        train_s, checkpoint_s = sum(s.train for s in seconds), sum(s.checkpoint for s in seconds)
        numbers = {
            "step_ms_median": statistics.median(steps) if steps else math.nan,
            "train_s": train_s,
            "checkpoint_s": checkpoint_s,
            "evaluate_s": sum(s.evaluate for s in seconds),
            "prepare_s": sum(s.prepare for s in seconds),
            "overhead_share": checkpoint_s / train_s if train_s else math.nan,
            "peak_memory_mb": max((r.peak_memory_mb for r in results if r.peak_memory_mb), default=math.nan),
        }
        values.append([group, len(seconds), *(numbers[name] for name in TIMING)])
        write = {"overhead_share": wording.percent}
        shown = [write.get(name, wording.number)(numbers[name], d) for name, (_, d) in TIMING.items()]
        rows.append([group, str(len(seconds)), *shown])
    caption = (
        "For the finished cells: the median time of a step, and the seconds of all cells together. "
        "Other work on the machine slows a step, so no verdict uses these times."
    )
    headings = ["arm", "cells", *(heading for heading, _ in TIMING.values())]
    return Table("timing", "Timing", caption, headings, rows, ["arm", "num_cells", *TIMING], values)


def memory_table(sweeps: Sequence[Sweep]) -> Table:
    """Peak resident memory of the finished cells, training and measuring apart."""
    rows, values = [], []
    for sweep in sweeps:
        done = [run for run in sweep.runs if run.state == "done" and run.result]
        trained = [run.result.peak_memory_mb for run in done if run.result and run.result.peak_memory_mb is not None]
        if not trained:
            continue
        families = [family for run in done for family in run.measures.values()]
        measured = [family.peak_memory_mb for family in families if family.peak_memory_mb is not None]
        config = sweep.definition
        width, device = config["network"]["width"], config["device"]
        names = [sweep.experiment, sweep.profile, config["architecture"]]
        numbers = [len(trained), statistics.median(trained), max(trained), max(measured) if measured else None]
        values.append([*names, width, device, *numbers])
        shown = [wording.number(v, 0) for v in numbers[1:]]
        rows.append([*names, f"{width:g}", device, str(len(trained)), *shown])
    caption = (
        "Largest resident memory of a cell's process, in MB of 1,048,576 bytes. Memory that processes share counts in "
        "each of them. With measuring: until the measures are done, where it was recorded."
    )
    columns = ["experiment", "profile", "network", "width", "device", "cells", "median", "largest", "with measuring"]
    return Table("memory", "Peak memory of a cell (MB)", caption, columns, rows, columns, values, num_text=5)


def seeds_table(sweeps: Sequence[Sweep]) -> Table:
    """Wall time of each sweep's arms at so many seeds, for each number of slots that was used."""
    rows, values = [], []
    for sweep in sweeps:
        found = [s for s in map(schedule, sweep.launches) if s is not None]
        for jobs in sorted({s.jobs for s in found}):
            spans_s = _by_group([s for s in found if s.jobs == jobs], sweep.definition_key)
            beside_s = [s.wall_s - max(span.end_s for span in s.spans) for s in found if s.jobs == jobs]
            if spans_s:
                walls = [makespan_s(sorted(spans_s * n, reverse=True), jobs) for n in SEEDS]
                shown = [(statistics.median(beside_s) + wall) / 60 for wall in walls]
                values.append([sweep.experiment, sweep.profile, jobs, len(spans_s), *shown])
                named = [sweep.experiment, sweep.profile, str(jobs), str(len(spans_s))]
                rows.append([*named, *(wording.number(minutes, 1) for minutes in shown)])
    columns = ["experiment", "profile", "cells at a time", "arms", *(plural(n, "seed") for n in SEEDS)]
    caption = (
        "Computed from recorded sweeps with that many cells at a time: the median time of each arm's cells, longest "
        "first, plus the time that the launches spent after their last cell. What was not run has no row."
    )
    return Table("seeds-cost", "Wall time against seeds (minutes)", caption, columns, rows, columns, values, num_text=2)


def _by_group(schedules: list[Schedule], definition: str) -> list[float]:
    """Median seconds in the slot of the cells of each group that were trained there from beginning to end."""
    groups: dict[str, list[float]] = {}
    for found in schedules:
        for span in found.spans:
            if span.definition == definition and span.whole:
                groups.setdefault(span.group, []).append(span.end_s - span.start_s)
    return [statistics.median(seconds) for seconds in groups.values()]
