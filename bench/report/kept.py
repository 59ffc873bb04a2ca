"""Pictures of cells that a reference has kept: files in its figures/, and pictures.json with what they show.

Its packed cells hold no pictures, or are gone.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bench.records.storage import plain_text
from bench.report import pages
from infogan.data.base import one_line

FILE = "figures/pictures.json"
KEPT_NOTE = "The cells' pictures are not here; those of the committed report are shown, one seed of each arm."
MAX_BYTES = 5_000_000  # of a picture, and of the file that lists them

Picture = pages.FigureView | pages.GridView


@dataclass(frozen=True)
class Kept:
    """Kept pictures, and their bytes by path in the report's folder."""

    pictures: Sequence[Picture] = ()
    files: dict[str, bytes] = field(default_factory=dict)

    def grids(self, groups: Sequence[str]) -> dict[str, list[pages.GridView]]:
        """Grids of the groups that have one."""
        views = [view for view in self.pictures if isinstance(view, pages.GridView)]
        found = {group: [view for view in views if view.group == group] for group in groups}
        return {group: own for group, own in found.items() if own}

    def figures(self, drawn: Collection[str]) -> list[pages.FigureView]:
        """The figures that were not drawn now."""
        return [view for view in self.pictures if isinstance(view, pages.FigureView) and view.file not in drawn]


def listed(pictures: Iterable[Picture]) -> bytes:
    """The file that lists these pictures, whose bytes are files of their own."""
    return plain_text([asdict(replace(picture, inline="")) for picture in pictures]).encode()


def read_kept(results: Path) -> Kept:
    """Pictures that the reference in a folder has kept; none where cells are there, or no list.

    Raises ValueError with one line for a list or a picture that does not read.
    """
    path = results / FILE
    if (results / "cells").is_dir() or not path.is_file():
        return Kept()
    try:
        pictures = _adapter().validate_json(_content(path))
        beside = {f"figures/{file.name}": file for file in results.glob("figures/*.png")}  # no other file is shown
        files = {picture.file: _content(beside[picture.file]) for picture in pictures}
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        told = [FILE, ".".join(map(str, first["loc"])), first["msg"]]
        raise ValueError(one_line(": ".join(filter(None, told)))[:240]) from None
    except KeyError as error:
        raise ValueError(one_line(f"{FILE}: no picture {error} beside it")[:240]) from None
    except OSError as error:
        raise ValueError(one_line(f"{FILE}: {error.strerror}")) from error
    shown = [replace(one, inline=pages.data_uri(files[one.file], "image/png")) for one in pictures]
    return Kept(shown, files)


def _content(path: Path) -> bytes:
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(one_line(f"{path.name}: {size:,} bytes, {MAX_BYTES:,} are allowed"))
    return path.read_bytes()


@cache
def _adapter() -> TypeAdapter[list[Picture]]:
    return TypeAdapter(list[Picture])
