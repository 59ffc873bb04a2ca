"""Tables of a sweep for people, each with its CSV. Numbers come from bench.analysis.tables."""

import csv
import io
import math
import re
from dataclasses import dataclass, fields
from typing import Any

from bench.analysis.runs import Sweep
from bench.analysis.summary import continuous_ceiling_nats
from bench.claims.cost import Cost, NetworkCost
from bench.claims.judge import ClaimResult
from bench.report import answers, wording
from bench.spec.criteria import CostTable
from bench.spec.tables import arm_of, variant_of
from bench.spec.vocabulary import MEASURED
from infogan.measures.catalogue import DISENTANGLEMENT, VOTES

ARM_MEASURES = (  # shown; the file has all of bench.analysis.tables
    "t80",
    "mi_final_nats",
    "mi_frozen_nats",
    "area_under_curve",
    "hump_nats",
    "hump_iteration",
)
NEITHER = "not comparable: neither reached"  # 0.8 H(c), of two arms
RATIO_COLUMNS = ("t80_ratio", "low", "high", "level")
SEED_MEASURES = (
    *ARM_MEASURES,
    "mi_final_fraction",
    "figure1_distance_nats",
    "variety",
    "distinctness",
    "step_ms",
)
# of the table of measures; they stand beside their number in tables of their own
BESIDE = re.compile(rf"_(noise|ceiling)_|_(shuffled|ceiling)$|^({'|'.join(DISENTANGLEMENT | VOTES)})$")


@dataclass(frozen=True)
class Table:
    """A table as shown, and its file. The first ``num_text`` columns are words, the others numbers."""

    name: str
    title: str
    caption: str
    columns: list[str]
    rows: list[list[str]]
    csv: bytes
    num_text: int = 1


def csv_bytes(columns: list[str], rows: list[list[Any]]) -> bytes:
    """Full precision; an infinite value as "not reached", a missing one empty."""
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_value(value) for value in row] for row in rows)
    return content.getvalue().encode()


def _csv_value(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and math.isinf(value):
        return wording.NOT_REACHED if value > 0 else "unbounded"
    return f"{value:.10g}" if isinstance(value, float) else value


def sweep_tables(sweep: Sweep, order: list[str], base_arm: str) -> list[Table]:
    """Every table that has a row. ``order``: of the groups."""
    tables = [
        _arms(sweep, order),
        _measures(sweep, order),
        _seeds(sweep, order),
        _comparisons(sweep, order, base_arm),
        _timing(sweep, order),
    ]
    return [table for table in tables if table is not None]


def _records(frame: Any, order: list[str]) -> list[dict[str, Any]]:
    rows = frame.to_dict("records")
    return sorted(rows, key=lambda row: order.index(row["arm"]))  # stable: the rest stays as it was


def _arms(sweep: Sweep, order: list[str]) -> Table | None:
    from bench.analysis.tables import arms_table

    records = _records(arms_table(sweep), order)
    if not records:
        return None
    measures = [m for m in ARM_MEASURES if any(r["measure"] == m for r in records)]
    cells = {(r["arm"], r["measure"]): r for r in records}
    rows = []
    for arm in dict.fromkeys(r["arm"] for r in records):
        diverged = sum(run.diverged for run in sweep.groups()[arm])
        row = [arm, f"{len(sweep.done(arm))}" + (f", {diverged} diverged" if diverged else "")]
        for measure in measures:
            r = cells.get((arm, measure))
            row.append(wording.with_interval(measure, r["median"], r["low"], r["high"]) if r else wording.ABSENT)
        rows.append(row)
    caption = "Median [interval] over the finished seeds. The interval is exact, from the order of the seeds: "
    caption += f"{_levels(records)}."
    if any(run.diverged for run in sweep.runs):
        caption += " For T80 a seed that diverged counts too, as later than the budget."
    keys = ["arm", "measure", "unit", "median", "low", "high", "level", "num_seeds", "num_failed", "seeds"]
    for r in records:
        r["unit"] = wording.measure_unit(r["measure"])
        r["seeds"] = "; ".join(wording.NOT_REACHED if v == "inf" else v for v in r["seeds"].split())
    headings = ["arm", "finished seeds", *map(wording.measure_heading, measures)]
    return Table("arms", "Arms", caption, headings, rows, csv_bytes(keys, [[r[k] for k in keys] for r in records]))


def _levels(records: list[dict[str, Any]]) -> str:
    levels = {r["num_seeds"]: r["level"] for r in records}
    return wording.listed(f"{100 * levels[n]:.4g} % ({wording.plural(n, 'seed')})" for n in sorted(levels))


def _measures(sweep: Sweep, order: list[str]) -> Table | None:
    """What was measured of the finished networks: a row a number, a column an arm; the file has every seed."""
    from bench.analysis.tables import arms_table

    records = _records(arms_table(sweep, tuple(MEASURED)), order)
    if not records:
        return None
    cells = {(r["measure"], r["arm"]): r for r in records}
    arms = list(dict.fromkeys(r["arm"] for r in records))
    counts = {arm: max(r["num_seeds"] for r in records if r["arm"] == arm) for arm in arms}
    rows = []
    for measure in dict.fromkeys(r["measure"] for r in records if not BESIDE.search(r["measure"])):
        found = [cells.get((measure, arm)) for arm in arms]
        shown = [_of_seeds(r, counts[r["arm"]]) if r else wording.ABSENT for r in found]
        rows.append([wording.measure_heading(measure), *shown])
    rows.sort(key=lambda row: [wording.measure_heading(m) for m in MEASURED].index(row[0]))
    keys = ["arm", "measure", "unit", "median", "low", "high", "level", "num_seeds", "seeds"]
    for r in records:
        r["unit"] = wording.measure_unit(r["measure"])
        r["seeds"] = "; ".join(r["seeds"].split())
    seeds = wording.listed(f"{arm} {wording.plural(n, 'seed')}" for arm, n in counts.items())
    caption = (
        "Median [interval] over the finished seeds. The interval is exact, from the order of the seeds: "
        f"{_levels(records)}. {seeds}, unless a cell says otherwise. Batch-norm statistics are frozen. A dash: "
        "not measured, or not applicable."
    )
    content = csv_bytes(keys, [[r[k] for k in keys] for r in records])
    return Table("measures", "What was measured of the networks", caption, ["measure", *arms], rows, content)


def _of_seeds(r: dict[str, Any], num_all: int) -> str:
    shown = wording.with_interval(r["measure"], r["median"], r["low"], r["high"])
    return shown if r["num_seeds"] == num_all else f"{shown} ({wording.plural(r['num_seeds'], 'seed')})"


def _seeds(sweep: Sweep, order: list[str]) -> Table | None:
    from bench.analysis.tables import seeds_table

    frame = seeds_table(sweep)
    records = _records(frame, order)
    if not records:
        return None
    of_continuous = [m for m in frame.columns if m.startswith(("mi_final_c", "explained_final_c"))]
    measures = [m for m in (*SEED_MEASURES, *of_continuous) if m in frame.columns]
    rows = [
        [r["arm"], str(r["seed"]), str(r["state"]), r["health"] or wording.ABSENT]
        + [wording.measured(m, r[m]) for m in measures]
        for r in records
    ]
    content = csv_bytes(list(frame.columns), [[r[c] for c in frame.columns] for r in records])
    headings = ["arm", "seed", "state", "health", *map(wording.measure_heading, measures)]
    caption = "A seed that is not finished shows what it has so far and is in no summary."
    if of_continuous:
        ceiling = continuous_ceiling_nats(sweep.definition)
        limit = f"cannot exceed {ceiling:.3f} nats" if math.isfinite(ceiling) else "has no ceiling"
        caption += f" With Q's standard deviation, the L_I of all continuous codes together {limit}. The explained "
        caption += "share says how much Q knows about a code."
    return Table("seeds", "Every seed", caption, headings, rows, content, num_text=4)


def _comparisons(sweep: Sweep, order: list[str], base_arm: str) -> Table | None:
    """Each arm's T80 against the base arm of the same variant."""
    from bench.analysis.tables import comparisons_table

    if not sweep.entropy_nats:
        return None
    records: list[dict[str, Any]] = []
    for base in [group for group in order if arm_of(group) == base_arm]:
        found = _records(comparisons_table(sweep, base), order)
        records += [r for r in found if variant_of(r["arm"]) == variant_of(base)]
    if not records:
        return None
    rows = [[r["arm"], r["against"], *_compared(sweep, r), f"{r['not_reached']} of {r['num_seeds']}"] for r in records]
    caption = (
        "T80 divided by that of the base arm (Hodges and Lehmann); above 1 is slower. The interval is exact, from "
        "ranks. p: one-sided Mann-Whitney test for slower. A seed that did not reach 0.8 H(c) counts as later than the "
        "budget."
    )
    keys = ["arm", "against", *RATIO_COLUMNS, "p_slower", "not_reached", "num_seeds"]
    values = [[ratio_value(r, k) for k in keys] for r in records]
    headings = ["arm", "against", "T80 ratio", "interval", "level", "p (slower)", "T80 not reached"]
    return Table("comparisons", "Comparisons", caption, headings, rows, csv_bytes(keys, values), num_text=2)


def ratio_value(record: dict[str, Any], column: str) -> Any:
    """A value of a ratio's row, for its file: a bound that is not there is "unbounded", as is a ratio of no seeds."""
    value = record[column]
    if column == "t80_ratio" and is_neither(record):
        return NEITHER
    return "unbounded" if column in RATIO_COLUMNS and value == math.inf else value


def is_neither(record: dict[str, Any]) -> bool:
    """Whether two arms were compared, and failures of both leave no ratio."""
    return math.isnan(record["t80_ratio"]) and not math.isnan(record["level"])


def _compared(sweep: Sweep, record: dict[str, Any]) -> list[str]:
    """Ratio, interval, level and p; where neither arm gets there, equal failures are no sign of equality."""
    if is_neither(record):
        return [NEITHER, wording.ABSENT, wording.ABSENT, wording.ABSENT]
    ratio = _ratio(sweep, record)
    interval = f"{wording.number(record['low'], 2)} to {wording.number(record['high'], 2, 'unbounded')}"
    return [ratio, interval, f"{100 * record['level']:.4g} %", wording.number(record["p_slower"], 4)]


def _ratio(sweep: Sweep, record: dict[str, Any]) -> str:
    """The estimate takes failures at the budget: once they reach the middle of the pairs it is a bound, and says so."""
    base = list(sweep.t80(record["against"]).values())
    base_failed = sum(math.isinf(t) for t in base) / len(base)
    new_failed = record["not_reached"] / record["num_seeds"]
    text = wording.number(record["t80_ratio"], 2)
    if new_failed * (1 - base_failed) >= 0.5:
        return f"at least {text}"
    return f"at most {text}" if base_failed * (1 - new_failed) >= 0.5 else text


def _timing(sweep: Sweep, order: list[str]) -> Table | None:
    from bench.analysis.tables import timing_table

    frame = timing_table(sweep)
    records = _records(frame, order)
    if not records:
        return None
    rows = [
        [
            r["arm"],
            str(r["num_cells"]),
            wording.number(r["step_ms_median"], 1),
            *(wording.number(r[k], 1) for k in ("train_s", "checkpoint_s", "evaluate_s", "prepare_s")),
            wording.number(100 * r["overhead_share"], 1),
            wording.number(r["peak_memory_mb"], 0),
        ]
        for r in records
    ]
    headings = [
        "arm",
        "cells",
        "step (ms)",
        "training (s)",
        "checkpoints (s)",
        "measuring (s)",
        "preparing (s)",
        "checkpoints / training (%)",
        "peak memory (MB)",
    ]
    caption = (
        "For the finished cells: the median time of a step, and the seconds of all cells together. "
        "Other work on the machine slows a step, so no verdict uses these times."
    )
    content = csv_bytes(list(frame.columns), [[r[c] for c in frame.columns] for r in records])
    return Table("timing", "Timing", caption, headings, rows, content)


def cost_table(claim: CostTable, cost: Cost | None, results: list[ClaimResult]) -> Table:
    """What codes and Q add to an iteration: a row a network, its verdict first."""
    held = {network.network: network for network in cost.networks} if cost else {}
    rows = []
    for result in results:
        n = held.get(result.arm)
        ratio = f"{n.ratio:.3f} [{n.low:.3f}, {n.high:.3f}]" if n else wording.ABSENT
        row = [result.arm, f"{answers.in_words(result.verdict)}: {result.reason}", ratio]
        if n:
            row += [str(n.num_pairs), f"{n.infogan_ms:.1f} / {n.gan_ms:.1f}"]
            row += [f"{n.infogan_parameters / 1e6:.2f} / {n.gan_parameters / 1e6:.2f}"]
            row += [f"{n.infogan_gflop:.2f} / {n.gan_gflop:.2f}"]
        rows.append(row + [wording.ABSENT] * (7 - len(row)))
    pair = "InfoGAN / GAN"
    headings = [
        "network",
        f"{claim.id} holds?",
        "ratio of times [interval]",
        "pairs",
        f"iteration (ms), {pair}",
    ]
    headings += [f"parameters (millions), {pair}", f"arithmetic (GFLOP), {pair}"]
    caption = (
        f"{claim.text} ({claim.source}.) The interval's upper end must be at most {claim.at_most:g}. {claim.basis}"
    )
    if cost:
        caption += (
            f" {cost.clock.capitalize()} time of alternating pairs, batch {cost.batch_size}, width {cost.width:g}, "
        )
        caption += f"kernels {cost.kernels}, on {cost.machine}."
    keys = [f.name for f in fields(NetworkCost)]
    content = csv_bytes(
        ["verdict", *keys], [[r.verdict, *(getattr(held.get(r.arm), k, None) for k in keys)] for r in results]
    )
    return Table("cost", "What codes and Q cost", caption, headings, rows, content, num_text=2)
