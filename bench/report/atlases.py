"""Atlases of finished cells, as a report reads them: checked before anything is shown, drawn where one is missing."""

import contextlib
import io
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from bench.analysis.runs import Run
from bench.records.folder import CellFolder
from bench.records.locks import Locked, LockLost
from bench.records.schema import fitted
from bench.records.storage import CorruptRecord, in_words
from bench.spec.schema import Recorded

if TYPE_CHECKING:
    from PIL import Image

MAX_PICTURES = 400_000  # bytes of all pictures of an atlas
MAX_IMAGES = 20_000  # of a panel
NOISE = "noise"


class Axis(Recorded):
    """One latent that a panel moves."""

    name: Annotated[str, Field(pattern=r"^[cz][1-9][0-9]{0,3}$")]
    kind: Literal["categorical", "continuous", "noise"]
    values: Annotated[list[float], Field(min_length=1, max_length=1_000)]


class Panel(Recorded):
    """Images of all combinations of its axes' values; the last axis runs fastest, the row slowest."""

    name: Annotated[str, Field(pattern=r"^(codes|noise|c[1-9][0-9]{0,3})$")]
    axes: Annotated[list[Axis], Field(min_length=1, max_length=3)]

    @property
    def num_places(self) -> int:
        return math.prod(len(axis.values) for axis in self.axes)


class Layout(Recorded):
    """An atlas as infogan.atlas describes it: ``rows`` of images ``width`` by ``height``, ``across`` in a line."""

    format: Literal[1]
    rows: Annotated[int, Field(ge=1, le=10)]
    across: Annotated[int, Field(ge=1, le=100)]
    width: Annotated[int, Field(ge=1, le=128)]
    height: Annotated[int, Field(ge=1, le=128)]
    encoding: Annotated[str, Field(max_length=40)]
    panels: Annotated[list[Panel], Field(min_length=1, max_length=100)]


@dataclass(frozen=True)
class Atlas:
    """A cell's atlas, sound: every panel has its picture, a WebP of the size that the layout says."""

    layout: Layout
    pictures: dict[str, bytes]

    @property
    def codes(self) -> list[Panel]:
        return [panel for panel in self.layout.panels if panel.name != NOISE]

    def size_bytes(self, panels: list[Panel]) -> int:
        return sum(len(self.pictures[panel.name]) for panel in panels)

    def images(self, panel: Panel) -> np.ndarray:
        """Images of a panel, (rows, places, H, W, 3) uint8. Raises CorruptRecord."""
        layout, opened = self.layout, _opened(panel.name, self.pictures[panel.name])
        try:
            page = np.asarray(opened.convert("RGB"))
        except (OSError, ValueError, SyntaxError) as error:
            raise CorruptRecord(f"atlas.npz: {panel.name}: no picture: {error}") from error
        tiles = page.reshape(-1, layout.height, layout.across, layout.width, 3).transpose(0, 2, 1, 3, 4)
        tiles = tiles.reshape(-1, layout.height, layout.width, 3)[: layout.rows * panel.num_places]
        return tiles.reshape(layout.rows, panel.num_places, layout.height, layout.width, 3)


class NoAtlas(Exception):
    """Why a run has none, in words."""


def atlas_of(run: Run) -> Atlas:
    """The recorded atlas of a finished run, else one drawn from its weights, which is recorded. Raises NoAtlas."""
    folder, said = run.folder, ""
    if folder is None:
        raise NoAtlas("its folder is not here")
    try:
        if folder.has_atlas():
            return parsed(folder.atlas())
    except (CorruptRecord, OSError) as error:
        said = f"{in_words(error)}; "
    if not folder.has_weights():
        raise NoAtlas(f"{said}its weights are not here; where they are, `python -m bench report` draws an atlas")
    from bench.run.cell_atlas import AtlasError, drawn_atlas

    try:
        arrays = drawn_atlas(folder)
        found = parsed(arrays)
    except (AtlasError, CorruptRecord, OSError) as error:
        raise NoAtlas(f"{said}{error}") from error
    _keep(folder, arrays)
    return found


def _keep(folder: CellFolder, arrays: dict[str, np.ndarray]) -> None:
    """Record an atlas where nobody else writes and the disk takes it; else the next report draws it again."""
    with contextlib.suppress(OSError, Locked, LockLost), folder.lock("a report", give_up=lambda: True) as held:
        CellFolder(folder.path, held, folder.key).write_atlas(arrays)


def parsed(arrays: dict[str, np.ndarray]) -> Atlas:
    """The atlas of these arrays. Raises CorruptRecord for what is no atlas, or one of another format."""
    try:
        contents = {name: array.astype(np.uint8, casting="safe").tobytes() for name, array in arrays.items()}
        layout = fitted(Layout, "atlas.npz", json.loads(contents.pop("layout")))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CorruptRecord(f"atlas.npz: no atlas: {error}") from error
    names = [panel.name for panel in layout.panels]
    if sorted(names) != sorted(contents) or sum(map(len, contents.values())) > MAX_PICTURES:
        raise CorruptRecord("atlas.npz: not the pictures that its layout says")
    for panel in layout.panels:
        num_images = layout.rows * panel.num_places
        size = layout.across * layout.width, -(-num_images // layout.across) * layout.height
        if num_images > MAX_IMAGES or _opened(panel.name, contents[panel.name]).size != size:
            raise CorruptRecord(f"atlas.npz: {panel.name}: not {num_images:,} images")
    return Atlas(layout, contents)


def _opened(name: str, content: bytes) -> "Image.Image":
    from PIL import Image

    try:
        return Image.open(io.BytesIO(content), formats=["WEBP"])
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CorruptRecord(f"atlas.npz: {name}: no picture: {error}") from error
