"""A cell's configuration as the library's own types. Imports torch, as only workers do."""

from typing import Any

from bench.spec.config import Config
from infogan.api import latent_spec, network_settings
from infogan.own.networks import make_known
from infogan.step import StepSettings
from infogan.training import TrainingConfig

OF_THE_LOOP = ("batch_size", "step", "iterations", "capture", "optimizer")  # not of one step


def training_config(config: Config) -> TrainingConfig:
    """The library's configuration from a cell's.

    Own networks become known to this process by their name; an own optimiser or step is :mod:`bench.run.own`'s matter.
    """
    make_known(config)
    training = config["training"]
    step: Any = {name: value for name, value in training.items() if name not in OF_THE_LOOP}
    for name in ("mi_weight_discriminator", "mi_weight_generator"):
        step[name] = tuple(step[name])
    return TrainingConfig(
        architecture=config["architecture"],
        latents=latent_spec(config),
        step=StepSettings(**step),
        iterations=training["iterations"],
        network=network_settings(config),
        batch_size=training["batch_size"],
        step_kind="reference" if training["step"] == "reference" else "fused",
        capture=training.get("capture", "off"),
        device=config["device"],
    )
