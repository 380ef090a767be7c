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
    """

    def __init__(
        self,
        planes: int,
        heads: Sequence[int],
        channels: int = 64,
        blocks: int = 6,
        halvings: int = 2,
        plain_norms: bool = False,
    ) -> None:
        super().__init__()
        widths = [channels * 2**i for i in range(halvings + 1)]

        def normed(conv: nn.Module, count: int) -> nn.Sequential:
            return nn.Sequential(conv, nn.InstanceNorm2d(count, affine=not plain_norms), nn.ReLU())

        self.stem = nn.Conv2d(3 + planes, channels, 7, padding=3, bias=plain_norms)
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
        self.heads = nn.ModuleList(nn.Conv2d(channels, n, 7, padding=3, bias=plain_norms) for n in heads)

    def forward(self, x: Tensor, condition: Tensor) -> list[Tensor]:
        """Pictures in [-1, 1], float (B, 3, S, S), and conditions (B, C), to what each head says, float32."""
        # The condition's planes are constant: their part of the convolution needs no planes.
        of_planes = conv_of_planes(condition, self.stem.weight[:, 3:], *x.shape[2:])
        h = F.conv2d(x, self.stem.weight[:, :3], self.stem.bias, padding=3)
        h = F.relu(self.stem_norm(h + of_planes.to(h.dtype)))  # (B, c, S, S)
        h = self.up(self.blocks(self.down(h)))
        return [head(h).float() for head in self.heads]


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
