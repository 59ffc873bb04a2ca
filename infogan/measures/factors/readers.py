"""Factor readers: small networks that read known factors from real and generated images.

A reading counts only if three readers of different seeds agree on the generator's images. Their scores on held-out
images are reported with it. Trained readers are cached.
Shape suffixes: N images, C channels, H height, W width, M components of a factor.
"""

import math
from dataclasses import asdict, dataclass, replace
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from infogan.data.base import Dataset
from infogan.measures.factors.kinds import Factor, describe_factors
from infogan.measures.factors.reader_network import FactorReader, Recipe, train
from infogan.measures.images import unit
from infogan.measures.kept import trained_once

NUM_READERS = 3
MIN_AGREEMENT = 0.9
MIN_HELD_OUT = 20  # images


@dataclass(frozen=True)
class ReaderSet:
    """Readers of different seeds; a reading is the mean of their components."""

    readers: tuple[FactorReader, ...]
    factors: tuple[Factor, ...]
    constant: tuple[str, ...]  # factors of the data set that do not vary
    held_out: dict[str, tuple[float, ...]]  # R^2 or, for discrete factors, accuracy: of each reader, then of their mean

    def score(self, name: str) -> float:
        """Score of the readers' mean on held-out images."""
        return self.held_out[name][-1]

    def each(self, images_NCHW: Tensor) -> list[dict[str, np.ndarray]]:
        """Each reader's components (N, M) by factor."""
        return [reader.components(images_NCHW) for reader in self.readers]

    def features(self, images_NCHW: Tensor) -> Tensor:
        """Hidden layers of all readers, concatenated (N, F), for images in [0, 1]."""
        return torch.cat([reader.features(images_NCHW) for reader in self.readers], dim=1)

    def read(self, images_NCHW: Tensor) -> dict[str, np.ndarray]:
        """The readers' mean components (N, M) by factor, for images in [0, 1]; directions have length 1."""
        return self.mean(self.each(images_NCHW))

    def mean(self, each: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Mean of the readings from :meth:`each`."""
        result = {}
        for factor in self.factors:
            mean_NM = np.mean([components[factor.name] for components in each], axis=0)
            if factor.kind == "periodic":
                mean_NM = mean_NM / np.maximum(np.linalg.norm(mean_NM, axis=1, keepdims=True), 1e-9)
            result[factor.name] = mean_NM
        return result

    def agreement(self, each: list[dict[str, np.ndarray]]) -> dict[str, float]:
        """The smallest :func:`vector_correlation` between two readers, by factor."""
        return {
            factor.name: min(vector_correlation(a[factor.name], b[factor.name]) for a, b in combinations(each, 2))
            for factor in self.factors
        }


def vector_correlation(a_NM: np.ndarray, b_NM: np.ndarray) -> float:
    """Pearson's correlation over all components together; 0 if one of the two is constant.

    For one component it is the ordinary correlation, for directions a circular one. For classes predicted with
    certainty it is Cohen's kappa except for the mean of the two variances. So, unlike with Cramer's V, two readers that
    consistently confuse one class with another do not agree.
    """
    a_NM, b_NM = a_NM - a_NM.mean(axis=0), b_NM - b_NM.mean(axis=0)
    scale = math.sqrt(float(np.square(a_NM).sum()) * float(np.square(b_NM).sum()))
    return float((a_NM * b_NM).sum() / scale) if scale > 1e-12 * len(a_NM) else 0.0


def explained(true_NM: np.ndarray, read_NM: np.ndarray) -> float:
    """R^2 over all components together."""
    residual = np.square(true_NM - read_NM).sum()
    return float(1 - residual / np.square(true_NM - true_NM.mean(axis=0)).sum())


def factor_readers(dataset: Dataset, recipe: Recipe | None = None, num_readers: int = NUM_READERS) -> ReaderSet:
    """The readers for ``dataset``, from the cache or trained now on one CPU thread.

    The same data, recipe and libraries give the same bits. Raises ValueError without factors, if all are constant or
    some are not finite, or with too few training or held-out images.
    """
    recipe = recipe or Recipe()
    name, train, test = dataset.info.name, dataset.train, dataset.test
    if train.factors is None or test.factors is None or not dataset.factor_names:
        raise ValueError(f"a reader needs factors, the images of {name} have none")
    for num, least, what in (
        (len(train.images), recipe.batch_size, "training"),
        (len(test.images), MIN_HELD_OUT, "held-out"),
    ):
        if num < least:
            raise ValueError(f"a reader needs {least} {what} images, {name} has {num}")
    for what, values_NF in (("training", train.factors), ("held-out", test.factors)):
        broken = [
            n for n, column in zip(dataset.factor_names, values_NF.T, strict=True) if not np.isfinite(column).all()
        ]
        if broken:
            raise ValueError(f"factor {', '.join(broken)} of {name} is not finite in {what} images")
    factors = describe_factors(dataset.factor_names, train.factors)
    if not factors:
        raise ValueError(f"every factor of {name} is constant: there is nothing to be read")
    readers = tuple(_reader(dataset, factors, replace(recipe, seed=recipe.seed + k)) for k in range(num_readers))
    constant = tuple(n for n in dataset.factor_names if n not in {factor.name for factor in factors})
    images_NCHW = unit(test.images)
    readings = ReaderSet(readers, factors, constant, {})
    each = readings.each(images_NCHW)
    all_readings = [*each, readings.mean(each)]
    true = {n: test.factors[:, k].astype(np.float64) for k, n in enumerate(dataset.factor_names)}
    scores = {f.name: tuple(_score(f, true[f.name], reading[f.name]) for reading in all_readings) for f in factors}
    return replace(readings, held_out=scores)


def _score(factor: Factor, true_N: np.ndarray, read_NM: np.ndarray) -> float:
    if not factor.is_discrete:
        return explained(factor.components(true_N), read_NM) if np.ptp(true_N) > 0 else 0.0
    seen_N = read_NM[:, 0] > 0.5 if factor.kind == "binary" else read_NM.argmax(axis=1)
    return float((np.asarray(factor.values)[seen_N.astype(int)] == true_N).mean())


def _reader(dataset: Dataset, factors: tuple[Factor, ...], recipe: Recipe) -> FactorReader:
    height, width = dataset.train.images.shape[2:]
    model = FactorReader((dataset.train.images.shape[1], height, width), factors, recipe.width)

    def fit() -> dict[str, float]:
        train(model, dataset, recipe)
        return {}

    # the number of images too: a cell may use only part of the set
    made_of = f"{dataset.info.digest} {len(dataset.train.images)} {factors} {asdict(recipe)}"
    code = ("measures/factors/kinds", "measures/factors/reader_network", "streams", "training")
    trained_once(model, "readers", made_of, code, fit)
    return model
