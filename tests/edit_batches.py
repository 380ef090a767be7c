"""A batch of edits for tests of losses, and a class loss written out."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from amgan.models.interface import BatchCounts, EditBatch
from amgan.schema import UNKNOWN
from amgan.testing import SCHEMA

SIZE = 32


def some_batch() -> EditBatch:
    """Three edits of noise: sleeve, colour, both; one label unknown; the last reference is the exact result."""
    draw = torch.Generator().manual_seed(1)

    def pictures() -> torch.Tensor:
        coarse = torch.rand(3, 3, 8, 8, generator=draw) * 2 - 1
        return F.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear")

    labels = torch.tensor([[0, 1], [UNKNOWN, 2], [1, 3]])
    edited = torch.tensor([[True, False], [False, True], [True, True]])
    masks = torch.zeros(3, 1, SIZE, SIZE)
    masks[:, :, 4:28, 6:26] = 1
    photos = pictures()
    return EditBatch(
        photos=photos,
        labels=labels,
        source=photos,
        wanted=torch.tensor([[2, 1], [UNKNOWN, 0], [2, 1]]),
        edited=edited,
        reference=pictures(),
        source_mask=masks,
        reference_mask=masks,
        aligned=torch.tensor([0.0, 0.0, 1.0]),
        open_detail=torch.zeros(3, 1, SIZE, SIZE, dtype=torch.bool),
        changed=torch.tensor([1.0, 1.0, 0.0]),
        recoloured=torch.tensor([0.0, 1.0, 0.0]),
        difference=torch.zeros(3),
        guessed_rows=torch.arange(3),
        cycle_rows=torch.tensor([0, 1]),
        mix=torch.tensor([0.2, 0.7, 0.5]),
        noise=torch.randn(3, 2, generator=draw),
        counts=BatchCounts(labels=5, wanted=4, aligned=1, recoloured=1),
    )


def paper_cross_entropy(logits: torch.Tensor, values: list[tuple[int, int, int]]) -> float:
    """Mean of −log p(value) over (row, attribute, value)."""
    total = 0.0
    for row, attribute, value in values:
        scores = [math.exp(float(v)) for v in logits.detach()[row, SCHEMA.slices[attribute]]]
        total -= math.log(scores[value] / sum(scores))
    return total / len(values)
