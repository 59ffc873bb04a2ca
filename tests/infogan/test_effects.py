"""Sobol indices and sweeps on generators whose "image" is a known function of the latents."""

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from infogan.architectures import ARCHITECTURES
from infogan.blocks import NetworkSettings
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.measures import effects
from infogan.measures.calibration import calibrate_generator
from infogan.measures.digits import morphology
from infogan.measures.effects import SobolIndices, sobol_indices
from infogan.measures.sweeps import POSITIONS, Sweep, sweep
from infogan.networks import Generator, initialise
from infogan.streams import stream
from tests.infogan.known_functions import Known, values

SPEC = LatentSpec(Noise(3), (Categorical(4), Continuous(), Continuous()))  # columns: z1-z3, c1 one-hot, c2, c3


def category(x: Tensor) -> Tensor:
    return x[:, 3:7].argmax(dim=1).double()


def c2(x: Tensor) -> Tensor:
    return x[:, 7]


def c3(x: Tensor) -> Tensor:
    return x[:, 8]


def indices(*functions: Callable[[Tensor], Tensor], spec: LatentSpec = SPEC, num_rows: int = 256) -> SobolIndices:
    return sobol_indices(Known(*functions), spec, values, stream(0, "evaluation"), num_rows)


def test_an_additive_function_has_the_indices_of_its_parts() -> None:
    """Variances: 4/3 from 2 c2, 1/3 from c3, 0.2 from 0.4 c1 over four categories, 1/12 from z1 / 2; 0 from z2, z3."""
    result = indices(lambda x: 2 * c2(x) + c3(x) + 0.4 * category(x) + 0.5 * x[:, 0], num_rows=2048)
    parts = {"c2": 4 / 3, "c3": 1 / 3, "c1": 0.2, "z1": 1 / 12, "z2": 0.0, "z3": 0.0}
    found = result.properties["p0"]
    assert set(found.first_order) == set(parts)
    for factor, variance in parts.items():
        share = variance / sum(parts.values())
        error = found.standard_error[factor]
        assert error < 0.02, factor
        assert found.first_order[factor] == pytest.approx(share, abs=min(0.02, 3 * error)), factor
        assert found.total[factor] == pytest.approx(share, abs=min(0.02, 3 * error)), factor
    assert found.first_order["z2"] == found.total["z2"] == found.standard_error["z2"] == 0
    assert found.standard_deviation == pytest.approx(sum(parts.values()) ** 0.5, rel=0.02)
    assert found.share_measured == 1
    assert result.noise_null("p0") == found.first_order["z1"]


def test_a_pure_interaction_has_total_indices_only() -> None:
    found = indices(lambda x: c2(x) * c3(x), num_rows=2048).properties["p0"]
    for code in ("c2", "c3"):
        assert found.first_order[code] == pytest.approx(0, abs=min(0.05, 3 * found.standard_error[code]))
        assert found.standard_error[code] < 0.05
        assert found.total[code] == pytest.approx(1, abs=0.08)
    assert found.total["c1"] == 0


def ishigami(x: Tensor) -> Tensor:
    a, b, c = (x * math.pi).T
    return a.sin() + 7 * b.sin() ** 2 + 0.1 * c**4 * a.sin()


def test_indices_of_the_ishigami_function_agree_with_theory_and_with_scipy() -> None:
    spec = LatentSpec(Noise(0), (Continuous(), Continuous(), Continuous()))
    result = indices(ishigami, spec=spec, num_rows=2048)
    found = result.properties["p0"]
    uniform = [stats.uniform(-1, 2)] * 3
    reference = stats.sobol_indices(
        func=lambda x: ishigami(torch.from_numpy(x.T)).numpy(), n=4096, dists=uniform, rng=np.random.default_rng(0)
    )
    assert list(found.first_order.values()) == pytest.approx([0.3139, 0.4424, 0.0], abs=0.03)
    assert list(found.total.values()) == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.03)
    assert list(found.first_order.values()) == pytest.approx(reference.first_order.tolist(), abs=0.04)
    assert result.noise_null("p0") is None
    assert result.num_images == effects.num_images(spec, 2048) == 2 * 8 * 2048 * 4


def test_small_indices_are_told_apart_from_nothing() -> None:
    """Twenty noise dimensions with 0.2 % each beside a code: the largest index stays near 0.002."""
    spec = LatentSpec(Noise(20), (Continuous(),))
    weight = (0.002 / (1 - 20 * 0.002)) ** 0.5
    result = indices(lambda x: x[:, 20] + weight * x[:, :20].sum(dim=1), spec=spec, num_rows=256)
    assert result.noise_null("p0") == pytest.approx(0.002, abs=0.001)
    assert result.properties["p0"].first_order["c1"] == pytest.approx(0.96, abs=0.03)


def test_components_are_weighed_by_their_variance() -> None:
    """(2 c2, c3) as one property: 4/5 and 1/5 of its summed variance."""

    def pair(images: Tensor) -> dict[str, np.ndarray]:
        return {"pair": images[:, 0, 0].numpy()}

    generator = Known(lambda x: 2 * c2(x), lambda x: c3(x) + 100)
    found = sobol_indices(generator, SPEC, pair, stream(0, "evaluation")).properties["pair"]
    assert found.first_order["c2"] == pytest.approx(0.8, abs=0.02)
    assert found.first_order["c3"] == pytest.approx(0.2, abs=0.02)


def test_normal_priors_are_sampled_as_such() -> None:
    spec = LatentSpec(Noise(1, "normal"), (Continuous(prior="normal"), Continuous(low=0, high=4)))
    found = indices(lambda x: x.sum(dim=1), spec=spec).properties["p0"]
    assert found.standard_deviation == pytest.approx((1 + 1 + 4 / 3) ** 0.5, rel=0.03)
    assert found.first_order["c2"] == pytest.approx(0.4, abs=0.02)


def test_a_few_images_that_cannot_be_measured_are_left_out_and_many_are_not_measured() -> None:
    def blank(images: Tensor) -> dict[str, np.ndarray]:
        x = images[:, 0, 0, 0].numpy()
        return {"few": np.where(x > 0.97, np.nan, x), "many": np.where(x > 0.2, np.nan, x), "none": x * 0 + 0.1}

    result = sobol_indices(Known(c2), SPEC, blank, stream(0, "evaluation"))
    few = result.properties["few"]
    assert few.first_order["c2"] == pytest.approx(1, abs=0.03)
    assert few.share_measured == pytest.approx(0.985, abs=0.01)
    for name in ("many", "none"):
        assert result.properties[name] is None
        assert result.noise_null(name) is None
    assert "NaN" not in json.dumps(result.to_json())


@given(weights=st.lists(st.floats(-3, 3), min_size=3, max_size=3), seed=st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_scale_and_shift_of_a_property_change_nothing(weights: list[float], seed: int) -> None:
    def function(x: Tensor) -> Tensor:
        return weights[0] * c2(x) + weights[1] * c3(x) * x[:, 0] + weights[2] * category(x) + c2(x) ** 2

    generator = Known(function, lambda x: 5 - 10 * function(x))
    found = sobol_indices(generator, SPEC, values, stream(seed, "evaluation"), 64).properties
    for factor, index in found["p0"].first_order.items():
        assert found["p1"].first_order[factor] == pytest.approx(index, abs=1e-9)
        assert found["p0"].total[factor] >= -1e-12


def test_same_stream_same_indices() -> None:
    assert indices(ishigami_of_codes) == indices(ishigami_of_codes)


def ishigami_of_codes(x: Tensor) -> Tensor:
    return ishigami(x[:, [0, 7, 8]])


def test_a_real_generator_is_measured_by_its_morphology() -> None:
    spec = LatentSpec(Noise(2), (Categorical(3), Continuous()))
    generator = Generator(ARCHITECTURES["mnist"], spec, NetworkSettings(width=0.05))
    initialise(generator, NetworkSettings(init_std=0.2), stream(0, "init"))
    calibrate_generator(generator, spec, stream(0, "latents"), 500)
    result = sobol_indices(generator, spec, morphology.measure, stream(0, "evaluation"), 16)
    assert set(result.properties) == set(morphology.PROPERTIES)
    assert result.num_images == 2 * 16 * (2 + 8 * 3)
    assert all(math.isfinite(v) for p in result.properties.values() if p for v in p.first_order.values())
    assert "NaN" not in json.dumps(result.to_json())


@pytest.mark.parametrize("num_rows", [8, 100])
def test_a_design_needs_a_power_of_two(num_rows: int) -> None:
    with pytest.raises(ValueError, match=f"power of two of rows, at least 16, got {num_rows}"):
        indices(c2, num_rows=num_rows)


def test_no_latents_and_a_measure_that_loses_images_are_refused() -> None:
    with pytest.raises(ValueError, match="no latents"):
        indices(c2, spec=LatentSpec(Noise(0), ()))
    with pytest.raises(ValueError, match="3 values of p for 2048 images"):
        sobol_indices(Known(c2), SPEC, lambda _: {"p": np.zeros(3)}, stream(0, "evaluation"))


def swept(*functions: Callable[[Tensor], Tensor], latent: str = "c2", **options) -> Sweep:
    std = options.pop("data_std", {f"p{i}": 0.5 for i in range(len(functions))})
    return sweep(Known(*functions), SPEC, latent, values, stream(0, "evaluation"), data_std=std, **options)


def test_a_sweep_has_the_functions_own_effect() -> None:
    result = swept(lambda x: 3 * c2(x) + category(x), lambda x: -(c2(x) ** 3), c3)
    prior, paper = result.ranges
    assert (prior.low, prior.high, paper.low, paper.high) == (-1, 1, -2, 2)
    assert prior.changes["p0"].mean == pytest.approx(6)
    assert prior.changes["p0"].mean_in_data_std == pytest.approx(12)
    assert paper.changes["p0"].mean == pytest.approx(12)
    assert (prior.changes["p0"].sign, prior.changes["p0"].share_of_sign, prior.changes["p0"].num_rows) == (1, 1, 100)
    assert (prior.changes["p1"].sign, prior.changes["p1"].mean, paper.changes["p1"].mean) == (-1, -2, -16)
    assert (prior.changes["p2"].sign, prior.changes["p2"].mean, prior.changes["p2"].share_of_sign) == (0, 0, 0)
    assert prior.digit_kept is None
    assert swept(lambda x: x[:, 1], latent="z2").ranges[0].changes["p0"].mean == pytest.approx(2)


def test_rows_run_evenly_through_the_categories_and_signs_are_counted() -> None:
    """In one of four categories the property falls along the row."""
    change = swept(lambda x: torch.where(category(x) == 3, -c2(x), c2(x))).ranges[0].changes["p0"]
    assert (change.sign, change.share_of_sign) == (1, 0.75)
    assert change.mean == pytest.approx(0.75 * 2 - 0.25 * 2)


def test_a_digit_survives_in_a_known_share_of_rows() -> None:
    """The digit is the category, but category 0 turns into 9 above c2 = 1.5 and category 1 below c2 = -0.5."""

    def digits(images: Tensor) -> np.ndarray:
        kind, position = images[:, 0, 0, 0].numpy(), images[:, 0, 0, 1].numpy()
        turned = ((kind == 0) & (position >= 1.5)) | ((kind == 1) & (position <= -0.5))
        return np.where(turned, 9, kind)

    prior, paper = swept(category, c2, digits=digits).ranges
    assert (prior.digit_kept, paper.digit_kept) == (0.75, 0.5)


def test_blank_rows_are_left_out_and_too_many_are_not_measured() -> None:
    def some(x: Tensor) -> Tensor:
        return torch.where((category(x) == 0) & (c3(x) < 0), math.nan, c2(x))

    change = swept(some).ranges[0].changes["p0"]
    assert 80 <= change.num_rows < 100
    assert change.mean == pytest.approx(2)
    result = swept(lambda x: torch.where(category(x) < 2, math.nan, c2(x)))
    assert result.ranges[0].changes["p0"] is None
    assert "NaN" not in json.dumps(result.to_json())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent": "c1"}, "continuous code or a noise dimension"),
        ({"latent": "c9"}, "got 'c9'"),
        ({"num_rows": 9}, "at least 10 rows, got 9"),
        ({"data_std": {"p0": 0.0}}, "p0 has the standard deviation 0"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        swept(c2, **options)


def test_positions_hold_both_ranges() -> None:
    assert {-2.0, -1.0, 0.0, 1.0, 2.0} <= set(POSITIONS)
