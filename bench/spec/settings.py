"""Settings of a training as typed, strict tables: images, noise, codes, optimisation, networks (see the library)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from bench.spec.config import StatedNetwork, StatedTraining
from bench.spec.own import Optimizer, StepName
from bench.spec.schema import Float, Number, Rate, Seed, Table, Weight
from infogan.data import OwnImages


class ImagesTable(Table):
    """The user's own images; see :class:`infogan.data.OwnImages`."""

    folder: str = Field(min_length=1)
    """a folder of images, or an .npy or .npz file; relative to the folder of this file"""
    size: int = Field(ge=4, le=1024)
    """pixels per side"""
    colour: Literal["grey", "rgb"]
    """grey or rgb"""
    resize: Literal["area"] | None = None
    """how larger images are made to fit; absent: they are an error"""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """share of the images that is not used for training"""
    split_seed: Seed = 0
    """seed that draws the held-out images"""

    @property
    def asked(self) -> OwnImages:
        return OwnImages(**self.model_dump() | {"folder": Path(self.folder)})


def _kind_of_data(value: Any) -> str:
    return "[name]" if isinstance(value, str) else "[images]"


# tags in brackets are removed from messages (bench.spec.mistakes)
Data = Annotated[Annotated[str, Tag("[name]")] | Annotated[ImagesTable, Tag("[images]")], Discriminator(_kind_of_data)]

Iterations = Annotated[int, Field(ge=1, le=10_000_000)]
Width = Annotated[Float, Field(gt=0, le=8)]
NumImages = Annotated[int, Field(ge=2)]
NoiseSize = Annotated[int, Field(ge=0, le=4096)]
Kernels = Literal["torch", "winograd", "fastest"]


class NoiseTable(Table):
    size: NoiseSize
    """number of noise dimensions"""
    prior: Literal["uniform", "normal"] = "uniform"
    """distribution of the noise"""


class CategoricalTable(Table):
    kind: Literal["categorical"]
    """kind of the code"""
    num_categories: int = Field(ge=2, le=4096)
    """number of categories K, all equally likely"""


Deviation = Literal["learned", "sqrt-exp"] | Annotated[Float, Field(gt=0, le=1e6)]
Span = Annotated[tuple[Number, Number], Field(strict=False)]  # TOML has only lists


class ContinuousTable(Table):
    kind: Literal["continuous"]
    """kind of the code, which is uniform from -1 to 1"""
    std: Deviation = "learned"
    """Q's standard deviation: learned, sqrt-exp as in the authors' code, or a fixed number"""
    log_std_clamp: Span = (-4.0, 2.0)
    """bounds of the logarithm of a learned standard deviation"""
    std_clip: Span | None = None
    """bounds of the standard deviation for sqrt-exp"""

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
    """number of real images in a batch, and of fake images"""
    learning_rate_discriminator: Rate | None = None
    """learning rate of D, and of the trunk that Q shares with D"""
    learning_rate_generator: Rate | None = None
    """learning rate of G"""
    learning_rate_q: Literal["discriminator", "generator"] | Rate | None = None
    """learning rate of Q's head: a number, or the rate of D or G"""
    mi_weight: Weight | list[Weight] | None = None
    """lambda, the weight of L_I, in the phase of D and Q: one number, or one for each code"""
    mi_weight_generator: Literal["same"] | Weight | list[Weight] | None = None
    """lambda in the phase of G; 0: G is trained as in a plain GAN"""
    mi_trains_trunk: bool | None = None
    """whether Q's loss also trains the layers that Q shares with D"""
    beta1: float | None = Field(None, ge=0, lt=1)
    """beta1 of Adam and of similar optimisers"""
    beta2: float | None = Field(None, ge=0, lt=1)
    """beta2 of Adam and of similar optimisers"""
    adam_eps: float | None = Field(None, gt=0, le=1)
    """epsilon of Adam and of similar optimisers"""
    latents: Literal["fresh", "reused"] | None = None
    """fresh: G's phase draws its own z and c; reused: it takes those of D's phase"""
    q_learns_with: Literal["discriminator", "generator"] | None = None
    """whose optimiser trains Q's head"""
    real_and_fake: Literal["apart", "together"] | None = None
    """together: D's batch norm has one set of statistics for real and fake images; apart: two sets"""
    instance_noise: Annotated[Float, Field(ge=0, le=1)] | None = None
    """standard deviation of noise on every image that D and Q see"""
    tiny: Annotated[Float, Field(ge=0, le=1e-3)] | None = None
    """number added to a probability before its logarithm; 0: exact, from logits"""
    optimizer: Optimizer | None = None
    """optimiser in place of Adam: a name of torch.optim, module:name, or a table with a name and options"""
    step: StepName | None = None
    """how an iteration is computed: fused, or module:name for a step of your own"""
    capture: Literal["off", "graph", "auto"] | None = None
    """whether an iteration is captured as one CUDA graph; auto: if it can be"""
    warm_up_iterations: int | None = Field(None, ge=0, le=10_000_000)
    """number of first iterations that train on L_I alone"""
    give_up: Literal["never", "authors"] | None = None
    """authors: the rule of the authors' code ends a run that goes wrong"""


class NetworkTable(Table):
    slope: Annotated[Float, Field(ge=0, lt=1)] | None = None
    """slope of the leaky ReLU in D and Q"""
    init: Literal["normal", "truncated", "torch"] | None = None
    """how the initial weights are drawn"""
    init_std: float | None = Field(None, gt=0, le=1)
    """standard deviation of the initial weights"""
    gain_std: Annotated[Float, Field(ge=0, le=1)] | None = None
    """standard deviation of batch norm's initial gains around 1"""
    batch_norm_eps: float | None = Field(None, gt=0, le=1)
    """epsilon of batch norm"""
    batch_norm_order: Literal["before", "after"] | None = None
    """whether batch norm comes before or after the activation"""
    q_network: Literal["shared", "separate", "separate-categories"] | None = None
    """whether Q shares D's trunk or has one of its own"""
    discriminator_fc_norm: bool | None = None
    """whether batch norm follows D's layer of 1024 units"""
    generator_norm: Literal["table", "hidden"] | None = None
    """where G has batch norm: as in the paper's tables, or after every hidden layer"""
    heads: Literal["table", "linear"] | None = None
    """heads as in the paper's tables, or one linear layer on a layer of 1024 units"""
    scale_init: bool | None = None
    """whether init_std is divided by the square root of the width"""
    kernels: Kernels | None = None
    """how a CPU computes the layers; the choices differ only in rounding"""
    precision: Literal["auto", "float32", "tf32", "bf16"] | None = (
        None  # kinds of CPU that gain: bench/run/kernels.toml
    )
    """precision of products and convolutions, in bf16 of activations too; auto: bf16 on a CPU that gains from it, but
    float32 in profile paper"""


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
