"""Tables of a sweep for people, each with its CSV. Numbers come from bench.analysis.tables."""

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.analysis.runs import Sweep
from bench.analysis.summary import continuous_ceiling_nats
from bench.analysis.tables import SUMMARY_COLUMNS, ArmRow, RatioRow, arms_table, comparisons_table
from bench.claims.cost import Cost, NetworkCost
from bench.claims.result import ClaimResult
from bench.console import plural
from bench.report import answers, wording
from bench.spec import vocabulary
from bench.spec.criteria import CostTable
from bench.spec.experiment import arm_of, variant_of
from bench.spec.vocabulary import MEASURED
from infogan.measures.catalogue import DISENTANGLEMENT, VOTES

ARM_MEASURES = [name for name in SUMMARY_COLUMNS if name != "mi_final_fraction"]  # shown; the file has all
NEITHER = "not comparable: neither reached"  # 0.8 H(c), of two arms
RATIO_COLUMNS = {  # of a file: field
    "t80_ratio": "ratio",
    "bound": "bound",  # "at least" or "at most" where failed seeds leave the ratio open on one side
    **{name: name for name in ("low", "high", "level")},
}
SEED_MEASURES = [*ARM_MEASURES, "mi_final_fraction", "figure1_distance_nats", "variety", "distinctness", "step_ms"]
# not in the table of measures: they stand beside their number in tables of their own
BESIDE = re.compile(rf"_(noise|ceiling)_|_(shuffled|ceiling)$|^({'|'.join(DISENTANGLEMENT | VOTES)})$")


@dataclass(frozen=True)
class Table:
    """A table as shown, and its file. The first ``num_text`` columns are words, the others numbers."""

    name: str
    title: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    keys: Sequence[str]  # of the file's columns
    values: Sequence[Sequence[object]]  # its rows
    num_text: int = 1
    path: str = ""  # of the file, in the report's folder

    @property
    def csv(self) -> bytes:
        return csv_bytes(self.keys, self.values)


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Full precision; an infinite value as "not reached", a missing one empty."""
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_value(value) for value in row] for row in rows)
    return content.getvalue().encode()


def _csv_value(value: object) -> object:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and math.isinf(value):
        return wording.NOT_REACHED if value > 0 else "unbounded"
    return f"{value:.10g}" if isinstance(value, float) else value


def sweep_tables(sweep: Sweep, order: list[str], base_arm: str) -> list[Table]:
    """The tables of a sweep. ``order``: of the groups."""
    return [*(table(sweep, order) for table in (_arms, _measures, _seeds)), _comparisons(sweep, order, base_arm)]


def _arms(sweep: Sweep, order: list[str]) -> Table:
    found = arms_table(sweep, order)
    measures = [m for m in ARM_MEASURES if any(r.measure == m for r in found)]
    cells = {(r.arm, r.measure): r for r in found}
    rows = []
    for arm in dict.fromkeys(r.arm for r in found):
        diverged = sum(run.diverged for run in sweep.groups()[arm])
        row = [arm, f"{len(sweep.done(arm))}" + (f", {diverged} diverged" if diverged else "")]
        for measure in measures:
            r = cells.get((arm, measure))
            row.append(wording.with_interval(measure, r.median, r.low, r.high) if r else wording.ABSENT)
        rows.append(row)
    caption = "Median [interval] over the finished seeds. The interval is exact, from the order of the seeds: "
    caption += f"{_levels(found)}."
    if any(run.diverged for run in sweep.runs):
        caption += " For T80 a seed that diverged counts too, as later than the budget."
    headings = ["arm", "finished seeds", *(vocabulary.measure(name).heading for name in measures)]
    keys = ["arm", "measure", "unit", "median", "low", "high", "level", "num_seeds", "num_failed", "seeds"]
    return Table("arms", "Arms", caption, headings, rows, keys, [_arm_values(row, keys) for row in found])


def _arm_values(row: ArmRow, keys: Sequence[str]) -> list[object]:
    seeds = "; ".join(wording.NOT_REACHED if math.isinf(v) else f"{v:.4g}" for v in row.values)
    known = vars(row) | {"unit": vocabulary.measure(row.measure).unit, "seeds": seeds}
    return [known[key] for key in keys]


def _levels(rows: Sequence[ArmRow]) -> str:
    levels = {r.num_seeds: r.level for r in rows}
    return wording.listed(f"{100 * levels[n]:.4g} % ({plural(n, 'seed')})" for n in sorted(levels))


def _measures(sweep: Sweep, order: list[str]) -> Table:
    """Measures of the finished networks: a row a number, a column an arm; the file has every seed."""
    found = arms_table(sweep, order, tuple(MEASURED))
    cells = {(r.measure, r.arm): r for r in found}
    arms = list(dict.fromkeys(r.arm for r in found))
    counts = {arm: max(r.num_seeds for r in found if r.arm == arm) for arm in arms}
    rows = []
    for measure in dict.fromkeys(r.measure for r in found if not BESIDE.search(r.measure)):
        own = [cells.get((measure, arm)) for arm in arms]
        shown = [_of_seeds(r, counts[r.arm]) if r else wording.ABSENT for r in own]
        rows.append([vocabulary.measure(measure).heading, *shown])
    rows.sort(key=lambda row: [vocabulary.measure(name).heading for name in MEASURED].index(row[0]))
    seeds = wording.listed(f"{arm} {plural(n, 'seed')}" for arm, n in counts.items())
    caption = (
        "Median [interval] over the finished seeds. The interval is exact, from the order of the seeds: "
        f"{_levels(found)}. {seeds}, unless a cell says otherwise. Batch-norm statistics are frozen. A dash: "
        "not measured, or not applicable."
    )
    keys = ["arm", "measure", "unit", "median", "low", "high", "level", "num_seeds", "seeds"]
    title, values = "What was measured of the networks", [_arm_values(row, keys) for row in found]
    return Table("measures", title, caption, ["measure", *arms], rows, keys, values)


def _of_seeds(r: ArmRow, num_all: int) -> str:
    shown = wording.with_interval(r.measure, r.median, r.low, r.high)
    return shown if r.num_seeds == num_all else f"{shown} ({plural(r.num_seeds, 'seed')})"


def _seeds(sweep: Sweep, order: list[str]) -> Table:
    groups = sweep.groups()
    known = list(dict.fromkeys(m for runs in groups.values() for r in runs for m in r.summary if m != "collapsed"))
    of_continuous = [m for m in known if m.startswith(("mi_final_c", "explained_final_c"))]
    measures = [m for m in (*SEED_MEASURES, *of_continuous) if m in known]
    rows, values = [], []
    for run in (run for group in order for run in groups[group]):
        health = run.result.health.status if run.result and run.result.health else ""
        shown = [wording.measured(m, run.summary.get(m)) for m in measures]
        rows.append([run.cell.group, str(run.cell.seed), run.state, health or wording.ABSENT, *shown])
        values.append([run.cell.group, run.cell.seed, run.state, health, *(run.summary.get(m) for m in known)])
    own = ["arm", "seed", "state", "health"]
    caption = "A seed that is not finished shows what it has so far and is in no summary."
    if of_continuous:
        ceiling = continuous_ceiling_nats(sweep.definition)
        limit = f"cannot exceed {ceiling:.3f} nats" if math.isfinite(ceiling) else "has no ceiling"
        caption += " With the smallest standard deviation that Q may have, the L_I of all continuous codes together "
        caption += f"{limit}. The explained share says how much Q knows about a code."
    headings = [*own, *(vocabulary.measure(name).heading for name in measures)]
    return Table("seeds", "Every seed", caption, headings, rows, [*own, *known], values, num_text=4)


def _comparisons(sweep: Sweep, order: list[str], base_arm: str) -> Table:
    """Each arm's T80 against the base arm of the same variant."""
    found: list[RatioRow] = []
    for base in [group for group in order if arm_of(group) == base_arm and sweep.entropy_nats]:
        found += comparisons_table(sweep, [g for g in order if variant_of(g) == variant_of(base)], base)
    rows = [[r.arm, r.against, *_compared(r), f"{r.not_reached} of {r.num_seeds}"] for r in found]
    caption = (
        "T80 divided by that of the base arm (Hodges and Lehmann); above 1 is slower. The interval is exact, from "
        "ranks. p: one-sided Mann-Whitney test for slower. A seed that did not reach 0.8 H(c) counts as later than the "
        "budget."
    )
    keys = ["arm", "against", *RATIO_COLUMNS, "p_slower", "not_reached", "num_seeds"]
    values = [[ratio_value(r, k) for k in keys] for r in found]
    headings = ["arm", "against", "T80 ratio", "interval", "level", "p (slower)", "T80 not reached"]
    return Table("comparisons", "Comparisons", caption, headings, rows, keys, values, num_text=2)


def ratio_value(row: RatioRow | None, column: str) -> object:
    """A value of a ratio's row, for its file: a bound that is not there is "unbounded", as is a ratio of no seeds."""
    if row is None:
        return None
    if column not in RATIO_COLUMNS:
        return getattr(row, column)
    value = getattr(row.t80, RATIO_COLUMNS[column])
    if isinstance(value, float) and not math.isfinite(value):
        return NEITHER if math.isnan(value) else "unbounded"
    return value


def _compared(row: RatioRow) -> list[str]:
    """Ratio, interval, level and p; where neither arm gets there, equal failures are no sign of equality."""
    t80 = row.t80
    if math.isnan(t80.ratio):
        return [NEITHER, wording.ABSENT, wording.ABSENT, wording.ABSENT]
    interval = f"{wording.number(t80.low, 2)} to {wording.number(t80.high, 2, 'unbounded')}"
    return [t80.in_words(2), interval, f"{100 * t80.level:.4g} %", wording.number(row.p_slower, 4)]


def cost_table(claim: CostTable, cost: Cost | None, results: list[ClaimResult]) -> Table:
    """The time that codes and Q add to an iteration: a row a network, its verdict first."""
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
    headings = ["network", f"{claim.id} holds?", "ratio of times [interval]", "pairs", f"iteration (ms), {pair}"]
    headings += [f"parameters (millions), {pair}", f"arithmetic (GFLOP), {pair}"]
    caption = (
        f"{claim.text} ({claim.source}.) The interval's upper end must be at most {claim.at_most:g}. {claim.basis}"
    )
    if cost:
        caption += f" {cost.clock.capitalize()} time of alternating pairs, batch {cost.batch_size}, "
        caption += f"width {cost.width:g}, kernels {cost.kernels}, on {cost.machine}."
    keys = list(NetworkCost.model_fields)
    values = [[r.verdict, *(getattr(held.get(r.arm), key, None) for key in keys)] for r in results]
    return Table("cost", "What codes and Q cost", caption, headings, rows, ["verdict", *keys], values, num_text=2)
