"""Codes against closed forms: entropies, channels with known mutual information, and the paper's Lemma 5.1."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import distributions

from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.streams import stream

F64 = torch.float64


def generator(seed: int = 0) -> torch.Generator:
    return stream(seed, "evaluation")


def test_entropies_are_exact() -> None:
    assert Categorical(10).entropy_nats == pytest.approx(2.302585092994046, abs=1e-15)
    assert Continuous().entropy_nats == pytest.approx(math.log(2), abs=1e-15)
    assert Continuous(prior="normal").entropy_nats == pytest.approx(1.4189385332046727, abs=1e-15)
    assert Continuous().variance == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "code", [Categorical(7), Continuous(), Continuous(low=-3, high=0.5), Continuous(prior="normal")]
)
def test_entropy_is_minus_the_mean_log_prior(code) -> None:
    values = code.sample(200_000, generator(), F64)
    if isinstance(code, Categorical):
        prior = distributions.Categorical(logits=torch.zeros(code.num_categories, dtype=F64))
    else:
        normal = code.prior == "normal"
        prior = distributions.Normal(0.0, 1.0) if normal else distributions.Uniform(code.low, code.high)
        assert code.variance == pytest.approx(float(prior.variance))
    assert -prior.log_prob(values).mean().item() == pytest.approx(code.entropy_nats, abs=0.01)


def discrete_channel(num: int, seed: int) -> torch.Tensor:
    """p(x|c) as a random (num, num + 2) matrix."""
    return torch.rand(num, num + 2, generator=generator(seed), dtype=F64).softmax(dim=1)


def exact_bound(channel: torch.Tensor, log_q: torch.Tensor) -> float:
    """E[log q(c|x)] + H(c) over c ~ uniform and x ~ p(x|c), by summation; log_q is (x, c)."""
    joint = channel / len(channel)
    return float((joint * log_q.T).sum() + math.log(len(channel)))


@given(num=st.integers(2, 8), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_bound_is_tight_with_the_posterior_and_below_with_any_other_q(num: int, seed: int) -> None:
    channel = discrete_channel(num, seed)
    joint = channel / num
    marginal = joint.sum(dim=0)
    information = float((joint * (joint / (marginal / num)).log()).sum())
    posterior = (joint / marginal).T  # (x, c)
    assert exact_bound(channel, posterior.log()) == pytest.approx(information, abs=1e-12)
    other = (posterior.log() + torch.randn(posterior.shape, generator=generator(seed + 1), dtype=F64)).log_softmax(
        dim=1
    )
    assert exact_bound(channel, other) < information
    assert information <= math.log(num)


def test_product_code_reaches_a_discrete_channels_information() -> None:
    """The library's estimate with the posterior's logits as Q's output, on samples from the channel."""
    channel = discrete_channel(10, 5)
    spec = LatentSpec(Noise(0), (Categorical(10),))
    joint = channel / 10
    information = float((joint * (joint / (joint.sum(0) / 10)).log()).sum())
    values = spec.codes[0].sample(200_000, generator(), F64)
    x = torch.multinomial(channel[values], 1, generator=generator(1)).squeeze(1)
    logits = (joint / joint.sum(0)).T.log()[x]
    assert spec.bounds_nats(logits, (values,)).item() == pytest.approx(information, abs=0.01)


def gaussian_q(mean: torch.Tensor, std: float) -> torch.Tensor:
    return torch.stack([mean, torch.full_like(mean, math.log(std))], dim=1)


@pytest.mark.parametrize("noise_std", [0.3, 1.0, 3.0])
def test_gaussian_channel_with_normal_prior(noise_std: float) -> None:
    """x = c + noise: I = ln(1 + 1/s^2) / 2, reached by the exact posterior N(x / (1 + s^2), s^2 / (1 + s^2))."""
    code = Continuous(prior="normal", log_std_clamp=(-20, 20))
    spec = LatentSpec(Noise(0), (code,))
    values = code.sample(400_000, generator(), F64)
    x = values + noise_std * torch.randn(len(values), generator=generator(1), dtype=F64)
    information = 0.5 * math.log1p(noise_std**-2)
    shrink, std = 1 / (1 + noise_std**2), noise_std / math.sqrt(1 + noise_std**2)
    exact = spec.bounds_nats(gaussian_q(shrink * x, std), (values,)).item()
    assert exact == pytest.approx(information, abs=0.01)
    for mean, scale in [(0.8 * shrink * x, std), (shrink * x, 1.3 * std), (shrink * x, 0.8 * std)]:
        assert spec.bounds_nats(gaussian_q(mean, scale), (values,)).item() < exact - 0.001


def test_uniform_prior_leaves_a_gap_to_every_gaussian_q() -> None:
    """The posterior of a uniform code is a truncated Gaussian: the best Gaussian Q stays strictly below I."""
    noise_std = 0.5
    code = Continuous(log_std_clamp=(-20, 20))
    spec = LatentSpec(Noise(0), (code,))
    values = code.sample(400_000, generator(), F64)
    x = values + noise_std * torch.randn(len(values), generator=generator(1), dtype=F64)
    normal = distributions.Normal(torch.tensor(0.0, dtype=F64), 1.0)
    a, b = (-1 - x) / noise_std, (1 - x) / noise_std
    mass = normal.cdf(b) - normal.cdf(a)
    log_posterior = distributions.Normal(x, noise_std).log_prob(values) - mass.log()
    information = float(log_posterior.mean()) + code.entropy_nats
    density = normal.log_prob(a).exp() - normal.log_prob(b).exp()
    edges = (a * normal.log_prob(a).exp() - b * normal.log_prob(b).exp()) / mass
    mean = x + noise_std * density / mass
    std = noise_std * (1 + edges - (density / mass) ** 2).clamp_min(1e-12).sqrt()
    moments_matched = spec.bounds_nats(torch.stack([mean, std.log()], dim=1), (values,)).item()
    assert 0.01 < information - moments_matched < 0.2


def test_lemma_5_1_by_monte_carlo() -> None:
    """E over x ~ X, y ~ Y|x of f(x, y) equals E over x ~ X, y ~ Y|x, x' ~ X|y of f(x', y)."""
    channel = discrete_channel(6, 3)
    num = 400_000
    f = torch.randn(channel.shape, generator=generator(7), dtype=F64)
    c = torch.randint(6, (num,), generator=generator(8))
    x = torch.multinomial(channel[c], 1, generator=generator(9)).squeeze(1)
    posterior = (channel / channel.sum(0)).T
    resampled = torch.multinomial(posterior[x], 1, generator=generator(10)).squeeze(1)
    assert f[c, x].mean().item() == pytest.approx(f[resampled, x].mean().item(), abs=0.01)


def test_a_q_that_knows_nothing_scores_the_known_constants() -> None:
    """Fixed std 1: -0.392 nats with mean 0; best possible ln 2 - ln(2 pi) / 2 = -0.226; learned std: -0.176."""
    values = Continuous().sample(400_000, generator(), F64)
    zeros = torch.zeros(len(values), 1, dtype=F64)
    fixed = LatentSpec(Noise(0), (Continuous(std=1.0),))
    assert fixed.bounds_nats(zeros, (values,)).item() == pytest.approx(-0.392, abs=0.002)
    assert fixed.bounds_nats(values.unsqueeze(1), (values,)).item() == pytest.approx(-0.2258, abs=1e-4)
    learned = LatentSpec(Noise(0), (Continuous(),))
    prior_fit = gaussian_q(torch.zeros(len(values), dtype=F64), 3**-0.5)
    assert learned.bounds_nats(prior_fit, (values,)).item() == pytest.approx(-0.176, abs=0.002)
    assert learned.explained(prior_fit, (values,)).item() == pytest.approx(0, abs=0.005)
    assert learned.explained(gaussian_q(values, 0.1), (values,)).item() == 1


def test_latents_are_laid_out_as_noise_then_codes() -> None:
    spec = LatentSpec(Noise(3), (Categorical(4), Continuous(), Continuous()))
    latents = spec.sample(50, generator())
    assert latents.inputs_NZ.shape == (50, 9)
    assert spec.input_width == 9
    assert spec.parameter_width == 8
    assert spec.names == ("c1", "c2", "c3")
    assert torch.equal(latents.inputs_NZ[:, 3:7].argmax(dim=1), latents.values[0])
    assert torch.equal(latents.inputs_NZ[:, 7], latents.values[1])
    assert latents.inputs_NZ[:, :3].abs().max() <= 1


def test_bounds_are_per_code_and_gradient_flows() -> None:
    spec = LatentSpec(Noise(0), (Categorical(3), Continuous(), Categorical(5)))
    latents = spec.sample(64, generator())
    parameters = torch.zeros(64, spec.parameter_width, requires_grad=True)
    bounds = spec.bounds_nats(parameters, latents.values)
    assert bounds.shape == (3,)
    assert bounds[[0, 2]].tolist() == pytest.approx([0, 0], abs=1e-6)  # a uniform q carries no information
    bounds.sum().backward()
    assert parameters.grad is not None
    assert parameters.grad.abs().sum() > 0


def test_the_clamp_bounds_a_learned_std() -> None:
    spec = LatentSpec(Noise(0), (Continuous(log_std_clamp=(-2.0, 1.0)),))
    values = torch.zeros(4)
    certain = torch.tensor([[0.0, -50.0]]).repeat(4, 1)
    assert spec.bounds_nats(certain, (values,)).item() == pytest.approx(
        2 - 0.5 * math.log(2 * math.pi) + math.log(2), abs=1e-6
    )


def test_same_seed_same_bytes_and_streams_differ() -> None:
    spec = LatentSpec(Noise(5), (Categorical(3),))
    first, again = spec.sample(10, stream(1, "latents")), spec.sample(10, stream(1, "latents"))
    assert torch.equal(first.inputs_NZ, again.inputs_NZ)
    assert not torch.equal(first.inputs_NZ, spec.sample(10, stream(1, "evaluation")).inputs_NZ)
    with pytest.raises(ValueError, match="choose from init, data, latents, evaluation"):
        stream(1, "latent")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Categorical(1), "at least 2"),
        (lambda: Continuous(low=1, high=1), "low < high"),
        (lambda: Continuous(std=0.0), "positive"),
        (lambda: Continuous(log_std_clamp=(1.0, 0.0)), "rise"),
        (lambda: Noise(-1), "at least 0"),
    ],
)
def test_impossible_codes_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
