"""From the tables of experiments.toml to cells: the settings of each run, resolved to what its key is computed from.

:func:`cells` is a pure function that returns an ordered list.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, cast

from bench.spec.cells import FORMAT, Cell, input_width
from bench.spec.config import Code, Config, Definition, Network, StatedNetwork, Training
from bench.spec.experiment import (
    ExperimentTable,
    ProfileTable,
    merged_architecture,
    merged_codes,
    merged_noise,
    num_trained_on,
)
from bench.spec.selection import Selection, experiment_table, selected_seeds
from bench.spec.tables import Spec, SpecError, merged_network, merged_training
from infogan.architectures import Architecture, Dense, Strided, adapted, choosable_layers
from infogan.data import DataInfo, OwnImages
from infogan.own.networks import architecture_of


class KernelChoice(NamedTuple):
    """Layers that do not use PyTorch's implementation, and the kind of processor that they were chosen for."""

    fast_layers: tuple[str, ...]
    processor: str
    gains_from_bf16: bool = False  # by the committed table


Choose = Callable[[tuple[Strided | Dense, ...], int], KernelChoice]  # takes layers and a batch size


def all_that_may_gain(layers: Sequence[Strided | Dense], batch_size: int) -> KernelChoice:
    """The choice for no particular processor: all layers."""
    return KernelChoice(tuple(layer.name for layer in layers), "any")


@dataclass(frozen=True)
class Machine:
    """What a key says of where a cell is trained. ``versions``: of torch and of the training code."""

    device: str
    versions: dict[str, str]
    choose: Choose = all_that_may_gain


@dataclass(frozen=True)
class Resolver:
    """Resolves cells of one experiment at one profile.

    ``tables``: of custom networks, instead of those known to the spec.
    """

    spec: Spec
    name: str
    profile: str
    data: DataInfo
    machine: Machine
    tables: Mapping[str, Any] | None = None

    def cell(self, variant: str | None, arm: str, seed: int) -> Cell:
        """A cell with its full configuration. Raises SpecError for settings that do not fit together."""
        training = self._training(variant, arm)
        own: dict[str, Any] = self._networks(variant, arm, training)
        if variant is not None:
            num_images = num_trained_on(self._budget, self.data.num_train, self._table.variants[variant])
            own["data"] = self._shared["data"] | {"num_images": num_images}
        own |= {"variant": variant, "arm": arm, "seed": seed, "training": training}
        _check_capture(f"experiments.{self.name}", training, self.machine.device)
        _check_warm_up(f"experiments.{self.name}.profiles.{self.profile}", training)
        definition = cast(Definition, self._shared | {"training": self._common})
        return Cell(cast(Config, self._shared | own), definition, tuple(self._table.measures))

    @property
    def _table(self) -> ExperimentTable:
        return self.spec.experiments[self.name]

    @property
    def _budget(self) -> ProfileTable:
        return self._table.profiles[self.profile]

    @cached_property
    def _common(self) -> Training:
        """The experiment's training settings, before variant and arm."""
        return self._training(None, None)

    @cached_property
    def _shared(self) -> dict[str, Any]:
        """What all cells have in common unless their variant or arm replaces it."""
        wanted = self._table.wanted_data
        return {
            "format": FORMAT,
            "experiment": self.name,
            "profile": self.profile,
            "data": {
                "name": self.data.name,
                "source": self.data.source,
                "digest": self.data.digest,
                "num_images": num_trained_on(self._budget, self.data.num_train),
                **({"images": wanted.made_as} if isinstance(wanted, OwnImages) else {}),
            },
            **self._networks(None, None, self._common),
            "device": self.machine.device,
            "versions": self.machine.versions,
        }

    def _training(self, variant: str | None, arm: str | None) -> Training:
        """Training settings as numbers: one lambda per code and phase, Q's rate, no graph capture on a CPU."""
        merged = merged_training(self.spec, self._table, variant, arm)
        if merged.get("capture") == "auto" and (self.machine.device == "cpu" or merged["step"] != "fused"):
            merged["capture"] = "off"
        num_codes = len(self._codes(variant, arm))
        rates = {"discriminator": merged["learning_rate_discriminator"], "generator": merged["learning_rate_generator"]}
        rate_q, weight = merged["learning_rate_q"], merged["mi_weight"]
        weight_g = weight if merged["mi_weight_generator"] == "same" else merged["mi_weight_generator"]
        resolved = {
            "learning_rate_q": rates[rate_q] if isinstance(rate_q, str) else rate_q,
            "mi_weight_discriminator": weight if isinstance(weight, list) else [weight] * num_codes,
            "mi_weight_generator": weight_g if isinstance(weight_g, list) else [weight_g] * num_codes,
            "iterations": self._budget.iterations,
        }
        kept = {k: v for k, v in merged.items() if k not in ("mi_weight", "mi_weight_generator")}
        return cast(Training, kept | resolved)

    def _codes(self, variant: str | None, arm: str | None) -> list[Code]:
        codes = merged_codes(self._table, variant, None if arm is None else self.spec.arms[arm])
        return [cast(Code, code.model_dump(mode="json", exclude_none=True)) for code in codes]

    def _networks(self, variant: str | None, arm: str | None, training: Training) -> dict[str, Any]:
        """The tables that depend on variant and arm; ``own`` only if there are custom parts."""
        found: dict[str, Any] = {"architecture": merged_architecture(self._table, variant)}
        own = self.spec.given.own.entries(found["architecture"], training, self.tables)
        found |= {"own": own} if own else {}
        stated = merged_network(self.spec, self._table, variant)
        codes, noise = self._codes(variant, arm), merged_noise(self._table, variant)
        network = self._network(stated, architecture_of(found), input_width(noise.size, codes))
        return found | {"network": network, "codes": codes, "noise": noise.model_dump()}

    def _network(self, table: StatedNetwork, found: Architecture, input_width: int) -> Network:
        """Network settings, with the implementation of each layer and the processor that it was chosen for.

        ``precision="auto"`` is bf16 on processors that gain from it; at profile paper, elsewhere and on a GPU float32.
        """
        width, batch_size, on_cpu = self._budget.width, self._common["batch_size"], self.machine.device == "cpu"
        is_auto = table.get("precision") == "auto"
        if is_auto:
            gains = on_cpu and self.profile != "paper" and self.machine.choose((), batch_size).gains_from_bf16
            table = cast(StatedNetwork, {**table, "precision": "bf16" if gains else "float32"})
        is_rounded = table.get("precision") == "bf16"
        if not on_cpu or not (is_auto if is_rounded else table.get("kernels") == "fastest"):
            return {**table, "width": width}
        layers = () if is_rounded else choosable_layers(adapted(found, table), input_width, width)
        choice = self.machine.choose(layers, batch_size)
        return {**table, "width": width, "fast_layers": list(choice.fast_layers), "chosen_for": choice.processor}


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
    spec: Spec, experiment_name: str, profile: str, selection: Selection, data: DataInfo, machine: Machine
) -> list[Cell]:
    """The cells of one experiment, ordered by seed, then variant, then arm, so an interrupted sweep has complete seeds.

    Raises SpecError if the experiment lacks what is selected.
    """
    seeds = selected_seeds(experiment_table(spec, experiment_name), experiment_name, profile, selection)
    resolver = Resolver(spec, experiment_name, profile, data, machine)
    return [
        resolver.cell(variant, arm, seed)
        for seed in sorted({seed for own in seeds.values() for seed in own})
        for (variant, arm), own in seeds.items()
        if seed in own
    ]
