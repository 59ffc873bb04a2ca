"""Sample quality in the readers' features, for a generator that draws, and for two that show nothing of the data."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infogan.data import Dataset, Part
from infogan.data.base import make_dataset
from infogan.measures.catalogue import FAMILIES
from infogan.measures.factors.readers import factor_readers
from infogan.measures.quality import family as S
from infogan.measures.subsets import random_rows
from tests.infogan.drawings import NAMES, RECIPE, cell, drawn_dataset


@pytest.fixture(scope="module")
def drawings() -> Dataset:
    return drawn_dataset()


class Texture(nn.Module):
    """Noise pixels that repeat for equal latents; ``size`` 0: one grey image."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.precision, self.size = nn.Parameter(torch.zeros(())), size

    def forward(self, inputs_NZ: Tensor) -> Tensor:
        waves = torch.arange(24 * 24).view(24, 24) * inputs_NZ.sum(dim=1)[:, None, None] * 12.9898
        return (0.5 + 0.5 * self.size * waves.sin())[:, None]


def test_samples_are_judged_against_real_ones_where_factors_are_known(drawings: Dataset, monkeypatch) -> None:
    monkeypatch.setattr(S, "NUM_SAMPLES", 400)
    monkeypatch.setattr(S, "factor_readers", partial(factor_readers, recipe=RECIPE))
    good, noise, grey = (S.measure_samples(cell(drawings, generator=g)) for g in (None, Texture(1.0), Texture(0.0)))
    assert (
        good.values.keys() == noise.values.keys() == FAMILIES["samples"].keys() - {"digits_covered", "diversity_within"}
    )
    assert good.values["precision"] == pytest.approx(good.values["precision_held_out"], abs=0.15)
    assert good.values["precision_held_out"] > 0.7
    assert 0.1 < good.values["recall"] < good.values["precision"] - 0.1  # G's hand covers only half a turn
    assert good.values["kid"] > good.values["kid_held_out"] == pytest.approx(0, abs=0.02)
    assert good.values["frechet"] > 2 * good.values["frechet_training"]
    assert good.values["coverage"] < good.values["coverage_training"] - 0.1
    assert good.values["density_training"] == pytest.approx(1, abs=0.15)
    assert noise.values["density"] == grey.values["coverage"] == 0
    assert good.values["diversity"] == pytest.approx(1, abs=0.15)
    assert noise.values["precision"] == grey.values["precision"] == 0
    assert min(noise.values["kid"], grey.values["kid"]) > 10 * good.values["kid"]
    assert grey.values["diversity"] == pytest.approx(0, abs=1e-5)
    assert good.grids["nearest"].shape == (6, 10, 24, 24, 1)


def test_rows_represent_their_file_whatever_its_order(drawings: Dataset, monkeypatch) -> None:
    """Training images are sorted by content, so the first hundred differ from the rest, as MNIST's halves do."""
    order = drawings.train.factors[:, 0].argsort()
    train = Part(drawings.train.images[order], factors=drawings.train.factors[order])
    ordered = make_dataset("sorted", "test", "", False, train, drawings.test, NAMES)
    monkeypatch.setattr(S, "NUM_SAMPLES", 100)
    monkeypatch.setattr(S, "factor_readers", partial(factor_readers, recipe=RECIPE))
    found = S.measure_samples(cell(ordered)).values
    assert found["kid_held_out"] == pytest.approx(0, abs=0.05)
    assert found["kid_training"] == pytest.approx(0, abs=0.05)
    assert min(found["precision_held_out"], found["precision_training"], found["coverage_training"]) > 0.6


def test_random_rows_are_the_same_ones_at_any_time_and_not_the_first() -> None:
    rows, others = random_rows(10_000, 2_000), random_rows(10_000, 2_000, skip=2_000)
    assert np.array_equal(rows, random_rows(10_000, 2_000))
    assert len(set(rows) | set(others)) == 4_000
    assert (np.diff(rows) > 0).all()
    for part in (rows, others):
        assert (part < 5_000).mean() == pytest.approx(0.5, abs=0.04)
    assert random_rows(3, 5).tolist() == [0, 1, 2]


def test_samples_of_images_without_factors_or_labels_have_a_reason(drawings: Dataset) -> None:
    bare = make_dataset("bare", "test", "", False, Part(drawings.train.images), Part(drawings.test.images))
    found = S.measure_samples(cell(bare))
    assert (found.values, found.reasons) == ({}, {"": "the images of bare have neither factors nor labels"})
