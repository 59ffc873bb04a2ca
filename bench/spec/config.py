"""Types of a cell's full configuration, the JSON tables that its key is computed from.

:mod:`bench.spec.resolve` builds it, cell.json stores it, and :mod:`bench.run.configuration` converts it to the
library's settings. Of the settings of a training and of networks here are those that this package reads by name;
:mod:`bench.spec.settings` has all. A setting that is NotRequired was added in a later version or does not always apply;
absent, it has the library's default.
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
    """The training images; ``images``: settings of the user's own images."""

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
    q_learns_with: NotRequired[str]
    optimizer: NotRequired[dict[str, Any]]  # name, and its options
    capture: NotRequired[Literal["off", "graph", "auto"]]
    warm_up_iterations: NotRequired[int]
    give_up: NotRequired[str]


class StatedTraining(_Training):
    """Merged training settings, as stated in the file."""

    learning_rate_q: float | str
    mi_weight: float | list[float]
    mi_weight_generator: float | list[float] | str


class Training(_Training):
    """Resolved training settings, with one lambda per code and phase."""

    learning_rate_q: float
    mi_weight_discriminator: list[float]
    mi_weight_generator: list[float]
    iterations: int


class StatedNetwork(TypedDict):
    """Merged network settings, as stated in the file."""

    init: NotRequired[str]
    q_network: NotRequired[str]
    scale_init: NotRequired[bool]
    kernels: NotRequired[str]
    precision: NotRequired[str]


class Network(StatedNetwork):
    """Network settings with the implementation of each layer, and the kind of processor that it was chosen for."""

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
    own: NotRequired[dict[str, Any]]  # custom parts with digests of their source; see bench/spec/own.py
    network: Network
    noise: Noise
    codes: list[Code]
    device: str
    versions: dict[str, str]
    training: Training


class Config(Definition):
    """Everything that a cell's result depends on."""

    variant: str | None
    arm: str
    seed: int
