"""``--images``: a user's own folder in place of an experiment's data, of the size and colour that its files have.

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
from infogan.data.base import DataError, one_line
from infogan.data.own import as_found
from infogan.own.sources import is_reference

OPTION = "--images"
OF_NAMED_SETS = ("strokes", "factors")  # measures of digits' shapes, and of factors that no image of a user's has
OF_THE_PAPER = ("claims", "blank", "paper", "source")  # fields that speak of the data that is replaced


@dataclass(frozen=True)
class Replacement:
    """Where the images lie, and in which experiments they stand in."""

    place: Path  # a folder, or an .npy or .npz file
    experiments: tuple[str, ...]
    resize: bool = False  # each picture's middle square, averaged down to the size of the data that it replaces

    def instead_of(self, wanted: str | OwnImages) -> OwnImages:
        """The images to be trained on in place of a named set, or of other images with all that is asked of those.

        Raises DataError where the files are nothing that the paper has networks for.
        """
        place = self.place.absolute()
        if not isinstance(wanted, str):
            asked = OwnImages(place, **wanted.made_as)
        elif not self.resize:
            return as_found(place, ARCHITECTURES[wanted].image_CHW)
        else:
            channels, size, _ = ARCHITECTURES[wanted].image_CHW
            asked = OwnImages(place, size, "grey" if channels == 1 else "rgb")
        return OwnImages(**vars(asked) | {"resize": "area"}) if self.resize else asked


def is_of_another_shape(asked: OwnImages, wanted: str | OwnImages) -> bool:
    """Whether images have another size or number of channels than the named set that they replace."""
    return isinstance(wanted, str) and asked.image_CHW != ARCHITECTURES[wanted].image_CHW


def said_of(name: str, wanted: str | OwnImages, error: DataError) -> str:
    """What is wrong with the images, with what the experiment's own data are."""
    channels, size, _ = ARCHITECTURES[wanted].image_CHW if isinstance(wanted, str) else wanted.image_CHW
    what = str(error).removeprefix("images: ")
    return f"{OPTION}: {name} has {size}x{size} {'grey' if channels == 1 else 'rgb'} of its own: {what}"


def replacement(experiments: Sequence[str] | None, place: Path | None, resize: bool) -> Replacement | None:
    """None without a place. Raises SpecError where no experiment is named: the others keep their data."""
    if place is None and resize:
        raise SpecError(f"--resize is for the pictures of {OPTION}")
    if place is not None and not experiments:
        raise SpecError(f"{OPTION} {one_line(str(place))}: name the experiments whose data it replaces")
    return None if place is None else Replacement(place, tuple(experiments or ()), resize)


def replaced(source: Source, wanted: Mapping[str, str | OwnImages], images: Replacement) -> Source:
    """The source with the images as data of the experiments that they are for, still to be checked.

    ``wanted``: the data of every experiment. A name that is none is left to who looks it up. Raises SpecError.
    """
    changed = Source(source.path, copy.deepcopy(source.tables), dict(source.origins))
    for name in wanted.keys() & set(images.experiments):
        table: dict[str, Any] = changed.tables["experiments"][name]
        try:
            asked = images.instead_of(wanted[name])
        except DataError as error:
            raise SpecError(said_of(name, wanted[name], error)) from error
        architecture = table.get("architecture", "auto")
        if is_of_another_shape(asked, wanted[name]) and not is_reference(architecture):
            table["architecture"] = "auto"
        for field in OF_THE_PAPER:
            table.pop(field, None)
        stated = {field: value for field, value in asked.made_as.items() if value is not None}
        table["data"] = {"folder": str(asked.folder), **stated}
        table["title"] = f"{name}, on the images in {one_line(images.place.name)}"
        table["measures"] = [family for family in table.get("measures", []) if family not in OF_NAMED_SETS]
        changed.origins["experiments", name, "data"] = OPTION
    return changed
