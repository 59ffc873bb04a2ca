"""Resolve the options of a command: device, profiles, data, cells. Mistakes in the input end here."""

from collections.abc import Collection, Sequence
from pathlib import Path

from bench import environment
from bench.console import BadInput, say_as_is
from bench.paths import DEFAULT_RESULTS, on_results, require_folder
from bench.placement import Placement
from bench.records.locks import Locked
from bench.records.tasks import Resources
from bench.run import kernels
from bench.run.data import data_dirs, info_of, with_measurable
from bench.run.own import learn_architectures, require_trainable
from bench.spec.cells import Cell
from bench.spec.images import replacement
from bench.spec.reading import BUILTIN
from bench.spec.resolve import Machine, cells
from bench.spec.schema import PROFILES, suggest
from bench.spec.selection import Selection, experiment_table, parse_seeds, profile_table, selected_seeds
from bench.spec.tables import load_spec
from bench.tracking import connection as tracking
from infogan.data.base import one_line

DEFAULT_SPEC = BUILTIN


def require_profile(profile: str | None, known: Collection[str] = PROFILES) -> None:
    """Raise BadInput, with the choices, for an unknown profile; None means the default."""
    if profile is not None and profile not in known:
        raise BadInput(f"unknown profile {profile!r}{suggest(profile, list(known))}")


def named(
    experiments: Sequence[str] | None, results: Path = DEFAULT_RESULTS, spec: Path = DEFAULT_SPEC
) -> Sequence[str] | None:
    """The experiments named for ``run``; None for the word ``all``.

    Raises BadInput for no name: all of them take days.
    """
    if not experiments:
        raise BadInput(
            f"name the experiments to run (`{on_results(results, 'plan', spec=spec)}` lists them), or write all: "
            f"`{on_results(results, 'run', 'all', spec=spec)}`"
        )
    return None if list(experiments) == ["all"] else experiments


def require_mlflow(advice: str) -> None:
    """Raise BadInput with the advice if MLflow, which only tracking needs, is not installed."""
    if not tracking.is_installed():
        raise BadInput(f"mlflow is not installed here: {advice}; python -m pip install mlflow")


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
        self.placement = Placement.of(device, executor, ray_address, jobs, together)
        require_profile(profile)
        self.wanted_profile = profile
        self.selection = Selection(
            arms=names_in(arms),
            variants=names_in(variants),
            seeds=parse_seeds(seeds) if isinstance(seeds, str) else tuple(seeds) if seeds is not None else None,
        )
        self.names = list(dict.fromkeys(experiments)) if experiments else self._having(profile)
        self.profiles = {name: self._profile(name, profile) for name in self.names}
        self._require_cells()
        learn_architectures(self.spec.given.own, {name: self.spec.experiments[name] for name in self.names})
        self.uri = None if no_tracking else tracking.resolve_uri(self.results)
        if trains and self.uri is not None:
            require_mlflow("add --no-tracking and sync later, or install it")
        self.data_dirs = data_dirs(self.spec, self.names, self.data_dir, names_in(substitute) or ())
        self.infos = {
            name: info_of(self.spec, name, self.profiles[name], self.data_dirs[name], download=download)
            for name in self.names
        }
        for name in self.names:
            self.spec = with_measurable(self.spec, name, self.profiles[name], self.infos[name])
        self._choose = kernels.Chooser(self.results, trains=trains, announce=say_as_is)
        try:
            self.cells = [cell for name in self.names for cell in self._cells(name)]
        except (OSError, Locked) as error:
            why = getattr(error, "strerror", None) or error
            raise BadInput(one_line(f"results folder {results} cannot be written: {why}")) from error
        require_trainable(self.spec.given.own, self.cells)
        self.placement.require_bf16(self.cells)
        self.share = self.placement.share(self.cells)

    def again(self, *words: object, profile: bool = False) -> str:
        """A command with the same results, file, settings and images, to copy; ``profile``: and the same budget."""
        given = self.spec.given
        chosen: list[object] = ["--profile", self.wanted_profile] if profile and self.wanted_profile else []
        for setting in given.settings:
            chosen += ["--set", setting.text]
        if given.images is not None:
            chosen += ["--images", given.images.place.absolute(), *(["--resize"] if given.images.resize else [])]
        return on_results(self.results, *words, *chosen, spec=given.path)

    def _require_cells(self) -> None:
        """Raise SpecError, or BadInput if no cell is selected, before any experiment is measured or rendered."""
        tables = self.spec.experiments
        selected = [selected_seeds(tables[name], name, self.profiles[name], self.selection) for name in self.names]
        if not any(seeds for of_groups in selected for seeds in of_groups.values()):
            raise BadInput(f"nothing selected: {', '.join(self.names)} has no cell with these arms, variants and seeds")

    def resources(self, name: str) -> Resources:
        """What a cluster reserves for a cell of an experiment; a GPU only if the cells train on one."""
        experiment = self.spec.experiments[name]
        table = profile_table(experiment, name, self.profiles[name]).resources
        return Resources(table.cpus, table.gpus if self.placement.device == "cuda" else 0.0, table.memory_gb)

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
            say_as_is(f"left out: {', '.join(left_out)} (no profile {wanted})")
        return [name for name in tables if name not in left_out]

    def _default_profile(self) -> str:
        return "paper" if self.placement.device == "cuda" else "cpu"

    def _profile(self, name: str, wanted: str | None) -> str:
        """The wanted profile; by default the device's, or the only one that the experiment has."""
        experiment = experiment_table(self.spec, name)
        default = self._default_profile()
        if wanted is None and default not in experiment.profiles and len(experiment.profiles) == 1:
            return next(iter(experiment.profiles))
        profile = wanted or default
        profile_table(experiment, name, profile)
        return profile

    def _cells(self, name: str) -> list[Cell]:
        machine = Machine(self.placement.device, environment.key_versions(), self._choose)
        return cells(self.spec, name, self.profiles[name], self.selection, self.infos[name], machine)


def names_in(text: str | None) -> tuple[str, ...] | None:
    """The names in an option, which commas separate; None without the option."""
    return tuple(part.strip() for part in text.split(",")) if text is not None else None
