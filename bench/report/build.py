"""Records or compact curves to a report folder: index.html, report.md, claims.json, figures/, tables/."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.analysis.results import load
from bench.analysis.runs import Sweep
from bench.claims.cost import Cost, judge_cost, read_cost
from bench.claims.remarks import unused, with_remarks
from bench.claims.result import ClaimResult
from bench.console import plural
from bench.records.folder import THROUGHPUT
from bench.report import cards, costs, inventory, pages, tabular, throughput, wording
from bench.report.files import Collected, Report, written
from bench.report.sweep_view import SweepViews
from bench.spec.criteria import CostTable
from bench.spec.schema import PROFILES
from bench.spec.tables import Spec


def write_report(
    results: Path,
    spec: Spec,
    destination: Path | None = None,
    experiments: Iterable[str] | None = None,
    profile: str | None = None,
) -> Report:
    """Report on whatever is under ``results``; by default into ``results/report``."""
    return written(collect(results, spec, experiments, profile), destination or results / "report")


def collect(
    results: Path, spec: Spec, experiments: Iterable[str] | None = None, profile: str | None = None
) -> Collected:
    """The report on a results folder, or on a reference: drawn, nothing written."""
    names = None if experiments is None else list(experiments)
    loaded = load(results, names, profile, spec)
    damaged = list(loaded.damaged)
    try:
        cost = read_cost(results)
    except ValueError as error:
        cost = None
        damaged.append(str(error))
    views = SweepViews(spec, [wording.scrubbed(line) for line in damaged], results)
    found, sweeps = views.found, [views.view(sweep) for sweep in sorted(loaded.sweeps, key=partial(_order, spec))]
    recorded = {sweep.experiment for sweep in loaded.sweeps}
    is_papers = not recorded or any(table.claims for name, table in spec.experiments.items() if name in recorded)
    title = pages.PAPERS_TITLE if is_papers else wording.listed(dict.fromkeys(view.title for view in sweeps))
    cost_table, cost_cards = None, list[pages.Card]()
    if spec.cost and (names is None or spec.cost.beside in names) and (cost or spec.cost.beside in recorded):
        results_of_cost = with_remarks(judge_cost(spec.cost, cost), views.remarks)
        found.claims += results_of_cost
        if cost or any(view.cards and view.experiment == spec.cost.beside for view in sweeps):
            cost_table, cost_cards = _of_cost(views, spec.cost, cost, results_of_cost)
    at = f" at profile {profile}" if profile else ""
    absent = nothing_recorded(spec, names, recorded, at) if is_papers else []
    apart = [_apart(sweep, loaded.sweeps, spec.given.name) for sweep in loaded.kept_apart]
    apart += [(wording.scrubbed(line), []) for line in loaded.strays]
    found.left_out += [f"left out: {'; '.join([line, *why[:2]])}" for line, why in apart]
    speed = _of_throughput(views, throughput.read_records(results / THROUGHPUT), loaded.sweeps)
    judged = [*views.claim_cards, *cost_cards]
    if names is None and profile is None:
        found.missing += unused(views.remarks, found.claims)
    found.view = pages.ReportView(
        sweeps=sweeps,
        kept_apart=apart,
        damaged=views.damaged,
        absent=absent,
        cost=cost_table,
        throughput=speed,
        answer=cards.summary(judged),
        shares=cards.shares(judged),
        cost_cards=cost_cards,
        title=title,
    )
    return replace(found, missing=[*absent, *found.missing, *[f"damaged: {line}" for line in views.damaged]])


def nothing_recorded(spec: Spec, names: Sequence[str] | None, recorded: Container[str], at: str = "") -> list[str]:
    """A line on the experiments that are asked for, by default those with claims, and not ``recorded``; or none."""
    expected = [name for name, table in spec.experiments.items() if table.claims] if names is None else names
    absent = [name for name in expected if name not in recorded]
    return [f"{wording.listed(absent)}: nothing recorded{at}"] if absent else []


def _order(spec: Spec, sweep: Sweep) -> tuple[int, str, int]:
    """Sorts sweeps as experiments.toml does; of one experiment the largest budget comes first."""
    names, profiles = [*spec.experiments, sweep.experiment], [*reversed(PROFILES), sweep.profile]
    return names.index(sweep.experiment), sweep.experiment, profiles.index(sweep.profile)


def _of_cost(
    views: SweepViews, claim: CostTable, cost: Cost | None, results: list[ClaimResult]
) -> tuple[tabular.Table, list[pages.Card]]:
    """The claim about cost as the page shows it: its table, a row a network, and its cards."""
    views.found.answers.judged += results
    return views.filed([tabular.cost_table(claim, cost, results)])[0], cards.cards(results, {})


def _of_throughput(views: SweepViews, records: throughput.Records, sweeps: Sequence[Sweep]) -> pages.ThroughputView:
    """The section on speed, memory and cost, with what is missing of it."""
    figures = views.figures.of_suite(records.suite) if records.suite is not None else []
    tables = views.filed([*throughput.tables(records), costs.memory_table(sweeps), costs.seeds_table(sweeps)])
    return pages.ThroughputView(throughput.machines(records), figures, tables, throughput.missing(records))


def _apart(sweep: Sweep, shown: Sequence[Sweep], file: str) -> tuple[str, list[str]]:
    """A sweep that is not shown: how many cells, and where they differ from what is shown."""
    cells, own = plural(len(sweep.runs), "cell"), sweep.runs[0].cell
    where = f"{sweep.experiment}, {sweep.profile}"
    other = next((s for s in shown if (s.experiment, s.profile) == (sweep.experiment, sweep.profile)), None)
    if other is None:
        return f"{where}: {cells}", []
    if other.definition_key != sweep.definition_key:
        changed = inventory.differences(other.definition, sweep.definition)
        return f"{where}: {cells} of another definition", changed
    now = other.groups().get(own.group)
    config = sweep.expected or (now[0].cell.config if now else own.config)
    changed = inventory.differences(config | {"seed": own.seed}, own.config)
    return f"{where}: {cells} of {own.group}, trained with other settings than {file} now gives", changed
