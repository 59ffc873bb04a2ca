"""The family "factors": effects of the codes on known factors, as read from generated images by our own networks.

A factor is measured only if three readers agree on the generator's images. The code of a factor is selected on one
sample and scored on a fresh one; the same selection over the noise dimensions is the null.
Shape suffixes: N images, C channels, H height, W width, Z noise dimensions, M components of a factor, K categories.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from sklearn.metrics import mutual_info_score
from torch import Tensor

from infogan.codes import Categorical, Continuous
from infogan.measures.calibration import calibrate_generator
from infogan.measures.catalogue import FACTORS, FAMILIES
from infogan.measures.effects import SobolIndices, noise_names, sobol_indices
from infogan.measures.factors.categories import (
    NUM_BINS,
    CategoryScore,
    category_order,
    equal_parts,
    factor_states,
    information,
    score_categories,
)
from infogan.measures.factors.ceilings import Ceilings
from infogan.measures.factors.kinds import Factor
from infogan.measures.factors.readers import MIN_AGREEMENT, ReaderSet, factor_readers
from infogan.measures.factors.scores import representation_scores
from infogan.measures.factors.sweeps import NUM_ROWS, FactorChange, factor_change, sweep_positions, turning
from infogan.measures.images import generated
from infogan.measures.sweeps import swept_images
from infogan.measures.trained import Measured, Trained
from infogan.measures.traversals import COLUMNS, PRIOR_SWEEP, ROWS, as_grid, traversal_images

SELECTION_ROWS, SCORING_ROWS = 32, 128  # of the Sobol designs: half of the strokes', for twice the noise dimensions
NUM_SAMPLES = 3_000  # for the agreement, and in each half for categories
MIN_NULL = 1e-3  # smaller divisors would inflate ratios of negligible effects


@dataclass(frozen=True)
class Sample:
    """Readings of generated images for prior samples."""

    noise_NZ: np.ndarray
    values: tuple[np.ndarray, ...]  # values of each code, (N,)
    each: list[dict[str, np.ndarray]]  # each reader's components (N, M) by factor
    read: dict[str, np.ndarray]  # components of the readers' mean


@dataclass
class FactorResult:
    """Numbers and details of one factor; the details hold a reason if it was not measured."""

    numbers: dict[str, float]
    details: dict[str, Any] = field(default_factory=dict)


def measure_factors(cell: Trained) -> Measured:
    """Effects of all codes on all factors of the data set; empty, with the reason, if there can be no readers.

    Numbers of factors that are not in the catalogue appear in the details only.
    """
    if cell.dataset.train.factors is None:
        return _nothing(f"the images of {cell.dataset.info.name} have no known factors")
    try:
        readers = factor_readers(cell.dataset)
    except ValueError as error:  # too few images, constant factors
        return _nothing(str(error))
    study = Study(cell, readers)
    result = Measured(details=study.overview())
    for factor in readers.factors:
        found = study.factor(factor)
        if factor.name in FACTORS:
            result.grids |= study.grids(factor, found)
        if "reason" in found.details:
            result.reasons[factor.name] = found.details["reason"]
        result.details["factors"][factor.name] = found.details | {"numbers": found.numbers}
        result.values |= {f"{factor.name}_{what}": value for what, value in found.numbers.items()}
    scores = representation_scores(cell, readers, study.rng)
    result.details["disentanglement"] = {row: score.to_json() for row, score in scores.items()}
    for row, score in scores.items():
        result.values |= {f"{name}{row and '_' + row}": value for name, value in score.numbers().items()}
    known = FAMILIES["factors"]
    result.values = {n: float(v) for n, v in result.values.items() if n in known and math.isfinite(v)}
    return result


def _nothing(reason: str) -> Measured:
    return Measured(details={"reason": reason}, reasons={"": reason})


class Study:
    """One trained cell and its readers; everything that several factors share is measured once."""

    def __init__(self, cell: Trained, readers: ReaderSet) -> None:
        self.cell, self.readers = cell, readers
        self.draws = cell.stream()
        self.rng = np.random.default_rng(cell.seed)
        spec = cell.spec
        self.continuous = [n for n, c in zip(spec.names, spec.codes, strict=True) if isinstance(c, Continuous)]
        self.categorical = {
            n: (k, c.num_categories)
            for k, (n, c) in enumerate(zip(spec.names, spec.codes, strict=True))
            if isinstance(c, Categorical)
        }
        num_categories = max((num for _, num in self.categorical.values()), default=None)
        self.ceilings = Ceilings(cell.dataset, readers, bool(self.continuous), num_categories)
        calibrate_generator(cell.generator, spec, self.draws)
        self.selection, self.scoring = self._sample(), self._sample()
        self.agreement = readers.agreement(self.selection.each)
        self.found, self.scored = (
            sobol_indices(cell.generator, spec, self._read, self.draws, rows) for rows in (SELECTION_ROWS, SCORING_ROWS)
        )
        self._swept: dict[str, dict[str, np.ndarray]] = {}

    def _read(self, images_NCHW: Tensor) -> dict[str, np.ndarray]:
        return self.readers.read(self.cell.unscaled(images_NCHW))

    @torch.no_grad()
    def _sample(self) -> Sample:
        generator, spec = self.cell.generator, self.cell.spec
        latents = spec.sample(NUM_SAMPLES, self.draws, next(generator.parameters()).dtype)
        each = self.readers.each(self.cell.unscaled(generated(generator, latents.inputs_NZ)))
        noise_NZ = latents.inputs_NZ[:, : spec.noise.size].cpu().numpy()
        return Sample(noise_NZ, tuple(v.cpu().numpy() for v in latents.values), each, self.readers.mean(each))

    @cached_property
    def measured(self) -> tuple[Factor, ...]:
        """Factors on which the readers agree and that the generator varies."""
        return tuple(f for f in self.readers.factors if self._why_not(f) is None)

    def _why_not(self, factor: Factor) -> str | None:
        if self.agreement[factor.name] < MIN_AGREEMENT:
            return f"not measured: the readers agree to {self.agreement[factor.name]:.2f} only, below {MIN_AGREEMENT}"
        if self.found.properties[factor.name] is None or self.scored.properties[factor.name] is None:
            return "not measured: the generator does not vary it"
        return None

    def overview(self) -> dict[str, Any]:
        return {
            "factors": {},
            "constant_factors": list(self.readers.constant),
            "bins_of_ordered_factors": NUM_BINS,
            "num_samples": NUM_SAMPLES,
            "num_sobol_images": [self.found.num_images, self.scored.num_images],
        }

    def factor(self, factor: Factor) -> FactorResult:
        """All numbers of one factor."""
        name = factor.name
        numbers = {"reader_score": self.readers.score(name), "reader_agreement": self.agreement[name]}
        details: dict[str, Any] = asdict(factor) | {"held_out": list(self.readers.held_out[name])}
        if factor.kind == "continuous":
            values_N = self.scoring.read[name][:, 0]
            numbers["outside"] = float(((values_N < factor.low) | (values_N > factor.high)).mean())
        numbers |= self.ceilings.of(factor)
        result = FactorResult(numbers, details)
        reason = self._why_not(factor)
        if reason:
            details["reason"] = reason
            return result
        details["first_order"] = {
            sample: {code: self._index(indices, factor, code) for code in indices.codes}
            for sample, indices in (("selection", self.found), ("scoring", self.scored))
        }
        self._of_continuous_codes(factor, result)
        self._of_categorical_codes(factor, result)
        return result

    def _index(self, indices: SobolIndices, factor: Factor, latent: str, *, total: bool = False) -> float:
        found = indices.properties[factor.name]
        assert found is not None  # for measured factors
        return (found.total if total else found.first_order)[latent]

    def _strongest(self, factor: Factor, latents: Sequence[str]) -> str | None:
        """The latent with the largest index on the first design; its score comes from the second."""
        return max(latents, key=lambda latent: self._index(self.found, factor, latent), default=None)

    def _changes(self, latent: str) -> dict[str, FactorChange]:
        return {f.name: factor_change(f, self._sweep(latent)[f.name]) for f in self.measured}

    def _sweep(self, latent: str) -> dict[str, np.ndarray]:
        if latent not in self._swept:
            generator, spec, positions_K = self.cell.generator, self.cell.spec, sweep_positions().tolist()
            images_NCHW = swept_images(generator, spec, latent, self.draws, positions_K, NUM_ROWS)
            self._swept[latent] = self._read(images_NCHW)
        return self._swept[latent]

    def _of_continuous_codes(self, factor: Factor, result: FactorResult) -> None:
        name, numbers, details = factor.name, result.numbers, result.details
        noise = self._strongest(factor, noise_names(self.cell.spec))
        null = self.scored.noise_null(name)
        if noise is not None:
            details["noise_dimension"] = noise
            numbers["noise_first_order"] = self._index(self.scored, factor, noise)
            numbers["noise_range_share"] = self._changes(noise)[name].share
        code = self._strongest(factor, self.continuous)
        if code is None:
            return
        changes = self._changes(code)
        own, others = changes[name], [change.moved for other, change in changes.items() if other != name]
        details |= {"code": code, "sweep": {other: asdict(change) for other, change in changes.items()}}
        numbers["first_order"] = self._index(self.scored, factor, code)
        numbers["total"] = self._index(self.scored, factor, code, total=True)
        if null is not None:
            numbers["over_noise"] = numbers["first_order"] / max(null, MIN_NULL)
        numbers["range_share"] = own.share
        if others:
            numbers["specificity"] = own.moved / max(*others, MIN_NULL)
        if factor.kind != "classes":
            numbers |= {"sign": own.sign, "sign_share": own.share_of_sign}
        if factor.kind == "periodic":
            turned = turning(factor, self._sweep(code)[name])
            details["turning"] = turned.to_json()
            numbers |= {w: getattr(turned, w) for w in ("degrees", "error_degrees", "monotone", "resultant", "flips")}

    def _of_categorical_codes(self, factor: Factor, result: FactorResult) -> None:
        name, numbers, details = factor.name, result.numbers, result.details
        if not self.categorical:
            return
        first, second = self.selection.read[name], self.scoring.read[name]

        def told(sample: Sample, code: str) -> float:
            states_N = factor_states(factor, sample.read[name])
            return information(sample.values[self.categorical[code][0]], states_N) or 0.0

        details["information"] = {
            "selection": {code: told(self.selection, code) for code in self.categorical},
            "scoring": {code: told(self.scoring, code) for code in self.categorical},
        }
        code = max(self.categorical, key=lambda c: details["information"]["selection"][c])
        position, num_categories = self.categorical[code]
        pairs = [(sample.values[position], sample.read[name]) for sample in (self.selection, self.scoring)]
        score = score_categories(factor, pairs[0], pairs[1], num_categories)
        details |= {"category_code": code, "category": score.to_json()}
        numbers["category_first_order"] = self._index(self.scored, factor, code)
        null = self.scored.noise_null(name)
        if null is not None:
            numbers["category_over_noise"] = numbers["category_first_order"] / max(null, MIN_NULL)
        numbers |= {what: value for what, value in score.to_json().items() if value is not None}
        details["random_categories"] = self._random_categories(factor, first, second, num_categories).to_json()
        if self.cell.spec.noise.size:
            null_score = self._noise_categories(factor, num_categories)
            details["noise_categories"] = null_score.to_json()
            numbers |= {f"noise_{w}": v for w, v in null_score.to_json().items() if v is not None}

    def grids(self, factor: Factor, result: FactorResult) -> dict[str, np.ndarray]:
        """Image grids of the strongest code of each kind (``FACTOR-CODE``) and of the strongest noise dimension.

        They are drawn from one stream, so they share their rows. If the readers disagree, the code is chosen all the
        same, so that a person can look at it, but nothing is scored.
        """
        if self.found.properties[factor.name] is None:
            return {}
        cell, spec = self.cell, self.cell.spec
        grids: dict[str, np.ndarray] = {}
        continuous = self._strongest(factor, self.continuous)
        if continuous is not None:
            images = traversal_images(cell.generator, spec, spec.names.index(continuous), cell.stream(), PRIOR_SWEEP)
            grids[f"{factor.name}-{continuous}"] = self._grid(images)
            noise = self._strongest(factor, noise_names(spec))
            if noise is not None:
                positions = torch.linspace(-PRIOR_SWEEP, PRIOR_SWEEP, COLUMNS).tolist()
                images = swept_images(
                    cell.generator, spec, noise, cell.stream(), positions, ROWS, spread_categories=False
                )
                grids[f"{factor.name}-noise"] = self._grid(images)
        code = result.details.get("category_code") or self._strongest(factor, list(self.categorical))
        if code is not None:
            position, num_categories = self.categorical[code]
            sample = self.selection
            order = category_order(factor, sample.values[position], sample.read[factor.name], num_categories)
            images = traversal_images(cell.generator, spec, position, cell.stream(), PRIOR_SWEEP)
            grids[f"{factor.name}-{code}"] = self._grid(images)[:, order]
            result.details["category_order"] = order
        return grids

    def _grid(self, images_NCHW: Tensor) -> np.ndarray:
        return as_grid(self.cell.unscaled(images_NCHW)).cpu().numpy()

    def _random_categories(
        self, factor: Factor, first_NM: np.ndarray, second_NM: np.ndarray, num_categories: int
    ) -> CategoryScore:
        """The same selection over as many random codes that are independent of the images."""
        states_N = factor_states(factor, first_NM)
        drawn = [
            [self.rng.integers(num_categories, size=len(part)) for part in (first_NM, second_NM)]
            for _ in self.categorical
        ]
        halves = max(drawn, key=lambda pair: mutual_info_score(pair[0], states_N))
        return score_categories(factor, (halves[0], first_NM), (halves[1], second_NM), num_categories)

    def _noise_categories(self, factor: Factor, num_categories: int) -> CategoryScore:
        """The same selection over the noise dimensions, each cut into as many equally likely parts."""
        samples = (self.selection, self.scoring)
        first, second = (equal_parts(sample.noise_NZ, num_categories) for sample in samples)
        states_N = factor_states(factor, self.selection.read[factor.name])
        best = max(range(first.shape[1]), key=lambda z: mutual_info_score(first[:, z], states_N))
        pairs = [(part[:, best], s.read[factor.name]) for part, s in zip((first, second), samples, strict=True)]
        return score_categories(factor, pairs[0], pairs[1], num_categories)
