"""``--images``: a user's own folder in place of an experiment's data, in the size and colour of its files.

The claims are about the paper's data, so they are not judged then, and measures that need that data are left out.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.spec.reading import Source, SpecError
from infogan.data import OwnImages, shape_CHW
from infogan.data.base import DataError, one_line
from infogan.data.own import as_found
from infogan.own.sources import is_reference

OPTION = "--images"
OF_NAMED_SETS = ("strokes", "factors")  # measures of digit shapes and of known factors, which a user's images lack
OF_THE_PAPER = ("claims", "blank", "paper", "source")  # fields about the data that is replaced


@dataclass(frozen=True)
class Replacement:
    """The user's images, and the experiments whose data they replace."""

    place: Path  # a folder, or an .npy or .npz file
    experiments: tuple[str, ...]
    resize: bool = False  # average the middle square of each image down to the size of the replaced data

    def instead_of(self, wanted: str | OwnImages) -> OwnImages:
        """The images to train on instead of a named set, or instead of other images with the same settings.

        Raises DataError if the paper has no networks for the files.
        """
        place = self.place.absolute()
        if not isinstance(wanted, str):
            asked = OwnImages(place, **wanted.made_as)
        elif not self.resize:
            return as_found(place, shape_CHW(wanted))
        else:
            channels, size, _ = shape_CHW(wanted)
            asked = OwnImages(place, size, "grey" if channels == 1 else "rgb")
        return OwnImages(**vars(asked) | {"resize": "area"}) if self.resize else asked


def is_of_another_shape(asked: OwnImages, wanted: str | OwnImages) -> bool:
    """Whether the images differ in size or channels from the named set that they replace."""
    return isinstance(wanted, str) and asked.image_CHW != shape_CHW(wanted)


def said_of(name: str, wanted: str | OwnImages, error: DataError) -> str:
    """An error message about the images that names the shape of the experiment's own data."""
    channels, size, _ = shape_CHW(wanted)
    what = str(error).removeprefix("images: ")
    return f"{OPTION}: {what}; {name}'s own data is {size}x{size} {'grey' if channels == 1 else 'rgb'}"


def replacement(experiments: Sequence[str] | None, place: Path | None, resize: bool) -> Replacement | None:
    """Parse the options; None without a place. Raises SpecError if no experiment is named."""
    if place is None:
        if resize:
            raise SpecError(f"--resize needs {OPTION}")
        return None
    if not experiments:
        raise SpecError(f"{OPTION} {one_line(str(place))}: name the experiments whose data it replaces")
    if not _is_utf8(str(place.absolute())):
        raise SpecError(f"{OPTION} {one_line(str(place))}: the path is not UTF-8, and records are; rename the folder")
    return Replacement(place, tuple(experiments), resize)


def _is_utf8(path: str) -> bool:
    """Whether a path has only characters that JSON and TOML can hold; bytes that are not UTF-8 become surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in path)


def replaced(source: Source, wanted: Mapping[str, str | OwnImages], images: Replacement) -> Source:
    """A copy of the source, not yet checked, with the images as data of their experiments.

    ``wanted``: the data of every experiment. Unknown experiment names are ignored here. Raises SpecError.
    """
    changed = Source(source.path, copy.deepcopy(source.tables), dict(source.origins))
    for name in (name for name in wanted if name in images.experiments):
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
        if changed.tables.get("cost", {}).get("beside") == name:
            del changed.tables["cost"]
    return changed
