"""Settings of a training as typed, strict tables: images, noise, codes, optimisation, networks (see the library)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from bench.spec.config import StatedNetwork, StatedTraining
from bench.spec.own import Optimizer, StepName
from bench.spec.schema import Number, Rate, Seed, Table, Weight, as_float
from infogan.data import OwnImages


class ImagesTable(Table):
    """The user's own images; see :class:`infogan.data.OwnImages`."""

    folder: str = Field(min_length=1)  # or an .npy or .npz file; relative to the folder of the file of experiments
    size: int = Field(ge=4, le=1024)  # side in pixels
    colour: Literal["grey", "rgb"]
    resize: Literal["area"] | None = None
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    split_seed: Seed = 0

    @property
    def asked(self) -> OwnImages:
        return OwnImages(**self.model_dump() | {"folder": Path(self.folder)})


def _kind_of_data(value: Any) -> str:
    return "[name]" if isinstance(value, str) else "[images]"


# tags in brackets are removed from messages (bench.spec.mistakes)
Data = Annotated[Annotated[str, Tag("[name]")] | Annotated[ImagesTable, Tag("[images]")], Discriminator(_kind_of_data)]

Iterations = Annotated[int, Field(ge=1, le=10_000_000)]
Width = Annotated[float, BeforeValidator(as_float), Field(gt=0, le=8)]
NumImages = Annotated[int, Field(ge=2)]


class NoiseTable(Table):
    size: int = Field(ge=0, le=4096)
    prior: Literal["uniform", "normal"] = "uniform"


class CategoricalTable(Table):
    kind: Literal["categorical"]
    num_categories: int = Field(ge=2, le=4096)


Deviation = Literal["learned", "sqrt-exp"] | Annotated[float, BeforeValidator(as_float), Field(gt=0, le=1e6)]
Span = Annotated[tuple[Number, Number], Field(strict=False)]  # TOML has only lists


class ContinuousTable(Table):
    kind: Literal["continuous"]
    std: Deviation = "learned"
    log_std_clamp: Span = (-4.0, 2.0)  # for "learned"
    std_clip: Span | None = None  # for "sqrt-exp"

    @model_validator(mode="after")
    def _spans_rise(self) -> "ContinuousTable":
        if not self.log_std_clamp[0] < self.log_std_clamp[1]:
            raise ValueError(f"log_std_clamp must rise, got {list(self.log_std_clamp)}")
        if self.std_clip is not None:
            if self.std != "sqrt-exp":
                raise ValueError(f"std_clip needs std = 'sqrt-exp', got {self.std!r}")
            if not 0 < self.std_clip[0] < self.std_clip[1]:
                raise ValueError(f"std_clip must be positive and rise, got {list(self.std_clip)}")
        return self


CodeTable = Annotated[CategoricalTable | ContinuousTable, Field(discriminator="kind")]


class TrainingTable(Table):
    """Optimisation settings. None means "not stated here"; the merged table has no None."""

    batch_size: int | None = Field(None, ge=2, le=65536)
    learning_rate_discriminator: Rate | None = None
    learning_rate_generator: Rate | None = None
    learning_rate_q: Literal["discriminator", "generator"] | Rate | None = None
    mi_weight: Weight | list[Weight] | None = None
    mi_weight_generator: Literal["same"] | Weight | list[Weight] | None = None
    mi_trains_trunk: bool | None = None
    beta1: float | None = Field(None, ge=0, lt=1)
    beta2: float | None = Field(None, ge=0, lt=1)
    adam_eps: float | None = Field(None, gt=0, le=1)
    latents: Literal["fresh", "reused"] | None = None
    q_learns_with: Literal["discriminator", "generator"] | None = None
    real_and_fake: Literal["apart", "together"] | None = None
    instance_noise: Annotated[float, BeforeValidator(as_float), Field(ge=0, le=1)] | None = None
    tiny: Annotated[float, BeforeValidator(as_float), Field(ge=0, le=1e-3)] | None = None
    optimizer: Optimizer | None = None  # None: Adam
    step: StepName | None = None  # "fused", "reference", or module:name
    capture: Literal["off", "graph", "auto"] | None = None  # "graph" needs a GPU
    warm_up_iterations: int | None = Field(None, ge=0, le=10_000_000)
    give_up: Literal["never", "authors"] | None = None


class NetworkTable(Table):
    slope: Annotated[float, BeforeValidator(as_float), Field(ge=0, lt=1)] | None = None
    init: Literal["normal", "truncated", "torch"] | None = None
    init_std: float | None = Field(None, gt=0, le=1)
    gain_std: Annotated[float, BeforeValidator(as_float), Field(ge=0, le=1)] | None = None
    batch_norm_eps: float | None = Field(None, gt=0, le=1)
    batch_norm_order: Literal["before", "after"] | None = None
    q_network: Literal["shared", "separate", "separate-categories"] | None = None
    discriminator_fc_norm: bool | None = None
    generator_norm: Literal["table", "hidden"] | None = None
    heads: Literal["table", "linear"] | None = None
    scale_init: bool | None = None
    kernels: Literal["torch", "winograd", "fastest"] | None = None
    precision: Literal["auto", "float32", "tf32", "bf16"] | None = None  # "auto": bench/run/kernels.toml


def refusal(
    training: StatedTraining, network: StatedNetwork, codes: Sequence[CodeTable]
) -> tuple[str, Any, str] | None:
    """Field, value and expectation if merged settings do not fit together; else None."""
    continuous = [code for code in codes if isinstance(code, ContinuousTable)]
    if network.get("q_network") == "separate-categories" and len(continuous) == len(codes):
        return "q_network", "separate-categories", "'shared' or 'separate', since no code is categorical"
    if network.get("scale_init") and network.get("init") == "torch":
        return "scale_init", True, "false with init = 'torch', whose standard deviation already depends on the width"
    fixed = [code.std for code in continuous if not isinstance(code.std, str)]
    if training.get("give_up") == "authors" and fixed:
        expected = f"'never' with a fixed std ({fixed[0]:g}): a bound below 0 is normal then"
        return "give_up", "authors", expected
    return None
