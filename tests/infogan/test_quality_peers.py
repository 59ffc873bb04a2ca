"""Distances and manifolds of feature rows against their authors' formulas, written out or in torchmetrics."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist

from infogan.measures.quality import distances as Q
from infogan.streams import stream


def normal(num: int, seed: int, width: int = 8) -> torch.Tensor:
    return torch.randn(num, width, generator=stream(seed, "evaluation"), dtype=torch.float64)


def scaled(*rows: torch.Tensor) -> list[torch.Tensor]:
    scale = rows[-1].square().mean().sqrt()
    return [part / scale for part in rows]


@pytest.mark.parametrize(("num", "width"), [(500, 4), (40, 60)])
def test_the_frechet_distance_is_torchmetrics(num: int, width: int) -> None:
    """Also with fewer rows than features, whose covariance has no inverse."""
    from torchmetrics.image.fid import _compute_fid

    mixing = normal(width, 5, width)
    x, y = scaled(0.7 * normal(num, 0, width) @ mixing + 0.3, normal(num, 1, width))
    expected = _compute_fid(x.mean(dim=0), x.T.cov(), y.mean(dim=0), y.T.cov())
    assert Q.frechet(x, y) == pytest.approx(float(expected), rel=1e-5)


def test_the_frechet_distance_is_its_formula_and_blind_to_scale() -> None:
    x, y = scaled(2 * normal(300, 0) + 1, normal(200, 1))
    covariances = [np.cov(part.numpy().T) for part in (x, y)]
    trace = np.trace(sum(covariances) - 2 * sqrtm(covariances[0] @ covariances[1]).real)
    expected = float((x.mean(dim=0) - y.mean(dim=0)).square().sum()) + trace
    assert Q.frechet(x, y) == pytest.approx(expected, rel=1e-9)
    assert Q.frechet(7 * x, 7 * y) == pytest.approx(expected, rel=1e-9)
    assert Q.frechet(x, x) == pytest.approx(0, abs=1e-9)


def test_the_frechet_distance_of_single_normals_is_known() -> None:
    """(m - 0)^2 + (s - 1)^2 for one feature with mean m and deviation s, in units of the real root mean square, 1."""
    x, y = 2.5 * normal(200_000, 0, 1) + 3, normal(200_000, 1, 1)
    assert Q.frechet(x, y) == pytest.approx(3**2 + 1.5**2, rel=0.01)


def test_density_and_coverage_counted_by_hand() -> None:
    """Real points 0, 1, 3, 10 with k = 1: radii 1, 1, 2, 7. Sample 0.5 is in two balls, 2 in one (1 is not below 1)."""
    real = torch.tensor([[0.0], [1.0], [3.0], [10.0]])
    found = Q.density_coverage(torch.tensor([[0.5], [2.0], [60.0]]), real, neighbours=1)
    assert found == (pytest.approx(3 / 3), 3 / 4)


def test_density_and_coverage_are_their_makers_formulas(monkeypatch) -> None:
    """As in Naeem et al.'s prdc: balls that contain a sample, by distances below that of the k-th real neighbour."""
    samples, real, k = 0.8 * normal(150, 0) + 0.2, normal(130, 1), 5
    radii = np.sort(cdist(real, real), axis=1)[:, k]  # the first neighbour is the image itself
    within = cdist(real, samples) < radii[:, None]
    expected = (pytest.approx(within.sum(axis=0).mean() / k), pytest.approx(within.any(axis=1).mean()))
    assert Q.density_coverage(samples, real) == expected
    monkeypatch.setattr(Q, "_ROWS_AT_ONCE", 17)
    assert Q.density_coverage(samples, real) == expected


def test_density_and_coverage_of_one_distribution_and_beside_an_outlier() -> None:
    """Coverage of N rows by N others of the same distribution: 1 - (N-1)...(N-k) / (2N-1)...(2N-k)."""
    found = [Q.density_coverage(normal(500, seed), normal(500, seed + 50)) for seed in range(10)]
    expected = 1 - math.prod((500 - i) / (1000 - i) for i in range(1, 6))
    assert np.mean([f.coverage for f in found]) == pytest.approx(expected, abs=0.01)
    assert np.mean([f.density for f in found]) == pytest.approx(1, abs=0.05)
    real = torch.cat([normal(499, 0), torch.full((1, 8), 30.0, dtype=torch.float64)])
    far = normal(500, 1) + 12
    assert Q.precision_recall(far, real).precision > 0.9
    assert Q.density_coverage(far, real).density < 0.25
    assert Q.density_coverage(far, real).coverage < 0.01


def test_the_deviation_of_kid_is_torchmetrics_over_the_same_subsets(monkeypatch) -> None:
    from torchmetrics.image.kid import poly_mmd

    monkeypatch.setattr(Q, "SUBSET_ROWS", 50)
    x, y = scaled(normal(200, 0) + 0.2, normal(150, 1))
    rng = np.random.default_rng(0)
    found = []
    for _ in range(Q.NUM_SUBSETS):
        part = x[rng.permutation(200)[:50]]
        found.append(float(poly_mmd(y[rng.permutation(150)[:50]], part)))
    deviation = Q.kid_deviation(x, y, np.random.default_rng(0))
    assert deviation == pytest.approx(np.std(found, ddof=1), rel=1e-9)
    assert Q.kid_deviation(7 * x, 7 * y, np.random.default_rng(0)) == pytest.approx(deviation, rel=1e-9)
    with pytest.raises(ValueError, match="four rows"):
        Q.kid_deviation(normal(3, 0), y, np.random.default_rng(0))
