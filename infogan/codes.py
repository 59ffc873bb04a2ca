"""Latent codes: sampling, entropy, Q's log-likelihood and the variational bound on mutual information.

Paper sections 4 and 5. Shape suffixes: N batch, Z width of the generator's input, P width of Q's output, K categories.
All information is in nats.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, distributions
from torch.nn import functional as F

Prior = Literal["uniform", "normal"]


def _draw(
    prior: Prior, shape: tuple[int, ...], low: float, high: float, generator: torch.Generator, dtype: torch.dtype
) -> Tensor:
    if prior == "normal":
        return torch.randn(shape, generator=generator, device=generator.device, dtype=dtype)
    return torch.rand(shape, generator=generator, device=generator.device, dtype=dtype).mul_(high - low).add_(low)


@dataclass(frozen=True)
class Noise:
    """Incompressible noise z, which Q does not read.

    The paper does not state its prior; the authors' code uses Unif(-1, 1).
    """

    size: int
    prior: Prior = "uniform"

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"noise size must be at least 0, got {self.size}")

    def sample(self, num: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Noise of shape (num, size)."""
        return _draw(self.prior, (num, self.size), -1.0, 1.0, generator, dtype)


@dataclass(frozen=True)
class Categorical:
    """A code c ~ Cat(K, 1/K), for which Q outputs a softmax (paper section 6)."""

    num_categories: int
    kind = "categorical"

    def __post_init__(self) -> None:
        if self.num_categories < 2:
            raise ValueError(f"a categorical code needs at least 2 categories, got {self.num_categories}")

    @property
    def input_width(self) -> int:
        return self.num_categories

    @property
    def parameter_width(self) -> int:
        return self.num_categories

    @property
    def entropy_nats(self) -> float:
        """H(c) = ln K."""
        return math.log(self.num_categories)

    def sample(self, num: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Categories of shape (num,), int64."""
        return torch.randint(self.num_categories, (num,), generator=generator, device=generator.device)

    def encode(self, values_N: Tensor, dtype: torch.dtype) -> Tensor:
        """One-hot rows (N, K), as the generator reads them."""
        rows = torch.zeros(len(values_N), self.num_categories, dtype=dtype, device=values_N.device)
        return rows.scatter_(1, values_N[:, None], 1)  # F.one_hot would synchronise with the host to check its input

    def posterior(self, parameters_NP: Tensor) -> distributions.Distribution:
        """q(c|x) from Q's raw outputs."""
        return distributions.Categorical(logits=parameters_NP, validate_args=False)


@dataclass(frozen=True)
class Continuous:
    """A scalar code, for which Q outputs a Gaussian (paper section 6: "factored Gaussian").

    Q outputs the mean and, with ``std="learned"``, the log standard deviation (paper, appendix C: std = exp(output)). A
    learned std makes L_I unbounded above, so the log std is clamped; a number fixes the std instead. ``"sqrt-exp"`` is
    sqrt(exp(output)) clipped to ``std_clip``, if given, as in the authors' research code.
    """

    prior: Prior = "uniform"
    low: float = -1.0
    high: float = 1.0
    std: float | Literal["learned", "sqrt-exp"] = "learned"
    log_std_clamp: tuple[float, float] = (-4.0, 2.0)  # for "learned"
    std_clip: tuple[float, float] | None = None  # for "sqrt-exp"
    kind = "continuous"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"a continuous code needs low < high, got {self.low} and {self.high}")
        if not self.is_learned and (isinstance(self.std, str) or not self.std > 0):
            raise ValueError(f'std must be positive, "learned" or "sqrt-exp", got {self.std}')
        if not self.log_std_clamp[0] < self.log_std_clamp[1]:
            raise ValueError(f"log_std_clamp must rise, got {self.log_std_clamp}")
        if self.std_clip is not None:
            if self.std != "sqrt-exp":
                raise ValueError(f'std_clip needs std "sqrt-exp", got {self.std}')
            if not 0 < self.std_clip[0] < self.std_clip[1]:
                raise ValueError(f"std_clip must be positive and rise, got {self.std_clip}")

    @property
    def is_learned(self) -> bool:
        """Whether Q also outputs the standard deviation."""
        return self.std in ("learned", "sqrt-exp")

    @property
    def input_width(self) -> int:
        return 1

    @property
    def parameter_width(self) -> int:
        return 2 if self.is_learned else 1

    @property
    def entropy_nats(self) -> float:
        """Differential entropy of the prior: ln(high - low), or that of N(0, 1) for a normal prior."""
        if self.prior == "normal":
            return 0.5 * math.log(2 * math.pi * math.e)
        return math.log(self.high - self.low)

    @property
    def variance(self) -> float:
        """Variance of the prior: the mean squared error of a Q that knows nothing."""
        return 1.0 if self.prior == "normal" else (self.high - self.low) ** 2 / 12

    def sample(self, num: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Values of shape (num,)."""
        return _draw(self.prior, (num,), self.low, self.high, generator, dtype)

    def encode(self, values_N: Tensor, dtype: torch.dtype) -> Tensor:
        """Values as a column, (N, 1)."""
        return values_N.to(dtype).unsqueeze(1)

    def posterior(self, parameters_NP: Tensor) -> distributions.Distribution:
        """q(c|x) from Q's raw outputs."""
        mean_N = parameters_NP[:, 0]
        if self.std == "learned":
            std = parameters_NP[:, 1].clamp(*self.log_std_clamp).exp()
        elif self.std == "sqrt-exp":
            std = parameters_NP[:, 1].exp().sqrt()
            std = std if self.std_clip is None else std.clamp(*self.std_clip)
        else:
            std = torch.full_like(mean_N, self.std)
        return distributions.Normal(mean_N, std, validate_args=False)

    def explained(self, parameters_NP: Tensor, values_N: Tensor) -> Tensor:
        """1 - MSE / Var(c) of Q's mean: 0 for a Q that knows nothing, 1 if perfect. For Unif(-1, 1): 1 - 3 MSE."""
        return 1 - F.mse_loss(parameters_NP[:, 0], values_N) / self.variance


Code = Categorical | Continuous


class Latents(NamedTuple):
    """One draw from the prior."""

    inputs_NZ: Tensor  # the generator's input: noise, then the codes in order
    values: tuple[Tensor, ...]  # per code (N,): categories as int64, continuous codes as floats


@dataclass(frozen=True)
class LatentSpec:
    """The generator's input: noise and named codes, in order."""

    noise: Noise
    codes: tuple[Code, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """c1, c2, ... as the paper counts them."""
        return tuple(f"c{i}" for i in range(1, len(self.codes) + 1))

    @property
    def input_width(self) -> int:
        return self.noise.size + sum(code.input_width for code in self.codes)

    @property
    def parameter_width(self) -> int:
        return sum(code.parameter_width for code in self.codes)

    def sample(self, num: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Latents:
        """Draw ``num`` latents from the prior on the generator's device."""
        noise_NZ = self.noise.sample(num, generator, dtype)
        return self.assemble(noise_NZ, tuple(code.sample(num, generator, dtype) for code in self.codes))

    def assemble(self, noise_NZ: Tensor, values: tuple[Tensor, ...]) -> Latents:
        """Latents from given noise and code values, for example to sweep one code."""
        encoded = [code.encode(v, noise_NZ.dtype) for code, v in zip(self.codes, values, strict=True)]
        return Latents(torch.cat([noise_NZ, *encoded], dim=1), values)

    def split(self, parameters_NP: Tensor) -> tuple[Tensor, ...]:
        """Split Q's output into one block per code."""
        return parameters_NP.split([code.parameter_width for code in self.codes], dim=1)

    def log_q(self, parameters_NP: Tensor, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """log q(c|x) of each sample, per code, each (N,)."""
        blocks = self.split(parameters_NP)
        return tuple(c.posterior(p).log_prob(v) for c, p, v in zip(self.codes, blocks, values, strict=True))

    def bounds_nats(self, parameters_NP: Tensor, values: tuple[Tensor, ...], tiny: float = 0.0) -> Tensor:
        """L_I = E[log q(c|x)] + H(c) for each code, shape (number of codes,); paper equation 5.

        Bounds of different kinds are never summed: a categorical bound is at most H(c), a continuous one with learned
        std has no ceiling. ``tiny`` > 0: log(q + tiny) for categorical codes, as in the authors' code.
        """
        log_q = self.log_q(parameters_NP, values)
        if tiny:
            rows = zip(log_q, self.codes, strict=True)
            log_q = tuple((lq.exp() + tiny).log() if code.kind == "categorical" else lq for lq, code in rows)
        return torch.stack([lq.mean() + code.entropy_nats for lq, code in zip(log_q, self.codes, strict=True)])

    def explained(self, parameters_NP: Tensor, values: tuple[Tensor, ...]) -> Tensor:
        """1 - MSE / Var(c) for each continuous code, shape (number of continuous codes,)."""
        rows = zip(self.codes, self.split(parameters_NP), values, strict=True)
        scores = [code.explained(p, v) for code, p, v in rows if isinstance(code, Continuous)]
        return torch.stack(scores) if scores else parameters_NP.new_empty(0)
