"""The network that StarGAN, GANimation and SaGAN are built from, and which AMGAN's grew out of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from amgan.models.blocks import conv_of_planes


class EncoderDecoder(nn.Module):
    """A picture beside constant planes of a condition: conv7, halvings by conv4, residual blocks, doublings by
    transposed conv4, and heads of conv7.

    Convolutions are followed by instance normalisation and ReLU. StarGAN and GANimation have two halvings and affine
    normalisation in the place of biases; SaGAN has three, biases, no affine maps, and batch normalisation in its blocks
    (``plain_norms``).

    Args:
        planes: C, how many numbers a condition has.
        heads: channels of each head.
        channels: of the first layer; each halving doubles them.
        blocks: residual blocks at the lowest resolution.
        halvings: how often the side is halved; it must be a multiple of ``2 ** halvings``.
        plain_norms: SaGAN's choice of normalisation.
        inner_stride: 2 folds 2x2 pixels into channels, at both ends, so that the body works at half the resolution, as
            AMGAN's does in the preset ``small``; published are all with 1.
    """

    def __init__(
        self,
        planes: int,
        heads: Sequence[int],
        channels: int = 64,
        blocks: int = 6,
        halvings: int = 2,
        plain_norms: bool = False,
        inner_stride: int = 1,
    ) -> None:
        super().__init__()
        self.inner_stride, picture = inner_stride, 3 * inner_stride**2
        widths = [channels * 2**i for i in range(halvings + 1)]

        def normed(conv: nn.Module, count: int) -> nn.Sequential:
            return nn.Sequential(conv, nn.InstanceNorm2d(count, affine=not plain_norms), nn.ReLU())

        self.stem = nn.Conv2d(picture + planes, channels, 7, padding=3, bias=plain_norms)
        self.stem_norm = nn.InstanceNorm2d(channels, affine=not plain_norms)
        self.down = nn.Sequential(
            *(normed(nn.Conv2d(a, b, 4, stride=2, padding=1, bias=plain_norms), b) for a, b in pairwise(widths))
        )
        self.blocks = nn.Sequential(*(Block(widths[-1], plain_norms) for _ in range(blocks)))
        self.up = nn.Sequential(
            *(
                normed(nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=plain_norms), b)
                for a, b in pairwise(reversed(widths))
            )
        )
        self.heads = nn.ModuleList(
            nn.Conv2d(channels, n * inner_stride**2, 7, padding=3, bias=plain_norms) for n in heads
        )

    def forward(self, x: Tensor, condition: Tensor) -> list[Tensor]:
        """Pictures in [-1, 1], float (B, 3, S, S), and conditions (B, C), to what each head says, float32."""
        h = F.pixel_unshuffle(x, self.inner_stride) if self.inner_stride > 1 else x  # (B, 3 i², S/i, S/i)
        # The condition's planes are constant: their part of the convolution needs no planes.
        of_picture, of_planes = self.stem.weight.split([h.shape[1], condition.shape[1]], dim=1)
        planes = conv_of_planes(condition, of_planes, *h.shape[2:])
        h = F.conv2d(h, of_picture, self.stem.bias, padding=3)
        h = F.relu(self.stem_norm(h + planes.to(h.dtype)))  # (B, c, S/i, S/i)
        h = self.up(self.blocks(self.down(h)))
        made = [head(h).float() for head in self.heads]
        return [F.pixel_shuffle(m, self.inner_stride) for m in made] if self.inner_stride > 1 else made


class Block(nn.Module):
    """conv3 - norm - ReLU - conv3 - norm, added to its input."""

    def __init__(self, channels: int, plain_norms: bool) -> None:
        super().__init__()

        def norm() -> nn.Module:
            return nn.BatchNorm2d(channels) if plain_norms else nn.InstanceNorm2d(channels, affine=True)

        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=plain_norms),
            norm(),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=plain_norms),
            norm(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def start_small(network: nn.Module) -> None:
    """Convolutions from N(0, 0.02²) and biases of 0, as the published GANimation and SaGAN begin."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
