"""Sweeps to pandas tables, each with every seed somewhere in it. No plotting, no MLflow, no torch."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.analysis import statistics
from bench.analysis.runs import Sweep
from bench.spec.tables import arm_of

SUMMARY_COLUMNS = (
    "t80",
    "mi_final_nats",
    "mi_final_fraction",
    "mi_frozen_nats",
    "area_under_curve",
    "hump_nats",
    "hump_iteration",
)


def seeds_table(sweep: Sweep) -> pd.DataFrame:
    """One row per cell: group, seed, state, health in words, every measure."""
    rows = []
    for group, runs in sweep.groups().items():
        for run in runs:
            health = (run.result or {}).get("health") or {}
            own = {"arm": group, "seed": run.cell.seed, "state": run.state, "health": health.get("status", "")}
            rows.append(own | {name: value for name, value in run.summary.items() if name != "collapsed"})
    return pd.DataFrame(rows)


def arms_table(sweep: Sweep, measures: Sequence[str] = SUMMARY_COLUMNS) -> pd.DataFrame:
    """One row per group and measure: median over finished seeds with its exact interval, and every seed's value.

    Of T80 also over those that diverged, as later than the budget.
    """
    rows = []
    for group in sweep.groups():
        runs = sweep.done(group)
        for measure in measures:
            values = [run.summary[measure] for run in runs if measure in run.summary]
            if measure == "t80":
                values = list(sweep.t80(group).values())
            if values:
                interval = statistics.median_interval(values)
                rows.append(
                    {
                        "arm": group,
                        "measure": measure,
                        "median": interval.median,
                        "low": interval.low,
                        "high": interval.high,
                        "level": interval.level,
                        "num_seeds": len(values),
                        "num_failed": sum(run.state == "failed" for run in sweep.groups()[group]),
                        "seeds": " ".join(f"{v:.4g}" for v in values),
                    }
                )
    return pd.DataFrame(rows)


def comparisons_table(sweep: Sweep, base: str) -> pd.DataFrame:
    """T80 of each group against ``base``: Hodges-Lehmann ratio with its exact rank interval, Mann-Whitney p.

    A seed that did not reach 0.8 H(c), or diverged, enters as later than the budget, never dropped.
    """
    budget = float(sweep.definition["training"]["iterations"])
    base_times = list(sweep.t80(base).values())
    rows: list[dict[str, Any]] = []
    for group in sweep.groups():
        times = list(sweep.t80(group).values())
        if group == base or min(len(times), len(base_times)) < 2:
            continue
        ratio = statistics.hodges_lehmann_ratio(base_times, times, budget)
        rows.append(
            {
                "arm": group,
                "against": base,
                "t80_ratio": ratio.ratio,
                "low": ratio.low,
                "high": ratio.high,
                "level": ratio.level,
                "p_slower": statistics.mann_whitney(base_times, times),
                "not_reached": sum(not math.isfinite(t) for t in times),
                "num_seeds": len(times),
            }
        )
    return pd.DataFrame(rows)


def settings_table(sweep: Sweep, reference: str) -> pd.DataFrame:
    """One row per variant and arm: T80 against the same arm of the reference variant, final L_I and its peak.

    Columns as :func:`comparisons_table`, then medians over finished seeds, T80's also over those that diverged; the
    reference's own rows have no ratio.
    """
    rows: list[dict[str, Any]] = []
    against: dict[str, dict[str, Any]] = {}
    for arm in dict.fromkeys(run.cell.arm for run in sweep.runs):
        compared = comparisons_table(sweep, f"{reference}/{arm}").to_dict("records")
        against |= {row["arm"]: row for row in compared if arm_of(row["arm"]) == arm}
    for group, runs in sweep.groups().items():
        done = [run.summary for run in runs if run.state == "done"]
        num_ended = len(done) + sum(run.diverged for run in runs)
        if not num_ended:
            continue
        cell = runs[0].cell
        row: dict[str, Any] = {"variant": cell.variant, "arm": cell.arm, "num_seeds": num_ended}
        for column in ("t80_ratio", "low", "high", "level", "not_reached"):
            row[column] = against.get(group, {}).get(column, math.nan)
        for measure in ("t80", "mi_final_nats", "hump_nats", "hump_iteration"):
            values = [summary[measure] for summary in done if measure in summary]
            if measure == "t80":
                values = list(sweep.t80(group).values())
            row[measure] = float(pd.Series(values).median()) if values else math.nan
            row[f"{measure}_seeds"] = " ".join(f"{v:.4g}" for v in values)
        row["is_baseline"] = not any(cell.config["training"]["mi_weight_generator"])
        rows.append(row)
    return pd.DataFrame(rows)


def timing_table(sweep: Sweep) -> pd.DataFrame:
    """Where the seconds of finished cells went, by group; ``overhead_share`` is checkpoints over training."""
    rows = []
    for group in sweep.groups():
        runs = [run for run in sweep.done(group) if run.result and "seconds" in run.result]
        if not runs:
            continue
        seconds = pd.DataFrame([run.result["seconds"] for run in runs if run.result])
        steps = [run.summary["step_ms"] for run in runs if "step_ms" in run.summary]
        rows.append(
            {
                "arm": group,
                "num_cells": len(runs),
                "step_ms_median": float(pd.Series(steps).median()) if steps else math.nan,
                "train_s": seconds["train"].sum(),
                "checkpoint_s": seconds["checkpoint"].sum(),
                "evaluate_s": seconds["evaluate"].sum(),
                "prepare_s": seconds["prepare"].sum(),
                "overhead_share": seconds["checkpoint"].sum() / seconds["train"].sum(),
                "peak_memory_mb": max(run.result["peak_memory_mb"] for run in runs if run.result),
            }
        )
    return pd.DataFrame(rows)
