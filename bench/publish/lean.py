"""The report of a reference as it is committed: without what can be drawn again at any time.

What stays: report.md, claims.json, the tables, the figures that README and docs show, and the pictures that cells made,
which records alone cannot give (of one seed per arm; none if one figure shows every choice in pictures). All are in few
colours, which halves their bytes. ``make report RESULTS=FOLDER`` draws the rest.
"""

import io
import re
from collections.abc import Container
from dataclasses import replace
from pathlib import Path

from PIL import Image

from bench.publish.documents import DOCUMENTS
from bench.report import kept
from bench.report.files import Collected
from bench.report.pages import GridView

LINK = re.compile(r"\]\(([^()\s]+)\)")  # of Markdown: its target


def linked_files() -> set[Path]:
    """Files of the tree that documents link to or show."""
    links = [(document, target) for document in DOCUMENTS for target in LINK.findall(document.read_text())]
    found = [(document, target.partition("#")[0]) for document, target in links if ":" not in target]
    return {(document.parent / target).resolve() for document, target in found if target}


def lean(found: Collected, folder: Path, linked: Container[Path]) -> Collected:
    """A report without what is not committed of it; its text says where the rest is.

    ``folder``: where it is written. ``linked``: the files that documents show.
    """
    figures = [figure for sweep in found.view.sweeps for figure in sweep.figures]
    shown: list[kept.Picture] = [
        figure for figure in figures if figure.name == "pictures" or (folder / figure.file).resolve() in linked
    ]
    if not any(figure.name == "pictures" for figure in figures):
        grids = [views for sweep in found.view.sweeps for views in sweep.grids.values()]
        shown += [view for views in grids for view in views if view.file]
    files = {picture.file for picture in shown}
    sweeps = []
    for sweep in found.view.sweeps:
        own = {group: [view for view in views if view.file in files] for group, views in sweep.grids.items()}
        drawn = [figure for figure in sweep.figures if figure.file in files]
        sweeps.append(replace(sweep, figures=drawn, grids={group: views for group, views in own.items() if views}))
    pictures = {file: in_few_colours(content) for file, content in found.files.items() if file in files}
    others = {file: content for file, content in found.files.items() if not file.startswith("figures/")}
    of_cells = [one for one in shown if isinstance(one, GridView) or one.is_of_cells]
    listing = {kept.FILE: kept.listed(of_cells)} if of_cells else {}
    view = replace(found.view, sweeps=sweeps, drawn_by=f"make report RESULTS=results/reference/{folder.name}")
    return replace(found, view=view, files=others | pictures | listing)


def in_few_colours(png: bytes) -> bytes:
    """The picture in the 256 colours, or 64 greys, that suit it best, if that is smaller. Idempotent."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    red, green, blue = picture.split()
    is_grey = red.tobytes() == green.tobytes() == blue.tobytes()
    num_colours = 64 if is_grey else 256
    if picture.getcolors(num_colours) is not None:
        return png
    smaller = io.BytesIO()
    few = picture.quantize(num_colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(smaller, "PNG", optimize=True)
    return min(png, smaller.getvalue(), key=len)
