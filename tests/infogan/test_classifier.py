"""The digit classifier: learns real digits, is reproducible, is cached by data and recipe, judges each image alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from infogan import data
from infogan.data import Dataset, Part
from infogan.data.base import make_dataset
from infogan.measures.digits import classifier as C
from infogan.measures.digits.classifier import Recipe, TrainedClassifier, digit_classifier

QUICK = Recipe(iterations=120, width=8)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("mnist", "embedded")


@pytest.fixture(scope="module")
def trained(digits: Dataset) -> TrainedClassifier:
    return digit_classifier(digits, QUICK)


def images_of(dataset: Dataset, num: int) -> torch.Tensor:
    return torch.from_numpy(dataset.test.images[:num].copy()).float() / 255


def same(a: TrainedClassifier, b: TrainedClassifier) -> bool:
    first, second = a.model.state_dict(), b.model.state_dict()
    return a.test_accuracy == b.test_accuracy and all(torch.equal(first[name], second[name]) for name in first)


def test_it_reads_digits_that_it_never_saw(trained: TrainedClassifier, digits: Dataset) -> None:
    assert 0.93 < trained.test_accuracy < 1
    assert (trained.num_train, trained.num_test) == (4000, 1000)
    predicted = trained.model.digits(images_of(digits, 1000))
    assert np.mean(predicted == digits.test.labels) == trained.test_accuracy


def test_it_comes_from_the_cache_and_damage_means_training_anew(
    trained: TrainedClassifier, digits: Dataset, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr(C, "_train", lambda *_: pytest.fail("trained again"))
    assert same(digit_classifier(digits, QUICK), trained)
    monkeypatch.undo()
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path))
    few = replace(QUICK, iterations=5)
    first = digit_classifier(digits, few)
    (cached,) = (tmp_path / "classifiers").iterdir()
    content = cached.read_bytes()
    for damage in (b"", content[:200], content[:500] + bytes(100) + content[600:], b"not a file of torch"):
        cached.write_bytes(damage)
        assert same(digit_classifier(digits, few), first)  # to the same bits
    torch.set_num_threads(2)
    cached.unlink()
    try:
        assert same(digit_classifier(digits, few), first)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_data_recipe_and_seed_have_files_of_their_own(digits: Dataset, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path))
    few = replace(QUICK, iterations=2)
    fewer_images = replace(digits, train=Part(digits.train.images[:200], digits.train.labels[:200]))
    first = digit_classifier(digits, few)
    others = [digit_classifier(digits, replace(few, seed=1)), digit_classifier(fewer_images, few)]
    assert not any(same(first, other) for other in others)
    assert others[1].num_train == 200
    assert len(list((tmp_path / "classifiers").iterdir())) == 3


def test_a_cache_that_cannot_be_written_is_no_error(digits: Dataset, monkeypatch, tmp_path) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "file" / "cache"))
    assert digit_classifier(digits, replace(QUICK, iterations=2)).num_test == 1000


def test_an_answer_does_not_depend_on_its_batch(trained: TrainedClassifier, digits: Dataset) -> None:
    images = images_of(digits, 600)
    probabilities, features = trained.model.probabilities(images), trained.model.features(images)
    assert features.shape == (600, C.NUM_FEATURES)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(600))
    for rows in (slice(3, 4), slice(500, 520)):
        torch.testing.assert_close(trained.model.probabilities(images[rows]), probabilities[rows], atol=1e-5, rtol=0)
        torch.testing.assert_close(trained.model.features(images[rows]), features[rows], atol=1e-4, rtol=1e-4)
    blank = trained.model.features(torch.zeros(2, 1, 28, 28))
    assert torch.isfinite(blank).all()
    assert torch.equal(blank[0], blank[1])


def test_in_training_mode_it_refuses_to_judge(digits: Dataset) -> None:
    with pytest.raises(RuntimeError, match="eval mode only"):
        C.DigitClassifier((1, 28, 28), 4).features(images_of(digits, 2))


def test_data_that_cannot_train_it_is_refused(digits: Dataset) -> None:
    unlabelled = Part(digits.train.images)
    with pytest.raises(ValueError, match="the training images of mnist have none"):
        digit_classifier(replace(digits, train=unlabelled))
    with pytest.raises(ValueError, match="the held-out images of mnist have none"):
        digit_classifier(replace(digits, test=unlabelled))
    with pytest.raises(ValueError, match="needs 128 training images, got 100"):
        digit_classifier(replace(digits, train=Part(digits.train.images[:100], digits.train.labels[:100])))
    wrong = Part(digits.train.images, digits.train.labels + 1)
    with pytest.raises(ValueError, match="labels must be digits, got 1 to 10"):
        digit_classifier(make_dataset("mnist", "embedded", "", False, wrong, digits.test))
