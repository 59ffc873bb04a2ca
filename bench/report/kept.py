"""Pictures of cells that a reference has kept: its own figures/, with the words of its report.md.

Its packed cells hold no pictures, or are gone.
"""

import html
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import pages

KEPT_NOTE = "The cells' pictures are not here; those of the committed report are shown, one seed of each arm."
MAX_BYTES = 5_000_000  # of a picture
OF_CELLS = re.compile(r"-(traversal|factor|confusion|pictures)\b")  # figures that need more of a cell than its curves
_SHOWN = re.compile(r"^!\[(.*)\]\((figures/[^()\s]+\.png)\)$(?:\n\n\*\*.*?\.\*\* (.*)$)?", re.MULTILINE)
_GRID = re.compile(r"(.+), seed (\d+), ((?:samples|(c\d+) varies)\b.*)")


@dataclass(frozen=True)
class Kept:
    """Kept pictures. ``shown``: words, caption (may be empty), path in the report's folder and bytes of each."""

    shown: tuple[tuple[str, str, str, bytes], ...] = ()

    def grids(self, stem: str, groups: Sequence[str]) -> dict[str, list[pages.GridView]]:
        """Traversals by group, one seed of each."""
        shown: dict[str, list[pages.GridView]] = {group: [] for group in groups}
        for words, _, path, content in self.shown:
            match = _GRID.fullmatch(words)
            if match and match[1] in shown and path.startswith(f"figures/{stem}-traversal-"):
                group, seed, rest, code = match.groups()
                uri = pages.data_uri(content, "image/png")
                view = pages.GridView(group, int(seed), code or "nearest", uri, path, "(best seed" in rest)
                shown[group].append(view)
        return {group: views for group, views in shown.items() if views}

    def figures(self, stem: str, drawn: Collection[str]) -> list[pages.FigureView]:
        """The figures that were not drawn now: they show images, or what the curves lack."""
        return [
            pages.FigureView(words, caption, (path,), pages.data_uri(content, "image/png"))
            for words, caption, path, content in self.shown
            if path.startswith(f"figures/{stem}-") and "-traversal-" not in path and path not in drawn
        ]

    def files(self, stem: str) -> dict[str, bytes]:
        """The pictures by path."""
        return {path: content for _, _, path, content in self.shown if path.startswith(f"figures/{stem}-")}


def read_kept(results: Path) -> Kept:
    """Pictures that the reference in a folder has kept; none where cells are there, or no report.md."""
    if (results / "cells").is_dir():
        return Kept()
    try:
        text = (results / "report.md").read_text(errors="replace")
    except OSError:
        return Kept()
    shown = []
    for words, path, caption in _SHOWN.findall(text):
        file = results / path
        if OF_CELLS.search(path) and ".." not in path and file.is_file() and file.stat().st_size <= MAX_BYTES:
            shown.append((_plain(words), _plain(caption), path, file.read_bytes()))
    return Kept(tuple(shown))


def _plain(markdown: str) -> str:
    """The text that `wording.markdown_value` has escaped."""
    return html.unescape(re.sub(r"\\([\\`|\[\]*])", r"\1", markdown))
