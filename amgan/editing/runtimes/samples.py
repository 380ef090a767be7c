"""Drawn garments with edits: what runtimes are measured on, compared on, and what eight-bit ranges are taken from."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from amgan.models.interface import make_condition
from amgan.photos import cut_out
from amgan.pixels import to_float
from amgan.schema import UNKNOWN, AttributeSchema
from amgan.synth import draw_item, render


def sample_edits(schema: AttributeSchema, image_size: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures in [-1, 1], float32 (count, 3, S, S), and conditions (count, N + M) that go through all values."""
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
