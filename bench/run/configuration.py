"""A cell's configuration as the library's own types. Imports torch, as only workers do."""

from typing import Any

from infogan.api import latent_spec, network_settings
from infogan.own.networks import make_known
from infogan.own.sources import is_reference
from infogan.step import StepSettings
from infogan.training import TrainingConfig


def training_config(config: dict[str, Any]) -> TrainingConfig:
    """The library's configuration from a cell's.

    Own networks become known to this process by their name; an own optimiser or step is :mod:`bench.run.own`'s matter.
    """
    make_known(config)
    training = dict(config["training"])
    batch_size, step_kind, iterations = training.pop("batch_size"), training.pop("step"), training.pop("iterations")
    capture = training.pop("capture", "off")
    training.pop("optimizer", None)
    for name in ("mi_weight_discriminator", "mi_weight_generator"):
        training[name] = tuple(training[name])
    return TrainingConfig(
        architecture=config["architecture"],
        latents=latent_spec(config),
        step=StepSettings(**training),
        iterations=iterations,
        network=network_settings(config),
        batch_size=batch_size,
        step_kind="fused" if is_reference(step_kind) else step_kind,
        capture=capture,
        device=config["device"],
    )
