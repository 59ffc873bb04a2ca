"""Cells: the resolved configuration of each run, and the keys that decide what is reused and what is compared.

A cell is (experiment, variant, arm, seed) at a profile. ``cells`` is a pure function that returns an ordered list.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple, cast

from bench.spec.config import Code, Config, Definition, Network, StatedNetwork, Training
from bench.spec.experiment import ExperimentTable, group_name, merged_architecture, merged_codes
from bench.spec.selection import Selection, selected_seeds
from bench.spec.tables import Spec, SpecError, merged_network, merged_training
from infogan.architectures import Architecture, Dense, Strided, adapted, choosable_layers
from infogan.data import DataInfo, OwnImages
from infogan.own.networks import architecture_of
from infogan.version import code_digest, library_versions

FORMAT = 1  # of records; records of another format are not read
T80_RULE = {"fraction": 0.8, "window": 11}  # share of H(c); iterations of the centred moving average


# files of infogan/measures that bench.run.keep uses on the networks, with their imports
EVALUATION_FILES = ("bound", "calibration", "digits/assignment", "health", "images", "probes", "subsets", "traversals")


def digest(value: Any) -> str:
    """sha256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Cell:
    """One training run."""

    experiment: str
    profile: str
    variant: str | None
    arm: str
    seed: int
    config: Config
    definition: Definition
    measures: tuple[str, ...] = ()  # the experiment's families of measures; not part of the key

    @property
    def key(self) -> str:
        """Digest of the configuration; results with the same key are reused."""
        return digest(self.config)

    @property
    def definition_key(self) -> str:
        """Digest of what a sweep shares; cells with the same one belong in one table."""
        return digest(self.definition)

    @property
    def comparison(self) -> dict[str, object]:
        """What two sets of runs must share to be compared; everything else is the treatment under test."""
        c = self.config
        return {
            "experiment": self.experiment,
            "variant": self.variant,
            "arm": self.arm,
            "data_digest": c["data"]["digest"],
            "num_images": c["data"]["num_images"],
            "codes": c["codes"],
            "iterations": c["training"]["iterations"],
            "batch_size": c["training"]["batch_size"],
            "width": c["network"]["width"],
            "t80": T80_RULE,
        }

    @property
    def group(self) -> str:
        """Variant and arm, ``variant/arm``."""
        return group_name(self.variant, self.arm)

    @property
    def name(self) -> str:
        """Variant, arm and seed, ``variant/arm/seed-k``."""
        return f"{self.group}/seed-{self.seed}"

    @property
    def folder(self) -> PurePosixPath:
        """Folder of its records below the results folder. Cells with another key have another folder."""
        return PurePosixPath("cells", self.experiment, self.profile, self.name, self.key[:12])

    @property
    def input_width(self) -> int:
        """Width of the generator's input: noise and codes."""
        return _input_width(self.config["noise"]["size"], self.config["codes"])

    @property
    def is_rounded(self) -> bool:
        """Whether it is trained in bfloat16."""
        return self.config["network"].get("precision") == "bf16"

    @property
    def iterations(self) -> int:
        return self.config["training"]["iterations"]


def _training(
    spec: Spec, experiment: ExperimentTable, variant: str | None, arm: str | None, device: str, iterations: int
) -> Training:
    """Resolve the training settings to numbers: one lambda per code and phase, Q's rate, no graph capture on a CPU."""
    merged = merged_training(spec, experiment, variant, arm)
    if merged.get("capture") == "auto" and (device == "cpu" or merged["step"] != "fused"):
        merged["capture"] = "off"
    num_codes = len(_codes(spec, experiment, variant, arm))
    rates = {"discriminator": merged["learning_rate_discriminator"], "generator": merged["learning_rate_generator"]}
    rate_q, weight = merged["learning_rate_q"], merged["mi_weight"]
    weight_g = weight if merged["mi_weight_generator"] == "same" else merged["mi_weight_generator"]
    resolved = {
        "learning_rate_q": rates[rate_q] if isinstance(rate_q, str) else rate_q,
        "mi_weight_discriminator": weight if isinstance(weight, list) else [weight] * num_codes,
        "mi_weight_generator": weight_g if isinstance(weight_g, list) else [weight_g] * num_codes,
        "iterations": iterations,
    }
    kept = {k: v for k, v in merged.items() if k not in ("mi_weight", "mi_weight_generator")}
    return cast(Training, kept | resolved)


def _codes(spec: Spec, experiment: ExperimentTable, variant: str | None, arm: str | None) -> list[Code]:
    codes = merged_codes(experiment, variant, None if arm is None else spec.arms[arm])
    return [cast(Code, code.model_dump(mode="json", exclude_none=True)) for code in codes]


def _input_width(noise_size: int, codes: Sequence[Code]) -> int:
    return noise_size + sum(code["num_categories"] if code["kind"] == "categorical" else 1 for code in codes)


class Choice(NamedTuple):
    """Layers that do not use PyTorch's implementation, and the kind of processor that they were chosen for."""

    fast_layers: tuple[str, ...]
    processor: str
    gains_from_bf16: bool = False  # by the committed table


Choose = Callable[[tuple[Strided | Dense, ...], int], Choice]  # takes layers and a batch size


def all_that_may_gain(layers: Sequence[Strided | Dense], batch_size: int) -> Choice:
    """The choice for no particular processor: all layers."""
    return Choice(tuple(layer.name for layer in layers), "any")


def _network(
    table: StatedNetwork,
    width: float,
    found: Architecture,
    input_width: int,
    batch_size: int,
    device: str,
    is_exact: bool,
    choose: Choose,
) -> Network:
    """Resolve the network settings, with the implementation of each layer and the processor that it was chosen for.

    ``precision="auto"`` is bf16 on processors that gain from it, unless ``is_exact``; elsewhere and on a GPU float32.
    """
    is_auto = table.get("precision") == "auto"
    if is_auto:
        gains = device == "cpu" and not is_exact and choose((), batch_size).gains_from_bf16
        table = cast(StatedNetwork, {**table, "precision": "bf16" if gains else "float32"})
    is_rounded = table.get("precision") == "bf16"
    if device != "cpu" or not (is_auto if is_rounded else table.get("kernels") == "fastest"):
        return {**table, "width": width}
    layers = () if is_rounded else choosable_layers(adapted(found, table), input_width, width)
    choice = choose(layers, batch_size)
    return {**table, "width": width, "fast_layers": list(choice.fast_layers), "chosen_for": choice.processor}


def resolve(
    spec: Spec,
    experiment_name: str,
    profile: str,
    variant: str | None,
    arm: str,
    seed: int,
    data: DataInfo,
    device: str,
    versions: dict[str, str],
    choose: Choose = all_that_may_gain,
    tables: Mapping[str, Any] | None = None,
) -> Cell:
    """Resolve the full configuration of one cell. ``versions``: of torch and of the training code.

    ``tables``: of custom networks, instead of those known to the spec.
    """
    experiment = spec.experiments[experiment_name]
    budget = experiment.profiles[profile]  # type: ignore[index]
    num_images = min(budget.num_images or data.num_train, data.num_train)
    common = _training(spec, experiment, None, None, device, budget.iterations)
    training = _training(spec, experiment, variant, arm, device, budget.iterations)
    wanted = experiment.wanted_data

    def networks(variant: str | None, arm: str | None, training: Training) -> dict[str, Any]:
        """The tables that depend on variant and arm; ``own`` only if there are custom parts."""
        named: dict[str, Any] = {"architecture": merged_architecture(experiment, variant)}
        own = spec.given.own.entries(named["architecture"], training, tables)
        named |= {"own": own} if own else {}
        table, batch_size = merged_network(spec, experiment, variant), common["batch_size"]
        codes = _codes(spec, experiment, variant, arm)
        sizes = _input_width(experiment.noise.size, codes), batch_size
        network = _network(table, budget.width, architecture_of(named), *sizes, device, profile == "paper", choose)
        return named | {"network": network, "codes": codes}

    shared: dict[str, Any] = {
        "format": FORMAT,
        "experiment": experiment_name,
        "profile": profile,
        "data": {
            "name": data.name,
            "source": data.source,
            "digest": data.digest,
            "num_images": num_images,
            **({"images": wanted.made_as} if isinstance(wanted, OwnImages) else {}),
        },
        **networks(None, None, common),
        "noise": experiment.noise.model_dump(),
        "device": device,
        "versions": versions,
    }
    own = networks(variant, arm, training)
    if variant is not None:
        table = experiment.variants[variant]
        own["noise"] = shared["noise"] | ({"prior": table.noise_prior} if table.noise_prior else {})
        own["data"] = shared["data"] | {"num_images": round(num_images * table.share_of_images)}
    named = {"variant": variant, "arm": arm, "seed": seed, "training": training}
    config, definition = cast(Config, shared | own | named), cast(Definition, shared | {"training": common})
    _check_capture(f"experiments.{experiment_name}", training, device)
    _check_warm_up(f"experiments.{experiment_name}.profiles.{profile}", training)
    return Cell(experiment_name, profile, variant, arm, seed, config, definition, tuple(experiment.measures))


def _check_capture(where: str, training: Training, device: str) -> None:
    """Raise SpecError if an iteration cannot be captured as a CUDA graph."""
    if training.get("capture", "off") != "graph":
        return
    if device != "cuda":
        raise SpecError(f"{where}: capture = 'graph' needs a GPU, but the device is {device}; choose 'off'")
    if training["step"] != "fused":
        raise SpecError(f"{where}: capture = 'graph' needs step = 'fused', got {training['step']!r}")


def _check_warm_up(where: str, training: Training) -> None:
    """Raise SpecError if the warm-up takes the whole budget."""
    warm_up = training.get("warm_up_iterations", 0)
    if warm_up and warm_up >= training["iterations"]:
        raise SpecError(
            f"{where}: warm_up_iterations = {warm_up}: expected fewer than the {training['iterations']} iterations"
        )


def evaluation_code() -> str:
    """Digest of the code that computes the rest of a cell's record: frozen L_I, health, grids and probes."""
    return code_digest(tuple(f"measures/{name}" for name in EVALUATION_FILES))


def measure_key(cell: Cell, family: str) -> str:
    """Key of a family of measures: it covers the cell, the code of the measures, and scikit-learn's version.

    The other libraries are covered by the cell's own key.
    """
    return digest(
        [cell.key, family, code_digest(("measures", "data/rendering/controlled")), library_versions(("scikit-learn",))]
    )


def cells(
    spec: Spec,
    experiment_name: str,
    profile: str,
    selection: Selection,
    data: DataInfo,
    device: str,
    versions: dict[str, str],
    choose: Choose = all_that_may_gain,
) -> list[Cell]:
    """The cells of one experiment, ordered by seed, then variant, then arm, so an interrupted sweep has complete seeds.

    Raises SpecError if the experiment lacks what is selected.
    """
    seeds = selected_seeds(spec, experiment_name, profile, selection)
    return [
        resolve(spec, experiment_name, profile, variant, arm, seed, data, device, versions, choose)
        for seed in sorted({seed for own in seeds.values() for seed in own})
        for (variant, arm), own in seeds.items()
        if seed in own
    ]
