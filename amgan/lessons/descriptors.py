"""What choosing references and partners needs to know of each training garment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.data.garments import Garments
from amgan.lessons.colour import lab_statistics
from amgan.pixels import to_float

COARSE = 32  # side at which silhouettes are compared
AXIS_BAND = 0.16  # half width, in shares of the frame, of the band along the axis where torsos must agree


def offset_from_axis(mask: Tensor) -> Tensor:
    """Distance of each column from the frame's axis, in shares of the frame, (1, 1, 1, W)."""
    width = mask.shape[-1]
    return ((torch.arange(width, device=mask.device) + 0.5) / width - 0.5).abs().view(1, 1, 1, width)


@dataclass(frozen=True)
class Descriptors:
    """Of n garments, computed once.

    Attributes:
        silhouettes: float32 (n, COARSE, COARSE), coverage in 0..1.
        colour: float32 (n, 6), see ``lab_statistics``.
        features: float32 (n, D), unit-length features of the teacher.
        own: the first so many serve as references and partners.
    """

    silhouettes: Tensor
    colour: Tensor
    features: Tensor
    own: int

    @classmethod
    def of(cls, garments: Garments, features: Tensor, own: int | None = None) -> Descriptors:
        silhouettes, colour = [], []
        for images, masks in zip(garments.images.split(64), garments.masks.split(64), strict=True):
            silhouettes.append(F.interpolate(masks.float(), size=(COARSE, COARSE), mode="area")[:, 0])
            half = F.interpolate(to_float(images), scale_factor=0.5, mode="area")
            colour.append(lab_statistics(half, masks[:, :, ::2, ::2].float()))
        return cls(torch.cat(silhouettes), torch.cat(colour), features, own or len(garments))

    def split(self, sizes: Sequence[int]) -> list[Descriptors]:
        """Of so many garments each, in order."""
        parts = zip(*(t.split(list(sizes)) for t in self._tensors()), strict=True)
        return [Descriptors(*p, own=n) for p, n in zip(parts, sizes, strict=True)]

    @classmethod
    def joined(cls, parts: Sequence[Descriptors], own: int) -> Descriptors:
        """Of all their garments."""
        silhouettes, colour, features = (torch.cat(t) for t in zip(*(p._tensors() for p in parts), strict=True))
        return cls(silhouettes, colour, features, own)

    def _tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.silhouettes, self.colour, self.features


def torso_cost(shorter: Tensor, longer: Tensor) -> Tensor:
    """How badly garments fit as the same torso with shorter and longer sleeves.

    Args:
        shorter, longer: silhouettes (a, COARSE, COARSE) and (b, COARSE, COARSE).

    Returns:
        (a, b): share of the frame where the shorter one sticks out of the longer, counted twice, and where torsos
        differ near the axis.
    """
    s, both, differs = _overlap(shorter, longer)
    return (2 * (s.sum(1, keepdim=True) - both) + differs) / COARSE**2


def torso_cost_either_way(some: Tensor, others: Tensor) -> Tensor:
    """``torso_cost`` with whichever of the two as the shorter one costs less, (a, b)."""
    s, both, differs = _overlap(some, others)
    least = torch.minimum(s.sum(1, keepdim=True), others.flatten(1).sum(1)) - both
    return (2 * least + differs) / COARSE**2


def _overlap(some: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The first silhouettes flattened, (a, P); the area that each has in common with each of the others, and that in
    which they differ near the axis, (a, b) both. What is not covered is never written out: others may be thousands."""
    s, g = some.flatten(1), others.flatten(1)
    band = (offset_from_axis(some) < AXIS_BAND).float()[0, 0, 0].expand(COARSE, COARSE).flatten()
    both_near = (s * band) @ g.T if len(s) <= len(g) else s @ (g * band).T
    # |s - g| of coverages, taken as s(1-g) + g(1-s).
    differs = (s @ band)[:, None] + g @ band - 2 * both_near
    return s, s @ g.T, differs
