"""Traversal grids of a report, while the page has room: every arm's first seed before any second one, and of a seed
every arm's first code before any second one.
"""

from dataclasses import dataclass

from bench.analysis import pictures
from bench.analysis.runs import Run, Sweep
from bench.console import plural
from bench.records.storage import CorruptRecord
from bench.report import codes, pages, wording

MAX_BYTES = 1_150_000  # of all grids and explorers on the page; beyond it further seeds' grids are left out
MAX_WIDTH = 320  # pixels


@dataclass
class Grids:
    """Pictures for the pages of one report: ``files`` gets each arm's first seed, ``damaged`` what cannot be read."""

    files: dict[str, bytes]
    damaged: list[str]
    used_bytes: int = 0

    def of_sweep(self, sweep: Sweep, order: list[str], stem: str) -> tuple[dict[str, list[pages.GridView]], str]:
        """Grids by group, and a note where there are none or some were left out."""
        grids: dict[str, list[pages.GridView]] = {group: [] for group in order}
        found = [
            ((rank, number), group, run, code, png)
            for group in order
            for rank, run in enumerate(sweep.done(group))
            for number, (code, png) in enumerate(self._pngs(run))
        ]
        best = {group: codes.best_run(sweep.done(group)) for group in order}
        left_out = 0
        for (rank, _), group, run, code, png in sorted(found, key=lambda item: item[0]):
            if self.used_bytes + len(png) > MAX_BYTES:
                left_out += 1
                continue
            self.used_bytes += len(png)
            path = ""
            if rank == 0:
                path = f"figures/{stem}-traversal-{wording.file_part(group)}-{wording.file_part(code)}.png"
                self.files[path] = png
            uri = pages.data_uri(png, "image/png")
            grids[group].append(pages.GridView(group, run.cell.seed, code, uri, path, run is best[group]))
        shown = {group: views for group, views in grids.items() if views}
        if left_out:
            text = plural(left_out, "grid")
            return shown, f"{text} left out to keep the page small; they are in the cells' folders."
        return shown, "" if shown else "No traversal grids in these records."

    def contact(self, sweep: Sweep, stem: str) -> list[pages.FigureView]:
        """The first training images of a sweep on the user's own, with their number, classes and digest; else none."""
        for run in sweep.runs:
            try:
                grid = run.folder.contact() if run.folder else None
                if grid is None:
                    continue
                png = pictures.grid_png(grid, max_width=2 * MAX_WIDTH)
            except (CorruptRecord, ValueError, OSError) as error:
                self.damaged.append(wording.scrubbed(f"training images of {run.cell.name}: {error}"))
                continue
            path = f"figures/{stem}-training-images.png"
            self.files[path] = png
            shown = f"Shown are the first {grid.shape[0] * grid.shape[1]} to train on, as the discriminator sees them."
            counts = wording.scrubbed(run.data.get("note", ""))
            caption = f"{counts} {shown} Digest {sweep.definition['data']['digest'][:12]}."
            uri = pages.data_uri(png, "image/png")
            return [pages.FigureView("The training images", caption, path, uri, "training-images")]
        return []

    def _pngs(self, run: Run) -> list[tuple[str, bytes]]:
        """Each grid of a cell as (code, PNG); none if their record is damaged, which is reported."""
        if run.folder is None:
            return []
        codes, measures = run.cell.config["codes"], run.measures
        known = [f"c{i}" for i in range(1, len(codes) + 1)]
        try:
            traversals = run.folder.traversals()
            grids = [(name, traversals[name]) for name in known if name in traversals]
            grids += sorted(run.folder.measured_grids("samples").items())
            return [(name, pictures.png(name, grid, codes, measures, max_width=MAX_WIDTH)) for name, grid in grids]
        except (CorruptRecord, ValueError, IndexError, OSError) as error:
            cell = f"{run.cell.experiment}, {run.cell.profile}, {run.cell.name}"
            self.damaged.append(wording.scrubbed(f"traversals of {cell}: {error}"))
            return []
