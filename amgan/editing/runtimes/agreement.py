"""How far a runtime's pictures are from PyTorch's in float32, on drawn garments, and how far they may be."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from amgan.editing.runtimes.engines import Network, eager
from amgan.models.amgan.generator import Generator
from amgan.models.interface import make_condition
from amgan.photos import cut_out
from amgan.pixels import to_float
from amgan.schema import UNKNOWN, AttributeSchema
from amgan.synth import draw_item, render

# In grey levels of 256. Eight bits and bfloat16 differed by 6 to 10 in one pixel of a thousand with the weights photos,
# and that exchanged a hit or two of 400 among near-duplicates: a search must find the same.
MEAN, NEARLY_ALL = 1.0, 3.0
COMPARED, COMPARED_SEED = 8, 600_000  # garments; no weights were trained on these


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


def difference_from_eager(network: Network, generator: Generator, image_size: int) -> Difference:
    """Of the edits of drawn garments."""
    x, m = sample_edits(generator.schema, image_size, COMPARED, COMPARED_SEED)
    with torch.inference_mode():
        return difference(x, network(x, m), eager(generator)(x, m))


def difference(x: Tensor, made: tuple[Tensor, Tensor], truth: tuple[Tensor, Tensor]) -> Difference:
    """Between two networks' z and alpha for the same pictures in [-1, 1], (B, 3, S, S)."""
    (z, alpha), (true_z, true_alpha) = made, truth
    apart = [(alpha - true_alpha).abs() * 255, (_blend(z, alpha, x) - _blend(true_z, true_alpha, x)).abs() * 127.5]
    return Difference(
        max(float(a.mean()) for a in apart),
        max(float(a.flatten().kthvalue(max(1, int(0.999 * a.numel()))).values) for a in apart),
    )


def _blend(z: Tensor, alpha: Tensor, x: Tensor) -> Tensor:
    return alpha * z + (1 - alpha) * x  # equation 1


def sample_edits(schema: AttributeSchema, image_size: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Drawn garments in [-1, 1], float32 (count, 3, S, S), and conditions (count, N + M) that go through all values."""
    pictures = []
    for i in range(count):
        item = draw_item(seed + i)
        shot = render(item.seed, item.labels, max(128, image_size))
        pictures.append(cut_out(Image.fromarray(shot.image), shot.mask, image_size).image)
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    values = [(a, v) for a, part in enumerate(schema.slices) for v in range(part.stop - part.start)]
    labels = torch.full((count, schema.n_attributes), UNKNOWN)
    for i in range(count):
        attribute, value = values[i % len(values)]
        labels[i, attribute] = value
    return to_float(images).contiguous(), make_condition(schema, labels, labels != UNKNOWN)
