"""The network that cuts garments out: a small U-Net (Ronneberger et al., 2015) whose way down is EfficientNet-Lite0
(Tan and Le, 2019; Lite: ReLU6, no squeeze-and-excitation) up to its sixth stage.

It says where the garment is, and how much of what it says it expects to be right: the overlap (intersection over
union) of its mask with the true one.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from amgan.errors import UserError

# Stages of EfficientNet-B0 as Lite0 has them: expansion, kernel, stride, channels, blocks. The seventh and the head,
# half of the weights, are left out: they tell a thousand classes apart.
STAGES = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4))
STEM = 32
SKIPS = (0, 1, 2, 4)  # the stages whose maps the way up sees again: at 1/2, 1/4, 1/8 and 1/16 of the side
WIDTHS = (24, 32, 48, 72)  # channels of the way up at the same scales
DEEPEST = 96  # channels that the deepest maps are brought down to
EDGE = 1e-4  # keeps logarithms of shares finite


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow does, whose weights these are: with stride 2, to the right and below."""

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return F.conv2d(input, self.weight, None, 1, kernel // 2, 1, self.groups)
        rows, columns = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in input.shape[2:])
        padded = F.pad(input, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(padded, self.weight, None, stride, 0, 1, self.groups)


def _conv(inside: int, outside: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        SameConv(inside, outside, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(outside, eps=1e-3),
    ]


class InvertedResidual(nn.Module):
    """Widen, look around channel by channel, narrow (Sandler et al., 2018)."""

    def __init__(self, inside: int, outside: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inside * expansion
        layers = [] if expansion == 1 else [*_conv(inside, wide), nn.ReLU6(inplace=True)]
        layers += [*_conv(wide, wide, kernel, stride, groups=wide), nn.ReLU6(inplace=True), *_conv(wide, outside)]
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class Trunk(nn.Module):
    """EfficientNet-Lite0's stem and first six stages. Its tensors come in the order of timm's ``efficientnet_lite0``,
    so that pretrained ones fit one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_conv(3, STEM, 3, 2), nn.ReLU6(inplace=True))
        stages, inside = [], STEM
        for expansion, kernel, stride, outside, count in STAGES:
            blocks: list[nn.Module] = []
            for k in range(count):
                blocks.append(InvertedResidual(inside, outside, expansion, kernel, stride if k == 0 else 1))
                inside = outside
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def fill(self, tensors: Iterable[Tensor]) -> None:
        """Take pretrained weights, in the order of a whole EfficientNet-Lite0; what follows the sixth stage is left.

        Raises:
            ValueError: they are another network's.
        """
        mine = self.state_dict()
        theirs = dict(zip(mine, tensors, strict=False))
        wrong = [k for k, v in mine.items() if k not in theirs or theirs[k].shape != v.shape]
        if wrong:
            raise ValueError(f"these are not the weights of EfficientNet-Lite0: {wrong[0]} does not fit")
        self.load_state_dict(theirs)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of the skips, and last the deepest ones."""
        x, out = self.stem(x), []
        for k, stage in enumerate(self.stages):
            x = stage(x)
            if k in SKIPS:
                out.append(x)
        return [*out, x]


class _Up(nn.Module):
    """One step of the way up: the coarser maps enlarged, beside what the way down saw at this scale."""

    def __init__(self, coarse: int, skip: int, outside: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv2d(coarse + skip, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)
        )

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        return self.mix(torch.cat([F.interpolate(coarse, scale_factor=2.0, mode="nearest"), skip], 1))


class CutOutNetwork(nn.Module):
    """Photo to garment mask and expected overlap.

    Args:
        image_size: side of its square input in pixels, a multiple of 32.

    Attributes:
        identity: content hash of weights and configuration; set when loaded from a folder.
    """

    def __init__(self, image_size: int = 160) -> None:
        super().__init__()
        if image_size % 32:
            raise UserError(f"A network that cuts garments out needs an image_size of 32, 64, 96 …, not {image_size}.")
        self.image_size, self.identity = image_size, "untrained"
        self.trunk = Trunk()
        channels = [STAGES[k][3] for k in SKIPS]
        self.deepest = nn.Sequential(
            nn.Conv2d(STAGES[-1][3], DEEPEST, 1, bias=False), nn.BatchNorm2d(DEEPEST), nn.ReLU()
        )
        coarse = (*WIDTHS[1:], DEEPEST)
        self.ups = nn.ModuleList(_Up(c, s, w) for c, s, w in zip(coarse, channels, WIDTHS, strict=True))
        self.mask = nn.Conv2d(WIDTHS[0], 1, 3, padding=1)
        self.overlap = nn.Sequential(nn.Linear(2 * DEEPEST + 2, 48), nn.ReLU(), nn.Linear(48, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Photos in [-1, 1], float (B, 3, S, S), letterboxed with grey (0).

        Returns:
            Logits of the garment's mask, (B, 1, S, S), and of its expected overlap with the truth, (B,).
        """
        *skips, deep = self.trunk(x)
        maps = deep = self.deepest(deep)
        for up, skip in zip(reversed(self.ups), reversed(skips), strict=True):  # type: ignore[arg-type]
            maps = up(maps, skip)
        logits = F.interpolate(self.mask(maps), scale_factor=2.0, mode="bilinear", align_corners=False)
        return logits, self.expectation(deep, logits)

    def expectation(self, deep: Tensor, logits: Tensor) -> Tensor:
        """Logits (B,) of the expected overlap, from what is inside the mask and in the whole photo, and from how sure
        the mask is; nothing flows back.

        Args:
            deep: the deepest maps, (B, C, S/32, S/32).
            logits: of the mask, (B, 1, S, S).
        """
        deep, share = deep.detach().float(), logits.detach().float().sigmoid()
        inside = F.adaptive_avg_pool2d(share, (deep.shape[2], deep.shape[3]))
        pooled = (deep * inside).sum((2, 3)) / inside.sum((2, 3)).clamp(min=EDGE)
        soft = expected_overlap(share).clamp(EDGE, 1 - EDGE)
        facts = torch.stack([torch.logit(soft), share.mean((1, 2, 3))], 1)
        return self.overlap(torch.cat([pooled, deep.mean((2, 3)), facts], 1))[:, 0]


def expected_overlap(share: Tensor) -> Tensor:
    """Intersection over union of a mask (where ``share`` is above one half) with the truth, if each pixel (B, 1, H, W)
    belongs to the garment with the probability ``share``, on its own; float (B,)."""
    mask = (share > 0.5).float()
    both = (share * mask).sum((1, 2, 3))
    return both / (mask.sum((1, 2, 3)) + (share * (1 - mask)).sum((1, 2, 3))).clamp(min=EDGE)


# --- Losses ----------------------------------------------------------------------------------------------------------


def cut_out_loss(logits: Tensor, target: Tensor, weight: Tensor, bound: float) -> tuple[Tensor, dict[str, Tensor]]:
    """Bounded loss of pixels (Zhang and Sabuncu, 2018) plus one minus the soft overlap, bounded as it is.

    Args:
        logits: (B, 1, H, W).
        target, weight: float (B, 1, H, W) in [0, 1].
    """
    logits = logits.float()
    # The probability of the truth, also where the truth is in between.
    right = torch.exp(-F.binary_cross_entropy_with_logits(logits, target, reduction="none"))
    pixels = ((1 - right.pow(bound)) / bound * weight).sum() / weight.sum().clamp(min=1)
    share = logits.sigmoid()
    both = (torch.minimum(share, target) * weight).sum((1, 2, 3))
    either = (torch.maximum(share, target) * weight).sum((1, 2, 3))
    overlap = (1 - both / either.clamp(min=1)).mean()
    return pixels + 0.5 * overlap, {"pixels": pixels.detach(), "overlap": overlap.detach()}


def overlaps(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Intersection over union of each mask with its target where that counts, float (B,)."""
    mine, theirs, counts = logits > 0, target > 0.5, weight > 0.5
    both = (mine & theirs & counts).sum((1, 2, 3))
    either = ((mine | theirs) & counts).sum((1, 2, 3))
    return both.float() / either.clamp(min=1)


def expectation_loss(expected: Tensor, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy between the overlap that was expected, logits (B,), and the one that is."""
    return F.binary_cross_entropy_with_logits(expected.float(), overlaps(logits, target, weight))
