"""A cell's configuration in full: the tables of JSON that its key is the digest of, from experiments.toml to a worker.

:mod:`bench.spec.cells` makes it, cell.json holds it, :mod:`bench.run.configuration` makes the library's settings of it.
A setting that need not be there did not exist in an earlier version, or does not apply; it has the library's default.
"""

from typing import Any, Literal, NotRequired, TypedDict


class CategoricalCode(TypedDict):
    kind: Literal["categorical"]
    num_categories: int


class ContinuousCode(TypedDict):
    kind: Literal["continuous"]
    std: float | Literal["learned", "sqrt-exp"]
    log_std_clamp: list[float]
    std_clip: NotRequired[list[float]]


Code = CategoricalCode | ContinuousCode


class Noise(TypedDict):
    size: int
    prior: Literal["uniform", "normal"]


class Data(TypedDict):
    """Which images; ``images``: how those of the user's own were made."""

    name: str
    source: str
    digest: str
    num_images: int
    images: NotRequired[dict[str, Any]]


class _Training(TypedDict):
    batch_size: int
    learning_rate_discriminator: float
    learning_rate_generator: float
    mi_trains_trunk: bool
    step: str
    beta1: NotRequired[float]
    beta2: NotRequired[float]
    adam_eps: NotRequired[float]
    latents: NotRequired[str]
    q_learns_with: NotRequired[str]
    real_and_fake: NotRequired[str]
    instance_noise: NotRequired[float]
    tiny: NotRequired[float]
    optimizer: NotRequired[dict[str, Any]]  # name, and options of its own
    capture: NotRequired[Literal["off", "graph", "auto"]]
    warm_up_iterations: NotRequired[int]
    give_up: NotRequired[str]


class StatedTraining(_Training):
    """As the file states it, merged."""

    learning_rate_q: float | str
    mi_weight: float | list[float]
    mi_weight_generator: float | list[float] | str


class Training(_Training):
    """One lambda per code and phase."""

    learning_rate_q: float
    mi_weight_discriminator: list[float]
    mi_weight_generator: list[float]
    iterations: int


class StatedNetwork(TypedDict):
    """As the file states it, merged."""

    slope: NotRequired[float]
    init: NotRequired[str]
    init_std: NotRequired[float]
    gain_std: NotRequired[float]
    batch_norm_eps: NotRequired[float]
    batch_norm_order: NotRequired[str]
    q_network: NotRequired[str]
    discriminator_fc_norm: NotRequired[bool]
    generator_norm: NotRequired[str]
    heads: NotRequired[str]
    scale_init: NotRequired[bool]
    kernels: NotRequired[str]
    precision: NotRequired[str]


class Network(StatedNetwork):
    """With the formulation of every layer that may have several, and the kind of processor that chose it."""

    width: float
    fast_layers: NotRequired[list[str]]
    chosen_for: NotRequired[str]


class Definition(TypedDict):
    """What all arms, variants and seeds of a sweep share."""

    format: int
    experiment: str
    profile: str
    data: Data
    architecture: str
    own: NotRequired[dict[str, Any]]  # what is the user's own, with digests of its source: bench/spec/own.py
    network: Network
    noise: Noise
    codes: list[Code]
    device: str
    versions: dict[str, str]
    training: Training


class Config(Definition):
    """All that a cell's result is a function of."""

    variant: str | None
    arm: str
    seed: int
