"""Figures of a report as files, and as they stand on its pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analysis.runs import Sweep
from bench.gate.history import HistoryLine
from bench.records.schedule import largest
from bench.records.storage import CorruptRecord
from bench.records.throughput import SuiteRecord
from bench.report import factors, pages, unclaimed, wording
from bench.report.choices import Choices
from bench.spec.experiment import arm_of, by_variant, variant_of

if TYPE_CHECKING:  # matplotlib is imported where something is drawn
    from bench.report.figures.style import Drawing


@dataclass
class Figures:
    """Draws them: ``files`` gets the bytes, ``damaged`` a line for what cannot be read; ``checks``: of the gate."""

    files: dict[str, bytes]
    damaged: list[str]
    checks: Sequence[HistoryLine]

    def of_curves(self, sweep: Sweep, arms: list[str], order: list[str], stem: str) -> list[pages.FigureView]:
        """Curves of each variant's groups with the gate's history of them, then the schedule of the largest launch."""
        from bench.report.figures.digits import draw_digits
        from bench.report.figures.harness import draw_schedule
        from bench.report.figures.history import draw_history
        from bench.report.figures.sweep import draw

        views = []
        checks = [check for check in self.checks if check.experiment == sweep.experiment]
        for variant, groups in by_variant(order).items():
            histories = [draw_history(checks, group) for group in groups if arm_of(group) == unclaimed.BASE_ARM]
            drawings = [*draw(sweep, groups, arms), *draw_digits(sweep, groups, arms), *histories]
            views += self._views(drawings, stem, variant)
        found = largest(sweep.launches, sweep.definition_key)
        return views + self._views([draw_schedule(found, sweep.definition_key)] if found else [], stem)

    def of_factors(self, found: Sequence[factors.FactorRuns], stem: str) -> list[pages.FigureView]:
        """Figures of factors: for each claim the pictures of every run, then code by factor for each variant."""
        from bench.report.figures.factors import draw_codes, draw_runs

        views = []
        for variant in dict.fromkeys(variant_of(study.group) for study in found):
            own = [study for study in found if variant_of(study.group) == variant]
            claimed = (self._with_grids(study) for study in own if study.is_first and study.is_claimed_of)
            views += self._views(map(draw_runs, claimed), stem, variant, is_named=False)
            runs_of = {study.group: [run.run for run in study.runs] for study in own}
            views += self._views([draw_codes(runs_of)], stem, variant)
        return views

    def of_choices(self, sweep: Sweep, choices: Choices, arms: list[str], stem: str) -> list[pages.FigureView]:
        """The figures of an experiment whose variants are single choices."""
        from bench.report.figures.choices import draw_choices

        return self._views(draw_choices(sweep, choices, arms), stem)

    def of_suite(self, record: SuiteRecord) -> list[pages.FigureView]:
        """The figure of the throughput suite, where it has enough to draw."""
        from bench.report.figures.throughput import draw_throughput

        return self._views([draw_throughput(record)])

    def _with_grids(self, study: factors.FactorRuns) -> factors.FactorRuns:
        """The factor with its pictures, or without them if their record is damaged, which is reported."""
        try:
            return factors.with_grids(study)
        except (CorruptRecord, ValueError, KeyError, OSError) as error:
            self.damaged.append(wording.scrubbed(f"pictures of {study.factor}, {study.group}: {error}"))
            return study

    def _views(
        self, drawings: Iterable["Drawing | None"], stem: str = "", variant: str = "", *, is_named: bool = True
    ) -> list[pages.FigureView]:
        """The drawings that there are, each as a file or two, and on the page; ``is_named``: with their variant."""
        views = []
        for drawing in filter(None, drawings):
            parts = stem, variant and wording.file_part(variant), drawing.name
            path = f"figures/{'-'.join(filter(None, parts))}"
            self.files[f"{path}.png"] = drawing.png
            uri = pages.data_uri(drawing.png, "image/png")
            if len(drawing.svg) <= pages.MAX_SVG:
                self.files[f"{path}.svg"] = drawing.svg
                uri = pages.data_uri(drawing.svg, "image/svg+xml")
            title = f"{variant}: {drawing.title}" if variant and is_named else drawing.title
            about = drawing.name, variant, drawing.factor
            views.append(pages.FigureView(title, drawing.caption, f"{path}.png", uri, *about))
        return views
