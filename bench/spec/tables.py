"""experiments.toml as typed, strict tables; :mod:`bench.spec.cells` makes cells of them.

The file's errors are one line with file, table, field, value and valid choices; nothing has been written by then.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bench.spec.criteria import BlankTable, ClaimTable, CostTable, GateTable
from bench.spec.images import OF_NAMED_SETS, Replacement, replaced
from bench.spec.mistakes import Misfit, explain
from bench.spec.overrides import Setting, applied, parse
from bench.spec.own import Own, references
from bench.spec.reading import Source, SpecError, read
from bench.spec.schema import Name, Number, Seed, Seeds, Table, as_float, suggest
from bench.spec.settings import (
    CodeTable,
    ContinuousTable,
    Data,
    Deviation,
    Iterations,
    NetworkTable,
    NoiseTable,
    NumImages,
    Span,
    TrainingTable,
    Width,
    refusal,
)
from bench.spec.vocabulary import MEASURES
from infogan.architectures import ARCHITECTURES
from infogan.data import DATASETS, OwnImages, sources
from infogan.measures.catalogue import FAMILIES
from infogan.own.sources import is_reference

REQUIRED_DEFAULTS = (  # of training: what every cell needs and only this table is sure to state
    *("batch_size", "learning_rate_discriminator", "learning_rate_generator", "learning_rate_q"),
    *("mi_weight", "mi_weight_generator", "mi_trains_trunk", "step"),
)
PROFILES = ("smoke", "cpu", "paper")


class ArmTable(TrainingTable):
    """An arm states only its difference from the experiment's training table, and codes that it has besides."""

    note: str = ""
    more_codes: list[ContinuousTable] = Field(default_factory=list)  # after the experiment's: H(c) and T80 stay theirs


class VariantTable(Table):
    """What the experiment is run with in turn: one factor's rates, or one choice that differs from the reference's."""

    note: str = ""
    arms: list[Name] | None = None  # which of the experiment's arms; None: all
    training: TrainingTable = TrainingTable()
    network: NetworkTable = NetworkTable()
    architecture: str | None = None
    noise_prior: Literal["uniform", "normal"] | None = None
    std: Deviation | None = None  # of every continuous code; its clip is the variant's own, too
    std_clip: Span | None = None
    share_of_images: Annotated[float, BeforeValidator(as_float), Field(gt=0, le=1)] = 1.0


class ResourcesTable(Table):
    """What a cluster sets aside for a cell. The local executor takes no notice of it."""

    cpus: Annotated[float, BeforeValidator(as_float), Field(gt=0, le=1024)] = 1.0
    gpus: Annotated[float, BeforeValidator(as_float), Field(ge=0, le=1)] = 1.0  # a share of one; 0 on a CPU in any case
    memory_gb: Annotated[float, BeforeValidator(as_float), Field(ge=0, le=65536)] = 0.0  # 0: nothing is set aside


class ProfileTable(Table):
    """A budget."""

    iterations: Iterations
    width: Width = 1.0
    num_images: NumImages | None = None  # None: all of the data set
    seeds: Seeds | None = None
    arms: list[Name] | None = None
    # seeds of an arm, or of one variant's arm ("azimuth/gan"), that differ from the others'; none: it is left out
    group_seeds: dict[str, list[Seed]] = Field(default_factory=dict)
    resources: ResourcesTable = ResourcesTable()


class PaperBudget(Table):
    """None: the paper does not say."""

    iterations: int | None = None
    width: Number
    num_images: int | None = None


class ExperimentTable(Table):
    title: str = Field(min_length=5)
    data: Data
    source: str = "auto"
    architecture: str  # "auto" in the file: that of the data set, or of the images' size and colour
    noise: NoiseTable
    codes: list[CodeTable] = Field(min_length=1)
    arms: list[Name] = Field(min_length=1)
    seeds: Seeds
    paper: PaperBudget | None = None
    gate: GateTable = GateTable(baseline_seeds=list(range(10)), new_seeds=[0, 1, 2, 3, 4], more_seeds=[5, 6, 7, 8, 9])
    training: TrainingTable = TrainingTable()
    network: NetworkTable = NetworkTable()
    variants: dict[Name, VariantTable] = Field(default_factory=dict)
    reference_variant: Name | None = None  # set where the other variants are single choices, each held against this one
    compared: list[str] = Field(default_factory=list)  # measures that tell those choices apart; none: T80 and L_I
    profiles: dict[Literal["smoke", "cpu", "paper"], ProfileTable] = Field(min_length=1)
    measures: list[str] = Field(default_factory=list)  # families of infogan.measures.catalogue, of every finished cell
    claims: list[ClaimTable] = Field(default_factory=list)
    blank: BlankTable | None = None  # runs that show nothing of the data, for the claims

    @field_validator("architecture")
    @classmethod
    def _chosen(cls, architecture: str, info: ValidationInfo) -> str:
        data = info.data.get("data")  # absent where it is wrong itself
        if architecture != "auto" or data is None:
            return architecture
        return data if isinstance(data, str) else data.asked.architecture

    @property
    def wanted_data(self) -> str | OwnImages:
        """What the library is asked for: a data set's name, or images of the user's own."""
        return self.data if isinstance(self.data, str) else self.data.asked


class Defaults(Table):
    training: TrainingTable
    network: NetworkTable

    @model_validator(mode="after")
    def _is_complete(self) -> "Defaults":
        for field in REQUIRED_DEFAULTS:
            if getattr(self.training, field) is None:
                raise ValueError(f"training.{field}: missing; no other table can be relied on for it")
        return self


@dataclass(frozen=True)
class Given:
    """What the command line has set, the file as it is without, and what of both is the user's own."""

    settings: tuple[Setting, ...] = ()
    images: Replacement | None = None
    file: "Spec | None" = None
    own: Own = dataclasses.field(default_factory=Own)


class Spec(Table):
    """The whole file."""

    defaults: Defaults
    arms: dict[Name, ArmTable] = Field(min_length=1)
    experiments: dict[Name, ExperimentTable] = Field(min_length=1)
    cost: CostTable | None = None
    _given: Given = PrivateAttr(default_factory=Given)

    @property
    def given(self) -> Given:
        return self._given

    @model_validator(mode="after")
    def _references_exist(self) -> "Spec":
        for name, experiment in self.experiments.items():
            where = f"experiments.{name}"
            _require_known(experiment.arms, self.arms, where, "arms")
            _require_unique(experiment.arms, where, "arms")
            _require_unique(experiment.seeds, where, "seeds")
            for profile, budget in experiment.profiles.items():
                _require_known(budget.arms or [], experiment.arms, where, f"profiles.{profile}.arms")
                _require_unique(budget.arms or [], where, f"profiles.{profile}.arms")
                _require_unique(budget.seeds or [], where, f"profiles.{profile}.seeds")
                known = [*experiment.arms, *(group_name(v, a) for v, a in groups(experiment, experiment.arms) if v)]
                _require_known(list(budget.group_seeds), known, where, f"profiles.{profile}.group_seeds")
            for index, watched in enumerate(experiment.gate.watched):
                _require_known([watched.arm], experiment.arms, where, f"gate.watched.{index}.arm")
            for index, claim in enumerate(experiment.claims):
                _require_known(claim.arms, experiment.arms, where, f"claims.{index}.arms")
                _require_known(claim.variants or [], experiment.variants, where, f"claims.{index}.variants")
                beside = [c.above_best_of for c in claim.conditions if c.above_best_of is not None]
                _require_known(beside, experiment.arms, where, f"claims.{index}.conditions.above_best_of")
            _require_known(
                [experiment.reference_variant] if experiment.reference_variant else [],
                experiment.variants,
                where,
                "reference_variant",
            )
            _require_known(experiment.compared, MEASURES, where, "compared")
            asked = experiment.compared and not experiment.reference_variant
            _require(not asked, where, "compared", experiment.compared, "a reference_variant beside it")
            for variant, table in experiment.variants.items():
                _require_known(table.arms or [], experiment.arms, where, f"variants.{variant}.arms")
            self._check_training(name, experiment)
        if self.cost:
            _require_known([self.cost.beside], self.experiments, "cost", "beside")
        return self

    def _check_architecture(self, where: str, experiment: ExperimentTable, variant: str | None) -> None:
        """One's own is held against the data once it is known, before anything trains: bench.run.own."""
        architecture = merged_architecture(experiment, variant)
        if is_reference(architecture):
            return
        field = f"variants.{variant}.architecture" if variant else "architecture"
        _require_known([architecture], ARCHITECTURES, where, field)
        refused = misfit_of_images(experiment, ARCHITECTURES[architecture].image_CHW)
        _require(not refused, where, field, architecture, f"{refused}; 'auto' chooses")

    def _check_training(self, name: str, experiment: ExperimentTable) -> None:
        where = f"experiments.{name}"
        wanted = experiment.wanted_data
        if isinstance(wanted, str):
            _require_known([wanted], DATASETS, where, "data")
        _require_known([experiment.source], sources(wanted), where, "source")
        for variant in (None, *experiment.variants):
            self._check_architecture(where, experiment, variant)
        known = [family for family in FAMILIES if isinstance(wanted, str) or family not in OF_NAMED_SETS]
        _require_known(experiment.measures, known, where, "measures")
        for variant, arm in groups(experiment, experiment.arms):
            merged = merged_training(self, experiment, variant, arm)
            codes, network = merged_codes(self, experiment, variant, arm), merged_network(self, experiment, variant)
            of = f"arm {arm}" if variant is None else f"variant {variant}, arm {arm}"
            for field in ("mi_weight", "mi_weight_generator"):
                value = merged[field]
                fits = not isinstance(value, list) or len(value) == len(codes)
                expected = f"one number or {len(codes)}, one per code"
                _require(fits, where, f"{field} ({of})", value, expected, *_layers(name, variant, arm, field))
            weight = merged["mi_weight" if merged["mi_weight_generator"] == "same" else "mi_weight_generator"]
            learns = all(weight) if isinstance(weight, list) else bool(weight)
            _require(
                learns or merged.get("q_learns_with", "discriminator") == "discriminator",
                where,
                f"q_learns_with ({of})",
                merged.get("q_learns_with"),
                "'discriminator' where mi_weight_generator is 0: nothing else would train Q",
                *_layers(name, variant, arm, "mi_weight_generator"),
            )
            refused = refusal(merged, network, codes)
            if refused:
                field, value, expected = refused
                _require(False, where, f"{field} ({of})", value, expected, *_layers(name, variant, arm, field))


def misfit_of_images(experiment: ExperimentTable, made_CHW: tuple[int, int, int]) -> str:
    """What is expected of an architecture in place of one for images of that shape; empty where they fit."""
    wanted = experiment.wanted_data
    image_CHW = ARCHITECTURES[wanted].image_CHW if isinstance(wanted, str) else wanted.image_CHW
    if made_CHW == image_CHW:
        return ""
    shapes = [" x ".join(map(str, shape)) for shape in (image_CHW, made_CHW)]
    return f"one for images of {shapes[0]} (channels, height, width) such as the data's, not {shapes[1]}"


def groups(
    experiment: ExperimentTable, arms: Sequence[str], variants: Sequence[str] | None = None
) -> list[tuple[str | None, str]]:
    """(variant, arm) in the file's order: each variant with those of ``arms`` that it has."""
    if not experiment.variants:
        return [(None, arm) for arm in arms]
    chosen = list(experiment.variants) if variants is None else variants
    tables = [(name, experiment.variants[name]) for name in chosen]
    return [(name, arm) for name, table in tables for arm in arms if table.arms is None or arm in table.arms]


def group_name(variant: str | None, arm: str) -> str:
    """``variant/arm``, or the arm alone: what runs are grouped by."""
    return arm if variant is None else f"{variant}/{arm}"


def variant_of(group: str) -> str:
    """Empty for a group without a variant."""
    return group.rpartition("/")[0]


def arm_of(group: str) -> str:
    return group.rpartition("/")[2]


def by_variant(groups: Sequence[str]) -> dict[str, list[str]]:
    """Groups by their variant, each in its order."""
    found: dict[str, list[str]] = {}
    for group in groups:
        found.setdefault(variant_of(group), []).append(group)
    return found


def _require(holds: bool, where: str, field: str, value: Any, expected: str, *locations: Sequence[str]) -> None:
    """``locations``: where the fault may stand, if it may be elsewhere than in the field of that table."""
    if not holds:
        named = locations or [_location(where, field)]
        raise Misfit(f"{where}: {field} = {value!r}: expected {expected}", *named)


def _layers(experiment: str, variant: str | None, arm: str, field: str) -> list[tuple[str, ...]]:
    """Where a merged setting may stand, from what has the last word to the defaults."""
    of: tuple[str, ...] = ("experiments", experiment)
    tables = [(*of, "variants", variant), of] if variant else [of]
    inner = [(*table, kind, field) for table in tables for kind in ("training", "network")]
    return [("arms", arm, field), *inner, ("defaults", "training", field), ("defaults", "network", field), of]


def _require_unique(values: Sequence[Any], where: str, field: str) -> None:
    _require(len(set(values)) == len(values), where, field, values, "values that do not repeat")


def _require_known(names: list[str], known: Any, where: str, field: str) -> None:
    for index, name in enumerate(names):
        if name not in known:
            location = _location(where, field)
            message = f"{where}: {field} names {name!r}{suggest(name, list(known))}"
            raise Misfit(message, [*location, str(index)], [*location, name], location)


def _location(where: str, field: str) -> list[str]:
    return [*where.split("."), *field.split(".")]


def load_spec(path: Path, settings: Sequence[str] = (), images: Replacement | None = None) -> Spec:
    """Read and check experiments.toml, or a file that extends it, with --images, then --set. Raises SpecError."""
    source, given = read(path), parse(settings)
    file = spec = _checked(source)
    if images:
        source = replaced(source, {name: table.wanted_data for name, table in file.experiments.items()}, images)
    if images or given:
        source = applied(source, given)
        spec = _checked(source)
        spec._given = Given(tuple(given), images, file)
    spec._given = replace(spec.given, own=Own(references(source)))
    return spec


def _checked(source: Source) -> Spec:
    try:
        return Spec.model_validate(source.tables)
    except ValidationError as error:
        raise SpecError(explain(source, Spec, error)) from error
    except RecursionError as error:
        raise SpecError(f"{source.path}: tables are nested too deeply") from error


def merged_training(spec: Spec, experiment: ExperimentTable, variant: str | None, arm: str | None) -> dict[str, Any]:
    """Training settings in effect: defaults, then the experiment's, the variant's, the arm's."""
    layers: list[TrainingTable] = [spec.defaults.training, experiment.training]
    if variant is not None:
        layers.append(experiment.variants[variant].training)
    if arm is not None:
        layers.append(spec.arms[arm])
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= {k: v for k, v in layer.model_dump(exclude_none=True).items() if k not in ("note", "more_codes")}
    if isinstance(merged.get("optimizer"), str):
        merged["optimizer"] = {"name": merged["optimizer"]}
    return merged


def merged_network(spec: Spec, experiment: ExperimentTable, variant: str | None = None) -> dict[str, Any]:
    """Network settings in effect: defaults, then the experiment's, the variant's."""
    layers = [spec.defaults.network, experiment.network]
    if variant is not None:
        layers.append(experiment.variants[variant].network)
    return {k: v for layer in layers for k, v in layer.model_dump(exclude_none=True).items()}


def merged_architecture(experiment: ExperimentTable, variant: str | None = None) -> str:
    """Name of the networks in effect: the experiment's, or the variant's own."""
    return (experiment.variants[variant].architecture if variant else None) or experiment.architecture


def merged_codes(
    spec: Spec, experiment: ExperimentTable, variant: str | None = None, arm: str | None = None
) -> list[CodeTable]:
    """The experiment's codes with the variant's standard deviation, then the arm's more.

    Raises ValueError for a clip that does not fit.
    """
    codes: list[CodeTable] = [*experiment.codes, *(spec.arms[arm].more_codes if arm is not None else [])]
    table = experiment.variants[variant] if variant is not None else None
    if table is None or (table.std is None and table.std_clip is None):
        return codes
    for index, code in enumerate(codes):
        if isinstance(code, ContinuousTable):
            own = {"std": code.std if table.std is None else table.std, "std_clip": table.std_clip}
            try:
                codes[index] = ContinuousTable.model_validate(code.model_dump() | own)
            except ValidationError as error:
                raise ValueError(
                    f"variant {variant}: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
                ) from error
    return codes
