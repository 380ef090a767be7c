"""A batch of edits for tests of losses, a class loss written out, and true pictures of edits."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from PIL import Image

from amgan.data.garments import Garments
from amgan.models.interface import BatchCounts, EditBatch
from amgan.photos import cut_out
from amgan.pixels import to_chw
from amgan.schema import UNKNOWN
from amgan.testing import SCHEMA, draw_garment

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


def others_in_red(garments: Garments) -> tuple[list[int], torch.Tensor]:
    """Of garments that ``draw_catalogue`` drew, which are not red, and what the true picture of each in red is, float32
    (n, 3, S, S) in 0..255."""
    names, size = SCHEMA.values("color"), garments.images.shape[-1]
    rows = [i for i in range(len(garments)) if names[int(garments.labels[i, 1])] != "red"]
    truths = []
    for i in rows:
        sleeve = SCHEMA.values("sleeve")[int(garments.labels[i, 0])]
        image, mask = draw_garment(sleeve, "red", seed=int(garments.item_ids[i].rsplit("/", 1)[-1]))
        truths.append(to_chw(cut_out(Image.fromarray(image), mask, size).image))
    return rows, torch.stack(truths).float()
