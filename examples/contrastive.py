"""InfoGAN-CR's contrastive regulariser (Lin et al. 2020, arXiv 1906.06034, section 3) as a step of one's own.

Two pictures are drawn that share one code and differ in all else. A network H tells which code it is; H and G both gain
from its being right, so that each code has to change the picture in a way of its own. Without the paper's gap between
the codes that differ, and without its schedule.
Shape suffixes: N pairs, C channels, H height, W width, K codes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from infogan.own.trainer import add_term
from infogan.step import Players, fused_step

WEIGHT, RATE, PAIRS = 0.1, 2e-4, 64


class Contrastive(nn.Module):
    """The library's iteration with H's loss in both phases: H learns with D, G with G."""

    metrics = ("loss/contrastive", "accuracy/contrastive")

    def __init__(self, players: Players, generator: torch.Generator) -> None:
        super().__init__()
        self.players = players
        channels = players.discriminator.body[0].op.in_channels
        self.layers = nn.Sequential(
            nn.Conv2d(2 * channels, 32, 4, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(32, 64, 4, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.AdaptiveMaxPool2d(4),
            nn.Flatten(),
            nn.Linear(64 * 16, len(players.spec.codes)),
        )
        for parameter in self.parameters():  # weights of the cell's own stream, biases 0
            nn.init.normal_(parameter, 0.0, 0.02 if parameter.dim() > 1 else 0.0, generator=generator)
        self.to(device=players.latents.device, dtype=players.dtype)
        players.optimizer_discriminator.add_param_group({"params": list(self.parameters()), "lr": RATE})
        add_term(players.optimizer_discriminator, self.loss_of_h)
        add_term(players.optimizer_generator, self.loss_of_g)

    def loss_of_h(self) -> Tensor:
        """Cross-entropy of H's answers, nats; ln K where it cannot tell."""
        with torch.no_grad():
            pairs_NCHW, which_N = self.drawn()
        return self.told(pairs_NCHW, which_N)

    def loss_of_g(self) -> Tensor:
        return WEIGHT * self.told(*self.drawn())

    def told(self, pairs_NCHW: Tensor, which_N: Tensor) -> Tensor:
        answers_NK = self.layers(pairs_NCHW)
        loss = F.cross_entropy(answers_NK, which_N)
        self.seen = torch.stack([loss.detach(), (answers_NK.argmax(1) == which_N).to(loss.dtype).mean()])
        return loss

    def drawn(self) -> tuple[Tensor, Tensor]:
        """Pairs of pictures, one behind the other (N, 2C, H, W), and which code they share, (N,)."""
        players, spec = self.players, self.players.spec
        one, two = players.sample(PAIRS), players.sample(PAIRS)
        device = players.latents.device
        which_N = torch.randint(len(spec.codes), (PAIRS,), generator=players.latents, device=device)
        values = [torch.where(which_N == k, a, b) for k, (a, b) in enumerate(zip(one.values, two.values, strict=True))]
        shared = spec.assemble(two.inputs_NZ[:, : spec.noise.size], tuple(values))
        pictures_NCHW = players.generator(torch.cat([one.inputs_NZ, shared.inputs_NZ]))
        return torch.cat(pictures_NCHW.chunk(2), dim=1), which_N

    def forward(self, players: Players, real_NCHW: Tensor) -> Tensor:
        """One iteration's metrics (M,): the library's, then H's loss and its share of right answers in G's phase."""
        metrics_M = fused_step(players, real_NCHW)
        return torch.cat([metrics_M, self.seen])
