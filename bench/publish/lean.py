"""Trim a report folder for a commit: remove what can be drawn again at any time.

What stays: report.md, claims.json, the tables, the figures that README and docs show, and the pictures that cells made,
which records alone cannot give (of one seed per arm; none if one figure shows every choice in pictures). All are in few
colours, which halves their bytes. ``make report RESULTS=FOLDER`` draws the rest.
"""

import io
import re
from pathlib import Path

from PIL import Image

from bench.publish.documents import DOCUMENTS
from bench.records.storage import write_atomic

LINK = re.compile(r"\]\(([^()\s]+)\)")  # of Markdown: its target
_FIGURE = re.compile(r"!\[[^\]]*\]\((figures/[^()\s]+)\)\n\n(\*\*[^\n]*\n\n?)?")  # with its caption
_PAGE = re.compile(r"`(index\.html|make report [^`]*)` [^.`]*\.")  # the sentence on the page with everything
_ONE_SEED = re.compile(r"(One seed of each arm); `index\.html` has [^.]*\.")


def targets(document: Path) -> list[Path]:
    """Files of the tree that a document links to or shows."""
    found = (target.partition("#")[0] for target in LINK.findall(document.read_text()))
    return [(document.parent / target).resolve() for target in found if target and ":" not in target]


def make_lean(folder: Path) -> None:
    """Remove from a reference's report what is not committed, and say in report.md where it is. Idempotent."""
    shown = {path for document in DOCUMENTS for path in targets(document)}
    drawn = sorted(folder.glob("figures/*"))
    of_cells = "-traversal-" if not any("-pictures" in path.name for path in drawn) else "-pictures"
    for path in drawn:
        if path.suffix == ".svg" or not (path.resolve() in shown or of_cells in path.name):
            path.unlink()
        else:
            write_atomic(path, in_few_colours(path.read_bytes()))
    (folder / "index.html").unlink(missing_ok=True)
    kept = {path.relative_to(folder).as_posix() for path in folder.glob("figures/*")}
    report = folder / "report.md"
    write_atomic(report, trimmed(report.read_text(), kept, f"results/reference/{folder.name}").encode())


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


def trimmed(markdown: str, kept: set[str], place: str) -> str:
    """The report with the ``kept`` figures alone, and the command that draws the others from ``place``."""
    text = _FIGURE.sub(lambda match: match[0] if match[1] in kept else "", markdown)
    text = _ONE_SEED.sub(r"\1.", text)
    page = "draws the page with every curve; of the cells' pictures only those below are kept."
    return _PAGE.sub(f"`make report RESULTS={place}` {page}", text)
