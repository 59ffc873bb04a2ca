"""The losses of both players, on logits (paper equations 1 and 6; non-saturating generator loss, appendix C).

``tiny`` > 0 computes them as the authors' code does, on probabilities: log(p + tiny). Where D is certain, p or 1 - p
rounds to 0 and the loss saturates at -log(tiny); on logits it does not.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def discriminator_loss(real_logits_N: Tensor, fake_logits_N: Tensor, tiny: float = 0.0) -> Tensor:
    """-E[log D(x)] - E[log(1 - D(G(z, c)))], in nats; 2 ln 2 if D cannot tell real from fake."""
    if tiny:
        fake_is_fake = 1 - torch.sigmoid(fake_logits_N)
        return generator_loss(real_logits_N, tiny) - torch.log(fake_is_fake + tiny).mean()
    return F.softplus(-real_logits_N).mean() + F.softplus(fake_logits_N).mean()


def generator_loss(fake_logits_N: Tensor, tiny: float = 0.0) -> Tensor:
    """-E[log D(G(z, c))], the non-saturating form, in nats."""
    if tiny:
        return -torch.log(torch.sigmoid(fake_logits_N) + tiny).mean()
    return F.softplus(-fake_logits_N).mean()


def regularised(gan_loss: Tensor, bounds_nats: Tensor, weights: Tensor) -> Tensor:
    """GAN loss - sum over codes of lambda * L_I (paper equation 6, with one lambda per code)."""
    return gan_loss - torch.dot(weights, bounds_nats)
