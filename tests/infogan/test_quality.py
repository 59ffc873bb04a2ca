"""Sample quality of equal, shifted, disjoint and repeated sets, and against sums written out."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import euclidean_distances, polynomial_kernel

from infogan import data
from infogan.measures.quality import distances as Q
from infogan.streams import stream


def normal(num: int, seed: int, width: int = 8) -> torch.Tensor:
    return torch.randn(num, width, generator=stream(seed, "evaluation"))


def test_kid_of_one_distribution_is_about_0_and_grows_with_noise() -> None:
    real = normal(2000, 0)
    same = [Q.kid(normal(2000, seed), real) for seed in range(1, 6)]
    assert np.mean(same) == pytest.approx(0, abs=0.005)
    assert min(same) < 0  # unbiased
    noisy = [Q.kid(normal(2000, 1) + level * normal(2000, 2), real) for level in (0.5, 1.0, 2.0)]
    assert max(same) < noisy[0] < noisy[1] < noisy[2]


def test_kid_is_the_unbiased_estimate_written_out(monkeypatch) -> None:
    x, y = normal(40, 0, 5).double(), normal(30, 1, 5).double() + 0.3
    scale = y.square().mean().sqrt()
    pairs = ((x / scale, x / scale), (y / scale, y / scale), (x / scale, y / scale))
    xx, yy, xy = (polynomial_kernel(a, b, degree=3, gamma=1 / 5, coef0=1) for a, b in pairs)
    expected = sum(k[~np.eye(len(k), dtype=bool)].mean() for k in (xx, yy)) - 2 * xy.mean()
    assert Q.kid(x, y) == pytest.approx(expected, rel=1e-9)
    assert Q.kid(7 * x, 7 * y) == pytest.approx(expected, rel=1e-9)
    monkeypatch.setattr(Q, "_ROWS_AT_ONCE", 7)
    assert Q.kid(x, y) == pytest.approx(expected, rel=1e-9)


def test_precision_and_recall_of_equal_disjoint_and_partial_sets() -> None:
    real = normal(300, 0)
    assert Q.precision_recall(real, real) == (1, 1)
    assert Q.precision_recall(real + 100, real) == (0, 0)
    narrow = Q.precision_recall(normal(300, 1) * 0.3, real)
    assert narrow.precision > 0.95
    assert narrow.recall < 0.2
    wide = Q.precision_recall(normal(300, 1) * 3, real)
    assert wide.precision < 0.2
    assert wide.recall > 0.6


def test_precision_counted_by_hand() -> None:
    """Real points 0, 1, 3 with k = 1 have radii 1, 1, 2. Of the samples -1, 2, 5.5, 2.4 only the third is outside."""
    real = torch.tensor([[0.0], [1.0], [3.0]])
    samples = torch.tensor([[-1.0], [2.0], [5.5], [2.4]])
    assert Q.precision_recall(samples, real, neighbours=1).precision == 0.75


def test_coverage_counts_the_digits_that_are_shown() -> None:
    assert Q.digits_covered(np.tile(np.arange(10), 20)) == 10
    assert Q.digits_covered([0] * 197 + [1] * 2 + [2]) == 2  # one in 200 is below 1 %
    with pytest.raises(ValueError, match="at least 100"):
        Q.digits_covered([1] * 99)


@given(st.integers(2, 30), st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_mean_distance_is_over_all_pairs(num: int, width: int, seed: int) -> None:
    rows = normal(num, seed, width)
    distances = euclidean_distances(rows.double().numpy())
    assert Q.mean_distance(rows) == pytest.approx(distances.sum() / (num * (num - 1)), rel=1e-5)


def test_diversity_of_equal_repeated_and_constant_samples() -> None:
    real = normal(1000, 0)
    groups = np.arange(1000) % 10
    alike = Q.diversity(normal(1000, 1), groups, real, groups)
    assert (alike.overall, alike.within) == (pytest.approx(1, abs=0.03), pytest.approx(1, abs=0.03))
    assert not alike.low
    constant = Q.diversity(torch.zeros(100, 8), groups[:100], real, groups)
    assert (constant.overall, constant.within, constant.low) == (0, 0, True)
    one_each = Q.diversity(normal(10, 1).repeat(100, 1), groups, real, groups)
    assert one_each.overall == pytest.approx(0.9, abs=0.15)
    assert (one_each.within, one_each.low) == (0, True)


@pytest.mark.parametrize("num_distinct", [2, 4, 10])
def test_the_rule_reads_as_a_number_of_distinct_images(num_distinct: int) -> None:
    """m repeated images have (1 - 1 / m) of the mean distance: the basis of the threshold."""
    real = normal(2000, 0, 50)
    shares = [
        Q.mean_distance(normal(num_distinct, seed, 50).repeat(100 // num_distinct * 5, 1)) for seed in range(1, 21)
    ]
    assert np.mean(shares) / Q.mean_distance(real) == pytest.approx(1 - 1 / num_distinct, abs=0.02)


def test_real_digits_are_not_collapsed_and_one_class_of_them_is_less_diverse() -> None:
    dataset = data.load("mnist", "embedded")
    pixels = [
        torch.from_numpy(p.images.reshape(-1, 784)[:600].copy()).float() / 255 for p in (dataset.train, dataset.test)
    ]
    labels = dataset.train.labels[:600], dataset.test.labels[:600]
    alike = Q.diversity(pixels[1], labels[1], pixels[0], labels[0])
    assert (alike.overall, alike.within) == (pytest.approx(1, abs=0.03), pytest.approx(1, abs=0.03))
    assert Q.mean_distance_within(pixels[0], labels[0]) < Q.mean_distance(pixels[0])


def test_the_nearest_training_image_is_found_and_a_copy_has_distance_0() -> None:
    training = normal(500, 0)
    samples = torch.cat([training[[7, 499]], normal(20, 1)])
    indices, distances = Q.nearest(samples, training)
    expected = euclidean_distances(samples.double().numpy(), training.double().numpy())
    assert indices.tolist() == expected.argmin(axis=1).tolist()
    assert distances[:2].tolist() == [0, 0]
    np.testing.assert_allclose(distances, expected.min(axis=1), atol=1e-5)


def test_a_row_counts_alone_whatever_the_chunk(monkeypatch) -> None:
    samples, real, groups = normal(120, 0), normal(130, 1), np.arange(120) % 3
    whole = Q.precision_recall(samples, real), Q.diversity(samples, groups, real, np.zeros(130))
    monkeypatch.setattr(Q, "_ROWS_AT_ONCE", 17)
    assert Q.precision_recall(samples, real) == whole[0]
    chunked = Q.diversity(samples, groups, real, np.zeros(130))
    assert (chunked.overall, chunked.within) == pytest.approx((whole[1].overall, whole[1].within))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Q.kid(normal(1, 0), normal(50, 1)), "at least 2 samples"),
        (lambda: Q.kid(normal(50, 0), normal(50, 1, 7)), "samples have 8 features, real images 7"),
        (lambda: Q.kid(normal(50, 0) * math.nan, normal(50, 1)), "features of samples are not finite"),
        (lambda: Q.kid(normal(50, 0), torch.zeros(50, 8)), "all 0"),
        (lambda: Q.precision_recall(normal(3, 0), normal(50, 1)), "at least 4 samples"),
        (lambda: Q.mean_distance(normal(1, 0)), "needs two rows"),
        (lambda: Q.mean_distance_within(normal(3, 0), [0, 1, 2]), "no group has two rows"),
        (lambda: Q.mean_distance_within(normal(3, 0), [0, 1]), "one group per row"),
        (lambda: Q.diversity(normal(5, 0), [0] * 5, torch.ones(5, 8), [0] * 5), "real images do not differ"),
        (lambda: Q.nearest(normal(3, 0), normal(0, 1)), "at least 1 real images"),
    ],
)
def test_too_few_or_wrong_rows_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("width", [2, 30])
def test_kid_is_torchmetrics_at_equal_numbers(width: int) -> None:
    """We have our own because torchmetrics keeps whole kernels in memory and takes only equal numbers of rows."""
    from torchmetrics.image.kid import poly_mmd

    draws = torch.Generator().manual_seed(width)
    samples, real = (torch.randn(200, width, generator=draws, dtype=torch.float64) + shift for shift in (0.5, 0.0))
    scale = real.square().mean().sqrt()
    assert Q.kid(samples, real) == pytest.approx(float(poly_mmd(real / scale, samples / scale)), abs=1e-9)
