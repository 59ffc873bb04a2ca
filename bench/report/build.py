"""Records or compact curves to a report folder: index.html, report.md, claims.json, figures/, tables/."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bench.analysis.results import load
from bench.analysis.runs import Sweep
from bench.claims.cost import Cost, judge_cost, read_cost
from bench.claims.judge import judge
from bench.claims.remarks import Remarks, read_remarks, unused, with_remarks
from bench.gate.history import read_history
from bench.records.folder import THROUGHPUT
from bench.report import (
    cards,
    choices,
    codes,
    costs,
    factors,
    inventory,
    pages,
    sentences,
    tabular,
    throughput,
    unclaimed,
    wording,
)
from bench.report.explorer import explorer
from bench.report.factor_tables import factor_tables
from bench.report.figure_views import Figures
from bench.report.files import Collected, Report, written
from bench.report.grids import Grids
from bench.report.kept import KEPT_NOTE, read_kept
from bench.spec.criteria import CostTable
from bench.spec.experiment import PROFILES
from bench.spec.tables import Spec
from bench.spec.treatment import treatment_set


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
    builder = _Builder(spec, [wording.scrubbed(line) for line in damaged], results)
    views = [builder.sweep(sweep) for sweep in sorted(loaded.sweeps, key=partial(_order, spec))]
    recorded = {sweep.experiment for sweep in loaded.sweeps}
    is_papers = not recorded or any(table.claims for name, table in spec.experiments.items() if name in recorded)
    title = pages.PAPERS_TITLE if is_papers else wording.listed(dict.fromkeys(view.title for view in views))
    cost_table = None
    if spec.cost and (names is None or spec.cost.beside in names) and (cost or spec.cost.beside in recorded):
        cost_table = builder.cost(spec.cost, cost)
    at = f" at profile {profile}" if profile else ""
    absent = nothing_recorded(spec, names, recorded, at) if is_papers else []
    apart = [builder.apart(sweep, loaded.sweeps) for sweep in loaded.kept_apart]
    apart += [(wording.scrubbed(line), []) for line in loaded.strays]
    builder.found.left_out += [f"left out: {'; '.join([line, *why[:2]])}" for line, why in apart]
    speed = builder.throughput(throughput.read_records(results / THROUGHPUT), loaded.sweeps)
    judged = [*builder.claim_cards, *builder.cost_cards]
    if names is None and profile is None:
        builder.found.missing += unused(builder.remarks, builder.found.claims)
    builder.found.view = pages.ReportView(
        sweeps=views,
        kept_apart=apart,
        damaged=builder.damaged,
        absent=absent,
        cost=cost_table,
        throughput=speed,
        answer=cards.summary(judged),
        shares=cards.shares(judged),
        cost_cards=builder.cost_cards,
        title=title,
    )
    damaged_lines = [f"damaged: {line}" for line in builder.damaged]
    return replace(builder.found, missing=[*absent, *builder.found.missing, *damaged_lines])


def nothing_recorded(spec: Spec, names: Sequence[str] | None, recorded: Container[str], at: str = "") -> list[str]:
    """A line on the experiments that are asked for, by default those with claims, and not ``recorded``; or none."""
    expected = [name for name, table in spec.experiments.items() if table.claims] if names is None else names
    absent = [name for name in expected if name not in recorded]
    return [f"{wording.listed(absent)}: nothing recorded{at}"] if absent else []


def _order(spec: Spec, sweep: Sweep) -> tuple[int, str, int]:
    """Sorts sweeps as experiments.toml does; of one experiment the largest budget comes first."""
    names, profiles = [*spec.experiments, sweep.experiment], [*reversed(PROFILES), sweep.profile]
    return names.index(sweep.experiment), sweep.experiment, profiles.index(sweep.profile)


@dataclass
class _Builder:
    """Collects files and lines while the sweeps become views."""

    spec: Spec
    damaged: list[str]
    folder: Path
    found: Collected = field(default_factory=Collected)
    claim_cards: list[pages.Card] = field(default_factory=list)
    cost_cards: list[pages.Card] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.grids = Grids(self.found.files, self.damaged)
        self.figures = Figures(self.found.files, self.damaged, read_history(self.folder / "history.jsonl"))
        self.kept = read_kept(self.folder)
        self.remarks: Remarks = {}
        try:
            self.remarks = read_remarks(self.folder)
        except ValueError as error:
            self.damaged.append(wording.scrubbed(str(error)))

    def sweep(self, sweep: Sweep) -> pages.SweepView:
        experiment = self.spec.experiments.get(sweep.experiment)
        stem = f"{wording.file_part(sweep.experiment)}-{wording.file_part(sweep.profile)}"
        order = inventory.ordered_groups(sweep, experiment)
        results = with_remarks(judge(experiment, sweep) if experiment else [], self.remarks)
        self.found.claims += results
        left_out = sentences.left_out_sentence(sweep, experiment)
        self.found.left_out += [f"{sweep.experiment}: {left_out}"] if left_out else []
        missing = inventory.missing_cells(sweep, experiment, self.spec.given.name)
        if experiment is None:
            missing.insert(
                0, f"{self.spec.given.name} has no such experiment, so there are no claims and no plan of cells"
            )
        self.found.missing += [f"{sweep.experiment}, {sweep.profile}: {line}" for line in missing]
        # where every variant is one choice, the pages show the reference's curves and images, and a table of choices
        reference = experiment.reference_variant if experiment else None
        shown = [g for g in order if reference is None or g.startswith(f"{reference}/")]
        chosen, arms = choices.choices_of(sweep, experiment), list(self.spec.arms)
        of_choices = choices.headline(chosen)
        if not of_choices and not results:
            of_choices = unclaimed.headline(sweep, experiment)
        too_short = self.found.answers.add(sweep, experiment, results, of_choices)
        found = factors.studied(sweep, experiment, shown)
        explored, unexplored = explorer(sweep, shown)
        self.grids.used_bytes += explored.size_bytes if explored else 0
        grids, grids_note = self.grids.of_sweep(sweep, shown, stem)
        first = self.figures.of_choices(sweep, chosen, arms, stem)
        figures = [
            *self.grids.contact(sweep, stem),
            *first,
            *self.figures.of_factors(found, stem),
            *self.figures.of_curves(sweep, arms, shown, stem),
        ]
        if not grids:
            grids, grids_note = self.kept.grids(stem, shown), grids_note if self.kept.is_empty else KEPT_NOTE
        kept = self.kept.figures(stem, {path for figure in figures for path in figure.paths})
        figures += kept
        first += [figure for figure in kept if figure.paths == (f"figures/{stem}-pictures.png",)]
        self.found.files |= self.kept.files(stem)
        pictured = cards.claim_pictures(results, sweep, figures, grids)
        beside = {picture.inline for own in pictured.values() for picture in own}
        own_cards = cards.cards(results, pictured)
        self.claim_cards += own_cards
        return pages.SweepView(
            anchor=stem,
            experiment=sweep.experiment,
            profile=sweep.profile,
            title=experiment.title if experiment else f"not in {self.spec.given.name}",
            headline=of_choices or sentences.headline(results),
            lead=of_choices or sentences.answer_of_figure1(results),
            headline_numbers=sentences.headline_numbers(results),
            data=sentences.data_sentence(sweep, experiment),
            budget=sentences.budget_sentence(sweep, experiment) + self._set(sweep),
            command=inventory.command(sweep, experiment, self.spec.given),
            claims=[cards.card(same) for same in cards.by_claim(results)],
            left_out=left_out,
            arms=[(group, self._note(sweep, group), inventory.arm_settings(sweep, group)) for group in order],
            figures=figures,
            first=first,
            rest=[figure for figure in figures if figure not in first and figure.inline not in beside],
            cards=own_cards,
            too_short=too_short,
            tables=self._tables(sweep, chosen, order, stem, factor_tables(sweep, found, shown)),
            grids=grids,
            grids_note=grids_note,
            environment=inventory.environment(sweep),
            notes=inventory.notes(sweep, order),
            missing=[*missing, *unexplored],
            explorer=explored,
        )

    def cost(self, claim: CostTable, cost: Cost | None) -> tabular.Table:
        """The claim about cost, a row a network."""
        results = with_remarks(judge_cost(claim, cost), self.remarks)
        self.found.claims += results
        self.found.answers.judged += results
        self.cost_cards = cards.cards(results, {})
        return self._filed([tabular.cost_table(claim, cost, results)])[0]

    def throughput(self, records: throughput.Records, sweeps: Sequence[Sweep]) -> pages.ThroughputView:
        """The section on speed, memory and cost, with what is missing of it."""
        figures = self.figures.of_suite(records.suite) if records.suite is not None else []
        tables = self._filed([*throughput.tables(records), costs.memory_table(sweeps), costs.seeds_table(sweeps)])
        return pages.ThroughputView(throughput.machines(records), figures, tables, throughput.missing(records))

    def apart(self, sweep: Sweep, shown: Sequence[Sweep]) -> tuple[str, list[str]]:
        """A sweep that is not shown: how many cells, and where they differ from what is shown."""
        cells, own = wording.plural(len(sweep.runs), "cell"), sweep.runs[0].cell
        where = f"{sweep.experiment}, {sweep.profile}"
        for other in shown:
            if (other.experiment, other.profile) == (sweep.experiment, sweep.profile):
                if other.definition_key != sweep.definition_key:
                    return f"{where}: {cells} of another definition", inventory.differences(
                        other.definition, sweep.definition
                    )
                file = self.spec.given.name
                line = f"{where}: {cells} of {own.group}, trained with other settings than {file} now gives"
                now = other.groups().get(own.group)
                config = sweep.expected or (now[0].cell.config if now else own.config)
                return line, inventory.differences(config | {"seed": own.seed}, own.config)
        return f"{where}: {cells}", []

    def _set(self, sweep: Sweep) -> str:
        """A further sentence on what the command line has set."""
        lines = treatment_set(self.spec, sweep.experiment, sweep.profile) if sweep.is_current else []
        return f" Set on the command line: {'; '.join(lines)}." if lines else ""

    def _note(self, sweep: Sweep, group: str) -> str:
        cell = sweep.groups()[group][0].cell
        experiment = self.spec.experiments.get(sweep.experiment)
        notes = [self.spec.arms[cell.arm].note] if cell.arm in self.spec.arms else []
        if experiment and cell.variant in experiment.variants:
            notes.append(experiment.variants[cell.variant].note)
        return " ".join(notes)

    def _tables(
        self, sweep: Sweep, chosen: choices.Choices, order: list[str], stem: str, of_factors: list[tabular.Table]
    ) -> list[tabular.Table]:
        of_sweep = tabular.sweep_tables(sweep, order, unclaimed.base_of(order))
        found = [*of_factors, *codes.codes_tables(sweep, order), *of_sweep, costs.timing_table(sweep, order)]
        if chosen.listed:
            others = [table for table in found if table.name != "comparisons"]
            found = [choices.choices_table(chosen), *others]
        return self._filed(found, f"{stem}-")

    def _filed(self, tables: Iterable[tabular.Table], start: str = "") -> list[tabular.Table]:
        """The tables that have a row, with their files."""
        shown = [replace(table, path=f"tables/{start}{table.name}.csv") for table in tables if table.rows]
        self.found.files |= {table.path: table.csv for table in shown}
        return shown
