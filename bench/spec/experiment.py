"""An experiment as typed, strict tables: its arms, variants and budgets, and the names of their groups.

:mod:`bench.spec.tables` checks them against each other.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator

from bench.spec.criteria import GATE, BlankTable, ClaimTable, GateTable
from bench.spec.schema import Name, Number, Seed, Seeds, Table, as_float
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
)
from infogan.data import OwnImages

PROFILES = ("smoke", "cpu", "paper")


class ArmTable(TrainingTable):
    """An arm: its differences from the experiment's training settings, and additional codes."""

    note: str = ""
    more_codes: list[ContinuousTable] = Field(default_factory=list)  # appended; H(c) and T80 do not change


class VariantTable(Table):
    """A version of the experiment, such as another target factor, or one choice that differs from the reference."""

    note: str = ""
    arms: list[Name] | None = None  # subset of the experiment's arms; None: all
    training: TrainingTable = TrainingTable()
    network: NetworkTable = NetworkTable()
    architecture: str | None = None
    noise_prior: Literal["uniform", "normal"] | None = None
    std: Deviation | None = None  # for every continuous code; std_clip then replaces the codes' clip, too
    std_clip: Span | None = None
    share_of_images: Annotated[float, BeforeValidator(as_float), Field(gt=0, le=1)] = 1.0


class ResourcesTable(Table):
    """Resources that a cluster reserves for a cell. The local executor ignores them."""

    cpus: Annotated[float, BeforeValidator(as_float), Field(gt=0, le=1024)] = 1.0
    gpus: Annotated[float, BeforeValidator(as_float), Field(ge=0, le=1)] = 1.0  # share of one GPU; ignored on a CPU
    memory_gb: Annotated[float, BeforeValidator(as_float), Field(ge=0, le=65536)] = 0.0  # 0: none reserved


class ProfileTable(Table):
    """A budget."""

    iterations: Iterations
    width: Width = 1.0
    num_images: NumImages | None = None  # None: the whole data set
    seeds: Seeds | None = None
    arms: list[Name] | None = None
    # other seeds for an arm, a variant's arm ("azimuth/gan") or several ("azimuth-*/gan"); an empty list: none
    group_seeds: dict[str, list[Seed]] = Field(default_factory=dict)
    resources: ResourcesTable = ResourcesTable()


class PaperBudget(Table):
    """The paper's budget. None: the paper does not state it."""

    iterations: int | None = None
    iterations_from: Literal["paper", "code"] = "paper"  # who states them: the paper, or its authors' code alone
    width: Number
    num_images: int | None = None


class ExperimentTable(Table):
    title: str = Field(min_length=5)
    like: Name | None = None  # already resolved by bench.spec.alike
    data: Data
    source: str = "auto"
    architecture: str  # "auto" in the file is resolved from the data set, or from the images' size and colour
    noise: NoiseTable
    codes: list[CodeTable] = Field(min_length=1)
    arms: list[Name] = Field(min_length=1)
    seeds: Seeds
    paper: PaperBudget | None = None
    gate: GateTable = GATE
    training: TrainingTable = TrainingTable()
    network: NetworkTable = NetworkTable()
    variants: dict[Name, VariantTable] = Field(default_factory=dict)
    reference_variant: Name | None = None  # set if the others are single choices that are compared with it
    compared: list[str] = Field(default_factory=list)  # measures to compare these choices by; empty: T80 and L_I
    profiles: dict[Literal["smoke", "cpu", "paper"], ProfileTable] = Field(min_length=1)
    measures: list[str] = Field(default_factory=list)  # families of infogan.measures.catalogue for every finished cell
    claims: list[ClaimTable] = Field(default_factory=list)
    blank: BlankTable | None = None  # defines runs that show nothing of the data, for the claims

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


def by_variant(groups: Sequence[str]) -> dict[str, list[str]]:
    """Groups by variant, in their order."""
    found: dict[str, list[str]] = {}
    for group in groups:
        found.setdefault(variant_of(group), []).append(group)
    return found


def merged_architecture(experiment: ExperimentTable, variant: str | None = None) -> str:
    """Name of the networks in effect: the variant's, else the experiment's."""
    return (experiment.variants[variant].architecture if variant else None) or experiment.architecture


def merged_codes(
    experiment: ExperimentTable, variant: str | None = None, arm: ArmTable | None = None
) -> list[CodeTable]:
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
