"""The two players' objectives on logits (paper equations 1 and 6; non-saturating generator loss, appendix C)."""

import torch
from torch import Tensor
from torch.nn import functional as F


def discriminator_loss(real_logits_N: Tensor, fake_logits_N: Tensor) -> Tensor:
    """-E[log D(x)] - E[log(1 - D(G(z, c)))], in nats; 2 ln 2 where D cannot tell."""
    return F.softplus(-real_logits_N).mean() + F.softplus(fake_logits_N).mean()


def generator_loss(fake_logits_N: Tensor) -> Tensor:
    """-E[log D(G(z, c))], the non-saturating form, in nats."""
    return F.softplus(-fake_logits_N).mean()


def regularised(gan_loss: Tensor, bounds_nats: Tensor, weights: Tensor) -> Tensor:
    """GAN loss - sum over codes of lambda * L_I (paper equation 6, with one lambda per code)."""
    return gan_loss - torch.dot(weights, bounds_nats)
