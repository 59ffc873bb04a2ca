"""Assign categories to digits: Figure 2a's claim that matching each category of c1 to a digit classifies MNIST.

An assignment is fitted on training images and scored on held-out ones. Shape suffixes: N images, K categories, D
digits, F features or pixels, C channels, H height, W width. ``NO_DIGIT`` (-1) means that a category has no digit; an
image in such a category counts as an error.
"""

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from infogan.batch_norm import frozen
from infogan.codes import Categorical, LatentSpec
from infogan.measures.images import BATCH
from infogan.networks import Discriminator

NUM_DIGITS = 10
NO_DIGIT = -1
KMEANS_STARTS = 4
PROBE_ITERATIONS = 100  # of L-BFGS: 7.6 % error on MNIST pixels, in 10 s


@dataclass(frozen=True)
class ErrorRate:
    """Share of wrong images, with a Wilson interval for the sampling of these images (not of seeds)."""

    error: float
    low: float
    high: float
    num_wrong: int
    num_images: int


@dataclass(frozen=True)
class DigitErrors:
    """Errors of classifying digits by category, on held-out images; ``train_`` marks those on the images of the fit."""

    one_to_one: ErrorRate
    majority: ErrorRate
    train_one_to_one: ErrorRate  # used to select seeds without held-out images
    train_majority: ErrorRate
    one_to_one_digits: tuple[int, ...]  # digit of each category, or NO_DIGIT
    majority_digits: tuple[int, ...]
    num_sharing: int  # categories whose majority digit is also another category's
    num_empty: int  # categories without a training image
    confusion_KD: tuple[tuple[int, ...], ...]  # held-out images by category and digit

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Agreement:
    """Agreement of categories and digits without an assignment; both values are in [0, 1]."""

    purity: float  # share of images that show the most frequent digit of their category
    nmi: float  # mutual information over the mean of the two entropies
    num_images: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def counts(categories_N: ArrayLike, digits_N: ArrayLike, num_categories: int) -> np.ndarray:
    """Number of images by category and digit, (K, D) int64.

    Raises ValueError for unequal lengths, no images, or values out of range.
    """
    categories, digits = np.asarray(categories_N), np.asarray(digits_N)
    if categories.shape != digits.shape or categories.ndim != 1 or len(digits) == 0:
        raise ValueError(f"one category and one digit per image are needed, got {categories.shape} and {digits.shape}")
    for name, values, num in (("categories", categories, num_categories), ("digits", digits, NUM_DIGITS)):
        if not np.issubdtype(values.dtype, np.integer) or values.min() < 0 or values.max() >= num:
            raise ValueError(f"{name} must be integers from 0 to {num - 1}, got {values.min()} to {values.max()}")
    flat = np.bincount(categories.astype(np.int64) * NUM_DIGITS + digits, minlength=num_categories * NUM_DIGITS)
    return flat.reshape(num_categories, NUM_DIGITS)


def assign_one_to_one(categories_N: ArrayLike, digits_N: ArrayLike, num_categories: int) -> tuple[int, ...]:
    """One digit per category, no digit twice, such that most images are right (Hungarian method).

    Among equally good assignments, one that gives small digits to small categories. An empty category gets a remaining
    digit; with more than ten categories, those left over get ``NO_DIGIT``.
    """
    counts_KD = counts(categories_N, digits_N, num_categories)
    # tie-break: the total bonus is below one image and is largest if categories and digits have the same order
    bonus_KD = np.outer(np.arange(num_categories), np.arange(NUM_DIGITS))
    scale = num_categories * NUM_DIGITS * min(num_categories, NUM_DIGITS)
    rows, columns = linear_sum_assignment(counts_KD * scale + bonus_KD, maximize=True)
    digits = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    return tuple(digits.get(category, NO_DIGIT) for category in range(num_categories))


def assign_majority(categories_N: ArrayLike, digits_N: ArrayLike, num_categories: int) -> tuple[int, ...]:
    """The most frequent digit of each category (the smallest in a tie); ``NO_DIGIT`` for an empty category."""
    counts_KD = counts(categories_N, digits_N, num_categories)
    return tuple(int(row.argmax()) if row.any() else NO_DIGIT for row in counts_KD)


def error(assignment: tuple[int, ...], categories_N: ArrayLike, digits_N: ArrayLike) -> ErrorRate:
    """Share of images whose digit differs from their category's, with its 95 % Wilson interval."""
    counts_KD = counts(categories_N, digits_N, len(assignment))
    num_images = int(counts_KD.sum())
    num_right = sum(int(row[digit]) for row, digit in zip(counts_KD, assignment, strict=True) if digit != NO_DIGIT)
    interval = binomtest(num_images - num_right, num_images).proportion_ci(method="wilson")
    wrong = num_images - num_right
    return ErrorRate(wrong / num_images, float(interval.low), float(interval.high), wrong, num_images)


def score(
    train_categories_N: ArrayLike,
    train_digits_N: ArrayLike,
    test_categories_N: ArrayLike,
    test_digits_N: ArrayLike,
    num_categories: int = NUM_DIGITS,
) -> DigitErrors:
    """Fit both assignments on the training images and score them on the held-out ones."""
    train, test = (train_categories_N, train_digits_N), (test_categories_N, test_digits_N)
    one_to_one, majority = assign_one_to_one(*train, num_categories), assign_majority(*train, num_categories)
    taken = [digit for digit in majority if digit != NO_DIGIT]
    return DigitErrors(
        one_to_one=error(one_to_one, *test),
        majority=error(majority, *test),
        train_one_to_one=error(one_to_one, *train),
        train_majority=error(majority, *train),
        one_to_one_digits=one_to_one,
        majority_digits=majority,
        num_sharing=sum(taken.count(digit) > 1 for digit in taken),
        num_empty=num_categories - len(taken),
        confusion_KD=tuple(map(tuple, counts(*test, num_categories).tolist())),
    )


def agreement(categories_N: ArrayLike, digits_N: ArrayLike, num_categories: int) -> Agreement:
    """Purity and normalised mutual information; for samples, the digits come from a classifier.

    NMI is 0 if categories or digits are constant.
    """
    counts_KD = counts(categories_N, digits_N, num_categories)
    is_constant = min((counts_KD.sum(axis=0) > 0).sum(), (counts_KD.sum(axis=1) > 0).sum()) == 1
    # scikit-learn returns 1 for two constants
    nmi = 0.0 if is_constant else float(normalized_mutual_info_score(digits_N, categories_N))
    num_images = int(counts_KD.sum())
    return Agreement(int(counts_KD.max(axis=1).sum()) / num_images, nmi, num_images)


@torch.no_grad()
def category_of_images(
    discriminator: Discriminator, spec: LatentSpec, code_index: int, images_NCHW: Tensor
) -> np.ndarray:
    """Q's most likely category of each image, (N,) int64, with frozen batch-norm statistics.

    The statistics are those of the last calibration: for a headline number, call
    :func:`infogan.measures.calibration.calibrate_on_images` once on shuffled training images first. Images are scaled
    as in training. Raises ValueError for a continuous code.
    """
    if not isinstance(spec.codes[code_index], Categorical):
        raise ValueError(f"{spec.names[code_index]} is continuous: it has no category")
    with frozen(discriminator):
        outputs = [discriminator.q_of(batch) for batch in images_NCHW.split(BATCH)]
    return spec.split(torch.cat(outputs))[code_index].argmax(dim=1).cpu().numpy()


@torch.no_grad()
def trunk_features(discriminator: Discriminator, images_NCHW: Tensor) -> np.ndarray:
    """D's features of each image, (N, F) float32, with frozen batch-norm statistics."""
    with frozen(discriminator):
        features = [discriminator.trunk(batch) for batch in images_NCHW.split(BATCH)]
    return torch.cat(features).float().cpu().numpy()


def kmeans(
    train_NF: np.ndarray,
    train_digits_N: ArrayLike,
    test_NF: np.ndarray,
    test_digits_N: ArrayLike,
    *,
    seed: int,
    num_categories: int = NUM_DIGITS,
) -> DigitErrors:
    """Baseline that uses labels only to match its clusters: k-means on pixels or features.

    Raises ValueError if there are fewer distinct rows than clusters.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model = KMeans(num_categories, n_init=KMEANS_STARTS, random_state=seed).fit(train_NF)
        except ConvergenceWarning as warning:
            raise ValueError(f"k-means found fewer than {num_categories} distinct rows") from warning
    return score(model.labels_, train_digits_N, model.predict(test_NF), test_digits_N, num_categories)


def linear_probe(
    train_NF: np.ndarray, train_digits_N: ArrayLike, test_NF: np.ndarray, test_digits_N: ArrayLike
) -> DigitErrors:
    """Ceiling that uses all labels: multinomial logistic regression on standardised pixels or features."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=PROBE_ITERATIONS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the iteration limit is intended
        model.fit(train_NF, np.asarray(train_digits_N))
    return score(model.predict(train_NF), train_digits_N, model.predict(test_NF), test_digits_N)
