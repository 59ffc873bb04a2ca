"""Resolve the options of a command: device, profiles, data, cells. Mistakes in the input end here."""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from bench import environment
from bench.console import BadInput, console, escape, say
from bench.records.locks import Locked
from bench.records.storage import sync_folder
from bench.records.tasks import Resources
from bench.run import kernels, share_gpu
from bench.run.executors import EXECUTORS
from bench.run.executors.cluster_connection import require_ray
from bench.run.own import learn_architectures, require_trainable
from bench.spec.cells import Cell
from bench.spec.experiment import PROFILES, groups
from bench.spec.images import replacement, said_of
from bench.spec.reading import BUILTIN
from bench.spec.resolve import cells
from bench.spec.schema import suggest
from bench.spec.selection import Selection, experiment_table, parse_seeds, profile_table, selected_seeds
from bench.spec.tables import load_spec, merged_training
from bench.tracking import connection as tracking
from infogan import data
from infogan.cores import usable_cores
from infogan.data.base import one_line
from infogan.runtime import available_device

DEFAULT_SPEC = BUILTIN
DEFAULT_RESULTS = Path("results/latest")


def require_profile(profile: str | None, known: Collection[str] = PROFILES) -> None:
    """Raise BadInput, with the choices, for an unknown profile; None means the default."""
    if profile is not None and profile not in known:
        raise BadInput(f"unknown profile {profile!r}{suggest(profile, list(known))}")


def named(experiments: Sequence[str] | None, results: Path = DEFAULT_RESULTS) -> Sequence[str] | None:
    """The experiments named for ``run``; None for the word ``all``.

    Raises BadInput for no name: all of them take days.
    """
    if not experiments:
        raise BadInput(
            f"name the experiments to run (`{on_results(results, 'plan')}` lists them), or write all: "
            f"`{on_results(results, 'run', 'all')}`"
        )
    return None if list(experiments) == ["all"] else experiments


def require_folder(what: str, path: Path) -> None:
    """Raise BadInput if ``path`` is not a folder and cannot become one; it need not exist yet."""
    nearest = _nearest(what, path)
    if not nearest.is_dir():
        inside = "" if nearest == path.absolute() else f": {nearest.name} is a file"
        raise BadInput(f"{what} {path} is not a folder{inside}")


def require_file(what: str, path: Path) -> None:
    """Raise BadInput if no file can be written at ``path``: it is a folder, or its own folder is unusable."""
    nearest = _nearest(what, path)
    if nearest == path.absolute() and nearest.is_dir():
        raise BadInput(f"{what} {path} is a folder; name a file in it")
    require_folder(f"{what}: the folder", path.parent)
    place = nearest.parent if nearest.is_file() else nearest  # a file is replaced in its folder, a device written to
    if not os.access(place, os.W_OK):
        raise BadInput(f"{what} {path} cannot be written: {place} is read-only for this account")


def _nearest(what: str, path: Path) -> Path:
    """The path, or the nearest folder above it that exists. Raises BadInput if this account may not look there."""
    try:
        return next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    except OSError as error:
        raise BadInput(f"{what} {path} cannot be used: {error.strerror}") from error


def require_writable(results: Path) -> None:
    """Create the results folder if needed. Raises BadInput if it cannot be written."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        probe = results / f".probe-{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
        if not sync_folder(results):
            _warn_of_folder(results)
    except OSError as error:
        raise BadInput(f"results folder {results} cannot be written: {error.strerror}") from error


def require_mlflow(advice: str) -> None:
    """Raise BadInput with the advice if MLflow, which only tracking needs, is not installed."""
    if not tracking.is_installed():
        raise BadInput(f"mlflow is not installed here: {advice}; python -m pip install mlflow")


@cache
def _warn_of_folder(results: Path) -> None:
    """Print the warning, once per folder."""
    say(
        f"[yellow]not safe from a power cut:[/yellow] the file system of {escape(str(results))} cannot make renames "
        "durable (fsync of a folder), so a power cut may lose the last records; see docs/CLUSTER.md"
    )


def on_results(results: Path, *words: object) -> str:
    """A command on these results, to copy: it names and quotes them where they are not the default."""
    is_default = results.absolute() == DEFAULT_RESULTS.absolute()
    return environment.command(*words, *([] if is_default else ["--results", results.absolute()]))


class Context:
    """The experiments of a command with their data and cells. ``trains``: whether the cells will be trained.

    Raises BadInput, SpecError, DataError or ExecutorError before any cell's record is written.
    """

    def __init__(
        self,
        experiments: Sequence[str] | None = None,
        *,
        spec: Path = DEFAULT_SPEC,
        results: Path = DEFAULT_RESULTS,
        profile: str | None = None,
        arms: str | None = None,
        variants: str | None = None,
        seeds: str | Sequence[int] | None = None,
        settings: Sequence[str] | None = None,
        images: Path | None = None,
        resize: bool = False,
        data_dir: Path | None = None,
        substitute: str | None = None,
        device: str = "auto",
        jobs: int | None = None,
        together: int | None = None,
        executor: str = "local",
        ray_address: str | None = None,
        no_tracking: bool = False,
        download: bool = False,
        trains: bool = False,
    ) -> None:
        self.spec = load_spec(spec, settings or (), replacement(experiments, images, resize), experiments)
        self.results = results.absolute()
        require_folder("results", results)
        if data_dir:
            require_folder("data", data_dir)
        self.data_dir = data_dir.absolute() if data_dir else None
        self.executor, self.ray_address = executor, ray_address
        self.device = self._device(device)
        require_profile(profile)
        self.wanted_jobs, self.wanted_together = jobs, together
        self._require_together()
        self.selection = Selection(
            arms=_listed(arms),
            variants=_listed(variants),
            seeds=parse_seeds(seeds) if isinstance(seeds, str) else tuple(seeds) if seeds is not None else None,
        )
        self.names = list(dict.fromkeys(experiments)) if experiments else self._having(profile)
        self.profiles = {name: self._profile(name, profile) for name in self.names}
        self._require_cells()
        learn_architectures(self.spec.given.own, {name: self.spec.experiments[name] for name in self.names})
        self.uri = None if no_tracking else tracking.resolve_uri(self.results)
        if trains and self.uri is not None:
            require_mlflow("add --no-tracking and sync later, or install it")
        self.data_dirs = self._data_dirs(_listed(substitute) or ())
        self.infos = {name: self._data(name, download=download) for name in self.names}
        self._choose = kernels.Chooser(self.results, trains=trains, announce=_announce)
        try:
            self.cells = [cell for name in self.names for cell in self._cells(name)]
        except (OSError, Locked) as error:
            why = getattr(error, "strerror", None) or error
            raise BadInput(one_line(f"results folder {results} cannot be written: {why}")) from error
        require_trainable(self.spec.given.own, self.cells)
        self._require_bf16()
        self.share = self._share()
        self.jobs = self.share.jobs

    def _share(self) -> share_gpu.Share:
        """How many cells run at a time on the local executor; a cluster decides for itself."""
        wanted = self.wanted_together or 1
        if self.wanted_jobs or self.device == "cpu":
            return share_gpu.Share(self.wanted_jobs or max(usable_cores(), wanted), together=wanted)
        if self.executor != "local":
            return share_gpu.Share(1)
        chosen = share_gpu.share(self.cells, share_gpu.free_memory_bytes(), usable_cores())
        if self.wanted_together:
            return replace(chosen, jobs=max(chosen.jobs, wanted), together=wanted)
        return chosen

    def _require_together(self) -> None:
        """Raise BadInput if a process cannot train that many seeds."""
        if self.wanted_together and self.executor != "local":
            raise BadInput("--together needs --executor local: a cluster's task is one cell")
        if self.wanted_together and self.wanted_jobs and self.wanted_together > self.wanted_jobs:
            raise BadInput(
                f"--together {self.wanted_together} exceeds --jobs {self.wanted_jobs}, the number of cells at a time"
            )

    def _require_cells(self) -> None:
        """Raise SpecError, or BadInput if no cell is selected, before any experiment is measured or rendered."""
        selected = [selected_seeds(self.spec, name, self.profiles[name], self.selection) for name in self.names]
        if not any(seeds for groups_of in selected for seeds in groups_of.values()):
            raise BadInput(f"nothing selected: {', '.join(self.names)} has no cell with these arms, variants and seeds")

    def _require_bf16(self) -> None:
        """Raise BadInput if a cell needs products that this GPU lacks. On a CPU they are slow without instructions."""
        is_here = self.device == "cuda" and self.executor == "local"
        if is_here and any(cell.is_rounded for cell in self.cells) and not environment.multiplies_bf16("cuda"):
            raise BadInput("precision = 'bf16': this GPU has no products in bfloat16; choose 'float32' or 'tf32'")

    def _device(self, wanted: str) -> str:
        """The device of the executor: a cluster's workers may have a GPU that the launcher lacks."""
        if self.executor not in EXECUTORS:
            raise BadInput(f"unknown executor {self.executor!r}{suggest(self.executor, list(EXECUTORS))}")
        if self.executor == "ray":
            require_ray(self.ray_address)
            if wanted == "cuda":
                return wanted
        elif self.ray_address:
            raise BadInput("--ray-address needs --executor ray")
        try:
            return available_device(wanted)
        except ValueError as error:
            raise BadInput(str(error)) from error

    def resources(self, name: str) -> Resources:
        """What a cluster reserves for a cell of an experiment; a GPU only if the cells train on one."""
        experiment = self.spec.experiments[name]
        table = profile_table(experiment, name, self.profiles[name]).resources
        return Resources(table.cpus, table.gpus if self.device == "cuda" else 0.0, table.memory_gb)

    def _having(self, profile: str | None) -> list[str]:
        """All experiments of the file that have the profile; says which have not. Raises BadInput if none has it."""
        wanted, tables = profile or self._default_profile(), self.spec.experiments
        left_out = [name for name, table in tables.items() if wanted not in table.profiles]
        if profile is None:  # then an experiment's only profile is its default
            left_out = [name for name in left_out if len(tables[name].profiles) > 1]
        if len(left_out) == len(tables):
            known = sorted({held for table in tables.values() for held in table.profiles})
            raise BadInput(
                f"{self.spec.given.name}: no experiment has a profile {wanted}; choose from {', '.join(known)}"
            )
        if left_out:
            say(escape(f"left out: {', '.join(left_out)} (no profile {wanted})"))
        return [name for name in tables if name not in left_out]

    def _default_profile(self) -> str:
        return "paper" if self.device == "cuda" else "cpu"

    def _profile(self, name: str, wanted: str | None) -> str:
        """The wanted profile; by default the device's, or the only one that the experiment has."""
        experiment = experiment_table(self.spec, name)
        default = self._default_profile()
        if wanted is None and default not in experiment.profiles and len(experiment.profiles) == 1:
            return str(next(iter(experiment.profiles)))
        profile = wanted or default
        profile_table(experiment, name, profile)
        return profile

    def _data_dirs(self, substitute: tuple[str, ...]) -> dict[str, Path | None]:
        """Folder that each experiment's data are read from; None for a missing set that may be substituted.

        Raises BadInput, which lists all sets that the data folder lacks.
        """
        for given in substitute:
            if given != "all" and given not in data.DATASETS:
                raise BadInput(f"--substitute: unknown data set {given!r}{suggest(given, [*data.DATASETS, 'all'])}")
        found: dict[str, Path | None] = dict.fromkeys(self.names, self.data_dir)
        lacking: dict[str, data.NotInFolder] = {}
        for name in self.names:
            table = self.spec.experiments[name]
            wanted = table.wanted_data
            if isinstance(wanted, data.OwnImages):
                found[name] = wanted.folder
                continue
            try:
                if self.data_dir:
                    data.find(wanted, table.source, self.data_dir)
            except data.NotInFolder as error:
                if wanted in substitute or "all" in substitute:
                    found[name] = None
                else:
                    lacking[wanted] = error
        if lacking:
            raise BadInput(_lacking(lacking, self.spec.given.name))
        return found

    def _data(self, name: str, *, download: bool) -> data.DataInfo:
        table, profile = self.spec.experiments[name], self.profiles[name]
        budget = profile_table(table, name, profile).num_images
        with self._said_of_images(name):
            if download:
                info = _prepared(table.wanted_data, table.source, self.data_dirs[name], budget)
            else:
                info = data.describe(table.wanted_data, table.source, self.data_dirs[name], num_images=budget)
        wanted = fewest = min(budget or info.num_train, info.num_train)
        for variant, arm in groups(table, table.arms):
            batch_size = merged_training(self.spec, table, variant, arm)["batch_size"]
            share = table.variants[variant].share_of_images if variant else 1.0
            fewest = min(fewest, round(wanted * share))
            if batch_size > round(wanted * share):
                images = f"the {round(wanted * share)} training images of profile {profile}"
                raise BadInput(
                    f"{name}: batch_size = {batch_size} exceeds {images}; set a smaller training.batch_size with --set"
                )
        self._require_measurable(name, info.num_classes, fewest)
        return info

    def _require_measurable(self, name: str, num_classes: int, num_images: int) -> None:
        """Drop measures that are impossible for images from the command line; raise BadInput for images from the file.

        ``num_classes``: number of classes of the user's own images, 0 without labels. ``num_images``: the smallest
        number that an arm trains on.
        """
        measures = self.spec.experiments[name].measures
        unmeasurable = [family for family in measures if family in data.own.OF_CLASSES]
        if num_classes > data.own.MAX_CLASSES:
            few = f"for at most {data.own.MAX_CLASSES} classes, but the images have {num_classes}"
        elif num_classes and num_images < data.own.MIN_LABELLED:
            few = f"for at least {data.own.MIN_LABELLED} training images with labels, but there are {num_images}"
        else:
            return
        if unmeasurable and not self._is_replaced(name):
            raise BadInput(f"{name}: measures names {unmeasurable[0]!r}, which is {few}: remove it")
        if unmeasurable:
            measures[:] = [family for family in measures if family not in unmeasurable]
            say(f"{name}: measured without {', '.join(unmeasurable)}: {few}")

    def _is_replaced(self, name: str) -> bool:
        """Whether the command line replaces the experiment's images."""
        images = self.spec.given.images
        return images is not None and name in images.experiments

    @contextmanager
    def _said_of_images(self, name: str) -> Iterator[None]:
        """Context that adds the expected shape to errors about images given on the command line."""
        try:
            yield
        except data.DataError as error:
            if self.spec.given.file is None or not self._is_replaced(name):
                raise
            raise data.DataError(said_of(name, self.spec.given.file.experiments[name].wanted_data, error)) from error

    def _cells(self, name: str) -> list[Cell]:
        versions = environment.key_versions()
        profile, info = self.profiles[name], self.infos[name]
        return cells(self.spec, name, profile, self.selection, info, self.device, versions, self._choose)


def _lacking(sets: dict[str, data.NotInFolder], file: str) -> str:
    """An error message, in one line: what the data folder lacks, what it contains instead, and what the user can do."""
    (first, *others) = sets.values()
    also = "".join(f"; {error.name} is missing too: looked for {error.layout}{error.hint}" for error in others)
    sources = " or ".join(dict.fromkeys(f'"{data.sources(name)[-1]}"' for name in sets))
    names = ",".join(sets)
    flag = f"--substitute {names} (make: SUBSTITUTE={names})"
    return f"{first}{also}. To use a substitute: {flag}, or source = {sources} in {file}"


def _prepared(
    wanted: str | data.OwnImages, source: str, data_dir: Path | None, num_images: int | None
) -> data.DataInfo:
    """Prepare the data set: download, decode or render into the cache whatever is missing."""
    from bench.run.progress import preparing

    with preparing(wanted if isinstance(wanted, str) else one_line(wanted.folder.name), console) as progress:
        return data.prepare(wanted, source, data_dir, num_images=num_images, progress=progress)


def _announce(text: str) -> None:
    say(escape(text))


def _listed(text: str | None) -> tuple[str, ...] | None:
    return tuple(part.strip() for part in text.split(",")) if text is not None else None
