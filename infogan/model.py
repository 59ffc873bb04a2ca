"""A trained InfoGAN in use: sample images with chosen codes, infer codes from images. docs/API.md has examples.

Batch norm always uses frozen statistics, so an image does not depend on its batch.
Shape suffixes: N images, C channels, H height, W width, Z generator input, K categories.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from infogan import arguments
from infogan.arguments import ModelError
from infogan.batch_norm import BatchNorm
from infogan.codes import Categorical, LatentSpec
from infogan.measures.calibration import calibrate_on_images
from infogan.measures.images import BATCH, generated
from infogan.measures.traversals import traversal
from infogan.networks import Discriminator, Generator
from infogan.own.networks import architecture_of


class Gaussian(NamedTuple):
    """q(c|x) of a continuous code, in the code's unit (prior: -1 to 1). Section 6 of the paper."""

    mean: Tensor  # (N,)
    std: Tensor  # (N,)


@dataclass(frozen=True)
class CodeInfo:
    """One code of a model."""

    name: str  # c1, c2, ... as the paper counts them
    kind: str  # "categorical" or "continuous"
    num_categories: int | None  # None for a continuous code
    ceiling_nats: float | None  # H(c), which L_I cannot exceed; None for a continuous code, whose L_I has no ceiling


class Model:
    """A trained generator with its Q, as returned by :func:`infogan.load`. ``card`` is the content of card.json.

    ``generator`` and ``discriminator`` are modules in eval mode with frozen statistics. ``generator`` maps latents (N,
    Z) to images (N, C, H, W) in [0, 1], or in [-1, 1] for a tanh output; an image does not depend on the rest of its
    batch.

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
                    module.mode = "frozen"  # also if a caller uses the module directly
        architecture = architecture_of(card)
        self.image_CHW = architecture.image_CHW
        self._signed = architecture.output == "tanh"
        self._device = next(generator.parameters()).device

    @property
    def codes(self) -> tuple[CodeInfo, ...]:
        """Name, kind and ceiling of each code, in the paper's order c1, c2, ...

        >>> [(code.name, code.kind) for code in load("digits").codes]
        [('c1', 'categorical'), ('c2', 'continuous'), ('c3', 'continuous')]
        """
        found = []
        for name, code in zip(self.spec.names, self.spec.codes, strict=True):
            number = code.num_categories if isinstance(code, Categorical) else None
            found.append(CodeInfo(name, code.kind, number, None if number is None else code.entropy_nats))
        return tuple(found)

    def noise(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Sample noise z from its prior, (n, width of the noise), for use in several calls of :meth:`sample`.

        ``generator`` is as there. Raises ModelError for an n below 1.

        >>> load("digits").noise(2, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 62])
        """
        return self.spec.noise.sample(arguments.count(n), arguments.stream(generator), torch.float32)

    def latents(
        self, n: int, *, noise: Tensor | None = None, generator: torch.Generator | None = None, **codes: Any
    ) -> Tensor:
        """The generator's input, (n, Z): noise, then the codes in order, categorical ones one-hot.

        Takes the arguments of :meth:`sample` and raises the same errors.

        >>> load("digits").latents(3, c1=7)[:, 62:72].argmax(dim=1)
        tensor([7, 7, 7])
        """
        n, stream = arguments.count(n), arguments.stream(generator)
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
        """Sample images (n, C, H, W) in [0, 1], float32, on the model's device.

        ``codes``: by name, one value for all images or n values. Categories are 0 to K - 1; continuous codes were
        trained on -1 to 1. Codes that are not given are drawn from their prior; they depend on the state of
        ``generator`` (a CPU generator; default: torch's global one) but not on which other codes are given. ``noise``:
        one row or n. Raises ModelError for an unknown code, an invalid value, noise of another shape, or n below 1.

        >>> model = load("digits")
        >>> model.sample(10, noise=model.noise(1), c1=3, c2=torch.linspace(-2, 2, 10)).shape
        torch.Size([10, 1, 28, 28])
        """
        return self.unit(generated(self.generator, self.latents(n, noise=noise, generator=generator, **codes)))

    @torch.no_grad()
    def encode(self, images: Tensor) -> dict[str, Tensor | Gaussian]:
        """q(c|x) for images (N, C, H, W), by code: probabilities (N, K), or mean and standard deviation, each (N,).

        ``images``: in [0, 1], or uint8 in 0 to 255. Q's batch-norm statistics are those of generated images until
        :meth:`calibrate` is called. Section 5 of the paper: Q is its auxiliary distribution. Raises ModelError for
        images of another shape or range, or for none.

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
        """Recompute Q's frozen batch-norm statistics on images (N, C, H, W), which must be shuffled.

        Call this before encoding real images, as the measures on real digits do. Raises ModelError for fewer than two
        images, and as :meth:`encode` does.

        >>> model = load("digits")
        >>> model.calibrate(torch.rand(300, 1, 28, 28))
        """
        scaled = self._scaled(images)
        if len(scaled) < 2:
            raise ModelError("statistics need at least two images")
        calibrate_on_images(self.discriminator, scaled)

    def traversal(self, name: str, *, seed: int = 0) -> Tensor:
        """The paper's grid for one code, (rows, columns, H, W, C) uint8; each row has its own noise and other codes.

        Columns are the categories, or -2 to 2 for a continuous code, as in figure 2. Raises ModelError for an unknown
        code or an invalid seed.

        >>> load("digits").traversal("c1").shape
        torch.Size([5, 10, 28, 28, 1])
        """
        stream = torch.Generator(self._device).manual_seed(arguments.seed(seed))
        return traversal(self.generator, self.spec, self.index(name), stream, signed=self._signed).cpu()

    def index(self, name: str) -> int:
        """Index of a code, from 0. Raises ModelError if it is unknown."""
        if name not in self.spec.names:
            raise ModelError(f"unknown code {name!r}; this model has {', '.join(self.spec.names)}")
        return self.spec.names.index(name)

    def _noise_rows(self, noise: Tensor, n: int) -> Tensor:
        rows = arguments.numbers("noise", noise, torch.float32)
        rows = rows[None] if rows.dim() == 1 else rows
        if rows.dim() != 2 or rows.shape[1] != self.spec.noise.size or len(rows) not in (1, n):
            size = self.spec.noise.size
            raise ModelError(f"noise must have shape (1, {size}) or ({n}, {size}), got {tuple(rows.shape)}")
        if not rows.isfinite().all():
            raise ModelError("noise: expected finite numbers")
        return rows.expand(n, -1)

    def _code_values(self, name: str, given: Any, n: int) -> Tensor:
        """Check and convert the values of one code, (n,)."""
        code = self.spec.codes[self.index(name)]
        values = arguments.numbers(name, given, torch.float64)
        if values.dim() > 1 or (values.dim() == 1 and len(values) not in (1, n)):
            raise ModelError(f"{name} takes one number or {n}, got shape {tuple(values.shape)}")
        wrong = ~values.to(torch.float32).isfinite()  # the generator's type: 1e300 is infinite there
        if isinstance(code, Categorical):
            wrong |= (values != values.round()) | (values < 0) | (values >= code.num_categories)
        if wrong.any():
            first = values.reshape(-1)[wrong.reshape(-1)][0].item()
            what = f"categories 0 to {code.num_categories - 1}" if isinstance(code, Categorical) else "finite numbers"
            raise ModelError(f"{name} takes {what}, got {first:g}")
        return values.to(torch.int64 if isinstance(code, Categorical) else torch.float32).expand(n)

    def unit(self, images_NCHW: Tensor) -> Tensor:
        """Map the generator's output (N, C, H, W) to [0, 1]: unchanged for a sigmoid output, rescaled for tanh.

        >>> model = load("digits")
        >>> bool((model.unit(torch.full((1, 1, 28, 28), 0.5)) == 0.5).all())
        True
        """
        return ((images_NCHW + 1) / 2 if self._signed else images_NCHW).clamp(0, 1)

    def _scaled(self, images: Tensor) -> Tensor:
        """Check images and scale them to the range that D reads, on the model's device."""
        images = arguments.numbers("images", images)
        if images.dim() != 4 or tuple(images.shape[1:]) != tuple(self.image_CHW) or not len(images):
            wanted = ", ".join(map(str, self.image_CHW))
            raise ModelError(f"images must have shape (N, {wanted}), got {tuple(images.shape)}")
        unit = images.to(self._device, torch.float32)
        unit = unit / 255 if images.dtype == torch.uint8 else unit
        low, high = unit.min().item(), unit.max().item()
        if not (math.isfinite(low) and math.isfinite(high) and low >= 0 and high <= 1):
            raise ModelError(f"images must be in [0, 1], or uint8; these range from {low:g} to {high:g}")
        return unit * 2 - 1 if self._signed else unit
