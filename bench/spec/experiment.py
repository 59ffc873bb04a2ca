"""An experiment as typed, strict tables: its arms, variants and budgets, and the names of their groups.

:mod:`bench.spec.tables` checks them against each other.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from bench.spec.criteria import GATE, BlankTable, ClaimTable, GateTable
from bench.spec.schema import Float, Name, Number, ProfileName, Seed, Seeds, Table
from bench.spec.settings import (
    CodeTable,
    ContinuousTable,
    Data,
    Deviation,
    Iterations,
    NetworkTable,
    NoiseSize,
    NoiseTable,
    NumImages,
    Span,
    TrainingTable,
    Width,
)
from infogan.data import OwnImages


class ArmTable(TrainingTable):
    """An arm: its differences from the experiment's training settings, and additional codes."""

    note: str = ""
    """description of the arm in the report"""
    plain: str = ""
    """what sets the arm apart, in a few words, for the report's first sentence; empty: its name alone"""
    more_codes: list[ContinuousTable] = Field(default_factory=list)  # appended; H(c) and T80 do not change
    """continuous codes after those of the experiment"""


class VariantTable(Table):
    """A version of the experiment, such as another target factor, or one choice that differs from the reference."""

    note: str = ""
    """description of the variant in the report"""
    arms: list[Name] | None = None
    """arms that the variant is trained with; absent: all of the experiment's"""
    training: TrainingTable = TrainingTable()
    """settings of this variant"""
    network: NetworkTable = NetworkTable()
    """settings of this variant"""
    architecture: str | None = None
    """architecture of this variant; absent: that of the experiment"""
    noise_prior: Literal["uniform", "normal"] | None = None
    """distribution of z; absent: the experiment's"""
    noise_size: NoiseSize | None = None
    """number of dimensions of z; absent: the experiment's"""
    std: Deviation | None = None  # for every continuous code; std_clip then replaces the codes' clip, too
    """Q's standard deviation for every continuous code"""
    std_clip: Span | None = None
    """bounds of that standard deviation for sqrt-exp"""
    share_of_images: Annotated[Float, Field(gt=0, le=1)] = 1.0
    """share of the training images that is used"""


class ResourcesTable(Table):
    """Resources that a cluster reserves for a cell. The local executor ignores them."""

    cpus: Annotated[Float, Field(gt=0, le=1024)] = 1.0
    """number of cores"""
    gpus: Annotated[Float, Field(ge=0, le=1)] = 1.0  # ignored on a CPU
    """a GPU, or a share of one"""
    memory_gb: Annotated[Float, Field(ge=0, le=65536)] = 0.0
    """memory (GB); 0: none is reserved"""


class ProfileTable(Table):
    """A budget."""

    iterations: Iterations
    """number of updates of both players"""
    width: Width = 1.0
    """factor for the width of every hidden layer except those of Q alone"""
    num_images: NumImages | None = None
    """number of training images; absent: all"""
    seeds: Seeds | None = None
    """seeds of this profile; absent: those of the experiment"""
    arms: Annotated[list[Name], Field(min_length=1)] | None = None
    """arms of this profile; absent: those of the experiment"""
    group_seeds: dict[str, list[Seed]] = Field(default_factory=dict)
    """other seeds for an ARM, a VARIANT/ARM or several (`*/gan`; the last that fits counts); []: it is left out"""
    resources: ResourcesTable = ResourcesTable()
    """what a cluster reserves for a cell"""


class PaperBudget(Table):
    """The paper's budget. None: the paper does not state it."""

    iterations: int | None = None
    """number of iterations; absent: the paper does not say"""
    iterations_from: Literal["paper", "code"] = "paper"
    """who states them; `code`: the paper does not say, its authors' code does"""
    width: Number
    """width of the networks; 1: as in the paper"""
    num_images: int | None = None
    """number of training images; absent: the paper does not say"""


class ExperimentTable(Table):
    title: str = Field(min_length=5)
    """title of the experiment in the report"""
    like: Name | None = None  # already resolved by bench.spec.alike
    """another experiment: data, source, architecture, noise, codes, training, network, measures and paper, where not
    stated, are taken from it"""
    data: Data
    """a data set's name, or a table for images of your own"""
    source: str = "auto"
    """where the data set comes from; auto: the first source that is there"""
    architecture: str  # "auto" in the file is resolved from the data set, or from the images' size and colour
    """a built-in architecture, auto, or module:name of an infogan.architectures.Architecture"""
    noise: NoiseTable
    """the noise z"""
    codes: list[CodeTable] = Field(min_length=1)
    """the latent codes c1, c2, ... in their order"""
    arms: list[Name] = Field(min_length=1)
    """arms that the experiment is trained with"""
    seeds: Seeds
    """seeds; each gives one cell per arm and variant"""
    paper: PaperBudget | None = None
    """the paper's budget, for comparison"""
    gate: GateTable = GATE
    """rule of the regression gate"""
    training: TrainingTable = TrainingTable()
    """settings of this experiment"""
    network: NetworkTable = NetworkTable()
    """settings of this experiment"""
    variants: dict[Name, VariantTable] = Field(default_factory=dict)
    """versions of the experiment with settings of their own, by name"""
    reference_variant: Name | None = None
    """variant that the others are compared with, if each variant is one choice"""
    compared: list[str] = Field(default_factory=list)
    """measures by which these variants are compared; absent: T80 and L_I"""
    profiles: dict[ProfileName, ProfileTable] = Field(min_length=1)
    """budgets, by name"""
    measures: list[str] = Field(default_factory=list)  # of infogan.measures.catalogue
    """families of measures that every finished cell gets (docs/MEASURES.md)"""
    claims: list[ClaimTable] = Field(default_factory=list)
    """claims that the runs are tested on"""
    blank: BlankTable | None = None
    """rule for runs that show nothing of the data"""

    @field_validator("architecture")
    @classmethod
    def _chosen(cls, architecture: str, info: ValidationInfo) -> str:
        data = info.data.get("data")  # absent if it is invalid
        if architecture != "auto" or data is None:
            return architecture
        return data if isinstance(data, str) else data.asked.architecture

    @property
    def wanted_data(self) -> str | OwnImages:
        """The argument for the library: a data set's name, or the user's own images."""
        return self.data if isinstance(self.data, str) else self.data.asked


def num_trained_on(budget: ProfileTable, available: int, variant: VariantTable | None = None) -> int:
    """Number of training images of the cells of a variant, out of those that are ``available``."""
    num = min(budget.num_images or available, available)
    return num if variant is None else round(num * variant.share_of_images)


def groups(
    experiment: ExperimentTable, arms: Sequence[str], variants: Sequence[str] | None = None
) -> list[tuple[str | None, str]]:
    """All (variant, arm) in the file's order: each variant with those of ``arms`` that it has."""
    if not experiment.variants:
        return [(None, arm) for arm in arms]
    chosen = list(experiment.variants) if variants is None else variants
    tables = [(name, experiment.variants[name]) for name in chosen]
    return [(name, arm) for name, table in tables for arm in arms if table.arms is None or arm in table.arms]


def group_name(variant: str | None, arm: str) -> str:
    """``variant/arm``, or the arm alone without variants."""
    return arm if variant is None else f"{variant}/{arm}"


def fits(pattern: str, group: str) -> bool:
    """Whether a pattern (a group's name, or VARIANT/ARM with ``*`` as a wildcard) matches a group."""
    return pattern == group or ("/" in pattern and fnmatchcase(group, pattern))


def variant_of(group: str) -> str:
    """The variant of a group; empty if it has none."""
    return group.rpartition("/")[0]


def arm_of(group: str) -> str:
    return group.rpartition("/")[2]


def same_variant(group: str, arm: str) -> str:
    """The group of ``arm`` in the variant of another group."""
    return group_name(variant_of(group) or None, arm)


def by_variant(groups: Sequence[str]) -> dict[str, list[str]]:
    """Groups by variant, in their order."""
    found: dict[str, list[str]] = {}
    for group in groups:
        found.setdefault(variant_of(group), []).append(group)
    return found


def merged_architecture(experiment: ExperimentTable, variant: str | None) -> str:
    """Name of the networks in effect: the variant's, else the experiment's."""
    return (experiment.variants[variant].architecture if variant else None) or experiment.architecture


def merged_noise(experiment: ExperimentTable, variant: str | None) -> NoiseTable:
    """The experiment's noise with what the variant changes."""
    table = experiment.variants[variant] if variant is not None else None
    stated = {"size": table.noise_size, "prior": table.noise_prior} if table else {}
    return experiment.noise.model_copy(update={k: v for k, v in stated.items() if v is not None})


def merged_codes(experiment: ExperimentTable, variant: str | None, arm: ArmTable | None) -> list[CodeTable]:
    """The experiment's codes and the arm's additional ones, with the variant's standard deviation.

    Raises ValueError if the clip does not fit.
    """
    stated: list[CodeTable] = [*experiment.codes, *(arm.more_codes if arm else [])]
    table = experiment.variants[variant] if variant is not None else None
    if table is None or (table.std is None and table.std_clip is None):
        return stated
    codes: list[CodeTable] = []
    for code in stated:
        if isinstance(code, ContinuousTable):
            own = {"std": code.std if table.std is None else table.std, "std_clip": table.std_clip}
            try:
                code = ContinuousTable.model_validate(code.model_dump() | own)
            except ValidationError as error:
                raise ValueError(
                    f"variant {variant}: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
                ) from error
        codes.append(code)
    return codes
