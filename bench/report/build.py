"""Records or compact curves to a report folder: index.html, report.md, claims.json, figures/, tables/."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.analysis.results import load
from bench.analysis.runs import Sweep
from bench.claims.cost import Cost, judge_cost, read_cost
from bench.claims.judge import ClaimResult, claims_digest, judge
from bench.gate.history import HistoryLine, read_history
from bench.records.folder import THROUGHPUT
from bench.report import (
    cards,
    codes,
    compared,
    costs,
    factors,
    inventory,
    own,
    pages,
    settings,
    tabular,
    throughput,
    verdicts,
    wording,
)
from bench.report.claim_pictures import claim_pictures
from bench.report.explorer import explorer
from bench.report.factor_tables import factor_tables
from bench.report.figure_views import Figures
from bench.report.files import Collected, Report, written
from bench.report.grids import Grids
from bench.report.kept import KEPT_NOTE, NOTHING_KEPT, Kept, read_kept
from bench.report.sentences import Answers
from bench.spec.cells import digest
from bench.spec.criteria import GATE, CostTable
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
    """What there is to say of a results folder, or of a reference: drawn, nothing written."""
    names = None if experiments is None else list(experiments)
    try:
        cost, damaged = read_cost(results), []
    except ValueError as error:
        cost, damaged = None, [str(error)]
    loaded = load(results, names, profile, spec)
    checks = read_history(results / "history.jsonl")
    return _collected(
        loaded.sweeps,
        spec,
        expected=[name for name, table in spec.experiments.items() if table.claims] if names is None else names,
        profile=profile,
        kept_apart=loaded.kept_apart,
        strays=loaded.strays,
        damaged=[*loaded.damaged, *damaged],
        checks=checks,
        cost=cost,
        with_cost=names is None or (spec.cost is not None and spec.cost.beside in names),
        measured=throughput.read_records(results / THROUGHPUT),
        kept=read_kept(results),
    )


def report_of_sweeps(sweeps: Sequence[Sweep], spec: Spec, destination: Path, **more: Any) -> Report:
    """The same from sweeps in memory, for instance read from a committed curves.json; ``more``: as `_collected`."""
    return written(_collected(sweeps, spec, **more), destination)


def _collected(
    sweeps: Sequence[Sweep],
    spec: Spec,
    *,
    expected: Sequence[str] = (),
    profile: str | None = None,
    kept_apart: Sequence[Sweep] = (),
    strays: Sequence[str] = (),
    damaged: Sequence[str] = (),
    checks: Sequence[HistoryLine] = (),
    cost: Cost | None = None,
    with_cost: bool = False,
    measured: throughput.Records | None = None,
    kept: Kept = NOTHING_KEPT,
) -> Collected:
    """Sweeps as pages.

    ``expected``: experiments whose absence is worth a line; ``profile``: the only one looked for; ``checks``: the
    gate's history; ``with_cost``: whether the report speaks of what codes and Q cost; ``measured``: records of
    throughput, None where the report is to have no such section; ``kept``: pictures of cells that are gone.
    """
    builder = _Builder(spec, [wording.scrubbed(line) for line in damaged], list(checks), kept)
    views = [builder.sweep(sweep) for sweep in sorted(sweeps, key=_order(spec))]
    recorded = {sweep.experiment for sweep in sweeps}
    is_papers = not recorded or any(table.claims for name, table in spec.experiments.items() if name in recorded)
    title = pages.PAPERS_TITLE if is_papers else wording.listed(dict.fromkeys(view.title for view in views))
    asked = spec.cost if with_cost and spec.cost and (cost or spec.cost.beside in recorded) else None
    costs = builder.cost(asked, cost) if asked else None
    at = f" at profile {profile}" if profile else ""
    unrecorded = [name for name in expected if name not in recorded] if is_papers else []
    absent = [f"{wording.listed(unrecorded)}: nothing recorded{at}"] if unrecorded else []
    apart = [builder.apart(sweep, sweeps) for sweep in kept_apart]
    apart += [(wording.scrubbed(line), []) for line in strays]
    builder.left_out += [f"left out: {line}" for line, _ in apart]
    speed = None if measured is None else builder.throughput(measured, sweeps)
    judged = [*builder.claim_cards, *builder.cost_cards]
    answer, shares = cards.summary(judged), cards.shares(judged)
    view = pages.ReportView(
        views, apart, builder.damaged, absent, costs, speed, answer, shares, builder.cost_cards, title
    )
    missing = [*absent, *builder.missing, *(f"damaged: {line}" for line in builder.damaged)]
    found = builder.files, builder.claims, builder.results, builder.answers
    return Collected(view, *found, missing, builder.left_out)


def _order(spec: Spec) -> Any:
    """Key that sorts sweeps as experiments.toml does; of one experiment the largest budget comes first."""
    names, profiles = list(spec.experiments), list(reversed(PROFILES))

    def key(sweep: Sweep) -> tuple[int, str, int]:
        known = names.index(sweep.experiment) if sweep.experiment in names else len(names)
        return known, sweep.experiment, profiles.index(sweep.profile) if sweep.profile in profiles else len(profiles)

    return key


@dataclass
class _Builder:
    """Collects files and lines while the sweeps become views."""

    spec: Spec
    damaged: list[str]
    checks: list[HistoryLine]
    kept: Kept
    files: dict[str, bytes] = field(default_factory=dict)
    claims: list[dict[str, Any]] = field(default_factory=list)
    results: list[ClaimResult] = field(default_factory=list)
    answers: Answers = field(default_factory=Answers)
    missing: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    claim_cards: list[cards.Card] = field(default_factory=list)
    cost_cards: list[cards.Card] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.grids = Grids(self.files, self.damaged)
        self.figures = Figures(self.files, self.damaged, self.checks)

    def sweep(self, sweep: Sweep) -> pages.SweepView:
        experiment = self.spec.experiments.get(sweep.experiment)
        stem = f"{wording.file_part(sweep.experiment)}-{wording.file_part(sweep.profile)}"
        order = inventory.ordered_groups(sweep, experiment)
        results = judge(experiment, sweep) if experiment else []
        hashed = claims_digest(experiment) if experiment and results else ""
        extra = {"experiment": sweep.experiment, "profile": sweep.profile, "claims_digest": hashed}
        self.claims += [extra | result.to_json() for result in results]
        self.results += results
        left_out = verdicts.left_out_sentence(sweep, experiment)
        self.left_out += [f"{sweep.experiment}: {left_out}"] if left_out else []
        missing = inventory.missing_cells(sweep, experiment, self.spec.given.name)
        if experiment is None:
            missing.insert(
                0, f"{self.spec.given.name} has no such experiment, so there are no claims and no plan of cells"
            )
        self.missing += [f"{sweep.experiment}, {sweep.profile}: {line}" for line in missing]
        # where every variant is one choice, the pages show the reference's curves and images, and a table of choices
        reference = experiment.reference_variant if experiment else None
        shown = [g for g in order if reference is None or g.startswith(f"{reference}/")]
        choices, arms = settings.listed_choices(sweep, experiment), list(self.spec.arms)
        trials = compared.compared(sweep, experiment)
        of_choices = compared.headline(trials) or settings.headline(choices, arms)
        if not of_choices and not results:
            of_choices = own.headline(sweep, order, experiment.gate if experiment else GATE)
        too_short = self.answers.add(sweep, experiment, results, of_choices)
        found = factors.studied(sweep, experiment, shown)
        explored, unexplored = explorer(sweep, shown)
        self.grids.used_bytes += explored.size_bytes if explored else 0
        grids, grids_note = self.grids.of_sweep(sweep, shown, stem)
        first = self.figures.of_choices(sweep, choices, trials, arms, stem)
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
        self.files |= self.kept.files(stem)
        pictured = claim_pictures(results, sweep, figures, grids)
        beside = {picture.inline for own in pictured.values() for picture in own}
        own_cards = cards.cards(results, pictured)
        self.claim_cards += own_cards
        return pages.SweepView(
            anchor=stem,
            experiment=sweep.experiment,
            profile=sweep.profile,
            title=experiment.title if experiment else f"not in {self.spec.given.name}",
            headline=of_choices or verdicts.headline(results),
            lead=of_choices or verdicts.answer_of_figure1(results),
            headline_numbers=verdicts.headline_numbers(results),
            data=verdicts.data_sentence(sweep, experiment),
            budget=verdicts.budget_sentence(sweep, experiment) + self._set(sweep),
            command=inventory.command(sweep, experiment, self.spec.given),
            claims=verdicts.claim_rows(results),
            claims_digest=hashed,
            left_out=left_out,
            arms=[(group, self._note(sweep, group), inventory.arm_settings(sweep, group)) for group in order],
            figures=figures,
            first=first,
            rest=[figure for figure in figures if figure not in first and figure.inline not in beside],
            cards=own_cards,
            too_short=too_short,
            tables=self._tables(sweep, choices, trials, order, stem, factor_tables(sweep, found, shown)),
            grids=grids,
            grids_note=grids_note,
            environment=inventory.environment(sweep),
            notes=inventory.notes(sweep, order),
            missing=[*missing, *unexplored],
            explorer=explored,
        )

    def cost(self, claim: CostTable, cost: Cost | None) -> tuple[tabular.Table, str]:
        """The claim about cost, a row a network, with the path of its CSV."""
        results = judge_cost(claim, cost)
        extra = {"experiment": "cost", "profile": "", "claims_digest": digest(claim.model_dump())[:12]}
        self.claims += [extra | result.to_json() for result in results]
        self.results += results
        self.answers.judged += results
        self.cost_cards = cards.cards(results, {})
        table, path = tabular.cost_table(claim, cost, results), "tables/cost.csv"
        self.files[path] = table.csv
        return table, path

    def throughput(self, records: throughput.Records, sweeps: Sequence[Sweep]) -> pages.ThroughputView:
        """The section on speed, memory and cost, with what is missing of it."""
        figures = self.figures.of_suite(records.suite) if records.suite is not None else []
        own = [costs.memory_table(sweeps), costs.seeds_table(sweeps)]
        tables = [(t, f"tables/{t.name}.csv") for t in [*throughput.tables(records), *own] if t is not None]
        self.files |= {path: table.csv for table, path in tables}
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
        """What the command line has set, as a further sentence."""
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
        self,
        sweep: Sweep,
        choices: list[settings.Choice],
        trials: list[compared.Compared],
        order: list[str],
        stem: str,
        of_factors: list[tabular.Table],
    ) -> list[tuple[tabular.Table, str]]:
        of_sweep = tabular.sweep_tables(sweep, order, own.base_of(order))
        found = [*of_factors, *codes.codes_tables(sweep, order), *of_sweep]
        if choices or trials:
            others = [table for table in found if table.name != "comparisons"]
            first = (
                compared.compared_table(trials) if trials else settings.settings_table(choices, list(self.spec.arms))
            )
            found = [first, *others]
        tables = [(table, f"tables/{stem}-{table.name}.csv") for table in found]
        self.files |= {path: table.csv for table, path in tables}
        return tables
