"""Load a trained InfoGAN: from a folder written by ``python -m bench export``, or through the harness from results.

``card.json`` describes the model, ``weights.safetensors`` holds the networks. Everything is computed in float32 by
torch's own kernels, whatever the training used. What a loaded model can do: :mod:`infogan.model`.
"""

import contextlib
import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from infogan import arguments
from infogan.arguments import ModelError
from infogan.blocks import NetworkSettings
from infogan.codes import Categorical, Code, Continuous, LatentSpec, Noise
from infogan.model import Gaussian, Model
from infogan.networks import Discriminator, Generator
from infogan.own.networks import architecture_of
from infogan.weights import unpacked

__all__ = ["Gaussian", "Model", "ModelError", "load"]  # what the package exports

FORMAT = "infogan-export-2"  # the card's first field
CARD, WEIGHTS = "card.json", "weights.safetensors"
READERS = "infogan.models"  # entry points: "cells" loads models out of results folders, packs and cells


def latent_spec(config: Mapping[str, Any]) -> LatentSpec:
    """Build codes and noise from the tables ``codes`` and ``noise`` of a cell's configuration or a card."""
    codes: list[Code] = []
    for code in config["codes"]:
        if code["kind"] == "categorical":
            codes.append(Categorical(code["num_categories"]))
        else:
            clip = tuple(code["std_clip"]) if "std_clip" in code else None
            codes.append(Continuous(std=code["std"], log_std_clamp=tuple(code["log_std_clamp"]), std_clip=clip))
    return LatentSpec(Noise(**config["noise"]), tuple(codes))


def network_settings(config: Mapping[str, Any]) -> NetworkSettings:
    """Build network settings from the table ``network`` of a cell's configuration or a card."""
    return NetworkSettings(**{name: value for name, value in config["network"].items() if name != "chosen_for"})


def load(
    path: str | Path,
    experiment: str | None = None,
    *,
    arm: str | None = None,
    seed: int | str | None = None,
    profile: str | None = None,
    device: str = "cpu",
) -> Model:
    """Load a trained model onto ``device`` (a torch device name).

    ``path``: a folder written by ``python -m bench export``, a results folder, a pack made with ``--weights``, or the
    folder of one cell. All but the first need the harness, which is installed with this library.
    ``experiment``, ``profile`` and ``arm`` (ARM or VARIANT/ARM) select a cell; each may be omitted if there is only
    one. ``seed``: a number, "best" (the default) or "median". For a single network (an export or one cell) they must
    match it.
    Weights are stored as plain tensors, so loading a foreign file runs no code. Raises ModelError, with a message of
    one line, if the model does not exist, has no weights or is damaged, or if the device cannot be used.

    >>> load("digits").image_CHW
    (1, 28, 28)
    >>> load("results/latest", "mnist", arm="infogan", seed="best").image_CHW
    (1, 28, 28)
    """
    arguments.require_device(device)
    folder = arguments.checked_path(path)
    try:
        holds_cells = folder.exists() and not (folder / CARD).exists()
    except OSError as error:  # this account may not look there
        raise ModelError(f"{folder} cannot be read: {error.strerror}") from error
    if holds_cells:
        asked = {"arm": arm, "seed": seed, "profile": profile, "device": device}
        return _reader_of_cells(folder)(folder, experiment, **asked)
    card = read_card(folder)
    held = card | {"arm": "/".join(str(card[part]) for part in ("variant", "arm") if card.get(part))}
    for name, wanted in (("experiment", experiment), ("profile", profile), ("arm", arm), ("seed", seed)):
        if wanted is not None and str(wanted) != str(held.get(name)):
            raise ModelError(f"{folder} is an exported network of {name} {held.get(name)!r}, not {wanted!r}")
    try:
        content = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise ModelError(f"{folder / WEIGHTS} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != card.get("weights_sha256"):
        raise ModelError(f"{folder / WEIGHTS} is damaged: its sha256 differs from the card's")
    return assembled(card, content, str(folder), device=device)


def _reader_of_cells(path: Path) -> Callable[..., Model]:
    """The function that loads models from cells, found by entry point in the installed package or this checkout.

    This library does not import the harness. Raises ModelError if no entry point is found.
    """
    named = {found.name: found for found in metadata.entry_points(group=READERS)}
    with contextlib.suppress(OSError, ValueError, LookupError):  # a checkout that is not installed
        project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
        for name, value in project["entry-points"][READERS].items():
            named[name] = metadata.EntryPoint(name, value, READERS)
    try:
        return named["cells"].load()
    except (LookupError, ImportError, AttributeError) as error:
        why = "" if isinstance(error, LookupError) else f" ({error})"
        raise ModelError(
            f"{path} has no card.json; results and packs need the harness, bench, which is not installed here{why}: "
            "python -m bench export writes a folder that does not need it"
        ) from error


def assembled(card: dict[str, Any], weights: bytes, name: str, *, device: str = "cpu") -> Model:
    """Build a model from a card and the content of a safetensors file.

    Raises ModelError, which starts with ``name``, if they do not fit together.
    """
    try:
        state = unpacked(weights, device)
        for network in state.values():
            for tensor, values in network.items():
                if values.dtype != torch.float32:
                    raise TypeError(f"{tensor} is {values.dtype}, expected torch.float32")
        spec, settings = latent_spec(card), replace(network_settings(card), kernels="torch", precision="float32")
        architecture = architecture_of(card)
        with torch.device("meta"):  # allocates nothing, so a wrong card cannot exhaust the memory
            generator = Generator(architecture, spec, settings)
            discriminator = Discriminator(architecture, spec, settings)
        generator.load_state_dict(state["generator"], assign=True)
        discriminator.load_state_dict(state["discriminator"], assign=True)
    except (LookupError, AttributeError, SafetensorError, *arguments.REFUSED) as error:
        raise ModelError(f"{name}: card and weights do not form a model: {type(error).__name__}: {error}") from error
    return Model(generator, discriminator, spec, card)


def read_card(folder: Path) -> dict[str, Any]:
    """Read the card of an exported model. Raises ModelError if the folder is not an export."""
    try:
        card = json.loads((folder / CARD).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        there, made = "does not exist", "run writes results, export a model"
        if folder.exists():
            there, made = "is not an exported model: it has no card.json", "export writes one"
        raise ModelError(f"{folder} {there}; python -m bench {made}") from error
    except OSError as error:
        raise ModelError(f"{folder / CARD} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{folder / CARD} is damaged: {error}") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ModelError(f"{folder / CARD} is not a card of format {FORMAT}")
    return card
