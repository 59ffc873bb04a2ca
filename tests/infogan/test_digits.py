"""Category-to-digit errors in cases counted by hand: perfect, constant, shuffled, tied, empty."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infogan import data
from infogan.architectures import ARCHITECTURES
from infogan.blocks import NetworkSettings
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.measures.calibration import calibrate_on_images
from infogan.measures.digits import assignment as D
from infogan.networks import Discriminator, initialise
from infogan.streams import stream

SPEC = LatentSpec(Noise(5), (Continuous(), Categorical(10)))
DIGITS = np.tile(np.arange(10), 50)


def test_a_permutation_of_the_digits_is_perfect() -> None:
    permutation = np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])
    result = D.score(permutation[DIGITS], DIGITS, permutation[DIGITS[:100]], DIGITS[:100])
    assert result.one_to_one.error == result.majority.error == result.train_one_to_one.error == 0
    assert result.one_to_one_digits == result.majority_digits == tuple(np.argsort(permutation).tolist())
    assert (result.num_sharing, result.num_empty) == (0, 0)
    assert D.agreement(permutation[DIGITS], DIGITS, 10) == D.Agreement(1.0, pytest.approx(1.0), 500)


def test_a_constant_category_is_right_for_one_digit_in_ten() -> None:
    constant = np.full_like(DIGITS, 7)
    result = D.score(constant, DIGITS, constant, DIGITS)
    assert result.one_to_one.error == result.majority.error == 0.9
    assert result.num_empty == 9
    assert result.majority_digits == (*[D.NO_DIGIT] * 7, 0, *[D.NO_DIGIT] * 2)
    assert sorted(result.one_to_one_digits) == list(range(10))
    assert D.agreement(constant, DIGITS, 10) == D.Agreement(0.1, 0.0, 500)
    assert D.agreement(constant, np.full_like(DIGITS, 3), 10).nmi == 0  # nothing to know


def test_shuffled_categories_are_wrong_in_nine_of_ten() -> None:
    rng = np.random.default_rng(0)
    digits = np.tile(np.arange(10), 2000)
    train, test = rng.permutation(digits), rng.permutation(digits)
    result = D.score(train, digits, test, digits)
    assert result.one_to_one.error == pytest.approx(0.9, abs=0.01)
    assert result.majority.error == pytest.approx(0.9, abs=0.01)
    assert D.agreement(train, digits, 10).nmi == pytest.approx(0, abs=0.005)
    assert D.agreement(train, digits, 10).purity == pytest.approx(0.1, abs=0.02)


def test_a_case_counted_by_hand() -> None:
    """Two categories fit digit 0 best: assigned one to one, the second must take its next best."""
    categories = np.array([0] * 10 + [1] * 10 + [2] * 4)
    digits = np.array([0] * 8 + [1] * 2 + [0] * 6 + [1] * 4 + [2] * 4)
    result = D.score(categories, digits, categories, digits, num_categories=3)
    assert result.majority_digits == (0, 0, 2)
    assert result.majority.num_wrong == 6
    assert result.num_sharing == 2
    assert result.one_to_one_digits == (0, 1, 2)
    assert (result.one_to_one.num_wrong, result.one_to_one.num_images) == (8, 24)
    assert [row[:3] for row in result.confusion_KD] == [(8, 2, 0), (6, 4, 0), (0, 0, 4)]
    assert result.to_json()["one_to_one"]["error"] == pytest.approx(1 / 3)


def test_ties_and_too_many_categories_follow_the_rule() -> None:
    assert D.assign_majority([0, 0, 1], [5, 3, 2], 3) == (3, 2, D.NO_DIGIT)
    assert D.assign_one_to_one([0, 0, 1, 1], [4, 6, 4, 6], 2) == (4, 6)
    crowded = D.assign_one_to_one(np.arange(12), np.arange(12) % 10, 12)
    assert crowded[2:10] == tuple(range(2, 10))
    assert crowded.count(D.NO_DIGIT) == 2
    assert D.error((D.NO_DIGIT, 1), [0, 1, 1], [0, 1, 2]).num_wrong == 2


def test_the_interval_is_wilsons() -> None:
    """5 errors in 100: 0.0215 to 0.1118, as in textbooks."""
    rate = D.error((0, 1), [0] * 95 + [1] * 5, [0] * 100)
    assert (rate.error, rate.num_wrong) == (0.05, 5)
    assert (rate.low, rate.high) == (pytest.approx(0.0215, abs=1e-4), pytest.approx(0.1118, abs=1e-4))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_one_to_one_never_beats_majority_and_renaming_changes_nothing(pairs: list[tuple[int, int]]) -> None:
    categories, digits = np.array(pairs).T
    result = D.score(categories, digits, categories, digits)
    assert result.majority.error <= result.one_to_one.error
    assert result.majority.error == pytest.approx(1 - D.agreement(categories, digits, 10).purity)
    renamed = D.score(9 - categories, digits, 9 - categories, digits)
    assert renamed.one_to_one.error == result.one_to_one.error
    assert sorted(result.one_to_one_digits) == list(range(10))
    assert result.one_to_one.low <= result.one_to_one.error <= result.one_to_one.high


@pytest.mark.parametrize(
    ("categories", "digits", "message"),
    [
        ([], [], "one category and one digit"),
        ([1, 2], [1], "one category and one digit"),
        ([10], [1], "categories must be integers from 0 to 9"),
        ([1], [-1], "digits must be integers"),
        ([0.5], [1], "categories must be integers"),
    ],
)
def test_what_cannot_be_counted_is_refused(categories: list, digits: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        D.assign_one_to_one(categories, digits, 10)


def real_images(num: int) -> torch.Tensor:
    return torch.from_numpy(data.load("mnist", "embedded").train.images[:num].copy()).float() / 255


def test_a_prediction_does_not_depend_on_its_batch() -> None:
    discriminator = Discriminator(ARCHITECTURES["mnist"], SPEC, NetworkSettings(width=0.1))
    initialise(discriminator, NetworkSettings(), stream(0, "init"))
    images = real_images(400)
    calibrate_on_images(discriminator, images)
    categories = D.category_of_images(discriminator, SPEC, 1, images)
    assert categories.dtype == np.int64
    assert len(set(categories.tolist())) > 1
    alone = [D.category_of_images(discriminator, SPEC, 1, images[[i]])[0] for i in range(20)]
    assert alone == categories[:20].tolist()
    assert D.category_of_images(discriminator, SPEC, 1, images.flip(0))[::-1].tolist() == categories.tolist()
    features = D.trunk_features(discriminator, images)
    np.testing.assert_allclose(D.trunk_features(discriminator, images[:3]), features[:3], atol=1e-5)
    with pytest.raises(ValueError, match="c1 is continuous"):
        D.category_of_images(discriminator, SPEC, 0, images)


def test_baselines_on_real_digits_lie_where_they_are_known_to() -> None:
    dataset = data.load("mnist", "embedded")
    train, test = (part.images.reshape(-1, 784)[:2000] / np.float32(255) for part in (dataset.train, dataset.test))
    labels = dataset.train.labels[:2000], dataset.test.labels
    clusters = D.kmeans(train, labels[0], test, labels[1], seed=0)
    assert 0.3 < clusters.majority.error <= clusters.one_to_one.error < 0.6
    assert D.kmeans(train, labels[0], test, labels[1], seed=0) == clusters
    probe = D.linear_probe(train, labels[0], test, labels[1])
    assert 0.05 < probe.one_to_one.error < 0.2
    assert probe.one_to_one_digits == tuple(range(10))


def test_kmeans_on_equal_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 10 distinct rows"):
        D.kmeans(np.zeros((50, 3)), DIGITS[:50], np.zeros((5, 3)), DIGITS[:5], seed=0)
