"""An atlas of a generator: images on a fixed grid of its latents, packed so that no model is needed to explore them.

A panel varies one latent, or a categorical and two continuous codes together. Its rows have different noise and
different fixed codes, the same in all panels of an atlas. The last panel varies noise instead of codes, over the same
range; it takes the noise dimensions that change the images most.
Shape suffixes: N images of a panel, Z generator input, C channels, H height, W width.
"""

import io
import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from infogan.codes import Categorical, LatentSpec
from infogan.measures.images import BATCH, generated, pixels
from infogan.measures.traversals import SWEEP
from infogan.networks import Generator

FORMAT = 1  # version of the layout
NOISE = "noise"  # name of the panel that varies noise
ROWS = 3  # number of draws of everything that a panel keeps fixed
POSITIONS = tuple(round(SWEEP * (k / 3 - 1), 3) for k in range(7))  # values of a continuous code or a noise dimension
MAX_JOINT = 500  # images per row in a panel that varies several latents
MAX_SIDE = 64  # pixels; larger images are reduced to this
MAX_BYTES = 200_000  # for all pictures of an atlas together
ACROSS = 40  # images per line of a picture
GREY_LEVELS = (64, 32, 16, 12, 8, 6)  # lossless WebP of quantised greys: for digits smaller than lossy WebP
QUALITIES = (90, 75, 60, 40, 20, 0)  # of lossy WebP
SAMPLE = 6  # every so many strips, one is encoded to estimate the size of a picture


@dataclass(frozen=True)
class Axis:
    """A latent that a panel varies: a code, or a noise dimension (z1, z2, ...)."""

    name: str
    kind: str  # "categorical", "continuous" or "noise"
    values: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """Images for all combinations of its axes' values; the last axis varies fastest, the row slowest."""

    name: str
    axes: tuple[Axis, ...]

    @property
    def num_places(self) -> int:
        return math.prod(len(axis.values) for axis in self.axes)


@dataclass(frozen=True)
class Atlas:
    """One WebP picture per panel, and ``layout``, which describes them in plain JSON."""

    layout: dict[str, Any]
    pictures: dict[str, bytes]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Named byte arrays for an archive; the layout is under "layout"."""
        contents = self.pictures | {"layout": json.dumps(self.layout).encode()}
        return {name: np.frombuffer(content, np.uint8) for name, content in contents.items()}


@torch.no_grad()
def draw_atlas(generator: Generator, spec: LatentSpec, seed: int, *, signed: bool) -> Atlas:
    """Draw the atlas of a generator on the CPU with frozen batch-norm statistics. ``signed``: G's output is in [-1, 1].

    The pictures have at most ``MAX_BYTES`` together. Raises ValueError if they cannot be made that small.
    """
    shown = panels(spec, strongest_noise(generator, spec, seed))
    tiles = {panel.name: _images(generator, panel_inputs(spec, panel, seed), signed=signed) for panel in shown}
    height, width, channels = next(iter(tiles.values())).shape[1:]
    pages = {name: _page(images_NHWC) for name, images_NHWC in tiles.items()}
    encoding, pictures = _packed(pages, height, is_grey=channels == 1)
    layout = {"format": FORMAT, "rows": ROWS, "across": ACROSS, "width": width, "height": height}
    return Atlas(layout | {"encoding": encoding, "panels": [asdict(panel) for panel in shown]}, pictures)


def panels(spec: LatentSpec, noise: tuple[int, ...]) -> list[Panel]:
    """One panel of all codes if they are few, else one per code; then a panel of the first ``noise`` dimensions."""
    codes = []
    for name, code in zip(spec.names, spec.codes, strict=True):
        if isinstance(code, Categorical):
            codes.append(Axis(name, "categorical", tuple(map(float, range(code.num_categories)))))
        else:
            codes.append(Axis(name, "continuous", POSITIONS))
    categories = tuple(axis for axis in codes if axis.kind == "categorical")
    moved = tuple(axis for axis in codes if axis.kind == "continuous")
    joint = Panel("codes", (*categories, *moved))
    is_joint = len(categories) <= 1 and len(moved) <= 2 and joint.num_places <= MAX_JOINT
    found = [joint] if is_joint else [Panel(axis.name, (axis,)) for axis in codes]
    dimensions = noise[: max(1, len(moved)) if is_joint else 1]
    if dimensions:
        axes = tuple(Axis(f"z{k + 1}", NOISE, POSITIONS) for k in dimensions)
        found.append(Panel(NOISE, (*categories, *axes) if is_joint else axes))
    return found


def panel_inputs(spec: LatentSpec, panel: Panel, seed: int) -> Tensor:
    """Generator inputs for a panel's images, (N, Z) with N = ROWS * num_places, float32 on the CPU."""
    noise, fixed = _rows(spec, seed)
    noise_NZ = noise.repeat_interleave(panel.num_places, dim=0)
    values = [code.repeat_interleave(panel.num_places) for code in fixed]
    places = torch.tensor(list(itertools.product(*(axis.values for axis in panel.axes))), dtype=torch.float32)
    for axis, column in zip(panel.axes, places.repeat(ROWS, 1).T, strict=True):
        if axis.kind == NOISE:
            noise_NZ[:, int(axis.name[1:]) - 1] = column
        else:
            index = spec.names.index(axis.name)
            values[index] = column.to(values[index].dtype)
    return spec.assemble(noise_NZ, tuple(values)).inputs_NZ


@torch.no_grad()
def strongest_noise(generator: Generator, spec: LatentSpec, seed: int) -> tuple[int, ...]:
    """The two noise dimensions that change the rows' images most between the ends of the sweep."""
    noise, fixed = _rows(spec, seed)
    changes = []
    for k in range(spec.noise.size):
        ends = noise.repeat(2, 1)
        ends[:, k] = torch.tensor([-SWEEP, SWEEP]).repeat_interleave(ROWS)
        images = generated(generator, spec.assemble(ends, tuple(code.repeat(2) for code in fixed)).inputs_NZ)
        changes.append(float((images[:ROWS] - images[ROWS:]).abs().mean()))
    return tuple(sorted(range(len(changes)), key=lambda k: -changes[k])[:2])


def _images(generator: Generator, inputs_NZ: Tensor, *, signed: bool) -> np.ndarray:
    """Generate images (N, H, W, C) uint8, reduced to ``MAX_SIDE`` if larger."""
    found = []
    for batch in inputs_NZ.split(BATCH):  # images of 1,024 pixels a side would exhaust the memory if generated at once
        images_NCHW = generated(generator, batch)
        if max(images_NCHW.shape[2:]) > MAX_SIDE:
            images_NCHW = F.adaptive_avg_pool2d(images_NCHW, MAX_SIDE)
        found.append(pixels((images_NCHW + 1) / 2 if signed else images_NCHW).permute(0, 2, 3, 1).numpy())
    return np.concatenate(found)


def _rows(spec: LatentSpec, seed: int) -> tuple[Tensor, list[Tensor]]:
    """Noise and codes of the rows, drawn from the prior."""
    stream = torch.Generator().manual_seed(seed)
    noise = spec.noise.sample(ROWS, stream, torch.float32)
    return noise, [code.sample(ROWS, stream, torch.float32) for code in spec.codes]


def _page(images_NHWC: np.ndarray) -> np.ndarray:
    """Arrange images line by line, ``ACROSS`` per line; the rest of the last line is black."""
    num, height, width, channels = images_NHWC.shape
    strips = -(-num // ACROSS)
    page = np.zeros((strips * ACROSS, height, width, channels), np.uint8)
    page[:num] = images_NHWC
    page = page.reshape(strips, ACROSS, height, width, channels).transpose(0, 2, 1, 3, 4)
    return page.reshape(strips * height, ACROSS * width, channels)


def _packed(pages: dict[str, np.ndarray], height: int, *, is_grey: bool) -> tuple[str, dict[str, bytes]]:
    """Encode the pages with the best quality that fits ``MAX_BYTES``; return the encoding in words and the pictures."""
    for encoding in _encodings(is_grey):
        sampled = sum(
            len(_encoded(_strips(page, height), encoding)) * len(page) / len(_strips(page, height))
            for page in pages.values()
        )
        if sampled > 1.2 * MAX_BYTES:
            continue
        pictures = {name: _encoded(page, encoding) for name, page in pages.items()}
        if sum(map(len, pictures.values())) <= MAX_BYTES:
            kind, number = encoding
            return (f"{number} grey levels" if kind == "levels" else f"WebP, quality {number}"), pictures
    raise ValueError(f"the pictures of an atlas take more than {MAX_BYTES:,} bytes")


def _encodings(is_grey: bool) -> Iterator[tuple[str, int]]:
    if is_grey:
        yield from (("levels", number) for number in GREY_LEVELS)
    yield from (("quality", number) for number in QUALITIES)


def _strips(page: np.ndarray, height: int) -> np.ndarray:
    """Every ``SAMPLE``-th strip of images of a page."""
    strips = page.reshape(-1, height, *page.shape[1:])[::SAMPLE]
    return strips.reshape(-1, *page.shape[1:])


def _encoded(page: np.ndarray, encoding: tuple[str, int]) -> bytes:
    """Encode a page (H, W, 1 or 3) uint8 as WebP."""
    from PIL import Image

    kind, number = encoding
    if kind == "levels":
        page = np.round(np.round(page / 255 * (number - 1)) * 255 / (number - 1)).astype(np.uint8)
    image = Image.fromarray(page[..., 0] if page.shape[-1] == 1 else page).convert("RGB")
    content = io.BytesIO()
    image.save(content, "WEBP", lossless=kind == "levels", quality=100 if kind == "levels" else number, method=0)
    return content.getvalue()
