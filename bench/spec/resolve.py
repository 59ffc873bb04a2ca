"""From the tables of experiments.toml to cells: the settings of each run, resolved to what its key is computed from.

:func:`cells` is a pure function that returns an ordered list.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from bench.spec.cells import FORMAT, Cell, input_width
from bench.spec.config import Code, Config, Definition, Network, StatedNetwork, Training
from bench.spec.experiment import ExperimentTable, merged_architecture, merged_codes, merged_noise, num_trained_on
from bench.spec.selection import Selection, experiment_table, selected_seeds
from bench.spec.tables import Spec, SpecError, merged_network, merged_training
from infogan.architectures import Architecture, Dense, Strided, adapted, choosable_layers
from infogan.data import DataInfo, OwnImages
from infogan.own.networks import architecture_of


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


class KernelChoice(NamedTuple):
    """Layers that do not use PyTorch's implementation, and the kind of processor that they were chosen for."""

    fast_layers: tuple[str, ...]
    processor: str
    gains_from_bf16: bool = False  # by the committed table


Choose = Callable[[tuple[Strided | Dense, ...], int], KernelChoice]  # takes layers and a batch size


def all_that_may_gain(layers: Sequence[Strided | Dense], batch_size: int) -> KernelChoice:
    """The choice for no particular processor: all layers."""
    return KernelChoice(tuple(layer.name for layer in layers), "any")


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
    budget = experiment.profiles[profile]
    common = _training(spec, experiment, None, None, device, budget.iterations)
    training = _training(spec, experiment, variant, arm, device, budget.iterations)
    wanted = experiment.wanted_data

    def networks(variant: str | None, arm: str | None, training: Training) -> dict[str, Any]:
        """The tables that depend on variant and arm; ``own`` only if there are custom parts."""
        named: dict[str, Any] = {"architecture": merged_architecture(experiment, variant)}
        own = spec.given.own.entries(named["architecture"], training, tables)
        named |= {"own": own} if own else {}
        table, batch_size = merged_network(spec, experiment, variant), common["batch_size"]
        codes, noise = _codes(spec, experiment, variant, arm), merged_noise(experiment, variant)
        sizes = input_width(noise.size, codes), batch_size
        network = _network(table, budget.width, architecture_of(named), *sizes, device, profile == "paper", choose)
        return named | {"network": network, "codes": codes, "noise": noise.model_dump()}

    shared: dict[str, Any] = {
        "format": FORMAT,
        "experiment": experiment_name,
        "profile": profile,
        "data": {
            "name": data.name,
            "source": data.source,
            "digest": data.digest,
            "num_images": num_trained_on(budget, data.num_train),
            **({"images": wanted.made_as} if isinstance(wanted, OwnImages) else {}),
        },
        **networks(None, None, common),
        "device": device,
        "versions": versions,
    }
    own = networks(variant, arm, training)
    if variant is not None:
        table = experiment.variants[variant]
        own["data"] = shared["data"] | {"num_images": num_trained_on(budget, data.num_train, table)}
    named = {"variant": variant, "arm": arm, "seed": seed, "training": training}
    config, definition = cast(Config, shared | own | named), cast(Definition, shared | {"training": common})
    _check_capture(f"experiments.{experiment_name}", training, device)
    _check_warm_up(f"experiments.{experiment_name}.profiles.{profile}", training)
    return Cell(config, definition, tuple(experiment.measures))


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
    seeds = selected_seeds(experiment_table(spec, experiment_name), experiment_name, profile, selection)
    return [
        resolve(spec, experiment_name, profile, variant, arm, seed, data, device, versions, choose)
        for seed in sorted({seed for own in seeds.values() for seed in own})
        for (variant, arm), own in seeds.items()
        if seed in own
    ]
