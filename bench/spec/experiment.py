"""An experiment of the file as typed, strict tables: its arms, variants and budgets, and how they are named.

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
    # seeds that differ from the others', of an arm, of a variant's arm ("azimuth/gan") or of several ("azimuth-*/gan");
    # none: it is left out
    group_seeds: dict[str, list[Seed]] = Field(default_factory=dict)
    resources: ResourcesTable = ResourcesTable()


class PaperBudget(Table):
    """None: the paper does not say."""

    iterations: int | None = None
    width: Number
    num_images: int | None = None


class ExperimentTable(Table):
    title: str = Field(min_length=5)
    like: Name | None = None  # bench.spec.alike has filled in by now what is taken from there
    data: Data
    source: str = "auto"
    architecture: str  # "auto" in the file: that of the data set, or of the images' size and colour
    noise: NoiseTable
    codes: list[CodeTable] = Field(min_length=1)
    arms: list[Name] = Field(min_length=1)
    seeds: Seeds
    paper: PaperBudget | None = None
    gate: GateTable = GATE
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


def fits(pattern: str, group: str) -> bool:
    """Whether a group is meant by a name, or by a VARIANT/ARM in which ``*`` stands for any letters."""
    return pattern == group or ("/" in pattern and fnmatchcase(group, pattern))


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


def merged_architecture(experiment: ExperimentTable, variant: str | None = None) -> str:
    """Name of the networks in effect: the experiment's, or the variant's own."""
    return (experiment.variants[variant].architecture if variant else None) or experiment.architecture


def merged_codes(
    experiment: ExperimentTable, variant: str | None = None, arm: ArmTable | None = None
) -> list[CodeTable]:
    """The experiment's codes and the arm's more, with the variant's standard deviation.

    Raises ValueError for a clip that does not fit.
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
