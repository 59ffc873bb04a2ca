"""``--images``: a folder of the user's own in place of an experiment's data, of the size and colour that these have.

The claims are about the paper's data and are not judged then, nor is what no image of a user's has measured.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.spec.reading import Source, SpecError
from infogan.architectures import ARCHITECTURES
from infogan.data import OwnImages
from infogan.data.base import one_line

OPTION = "--images"
OF_NAMED_SETS = ("strokes", "factors")  # measures of digits' shapes, and of factors that no image of a user's has
OF_THE_PAPER = ("claims", "blank", "paper", "source")  # fields that speak of the data that is replaced


@dataclass(frozen=True)
class Replacement:
    """Where the images lie, and in which experiments they stand in."""

    place: Path  # a folder, or an .npy or .npz file
    experiments: tuple[str, ...]
    resize: bool = False  # each picture's middle square, averaged down

    def instead_of(self, wanted: str | OwnImages) -> OwnImages:
        """The images to be trained on in place of a named set, or of other images with all that is asked of those."""
        if isinstance(wanted, str):
            channels, size, _ = ARCHITECTURES[wanted].image_CHW
            asked = OwnImages(self.place.absolute(), size, "grey" if channels == 1 else "rgb")
        else:
            asked = OwnImages(self.place.absolute(), **wanted.made_as)
        return OwnImages(**vars(asked) | {"resize": "area"}) if self.resize else asked


def replacement(experiments: Sequence[str] | None, place: Path | None, resize: bool) -> Replacement | None:
    """None without a place. Raises SpecError where no experiment is named: the others keep their data."""
    if place is None and resize:
        raise SpecError(f"--resize is for the pictures of {OPTION}")
    if place is not None and not experiments:
        raise SpecError(f"{OPTION} {one_line(str(place))}: name the experiments whose data it replaces")
    return None if place is None else Replacement(place, tuple(experiments or ()), resize)


def replaced(source: Source, wanted: Mapping[str, str | OwnImages], images: Replacement) -> Source:
    """The source with the images as data of the experiments that they are for, still to be checked.

    ``wanted``: the data of every experiment. A name that is none is left to who looks it up.
    """
    changed = Source(source.path, copy.deepcopy(source.tables), dict(source.origins))
    for name in wanted.keys() & set(images.experiments):
        asked = images.instead_of(wanted[name])
        table: dict[str, Any] = changed.tables["experiments"][name]
        for field in OF_THE_PAPER:
            table.pop(field, None)
        stated = {field: value for field, value in asked.made_as.items() if value is not None}
        table["data"] = {"folder": str(asked.folder), **stated}
        table["title"] = f"{name}, on the images in {one_line(images.place.name)}"
        table["measures"] = [family for family in table.get("measures", []) if family not in OF_NAMED_SETS]
        changed.origins["experiments", name, "data"] = OPTION
    return changed
