"""The data of a command's experiments: the folder of each set, what it holds, and whether settings and measures fit."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.console import BadInput, console, say
from bench.run.progress import preparing
from bench.spec.experiment import groups, num_trained_on
from bench.spec.images import said_of
from bench.spec.schema import suggest
from bench.spec.selection import profile_table
from bench.spec.tables import Spec, merged_training
from infogan import data
from infogan.data.base import one_line


def require_sets(substitute: Sequence[str]) -> None:
    """Raise BadInput, with the choices, for a data set to substitute that does not exist."""
    for given in substitute:
        if given != "all" and given not in data.DATASETS:
            raise BadInput(f"--substitute: unknown data set {given!r}{suggest(given, [*data.DATASETS, 'all'])}")


def data_dirs(
    spec: Spec, names: Sequence[str], data_dir: Path | None, substitute: Sequence[str]
) -> dict[str, Path | None]:
    """Folder that each experiment's data are read from; None for a missing set that may be substituted.

    Raises BadInput, which lists all sets that the data folder lacks.
    """
    require_sets(substitute)
    found: dict[str, Path | None] = dict.fromkeys(names, data_dir)
    lacking: dict[str, data.NotInFolder] = {}
    for name in names:
        table = spec.experiments[name]
        wanted = table.wanted_data
        if isinstance(wanted, data.OwnImages):
            found[name] = wanted.folder
            continue
        try:
            if data_dir:
                data.find(wanted, table.source, data_dir)
        except data.NotInFolder as error:
            if wanted in substitute or "all" in substitute:
                found[name] = None
            else:
                lacking[wanted] = error
    if lacking:
        raise BadInput(_lacking(lacking, spec.given.name))
    return found


def _lacking(sets: dict[str, data.NotInFolder], file: str) -> str:
    """An error message, in one line: what the data folder lacks, what it contains instead, and what the user can do."""
    (first, *others) = sets.values()
    also = "".join(f"; {error.name} is missing too: looked for {error.layout}{error.hint}" for error in others)
    sources = " or ".join(dict.fromkeys(f'"{data.sources(name)[-1]}"' for name in sets))
    names = ",".join(sets)
    flag = f"--substitute {names} (make: SUBSTITUTE={names})"
    return f"{first}{also}. To use a substitute: {flag}, or source = {sources} in {file}"


def info_of(spec: Spec, name: str, profile: str, data_dir: Path | None, *, download: bool) -> data.DataInfo:
    """What an experiment's data are; with ``download`` they are brought or rendered first.

    Raises DataError, or BadInput if a batch is larger than the set.
    """
    table = spec.experiments[name]
    budget, wanted = profile_table(table, name, profile), table.wanted_data
    with _said_of_images(spec, name):
        if download:
            shown = wanted if isinstance(wanted, str) else one_line(wanted.folder.name)
            with preparing(shown, console) as progress:
                info = data.prepare(wanted, table.source, data_dir, num_images=budget.num_images, progress=progress)
        else:
            info = data.describe(wanted, table.source, data_dir, num_images=budget.num_images)
    for variant, arm in groups(table, table.arms):
        batch_size = merged_training(spec, table, variant, arm)["batch_size"]
        num = num_trained_on(budget, info.num_train, table.variants[variant] if variant else None)
        if batch_size > num:
            images = f"the {num} training images of profile {profile}"
            raise BadInput(
                f"{name}: batch_size = {batch_size} exceeds {images}; set a smaller training.batch_size with --set"
            )
    return info


def with_measurable(spec: Spec, name: str, profile: str, info: data.DataInfo) -> Spec:
    """The spec without measures of the experiment that images from the command line do not allow, which is said.

    Raises BadInput for such measures of images from the file.
    """
    table = spec.experiments[name]
    if info.name != data.own.NAME:
        return spec
    budget, num_classes = profile_table(table, name, profile), info.num_classes
    variants = [None, *table.variants.values()]
    num_images = min(num_trained_on(budget, info.num_train, variant) for variant in variants)
    unmeasurable = [family for family in table.measures if family in data.own.OF_CLASSES]
    if not num_classes:
        why = "the images have no labels"
        unmeasurable = [family for family in unmeasurable if family != "samples"]  # which does without
    elif num_classes > data.own.MAX_CLASSES:
        why = f"at most {data.own.MAX_CLASSES} classes are possible, the images have {num_classes}"
    elif num_images < data.own.MIN_LABELLED:
        why = f"at least {data.own.MIN_LABELLED} training images with labels are needed, there are {num_images}"
    else:
        return spec
    if not unmeasurable:
        return spec
    if not _is_replaced(spec, name):
        raise BadInput(f"{name}: measures names {unmeasurable[0]!r}, but {why}: remove it")
    say(f"{name}: measured without {', '.join(unmeasurable)}, since {why}")
    left = [family for family in table.measures if family not in unmeasurable]
    return spec.model_copy(
        update={"experiments": {**spec.experiments, name: table.model_copy(update={"measures": left})}}
    )


def _is_replaced(spec: Spec, name: str) -> bool:
    """Whether the command line replaces the experiment's images."""
    images = spec.given.images
    return images is not None and name in images.experiments


@contextmanager
def _said_of_images(spec: Spec, name: str) -> Iterator[None]:
    """Context that adds the expected shape to errors about images given on the command line."""
    try:
        yield
    except data.DataError as error:
        if spec.given.file is None or not _is_replaced(spec, name):
            raise
        raise data.DataError(said_of(name, spec.given.file.experiments[name].wanted_data, error)) from error
