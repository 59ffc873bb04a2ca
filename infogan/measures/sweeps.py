"""Effect of a sweep of one latent on each image: its size, its direction, and whether the digit is preserved.

Each row is one draw of all latents; the columns vary one of them, as in the paper's figures. Rank correlation along a
row is not used: with a smooth generator it is high for most noise dimensions too.
Shape suffixes: R rows, K columns, N = R * K images, C channels, H height, W width.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infogan.codes import Categorical, LatentSpec
from infogan.measures.effects import Measure, noise_names
from infogan.measures.images import generated
from infogan.networks import Generator

NUM_ROWS = 100
MIN_ROWS = 10
MIN_SHARE_MEASURED = 0.8  # of rows; below this, a property counts as not measured
POSITIONS = tuple(-2 + 0.5 * k for k in range(9))
RANGES = ((-1.0, 1.0), (-2.0, 2.0))  # the prior, and Figure 2


@dataclass(frozen=True)
class Change:
    """Change of one property between the ends of a range."""

    mean: float  # in the property's unit, signed
    mean_in_data_std: float
    sign: int  # of the change in most rows: 1, -1, or 0 without a change
    share_of_sign: float  # of the rows measured
    num_rows: int  # rows measured at both ends


@dataclass(frozen=True)
class RangeEffect:
    """Effects of a sweep from ``low`` to ``high``; None means "not measured"."""

    low: float
    high: float
    changes: dict[str, Change | None]
    digit_kept: float | None  # share of rows in which all images show the same digit


@dataclass(frozen=True)
class Sweep:
    """Effects of one latent over each of ``RANGES``."""

    latent: str
    num_rows: int
    ranges: tuple[RangeEffect, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@torch.no_grad()
def sweep(
    generator: Generator,
    spec: LatentSpec,
    latent: str,
    measure: Measure,
    stream: torch.Generator,
    *,
    data_std: Mapping[str, float],
    digits: Callable[[Tensor], np.ndarray] | None = None,
    num_rows: int = NUM_ROWS,
) -> Sweep:
    """Sweep ``latent``, a continuous code or a noise dimension by name, with frozen statistics.

    Rows cycle evenly through the categories of the first categorical code. ``data_std``: standard deviation of each
    property over real images; only these properties are reported. ``digits``: classifies each image. Generates ``9 *
    num_rows`` images. Raises ValueError for an unknown or categorical latent, fewer than ``MIN_ROWS`` rows, or a
    standard deviation of 0.
    """
    if num_rows < MIN_ROWS:
        raise ValueError(f"a sweep needs at least {MIN_ROWS} rows, got {num_rows}")
    for name, std in data_std.items():
        if not std > 0:
            raise ValueError(f"{name} has the standard deviation {std:g} in the data: no yardstick for an effect")
    images_NCHW = swept_images(generator, spec, latent, stream, POSITIONS, num_rows)
    measured = measure(images_NCHW)
    digits_RK = None if digits is None else np.asarray(digits(images_NCHW)).reshape(num_rows, -1)
    columns = np.asarray(POSITIONS)
    ranges = []
    for low, high in RANGES:
        first, last = int((columns == low).argmax()), int((columns == high).argmax())
        changes = {}
        for name, std in data_std.items():
            values_RK = np.asarray(measured[name], dtype=np.float64).reshape(num_rows, -1)
            changes[name] = _change(values_RK[:, last] - values_RK[:, first], std)
        kept = None
        if digits_RK is not None:
            within_RK = digits_RK[:, first : last + 1]
            kept = float((within_RK == within_RK[:, :1]).all(axis=1).mean())
        ranges.append(RangeEffect(low, high, changes, kept))
    return Sweep(latent, num_rows, tuple(ranges))


@torch.no_grad()
def swept_images(
    generator: Generator,
    spec: LatentSpec,
    latent: str,
    stream: torch.Generator,
    positions_K: Sequence[float],
    num_rows: int,
    *,
    spread_categories: bool = True,
) -> Tensor:
    """Images (R * K, C, H, W), row by row: the latent takes every position, all others stay fixed within a row.

    Uses frozen statistics. ``spread_categories``: rows cycle evenly through the categories of the first categorical
    code; otherwise they are drawn, as in :func:`infogan.measures.traversals.traversal`. Raises ValueError for a latent
    that is neither a continuous code nor a noise dimension.
    """
    dtype, num_columns = next(generator.parameters()).dtype, len(positions_K)
    noise_NZ = spec.noise.sample(num_rows, stream, dtype).repeat_interleave(num_columns, dim=0)
    values = [code.sample(num_rows, stream, dtype) for code in spec.codes]
    for index, code in enumerate(spec.codes):
        if spread_categories and isinstance(code, Categorical):
            values[index] = torch.arange(num_rows, device=stream.device) % code.num_categories
            break
    values = [v.repeat_interleave(num_columns) for v in values]
    swept_N = torch.tensor(positions_K, device=stream.device, dtype=dtype).repeat(num_rows)
    if latent in noise_names(spec):
        noise_NZ[:, noise_names(spec).index(latent)] = swept_N
    elif latent in spec.names and not isinstance(spec.codes[spec.names.index(latent)], Categorical):
        values[spec.names.index(latent)] = swept_N
    else:
        known = ", ".join((*spec.names, *noise_names(spec)[:1], *noise_names(spec)[1:][-1:]))
        raise ValueError(f"a sweep needs a continuous code or a noise dimension of {known}, got {latent!r}")
    return generated(generator, spec.assemble(noise_NZ, tuple(values)).inputs_NZ)


def _change(changes_R: np.ndarray, data_std: float) -> Change | None:
    measured_R = changes_R[np.isfinite(changes_R)]
    if len(measured_R) < MIN_SHARE_MEASURED * len(changes_R):
        return None
    rising, falling = int((measured_R > 0).sum()), int((measured_R < 0).sum())
    sign = 0 if rising == falling == 0 else 1 if rising >= falling else -1
    mean = float(measured_R.mean())
    return Change(mean, mean / data_std, sign, max(rising, falling) / len(measured_R), len(measured_R))
