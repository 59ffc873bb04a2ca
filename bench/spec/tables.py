"""experiments.toml as typed, strict tables, checked against each other. :mod:`bench.spec.resolve` makes cells of them.

An error is one line with file, table, field, value and valid choices, raised before anything is written.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pydantic import Field, PrivateAttr, ValidationError, ValidationInfo, model_validator

from bench.spec.alike import filled
from bench.spec.config import StatedNetwork, StatedTraining
from bench.spec.criteria import CostTable
from bench.spec.experiment import ArmTable, ExperimentTable, fits, group_name, groups, merged_architecture, merged_codes
from bench.spec.images import OF_NAMED_SETS, Replacement, replaced
from bench.spec.mistakes import explain, require, require_known, require_unique
from bench.spec.overrides import Setting, applied, parse
from bench.spec.own import Own, references
from bench.spec.reading import BUILTIN, Source, SpecError, read
from bench.spec.schema import Name, Table
from bench.spec.settings import NetworkTable, TrainingTable, refusal
from bench.spec.vocabulary import MEASURES, families_with
from infogan.architectures import ARCHITECTURES
from infogan.data import DATASETS, shape_CHW, sources
from infogan.measures.catalogue import FAMILIES
from infogan.own.sources import is_reference

REQUIRED_DEFAULTS = (  # training settings that every cell needs and only this table must state
    *("batch_size", "learning_rate_discriminator", "learning_rate_generator", "learning_rate_q"),
    *("mi_weight", "mi_weight_generator", "mi_trains_trunk", "step"),
)


def require_measured(names: Sequence[str], experiment: ExperimentTable, where: str, field: str) -> None:
    """Raise Misfit for a number that no cell of the experiment will have."""
    for name in names:
        given = families_with(name)
        expected = f"a measure of this experiment; add {' or '.join(map(repr, given))} to its measures"
        require(not given or not {*given}.isdisjoint(experiment.measures), where, field, name, expected)


class Defaults(Table):
    training: TrainingTable
    """settings of every experiment"""
    network: NetworkTable
    """settings of every experiment"""

    @model_validator(mode="after")
    def _is_complete(self) -> "Defaults":
        for field in REQUIRED_DEFAULTS:
            if getattr(self.training, field) is None:
                raise ValueError(f"training.{field}: missing; the defaults must state it")
        return self


@dataclass(frozen=True)
class Given:
    """The file's path, the command line's changes, the unchanged file, and the custom parts of both."""

    path: Path = dataclasses.field(default=BUILTIN, compare=False)  # the same tables are the same specification
    settings: tuple[Setting, ...] = ()
    images: Replacement | None = None
    file: "Spec | None" = None
    own: Own = dataclasses.field(default_factory=Own)

    @property
    def name(self) -> str:
        return self.path.name


class Spec(Table):
    """The whole file."""

    defaults: Defaults
    """settings of every cell, unless another table changes them"""
    arms: dict[Name, ArmTable] = Field(min_length=1)
    """ways of training, by name; each gives only the settings that it changes"""
    networks: dict[Name, NetworkTable] = Field({})  # used by ``like``; already resolved by bench.spec.alike
    """settings of networks, by name; `network = { like = "NAME" }` takes them"""
    experiments: dict[Name, ExperimentTable] = Field(min_length=1)
    """experiments, by name"""
    cost: CostTable | None = None
    """the claim about the cost of an iteration"""
    _given: Given = PrivateAttr(default_factory=Given)

    @property
    def given(self) -> Given:
        return self._given

    @model_validator(mode="after")
    def _references_exist(self, info: ValidationInfo) -> "Spec":
        changed: Sequence[str] | None = info.context  # see _checked
        for name, experiment in self.experiments.items():
            where = f"experiments.{name}"
            require_known(experiment.arms, self.arms, where, "arms")
            require_unique(experiment.seeds, where, "seeds")
            for profile, budget in experiment.profiles.items():
                require_known(budget.arms or [], experiment.arms, where, f"profiles.{profile}.arms")
                require_unique(budget.seeds or [], where, f"profiles.{profile}.seeds")
                known = [*experiment.arms, *(group_name(v, a) for v, a in groups(experiment, experiment.arms) if v)]
                unknown = [own for own in budget.group_seeds if not any(fits(own, group) for group in known)]
                require_known(unknown, known, where, f"profiles.{profile}.group_seeds")
            for index, watched in enumerate(experiment.gate.watched):
                require_known([watched.arm], experiment.arms, where, f"gate.watched.{index}.arm")
            require_unique([claim.id for claim in experiment.claims], where, "claims.id")
            for index, claim in enumerate(experiment.claims):
                require_known(claim.arms, experiment.arms, where, f"claims.{index}.arms")
                require_known(claim.variants or [], experiment.variants, where, f"claims.{index}.variants")
                beside = dict.fromkeys(c.above_best_of for c in claim.conditions if c.above_best_of is not None)
                require_known(list(beside), experiment.arms, where, f"claims.{index}.conditions.above_best_of")
                named = [name for c in claim.conditions for name in (c.measure, c.chosen_by) if name]
                require_measured(named, experiment, where, f"claims.{index}.conditions")
            if experiment.blank:
                require_measured([experiment.blank.measure], experiment, where, "blank.measure")
            reference = [experiment.reference_variant] if experiment.reference_variant else []
            require_known(reference, experiment.variants, where, "reference_variant")
            require_known(experiment.compared, MEASURES, where, "compared")
            require_measured(experiment.compared, experiment, where, "compared")
            asked = experiment.compared and not experiment.reference_variant
            require(not asked, where, "compared", experiment.compared, "a reference_variant as well")
            for variant, table in experiment.variants.items():
                require_known(table.arms or [], experiment.arms, where, f"variants.{variant}.arms")
            if changed is None or name in changed:
                self._check_training(name, experiment)
        if self.cost:
            require_known([self.cost.beside], self.experiments, "cost", "beside")
        return self

    def _check_architecture(self, where: str, experiment: ExperimentTable, variant: str | None) -> None:
        """Check an architecture against the data.

        A custom one is checked later, before any training (bench.run.own).
        """
        architecture = merged_architecture(experiment, variant)
        if is_reference(architecture):
            return
        field = f"variants.{variant}.architecture" if variant else "architecture"
        advice = "leave it out for the experiment's" if variant else "'auto' chooses it"
        require_known([architecture], ARCHITECTURES, where, field)
        refused = misfit_of_images(experiment, ARCHITECTURES[architecture].image_CHW)
        require(not refused, where, field, architecture, f"{refused}; {advice}")

    def _check_training(self, name: str, experiment: ExperimentTable) -> None:
        where = f"experiments.{name}"
        wanted = experiment.wanted_data
        if isinstance(wanted, str):
            require_known([wanted], DATASETS, where, "data")
        require_known([experiment.source], sources(wanted), where, "source")
        for variant in (None, *experiment.variants):
            self._check_architecture(where, experiment, variant)
        known = [family for family in FAMILIES if isinstance(wanted, str) or family not in OF_NAMED_SETS]
        require_known(experiment.measures, known, where, "measures")
        for variant, arm in groups(experiment, experiment.arms):
            merged = merged_training(self, experiment, variant, arm)
            codes = merged_codes(experiment, variant, self.arms[arm])
            network = merged_network(self, experiment, variant)
            of = f"arm {arm}" if variant is None else f"variant {variant}, arm {arm}"
            for field in ("mi_weight", "mi_weight_generator"):
                value = merged[field]
                is_whole = not isinstance(value, list) or len(value) == len(codes)
                expected = f"one number or {len(codes)}, one per code"
                require(is_whole, where, f"{field} ({of})", value, expected, *_layers(name, variant, arm, field))
            weight = merged["mi_weight" if merged["mi_weight_generator"] == "same" else "mi_weight_generator"]
            learns = all(weight) if isinstance(weight, list) else bool(weight)
            require(
                learns or merged.get("q_learns_with", "discriminator") == "discriminator",
                where,
                f"q_learns_with ({of})",
                merged.get("q_learns_with"),
                "'discriminator', since mi_weight_generator is 0: nothing else would train Q",
                *_layers(name, variant, arm, "mi_weight_generator"),
            )
            refused = refusal(merged, network, codes)
            if refused:
                field, value, expected = refused
                require(False, where, f"{field} ({of})", value, expected, *_layers(name, variant, arm, field))


def misfit_of_images(experiment: ExperimentTable, made_CHW: tuple[int, int, int]) -> str:
    """What is expected instead of an architecture for images of this shape; empty if it fits the data."""
    image_CHW = shape_CHW(experiment.wanted_data)
    if made_CHW == image_CHW:
        return ""
    shapes = [" x ".join(map(str, shape)) for shape in (image_CHW, made_CHW)]
    return f"one for images of {shapes[0]} (channels, height, width), the data's shape, not {shapes[1]}"


def _layers(experiment: str, variant: str | None, arm: str, field: str) -> list[tuple[str, ...]]:
    """Locations where a merged setting may stand, from the highest precedence to the defaults."""
    of: tuple[str, ...] = ("experiments", experiment)
    tables = [(*of, "variants", variant), of] if variant else [of]
    inner = [(*table, kind, field) for table in tables for kind in ("training", "network")]
    return [("arms", arm, field), *inner, ("defaults", "training", field), ("defaults", "network", field), of]


def load_spec(
    path: Path,
    settings: Sequence[str] = (),
    images: Replacement | None = None,
    experiments: Sequence[str] | None = None,
) -> Spec:
    """Read and check experiments.toml or a file that extends it; apply --images, then --set. Raises SpecError.

    ``experiments``: those that the settings are for and must fit; by default all. Unknown names are ignored here.
    """
    source, given = filled(read(path)), parse(settings)
    file = spec = _checked(source)
    if images:
        source = replaced(source, {name: table.wanted_data for name, table in file.experiments.items()}, images)
    if images or given:
        source = applied(source, given, experiments or None)
        spec = _checked(source, experiments or None)
        spec._given = Given(settings=tuple(given), images=images, file=file)
    spec._given = replace(spec.given, path=path, own=Own(references(source)))
    return spec


def _checked(source: Source, changed: Sequence[str] | None = None) -> Spec:
    """The checked tables. ``changed``: the experiments that --set is for; others share its arms, but are not run."""
    try:
        return Spec.model_validate(source.tables, context=changed)
    except ValidationError as error:
        raise SpecError(explain(source, Spec, error)) from error
    except RecursionError as error:
        raise SpecError(f"{source.path}: tables are nested too deeply") from error


def merged_training(spec: Spec, experiment: ExperimentTable, variant: str | None, arm: str | None) -> StatedTraining:
    """Training settings in effect: defaults, overridden by the experiment, the variant and the arm."""
    layers: list[TrainingTable] = [spec.defaults.training, experiment.training]
    if variant is not None:
        layers.append(experiment.variants[variant].training)
    if arm is not None:
        layers.append(spec.arms[arm])
    merged: dict[str, Any] = {}
    for layer in layers:
        settings = layer.model_dump(exclude_none=True)
        merged |= {k: v for k, v in settings.items() if k not in ("note", "plain", "more_codes")}
    if isinstance(merged.get("optimizer"), str):
        merged["optimizer"] = {"name": merged["optimizer"]}
    return cast(StatedTraining, merged)


def merged_network(spec: Spec, experiment: ExperimentTable, variant: str | None) -> StatedNetwork:
    """Network settings in effect: defaults, overridden by the experiment and the variant."""
    layers = [spec.defaults.network, experiment.network]
    if variant is not None:
        layers.append(experiment.variants[variant].network)
    merged = {k: v for layer in layers for k, v in layer.model_dump(exclude_none=True).items()}
    return cast(StatedNetwork, merged)
