"""Effects of latents: Sobol indices of every latent for every measured property, over the prior of all latents.

The first-order index is the share of a property's variance that a latent explains alone; the total index includes all
its interactions. Factors are the noise dimensions z1, z2, ... and the codes c1, c2, ...; a categorical code is one
factor. The noise dimensions of the same generator are the null, since nothing trains them to mean anything.

Design: two independent blocks A and B, and for each factor both hybrids, A with that factor's column of B and B with
that of A (Saltelli 2002). With both, the first-order index is E[(f(A) - f(A_B)) (f(B_A) - f(B))] / 2V, a product of two
differences, which are small where the effect is small (Owen 2013, arXiv 1204.4763). With one hybrid, as in
``scipy.stats.sobol_indices``, the error of a noise dimension is several times its index, and the largest of 62 indices
is mere error. Total index: Jansen 1999.
A factor's columns in A and in B form a scrambled net of their own, and nets of different factors are joined in random
order (Latin supercube sampling, Owen 1998): the effect of a single factor is integrated with the net's precision,
whatever the number of factors. In a single Sobol sequence over all columns, some pairs of columns lie on a few
diagonals until there are thousands of rows, scrambled or not. The rows consist of many small independent designs, whose
spread gives the standard error: errors of single rows are many times those of a net. Figures: docs/MEASURES.md.
Shape suffixes: N rows of the design, Z width of the generator's input, D factors, M components of a property.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from infogan.batch_norm import frozen
from infogan.codes import Categorical, LatentSpec
from infogan.networks import Generator

# maps the generator's images (N, C, H, W) to values by property: (N,), or (N, M) for components that belong together,
# such as the probabilities of ten digits; NaN for an image that cannot be measured
Measure = Callable[[Tensor], Mapping[str, np.ndarray]]

NUM_ROWS = 256
CODE_ROWS = 8  # times as many rows for a code: a large index varies more, and there are few codes
MIN_ROWS = 16
REPLICATES = 8  # independent designs that make up a noise dimension's rows; CODE_ROWS times as many for a code
MIN_NET = 8  # rows per replicate; with fewer than 64 rows per noise dimension there are fewer replicates
MIN_SHARE_MEASURED = 0.8  # below this, a property counts as not measured
CONSTANT = 1e-6  # ratio of standard deviation to root mean square that is only float32 rounding


@dataclass(frozen=True)
class PropertyIndices:
    """Indices of one property by factor; for several components, from their summed variances (Gamboa et al. 2014)."""

    first_order: dict[str, float]  # an estimate, so it may be slightly below 0
    total: dict[str, float]
    standard_error: dict[str, float]  # of ``first_order``, from the spread over independent replicates of the design
    standard_deviation: float  # over the prior, in the property's unit
    share_measured: float  # of all images


@dataclass(frozen=True)
class SobolIndices:
    """Indices of all factors for all properties; None for a property that is constant or could rarely be measured."""

    noise: tuple[str, ...]
    codes: tuple[str, ...]
    properties: dict[str, PropertyIndices | None]
    num_images: int

    def noise_null(self, name: str) -> float | None:
        """The largest first-order index of a noise dimension; None if there is none or the property was not measured.

        The maximum of many estimates is biased upwards: by 3 to 7 % if all of 62 to 128 dimensions are alike, by less
        if one stands out (docs/MEASURES.md). A ratio to it is too small by as much.
        """
        indices = self.properties[name]
        if indices is None or not self.noise:
            return None
        return max(indices.first_order[z] for z in self.noise)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def noise_names(spec: LatentSpec) -> tuple[str, ...]:
    """Names z1, z2, ... in the order of the generator's input."""
    return tuple(f"z{i}" for i in range(1, spec.noise.size + 1))


def num_images(spec: LatentSpec, num_rows: int = NUM_ROWS) -> int:
    """Number of images that :func:`sobol_indices` generates: 48,128 for MNIST's 62 noise dimensions and 3 codes."""
    return 2 * num_rows * (spec.noise.size + CODE_ROWS * (1 + len(spec.codes)))


@torch.no_grad()
def sobol_indices(
    generator: Generator, spec: LatentSpec, measure: Measure, stream: torch.Generator, num_rows: int = NUM_ROWS
) -> SobolIndices:
    """Estimate the indices from ``num_images(spec, num_rows)`` images, with frozen batch-norm statistics.

    A noise dimension gets ``num_rows`` rows of the design, a code ``CODE_ROWS`` times as many. Calibrate the generator
    first. Raises ValueError if ``num_rows`` is not a power of two or below ``MIN_ROWS``, or if there is no latent.
    """
    if num_rows < MIN_ROWS or num_rows & (num_rows - 1):
        raise ValueError(f"a Sobol design needs a power of two of rows, at least {MIN_ROWS}, got {num_rows}")
    noise = noise_names(spec)
    factors = (*noise, *spec.names)
    if not factors:
        raise ValueError("there are no latents to vary")
    seed = int(torch.randint(2**31, (), generator=stream, device=stream.device))
    net_rows = max(MIN_NET, num_rows // REPLICATES)
    a_ND, b_ND = paired_design(len(factors), CODE_ROWS * num_rows, net_rows, np.random.default_rng(seed))

    def evaluate(uniform_ND: np.ndarray) -> dict[str, np.ndarray]:
        dtype = next(generator.parameters()).dtype
        images = generator(_inputs(spec, uniform_ND).to(stream.device, dtype))
        return {name: _as_columns(values, name, len(uniform_ND)) for name, values in measure(images).items()}

    with frozen(generator):
        at_a, at_b = evaluate(a_ND), evaluate(b_ND)
        hybrids = []
        for column, factor in enumerate(factors):
            rows = slice(num_rows if factor in noise else None)
            a, b = a_ND[rows], b_ND[rows]
            hybrids.append((evaluate(_exchanged(a, b, column)), evaluate(_exchanged(b, a, column))))
    properties = {
        name: _indices(factors, at_a[name], at_b[name], [(ab[name], ba[name]) for ab, ba in hybrids], net_rows)
        for name in at_a
    }
    return SobolIndices(noise, spec.names, properties, num_images(spec, num_rows))


def paired_design(
    num_factors: int, num_rows: int, net_rows: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Blocks A and B, uniform on [0, 1), (num_rows, num_factors) each, of independent designs with ``net_rows`` rows.

    In each design, a factor's pair of columns is a (0, m, 2)-net in base 2: the Hammersley points with Owen's nested
    scrambling. Rows are permuted for each factor separately. Both numbers of rows must be powers of two.
    """
    num_bits = net_rows.bit_length() - 1
    num_nets = num_rows // net_rows * num_factors
    places = np.arange(net_rows)
    reversed_bits = np.zeros_like(places)
    for bit in range(num_bits):
        reversed_bits |= (places >> bit & 1) << (num_bits - 1 - bit)
    columns = [_scrambled(points, num_bits, num_nets, rng) for points in (places, reversed_bits)]
    order = rng.permuted(np.tile(places, (num_nets, 1)), axis=1)
    shape = (num_rows // net_rows, num_factors, net_rows)
    return tuple(  # type: ignore[return-value]
        np.take_along_axis(column, order, axis=1).reshape(shape).swapaxes(1, 2).reshape(num_rows, num_factors)
        for column in columns
    )


def _scrambled(points: np.ndarray, num_bits: int, num_nets: int, rng: np.random.Generator) -> np.ndarray:
    """Scramble integers of ``num_bits`` bits per net, each placed at random in its cell: (nets, points)."""
    found = np.zeros((num_nets, len(points)), np.int64)
    for bit in range(num_bits):
        flips = rng.integers(2, size=(num_nets, 1 << bit))  # one for each prefix of higher bits
        shift = num_bits - 1 - bit
        found = found << 1 | (points >> shift & 1) ^ flips[:, points >> (shift + 1)]
    return (found + rng.random(found.shape)) / len(points)


def _inputs(spec: LatentSpec, uniform_ND: np.ndarray) -> Tensor:
    """The generator's inputs (N, Z) at these quantiles of the prior, in float64."""
    noise = _quantile(spec.noise.prior, uniform_ND[:, : spec.noise.size], -1.0, 1.0)
    values = []
    for code, uniform_N in zip(spec.codes, uniform_ND[:, spec.noise.size :].T, strict=True):
        if isinstance(code, Categorical):
            values.append(torch.from_numpy((uniform_N * code.num_categories).astype(np.int64)))
        else:
            values.append(torch.from_numpy(_quantile(code.prior, uniform_N, code.low, code.high)))
    return spec.assemble(torch.from_numpy(noise), tuple(values)).inputs_NZ


def _quantile(prior: str, uniform: np.ndarray, low: float, high: float) -> np.ndarray:
    if prior == "normal":
        return ndtri(uniform.clip(1e-12))  # a Sobol point may be exactly 0
    return low + (high - low) * uniform


def _exchanged(base_ND: np.ndarray, other_ND: np.ndarray, column: int) -> np.ndarray:
    hybrid_ND = base_ND.copy()
    hybrid_ND[:, column] = other_ND[:, column]
    return hybrid_ND


def _as_columns(values: np.ndarray, name: str, num_rows: int) -> np.ndarray:
    if len(values) != num_rows:
        raise ValueError(f"the measure gave {len(values)} values of {name} for {num_rows} images")
    return np.asarray(values, dtype=np.float64).reshape(num_rows, -1)


def _indices(
    factors: tuple[str, ...],
    a_NM: np.ndarray,
    b_NM: np.ndarray,
    hybrids: list[tuple[np.ndarray, np.ndarray]],
    net_rows: int,
) -> PropertyIndices | None:
    """Indices of one property. A factor's hybrids belong to the first rows of A and B.

    A row with NaN in one of a factor's four images is ignored for that factor.
    """
    blocks = [a_NM, b_NM, *(block for pair in hybrids for block in pair)]
    share_measured = float(np.mean([np.isfinite(block).all(axis=1).mean() for block in blocks]))
    base = np.concatenate([a_NM, b_NM])
    measured = np.isfinite(base).all(axis=1)
    if share_measured < MIN_SHARE_MEASURED or measured.sum() < MIN_ROWS:
        return None
    variance = float(base[measured].var(axis=0).sum())
    if variance <= CONSTANT**2 * float(np.square(base[measured]).sum(axis=1).mean()):
        return None
    # contribution of each replicate to the deviation of the variance from its mean
    squares = np.where(measured, np.square(base - base[measured].mean(axis=0)).sum(axis=1) - variance, 0.0)
    of_variance = squares.reshape(2, -1, net_rows).sum(axis=(0, 2)) / measured.sum()
    first_order, total, standard_error = {}, {}, {}
    for factor, (ab_NM, ba_NM) in zip(factors, hybrids, strict=True):
        num = len(ab_NM)
        at_a_NM, at_b_NM = a_NM[:num] - ab_NM, ba_NM - b_NM[:num]
        product_N = (at_a_NM * at_b_NM).sum(axis=1)
        square_N = (at_a_NM**2 + at_b_NM**2).sum(axis=1)
        kept_N = np.isfinite(square_N)
        if kept_N.mean() < MIN_SHARE_MEASURED**4:  # expected share if four images failed independently
            return None
        mean = float(product_N[kept_N].mean())
        first_order[factor] = mean / (2 * variance)
        total[factor] = float(square_N[kept_N].mean() / (4 * variance))
        # delta method: the error of the ratio is the numerator's less the index times the denominator's
        deviations = -2 * first_order[factor] * of_variance
        num_replicates = num // net_rows
        of_product = np.where(kept_N, product_N - mean, 0.0).reshape(num_replicates, net_rows).sum(axis=1)
        deviations[:num_replicates] += of_product / kept_N.sum()
        spread = float(np.square(deviations).sum()) * num_replicates / (num_replicates - 1)
        standard_error[factor] = spread**0.5 / (2 * variance)
    return PropertyIndices(first_order, total, standard_error, variance**0.5, share_measured)
