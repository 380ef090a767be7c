"""The critics D_I (whole picture) and D_C (crop around the edit): PatchGANs with a source head and a class head; and a
critic of another network's feature maps."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from amgan.models.amgan.mixing import unit_mean_square
from amgan.schema import AttributeSchema


class Discriminator(nn.Module):
    """Strided convolutions, then a source head (realness per patch) and a class head (N logits).

    Args:
        size: side of its input in pixels; must be at least ``2 ** layers``.
        channels: of the first layer; doubled at each, up to ``cap``.
        layers: halvings. The paper's D_C sees half the size and has two fewer than D_I.
        slope: of the leaky ReLU.
        head_bias: whether the heads have biases.
    """

    def __init__(
        self,
        schema: AttributeSchema,
        size: int,
        channels: int = 64,
        layers: int = 6,
        cap: int = 512,
        slope: float = 0.2,
        head_bias: bool = False,
    ) -> None:
        super().__init__()
        self.slope = slope
        widths = [3] + [min(channels * 2**i, cap) for i in range(layers)]
        body = [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths)]
        for conv in body:  # He et al. (2015): after torch's own start, six layers leave a thousandth of the signal
            nn.init.kaiming_normal_(conv.weight, a=slope)
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
        self.body = nn.ModuleList(body)
        self.source = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=head_bias)
        self.classes = nn.Conv2d(widths[-1], schema.n_values, max(1, size // 2**layers), bias=head_bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures in [-1, 1], float (B, 3, H, W), to realness (B, 1, h, w) and class logits (B, N), both float32."""
        for conv in self.body:
            x = F.leaky_relu(conv(x), self.slope)
        return self.source(x).float(), self.classes(x).flatten(1).float()


class FeatureCritic(nn.Module):
    """Realness at each place of several feature maps, given the attributes that the picture shall show.

    Spectral normalisation bounds its slope, so no penalty is needed; maps are scaled to unit mean square first, as
    networks differ in how large theirs are.

    Args:
        channels: of the maps ``early``, ``middle`` and ``last``.
        width: of the layers between.
    """

    def __init__(self, schema: AttributeSchema, channels: dict[str, int], width: int = 64) -> None:
        super().__init__()
        self.bodies = nn.ModuleDict(
            {
                name: nn.Sequential(
                    spectral_norm(nn.Conv2d(count, width, 1)),
                    nn.LeakyReLU(0.2),
                    spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
                    nn.LeakyReLU(0.2),
                )
                for name, count in channels.items()
            }
        )
        self.sources = nn.ModuleDict({name: spectral_norm(nn.Conv2d(width, 1, 1)) for name in channels})
        self.projections = nn.ModuleDict(
            {name: spectral_norm(nn.Linear(schema.n_values + schema.n_attributes, width)) for name in channels}
        )

    def forward(self, maps: dict[str, Tensor], condition: Tensor) -> list[Tensor]:
        """Feature maps (B, C, h, w) and a condition (B, N + M) to one map of realness (B, 1, h, w) each, float32."""
        out = []
        for name, body in self.bodies.items():
            h = body(unit_mean_square(maps[name]))
            projected = (h * self.projections[name](condition)[:, :, None, None]).sum(1, keepdim=True)
            out.append((self.sources[name](h) + projected).float())
        return out
