"""A trained InfoGAN to use: draw images with chosen codes, read codes from images. docs/API.md shows it.

A model is loaded from a folder that ``python -m bench export`` writes (``card.json`` says what it is,
``weights.safetensors`` holds the networks), or out of results by the harness. Batch norm always uses frozen
statistics, so a picture does not depend on its batch. Everything is computed in float32 by torch's own kernels,
whatever the training used.
Shape suffixes: N images, C channels, H height, W width, Z generator input, K categories.
"""

import contextlib
import hashlib
import json
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor

from infogan.batch_norm import BatchNorm
from infogan.codes import Categorical, Code, Continuous, LatentSpec, Noise
from infogan.data.base import one_line
from infogan.measures.calibration import calibrate_on_images
from infogan.measures.images import BATCH, generated
from infogan.measures.traversals import traversal
from infogan.networks import Discriminator, Generator, NetworkSettings
from infogan.own.networks import architecture_of
from infogan.weights import unpacked

FORMAT = "infogan-export-2"  # the card's first field
CARD, WEIGHTS = "card.json", "weights.safetensors"
READERS = "infogan.models"  # entry points: "cells" loads models out of results folders, packs and cells


class ModelError(ValueError):
    """What was asked of a model, or of a folder that should hold one, cannot be done. The message is one line.

    >>> try:
    ...     load("digits").sample(2, c1=10)
    ... except ModelError as error:
    ...     print(error)
    c1 takes categories 0 to 9, got 10
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(" ".join(message.split())))


class Gaussian(NamedTuple):
    """q(c|x) of a continuous code, in the code's own unit: the prior is -1 to 1. Section 6 of the paper."""

    mean: Tensor  # (N,)
    std: Tensor  # (N,)


@dataclass(frozen=True)
class CodeInfo:
    """One code of a model."""

    name: str  # c1, c2, ... as the paper counts them
    kind: str  # "categorical" or "continuous"
    num_categories: int | None  # None for a continuous code
    ceiling_nats: float | None  # H(c), which L_I cannot exceed; None for a continuous code, whose L_I has no ceiling


def latent_spec(config: Mapping[str, Any]) -> LatentSpec:
    """Codes and noise from the tables ``codes`` and ``noise`` of a cell's configuration, or of a card."""
    codes: list[Code] = []
    for code in config["codes"]:
        if code["kind"] == "categorical":
            codes.append(Categorical(code["num_categories"]))
        else:
            clip = tuple(code["std_clip"]) if "std_clip" in code else None
            codes.append(Continuous(std=code["std"], log_std_clamp=tuple(code["log_std_clamp"]), std_clip=clip))
    return LatentSpec(Noise(**config["noise"]), tuple(codes))


def network_settings(config: Mapping[str, Any]) -> NetworkSettings:
    """Settings of the networks from the table ``network`` of a cell's configuration, or of a card."""
    return NetworkSettings(**{name: value for name, value in config["network"].items() if name != "chosen_for"})


def load(
    path: str | Path,
    experiment: str | None = None,
    *,
    arm: str | None = None,
    seed: int | str | None = None,
    profile: str | None = None,
    device: str = "cpu",
) -> "Model":
    """A trained model, on ``device`` (torch's name of it).

    ``path``: a folder written by ``python -m bench export``, a results folder, a pack made with ``--weights``, or one
    cell's folder. The last three are read by the harness, which is installed with this library.
    ``experiment``, ``profile`` and ``arm`` (ARM or VARIANT/ARM) choose a cell: None, the only one there. ``seed``: a
    number, "best" (so does None) or "median". What is one network takes only what it is.
    Weights are plain tensors: a file that somebody else wrote runs no code. Raises ModelError, one line, where there is
    no such model, it came without weights, or a file is damaged.

    >>> load("digits").image_CHW
    (1, 28, 28)
    >>> load("results/latest", "mnist", arm="infogan", seed="best").image_CHW
    (1, 28, 28)
    """
    folder = Path(path)
    if folder.exists() and not (folder / CARD).exists():
        asked = {"arm": arm, "seed": seed, "profile": profile, "device": device}
        return _reader_of_cells(folder)(folder, experiment, **asked)
    card = read_card(folder)
    for name, wanted in (("experiment", experiment), ("profile", profile), ("arm", arm), ("seed", seed)):
        held = "/".join(filter(None, (card.get("variant"), card.get("arm")))) if name == "arm" else card.get(name)
        if wanted is not None and str(wanted) != str(held):
            raise ModelError(f"{folder} is one exported network, of the {name} {held!r}, not {wanted!r}")
    try:
        content = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise ModelError(f"{folder / WEIGHTS} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != card.get("weights_sha256"):
        raise ModelError(f"{folder / WEIGHTS} is damaged: its sha256 is not the card's")
    return assembled(card, content, str(folder), device=device)


def _reader_of_cells(path: Path) -> Callable[..., "Model"]:
    """What reads models out of cells, as the installed package or this checkout's pyproject.toml names it.

    This library does not know the harness. Raises ModelError where nothing is named.
    """
    named = {found.name: found for found in metadata.entry_points(group=READERS)}
    with contextlib.suppress(OSError, ValueError, LookupError):  # a checkout, in which nothing need be installed
        project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
        for name, value in project["entry-points"][READERS].items():
            named[name] = metadata.EntryPoint(name, value, READERS)
    try:
        return named["cells"].load()
    except (LookupError, ImportError, AttributeError) as error:
        why = "" if isinstance(error, LookupError) else f" ({error})"
        raise ModelError(
            f"{path} has no card.json; results and packs need the harness, bench, which is not installed here{why}: "
            "python -m bench export writes a folder that needs none"
        ) from error


def assembled(card: dict[str, Any], weights: bytes, name: str, *, device: str = "cpu") -> "Model":
    """The model of a card and of safetensors. Raises ModelError, which says ``name``, where they make none."""
    try:
        state = unpacked(weights, device)
        spec, settings = latent_spec(card), replace(network_settings(card), kernels="torch", precision="float32")
        architecture = architecture_of(card)
        with torch.device("meta"):  # no memory until the weights are there: a wrong card cannot ask for any
            generator = Generator(architecture, spec, settings)
            discriminator = Discriminator(architecture, spec, settings)
        generator.load_state_dict(state["generator"], assign=True)
        discriminator.load_state_dict(state["discriminator"], assign=True)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{name}: card and weights make no model: {type(error).__name__}: {error}") from error
    return Model(generator, discriminator, spec, card)


def read_card(folder: Path) -> dict[str, Any]:
    """What an exported model says of itself. Raises ModelError where the folder is no export."""
    try:
        card = json.loads((folder / CARD).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        there = "is no exported model: it has no card.json" if folder.exists() else "does not exist"
        raise ModelError(f"{folder} {there}; python -m bench export writes one") from error
    except OSError as error:
        raise ModelError(f"{folder / CARD} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{folder / CARD} is damaged: {error}") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ModelError(f"{folder / CARD} is no card of the format {FORMAT}")
    return card


class Model:
    """A trained generator with its Q. Made by :func:`load`. ``card`` is the content of card.json.

    ``generator`` and ``discriminator`` are modules in eval mode, with frozen statistics: latents (N, Z) to images
    (N, C, H, W) as G puts them out, in [0, 1] or, of a tanh, in [-1, 1]; one latent or many, the same picture.

    >>> model = load("digits")
    >>> latents = model.latents(5)
    >>> many, one = model.generator(latents), model.generator(latents[:1])
    >>> many.shape, bool((many[:1] - one).abs().max() < 1e-6)
    (torch.Size([5, 1, 28, 28]), True)
    """

    def __init__(
        self, generator: Generator, discriminator: Discriminator, spec: LatentSpec, card: dict[str, Any]
    ) -> None:
        self.generator, self.discriminator, self.spec, self.card = generator, discriminator, spec, card
        for network in (generator, discriminator):
            network.requires_grad_(False).eval()
            for module in network.modules():
                if isinstance(module, BatchNorm):
                    module.mode = "frozen"  # also where somebody calls the network itself
        architecture = architecture_of(card)
        self.image_CHW = architecture.image_CHW
        self._signed = architecture.output == "tanh"
        self._device = next(generator.parameters()).device

    @property
    def codes(self) -> tuple[CodeInfo, ...]:
        """Name, kind and ceiling of each code, in the order of the card: c1, c2, ... as the paper counts them.

        >>> [(code.name, code.kind) for code in load("digits").codes]
        [('c1', 'categorical'), ('c2', 'continuous'), ('c3', 'continuous')]
        """
        found = []
        for name, code in zip(self.spec.names, self.spec.codes, strict=True):
            number = code.num_categories if isinstance(code, Categorical) else None
            found.append(CodeInfo(name, code.kind, number, None if number is None else code.entropy_nats))
        return tuple(found)

    def noise(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Noise z from its prior, (n, Z of the noise), to hold it fixed over several calls of :meth:`sample`.

        >>> load("digits").noise(2, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 62])
        """
        return self.spec.noise.sample(n, generator or torch.default_generator, torch.float32)

    def latents(
        self, n: int, *, noise: Tensor | None = None, generator: torch.Generator | None = None, **codes: Any
    ) -> Tensor:
        """What the generator reads, (n, Z): noise, then the codes in order, categories one-hot.

        Takes what :meth:`sample` takes, and raises what it raises.

        >>> load("digits").latents(3, c1=7)[:, 62:72].argmax(dim=1)
        tensor([7, 7, 7])
        """
        if n < 1:
            raise ModelError(f"n must be at least 1, got {n}")
        stream = generator or torch.default_generator
        if stream.device.type != "cpu":
            raise ModelError(f"the generator must be on the CPU, not on {stream.device}: draws are the same everywhere")
        drawn = self.noise(n, stream)
        if noise is not None:
            drawn = self._noise_rows(noise, n)
        values = [code.sample(n, stream, torch.float32) for code in self.spec.codes]
        for name, given in codes.items():
            index = self.index(name)
            values[index] = self._code_values(name, given, n)
        return self.spec.assemble(drawn, tuple(values)).inputs_NZ.to(self._device)

    def sample(
        self, n: int, *, noise: Tensor | None = None, generator: torch.Generator | None = None, **codes: Any
    ) -> Tensor:
        """Images (n, C, H, W) in [0, 1], float32, on the model's device.

        ``codes``: by name, a number for all images or n of them; categories are 0 to K - 1, continuous codes were
        trained on -1 to 1. What is not given is drawn from its prior, always the same numbers for the same state of
        ``generator`` (on the CPU; None: torch's own), whatever else is given. ``noise``: one row, or n.
        Raises ModelError for an unknown code, a value that it does not take, noise of another shape, or n below 1.

        >>> model = load("digits")
        >>> model.sample(10, noise=model.noise(1), c1=3, c2=torch.linspace(-2, 2, 10)).shape
        torch.Size([10, 1, 28, 28])
        """
        return self.unit(generated(self.generator, self.latents(n, noise=noise, generator=generator, **codes)))

    @torch.no_grad()
    def encode(self, images: Tensor) -> dict[str, Tensor | Gaussian]:
        """q(c|x) of images (N, C, H, W) by code: probabilities (N, K), or mean and standard deviation, each (N,).

        ``images``: in [0, 1], or uint8 from 0 to 255. Q's statistics are those of the generator's own images until
        :meth:`calibrate`. Section 5 of the paper: Q is its auxiliary distribution. Raises ModelError for images of
        another shape or range, or none.

        >>> model = load("digits")
        >>> read = model.encode(model.sample(4))
        >>> read["c1"].shape, read["c2"].mean.shape, read["c2"].std.shape
        (torch.Size([4, 10]), torch.Size([4]), torch.Size([4]))
        """
        scaled = self._scaled(images)
        parameters = torch.cat([self.discriminator.q_of(batch) for batch in scaled.split(BATCH)])
        found: dict[str, Tensor | Gaussian] = {}
        for name, code, block in zip(self.spec.names, self.spec.codes, self.spec.split(parameters), strict=True):
            if isinstance(code, Categorical):
                found[name] = block.softmax(1)
            else:
                posterior = code.posterior(block)
                found[name] = Gaussian(posterior.mean, posterior.stddev)
        return found

    def calibrate(self, images: Tensor) -> None:
        """Freeze Q's batch-norm statistics anew over images (N, C, H, W), shuffled: real ones differ from generated.

        Our measures of real digits do the same. Raises ModelError for fewer than two images, or what :meth:`encode`
        would not read.

        >>> model = load("digits")
        >>> model.calibrate(torch.rand(300, 1, 28, 28))
        """
        if len(images) < 2:
            raise ModelError("statistics need at least two images")
        calibrate_on_images(self.discriminator, self._scaled(images))

    def traversal(self, name: str, *, seed: int = 0) -> Tensor:
        """The paper's grid of one code, (rows, columns, H, W, C) uint8: each row has other noise and other codes.

        Columns are the categories, or -2 to 2 of a continuous code, as in figure 2. Raises ModelError for an unknown
        code.

        >>> load("digits").traversal("c1").shape
        torch.Size([5, 10, 28, 28, 1])
        """
        stream = torch.Generator(self._device).manual_seed(seed)
        return traversal(self.generator, self.spec, self.index(name), stream, signed=self._signed).cpu()

    def index(self, name: str) -> int:
        """Place of a code among all, from 0. Raises ModelError for an unknown one."""
        if name not in self.spec.names:
            raise ModelError(f"unknown code {name!r}; this model has {', '.join(self.spec.names)}")
        return self.spec.names.index(name)

    def _noise_rows(self, noise: Tensor, n: int) -> Tensor:
        rows = torch.as_tensor(noise, dtype=torch.float32, device="cpu")
        rows = rows[None] if rows.dim() == 1 else rows
        if rows.dim() != 2 or rows.shape[1] != self.spec.noise.size or len(rows) not in (1, n):
            size = self.spec.noise.size
            raise ModelError(f"noise must be (1, {size}) or ({n}, {size}), got {tuple(rows.shape)}")
        return rows.expand(n, -1)

    def _code_values(self, name: str, given: Any, n: int) -> Tensor:
        """Values of one code, (n,), of the kind that it takes."""
        code = self.spec.codes[self.index(name)]
        try:
            values = torch.as_tensor(given, dtype=torch.float64, device="cpu")
        except (TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"{name} takes numbers, got {given!r}") from error
        if values.dim() > 1 or (values.dim() == 1 and len(values) not in (1, n)):
            raise ModelError(f"{name} takes one number or {n}, got the shape {tuple(values.shape)}")
        wrong = ~values.isfinite()
        if isinstance(code, Categorical):
            wrong |= (values != values.round()) | (values < 0) | (values >= code.num_categories)
        if wrong.any():
            first = values.reshape(-1)[wrong.reshape(-1)][0].item()
            what = f"categories 0 to {code.num_categories - 1}" if isinstance(code, Categorical) else "finite numbers"
            raise ModelError(f"{name} takes {what}, got {first:g}")
        return values.to(torch.int64 if isinstance(code, Categorical) else torch.float32).expand(n)

    def unit(self, images_NCHW: Tensor) -> Tensor:
        """Images (N, C, H, W) that G puts out, in [0, 1]: as they are of a sigmoid, scaled of a tanh.

        >>> model = load("digits")
        >>> bool((model.unit(torch.full((1, 1, 28, 28), 0.5)) == 0.5).all())
        True
        """
        return ((images_NCHW + 1) / 2 if self._signed else images_NCHW).clamp(0, 1)

    def _scaled(self, images: Tensor) -> Tensor:
        """Images as D reads them, on the model's device."""
        images = torch.as_tensor(images)
        if images.dim() != 4 or tuple(images.shape[1:]) != tuple(self.image_CHW) or not len(images):
            wanted = ", ".join(map(str, self.image_CHW))
            raise ModelError(f"images must be (N, {wanted}), got {tuple(images.shape)}")
        unit = images.to(self._device, torch.float32)
        unit = unit / 255 if images.dtype == torch.uint8 else unit
        low, high = unit.min().item(), unit.max().item()
        if not (math.isfinite(low) and math.isfinite(high) and low >= 0 and high <= 1):
            raise ModelError(f"images must be in [0, 1], or uint8; these reach from {low:g} to {high:g}")
        return unit * 2 - 1 if self._signed else unit
