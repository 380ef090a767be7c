"""What an edit leaves open, as a few numbers, read off a pair while training: a conditional variational autoencoder
(Sohn, Lee and Yan 2015), as in BicycleGAN (Zhu et al. 2017)."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from amgan.models.blocks import laid_out_as

SIDE = 64  # pixels that pairs are shrunk to


class PairEncoder(nn.Module):
    """Mean and log variance of a code from a picture and its edit.

    How wide the new sleeve is, where it points, how far apart the stripes are: nothing in the source says, and a pixel
    loss that does not know answers with the average, a blur. Given the code of the true edit the generator can draw
    that edit; at the prior's mean, with which edits are made later, it draws a typical one.
    """

    def __init__(self, code: int) -> None:
        super().__init__()
        widths = (6, 32, 64, 128, 128)
        self.body = nn.Sequential()
        for a, b in pairwise(widths):
            self.body.append(nn.Conv2d(a, b, 4, stride=2, padding=1))
            self.body.append(nn.LeakyReLU(0.2))
        self.head = nn.Linear(widths[-1] * 16, 2 * code)
        # A small variance at first: the generator learns to ignore a code that is mostly noise.
        nn.init.zeros_(self.head.bias[:code])
        nn.init.constant_(self.head.bias[code:], -2.0)

    def forward(self, source: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, S, S) in [-1, 1], aligned, to mean and log variance, float32 (B, code) each."""
        pair = torch.cat([source, reference - source], dim=1)
        pair = laid_out_as(F.interpolate(pair, size=(SIDE, SIDE), mode="area"), source)
        mean, logvar = self.head(self.body(pair).flatten(1)).float().chunk(2, dim=1)
        return mean, logvar.clamp(-8, 4)


def code_divergence(mean: Tensor, logvar: Tensor, prior: Tensor) -> Tensor:
    """KL divergence of N(mean, exp(logvar)), (B, code) each, from the prior (its mean and log variance, (B, 2 code)),
    summed over the code: (B,).

    KL(N(μ, σ²) ‖ N(μ₀, σ₀²)) = ½ (((μ − μ₀)² + σ²) / σ₀² − 1 + log σ₀² − log σ²)
    """
    prior_mean, prior_logvar = prior.chunk(2, dim=1)
    distance = ((mean - prior_mean).square() + logvar.exp()) * (-prior_logvar).exp()
    return 0.5 * (distance - 1 + prior_logvar - logvar).sum(1)
