"""One sweep becomes its view on the page: claims, pictures, tables, and what is missing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from bench.analysis.runs import Sweep
from bench.claims.judge import judge
from bench.claims.remarks import Remarks, read_remarks, with_remarks
from bench.gate.history import HISTORY, read_history
from bench.report import cards, choices, codes, costs, factors, inventory, pages, sentences, tabular, unclaimed, wording
from bench.report.explorer import explorer
from bench.report.factor_tables import factor_tables
from bench.report.figure_views import Figures
from bench.report.files import Collected
from bench.report.grids import Grids
from bench.report.kept import KEPT_NOTE, Kept, read_kept
from bench.spec.experiment import ExperimentTable
from bench.spec.tables import Spec
from bench.spec.treatment import treatment_set

Found = TypeVar("Found")


class Shown(NamedTuple):
    """What the page shows of a sweep."""

    stem: str  # start of its files' names
    groups: list[str]  # whose curves and images are shown
    chosen: choices.Choices
    factors: list[factors.FactorRuns]


class Drawn(NamedTuple):
    first: list[pages.FigureView]  # those above the claims; ``figures`` has them too
    figures: list[pages.FigureView]
    grids: dict[str, list[pages.GridView]]  # by group
    grids_note: str
    explorer: pages.ExplorerView | None
    missing: list[str]


@dataclass
class SweepViews:
    """Makes the views of sweeps, and collects their files, claims and lines."""

    spec: Spec
    damaged: list[str]
    folder: Path
    found: Collected = field(default_factory=Collected)
    claim_cards: list[pages.Card] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.grids = Grids(self.found.files, self.damaged)
        self.figures = Figures(self.found.files, self.damaged, read_history(self.folder / HISTORY))
        self.kept = self._read(read_kept) or Kept()
        self.remarks: Remarks = self._read(read_remarks) or {}

    def view(self, sweep: Sweep) -> pages.SweepView:
        experiment = self.spec.experiments.get(sweep.experiment)
        order = inventory.ordered_groups(sweep, experiment)
        results = with_remarks(judge(experiment, sweep) if experiment else [], self.remarks)
        self.found.claims += results
        shown = _shown(sweep, experiment, order)
        of_choices = choices.headline(shown.chosen)
        if not of_choices and not any(result.has_run for result in results):
            of_choices = unclaimed.headline(sweep, experiment)
            results = [] if of_choices else results  # claims on other arms than those that ended
        lead = of_choices or sentences.answer_of_figure1(results, self.spec.arms)
        results = cards.told(results)
        too_short = self.found.answers.add(sweep, experiment, results, of_choices)
        left_out = sentences.left_out_sentence(sweep, experiment)
        self.found.left_out += [f"{sweep.experiment}: {left_out}"] if left_out else []
        missing = self._missing(sweep, experiment)
        drawn = self._pictures(sweep, shown)
        pictured = cards.claim_pictures(results, sweep, drawn.figures, drawn.grids)
        beside = {picture.inline for own in pictured.values() for picture in own}
        own_cards = cards.cards(results, pictured)
        self.claim_cards += own_cards
        return pages.SweepView(
            anchor=shown.stem,
            experiment=sweep.experiment,
            profile=sweep.profile,
            title=experiment.title if experiment else f"not in {self.spec.given.name}",
            headline=lead or sentences.by_verdict(results),
            lead=lead,
            headline_numbers=sentences.headline_numbers(results),
            data=sentences.data_sentence(sweep, experiment),
            budget=sentences.budget_sentence(sweep, experiment) + self._set(sweep),
            command=inventory.command(sweep, experiment, self.spec.given),
            claims=[cards.card(same) for same in cards.by_claim(results)],
            left_out=left_out,
            arms=[(group, self._note(sweep, group), inventory.arm_settings(sweep, group)) for group in order],
            figures=drawn.figures,
            first=drawn.first,
            rest=[figure for figure in drawn.figures if figure not in drawn.first and figure.inline not in beside],
            cards=own_cards,
            too_short=too_short,
            tables=self._tables(sweep, shown, order),
            grids=drawn.grids,
            grids_note=drawn.grids_note,
            environment=inventory.environment(sweep),
            notes=inventory.notes(sweep, order),
            missing=[*missing, *drawn.missing],
            explorer=drawn.explorer,
        )

    def _read(self, reader: Callable[[Path], Found]) -> Found | None:
        """What the results folder has beside its records; None where it does not read, which is reported."""
        try:
            return reader(self.folder)
        except ValueError as error:
            self.damaged.append(wording.scrubbed(str(error)))
            return None

    def filed(self, tables: Iterable[tabular.Table], start: str = "") -> list[tabular.Table]:
        """The tables that have a row, with their files."""
        shown = [replace(table, path=f"tables/{start}{table.name}.csv") for table in tables if table.rows]
        self.found.files |= {table.path: table.csv for table in shown}
        return shown

    def _missing(self, sweep: Sweep, experiment: ExperimentTable | None) -> list[str]:
        file = self.spec.given.name
        lines = inventory.missing_cells(sweep, experiment, file)
        if experiment is None:
            lines.insert(0, f"{file} has no such experiment, so there are no claims and no plan of cells")
        self.found.missing += [f"{sweep.experiment}, {sweep.profile}: {line}" for line in lines]
        return lines

    def _pictures(self, sweep: Sweep, shown: Shown) -> Drawn:
        arms, stem = list(self.spec.arms), shown.stem
        explored, unexplored = explorer(sweep, shown.groups)
        self.grids.used_bytes += explored.size_bytes if explored else 0
        grids, grids_note = self.grids.of_sweep(sweep, shown.groups, stem)
        first = self.figures.of_choices(sweep, shown.chosen, arms, stem)
        figures = [
            *self.grids.contact(sweep, stem),
            *first,
            *self.figures.of_factors(shown.factors, stem),
            *self.figures.of_curves(sweep, arms, shown.groups, stem),
        ]
        if not grids:
            grids, grids_note = self.kept.grids(shown.groups), KEPT_NOTE if self.kept.pictures else grids_note
        kept = self.kept.figures({figure.file for figure in figures})
        self.found.files |= self.kept.files
        first += [figure for figure in kept if figure.name == "pictures"]
        return Drawn(first, [*figures, *kept], grids, grids_note, explored, unexplored)

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

    def _tables(self, sweep: Sweep, shown: Shown, order: list[str]) -> list[tabular.Table]:
        of_factors = factor_tables(sweep, shown.factors, shown.groups)
        of_sweep = tabular.sweep_tables(sweep, order, unclaimed.base_of(order))
        found = [*of_factors, *codes.codes_tables(sweep, order), *of_sweep, costs.timing_table(sweep, order)]
        if shown.chosen.listed:
            others = [table for table in found if table.name != "comparisons"]
            found = [choices.choices_table(shown.chosen), *others]
        return self.filed(found, f"{shown.stem}-")


def _shown(sweep: Sweep, experiment: ExperimentTable | None, order: list[str]) -> Shown:
    """If every variant is one choice, show the reference's curves and images, and a table of the choices."""
    reference = experiment.reference_variant if experiment else None
    groups = [group for group in order if reference is None or group.startswith(f"{reference}/")]
    stem = f"{wording.file_part(sweep.experiment)}-{wording.file_part(sweep.profile)}"
    return Shown(stem, groups, choices.choices_of(sweep, experiment), factors.studied(sweep, experiment, groups))
