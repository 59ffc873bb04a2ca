"""Health of generators whose answer is known: one image, one image per category, the data itself."""

import math

import numpy as np
import pytest
import torch

from infogan import data
from infogan.architectures import ARCHITECTURES
from infogan.batch_norm import frozen
from infogan.blocks import NetworkSettings
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.measures.calibration import calibrate_generator
from infogan.measures.health import (
    check_yardstick,
    distinctness,
    health,
    prior_samples,
    saturation,
    silent_codes,
    variety,
)
from infogan.networks import Generator, initialise

SPEC = LatentSpec(Noise(62, "uniform"), (Categorical(10),))


@pytest.fixture(scope="module")
def real() -> torch.Tensor:
    """1,000 shuffled digits in [0, 1]."""
    images = torch.from_numpy(data.load("mnist", "embedded").train.images)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images[order[:1000]].float() / 255


@pytest.fixture(scope="module")
def generator() -> Generator:
    generator = Generator(ARCHITECTURES["mnist"], SPEC, NetworkSettings(width=0.1))
    initialise(generator, NetworkSettings(width=0.1), torch.Generator().manual_seed(0))
    calibrate_generator(generator, SPEC, torch.Generator().manual_seed(1), 500)
    return generator


def test_hand_computed() -> None:
    images = torch.tensor([0.0, 3.0, 4.0]).reshape(3, 1, 1, 1)  # nearest: 3, 1, 1
    real = torch.tensor([0.0, 1.0, 3.0]).reshape(3, 1, 1, 1)  # nearest: 1, 1, 2
    assert distinctness(images, real) == pytest.approx(5 / 4)
    assert variety(images, real) == pytest.approx(math.sqrt((13 / 3) / (7 / 3)))


def test_the_data_against_itself_is_1_and_ok(real: torch.Tensor) -> None:
    assert variety(real, real) == distinctness(real, real) == 1
    assert variety(real[:500], real[500:]) == pytest.approx(1, abs=0.03)
    assert distinctness(real[:500], real[500:]) == pytest.approx(1, abs=0.03)
    assert health(real[:500], real[500:], saturated=0.0).status == "ok"


def test_scale_of_both_does_not_matter_and_contrast_of_one_does(real: torch.Tensor) -> None:
    """For example, images in [0, 1] and in [-1, 1]."""
    a, b = real[:300] * 0.7, real[300:600]
    for measure in (variety, distinctness):
        assert measure(2 * a - 1, 2 * b - 1) == pytest.approx(measure(a, b))
        assert measure(a / 2, b) == pytest.approx(measure(a, b) / 2)


def test_one_image_is_collapsed(real: torch.Tensor) -> None:
    found = health(real[:1].expand_as(real), real, saturated=0.0)
    assert (found.status, found.variety) == ("collapsed", 0)
    assert found.distinctness == pytest.approx(0, abs=1e-6)
    assert "one image" in found.reason


def test_one_image_per_category_is_collapsed_though_varied(real: torch.Tensor) -> None:
    found = health(real[:10].repeat(100, 1, 1, 1), real, saturated=0.0)
    assert found.status == "collapsed"
    assert "repeats" in found.reason
    assert found.variety == pytest.approx(0.88, abs=0.02)
    assert found.distinctness == pytest.approx(0, abs=1e-6)


def test_a_generator_that_ignores_its_noise_is_collapsed(real: torch.Tensor, generator: Generator) -> None:
    """Its ten images differ by rounding at most. The same weights with noise are not collapsed."""
    latents = SPEC.sample(300, torch.Generator().manual_seed(2), torch.float32)
    same_noise = SPEC.noise.sample(1, torch.Generator().manual_seed(3), torch.float32).expand(300, -1)
    with torch.no_grad(), frozen(generator):
        ten = generator(SPEC.assemble(same_noise, latents.values).inputs_NZ)
    assert health(ten, real, saturated=0.0).status == "collapsed"
    samples = prior_samples(generator, SPEC, torch.Generator().manual_seed(2), 300)
    assert health(samples, real, saturated=0.0).status == "ok"


def test_samples_that_are_not_finite_are_collapsed_and_have_no_numbers(real: torch.Tensor) -> None:
    broken = real.clone()
    broken[7, 0, 3, 3] = math.nan
    found = health(broken, real, saturated=0.0)
    assert (found.status, found.variety, found.distinctness) == ("collapsed", None, None)


def test_saturation_is_the_share_of_the_last_tenth() -> None:
    loss = np.full(100, 0.01)
    assert saturation(loss) == 1
    loss[-10:] = 1.0
    assert saturation(loss) == 0
    loss[-4:] = 0.05
    assert saturation(loss) == pytest.approx(0.4)
    assert saturation(np.array([0.05])) == 1


def test_a_sure_discriminator_is_a_stall_and_a_collapse_outweighs_it(real: torch.Tensor) -> None:
    assert health(real[:300], real[300:600], saturated=0.6).status == "stalled"
    assert health(real[:300], real[300:600], saturated=0.5).status == "ok"
    assert health(real[:1].expand(300, -1, -1, -1), real, saturated=1.0).status == "collapsed"


def test_silent_codes_are_reported_for_arms_trained_on_them_and_change_no_status(real: torch.Tensor) -> None:
    spec = LatentSpec(Noise(4, "uniform"), (Categorical(10), Categorical(3), Continuous()))
    flat = np.full(50, 0.001)
    bounds = {"c1": flat, "c2": np.linspace(0, 1, 50), "c3": flat}
    assert silent_codes(spec, bounds, (1.0, 1.0, 1.0)) == ("c1",)
    assert silent_codes(spec, bounds, (0.0, 0.0, 0.0)) == ()
    found = health(real[:300], real[300:600], saturated=0.0, silent=("c1",))
    assert found.status == "ok"
    assert found.reason.endswith("no information in c1")


def test_samples_depend_on_their_stream_alone(generator: Generator) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one, two, other = (prior_samples(generator, SPEC, torch.Generator().manual_seed(s), 260) for s in (5, 5, 6))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_images_with_a_double_each_are_found_before_a_training(real: torch.Tensor) -> None:
    check_yardstick(real)
    for broken in (real[:1].expand(100, -1, -1, -1), real[:50].repeat(2, 1, 1, 1)):
        with pytest.raises(ValueError, match="do not differ, or each has a double"):
            check_yardstick(broken)


@pytest.mark.parametrize("measure", [variety, distinctness])
def test_real_images_that_do_not_differ_are_no_yardstick(measure) -> None:
    """The ratio is not infinite, which could not be recorded and would lose the whole training."""
    with pytest.raises(ValueError, match="do not differ"):
        measure(torch.rand(8, 1, 4, 4), torch.ones(8, 1, 4, 4))
