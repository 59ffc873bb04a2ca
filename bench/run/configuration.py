"""Convert a cell's configuration to the library's types. Imports torch, so only workers import it."""

from typing import Any

from bench.spec.config import Config
from infogan.api import latent_spec, network_settings
from infogan.own.networks import make_known
from infogan.step import StepSettings
from infogan.training import TrainingConfig

OF_THE_LOOP = ("batch_size", "step", "iterations", "capture", "optimizer")  # settings of the loop, not of a single step


def training_config(config: Config) -> TrainingConfig:
    """The library's configuration for a cell.

    Registers custom networks in this process; custom optimisers and steps are handled by :mod:`bench.run.own`.
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
