"""How far a runtime's pictures are from PyTorch's in float32, and how far they may be."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import Tensor

# In grey levels of 256. Weights photos in eight bits or bfloat16 differ by 4 to 8 in one pixel of a thousand, along
# outlines, and that exchanged a hit or two of 400 among near-duplicates: a search must find the same.
MEAN, NEARLY_ALL = 1.0, 3.0


@dataclass(frozen=True)
class Difference:
    """Between edited pictures, and between masks, in grey levels of 256: the mean, and what 999 of 1,000 pixels stay
    under; the larger of both."""

    mean: float
    nearly_all: float

    @property
    def small(self) -> bool:
        return self.mean <= MEAN and self.nearly_all <= NEARLY_ALL  # false for what is not a number

    def to_dict(self) -> dict[str, float]:
        return {k: round(v, 4) for k, v in asdict(self).items()}


def difference(x: Tensor, made: tuple[Tensor, Tensor], truth: tuple[Tensor, Tensor]) -> Difference:
    """Between two networks' z and alpha for the same pictures in [-1, 1], (B, 3, S, S)."""
    (z, alpha), (true_z, true_alpha) = made, truth
    apart = [(alpha - true_alpha).abs() * 255, (_shown(z, alpha, x) - _shown(true_z, true_alpha, x)).abs() * 127.5]
    return Difference(
        max(float(a.mean()) for a in apart),
        max(float(a.flatten().kthvalue(max(1, int(0.999 * a.numel()))).values) for a in apart),
    )


def _shown(z: Tensor, alpha: Tensor, x: Tensor) -> Tensor:
    return alpha * z + (1 - alpha) * x  # equation 1
