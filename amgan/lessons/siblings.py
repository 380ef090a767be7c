"""Two pictures of one garment that an embedder learns to put together: the photo, and the photo recoloured, edited, or,
of a garment that was drawn, drawn otherwise."""

from __future__ import annotations

import torch
from torch import Tensor

from amgan.attributes import asked_of, where
from amgan.data.garments import Garments
from amgan.lessons.colour import lab_statistics, recolour
from amgan.pixels import to_float
from amgan.schema import UNKNOWN, AttributeSchema


class Siblings:
    """Makes the second picture of garments, with its labels.

    Args:
        garments: what is learnt from; true edits are second pictures of theirs.
    """

    def __init__(self, garments: Garments) -> None:
        self.garments = garments
        names = [garments.schema.names[m] for m in where(garments.schema, "recoloured")]
        self.color = garments.schema.index(names[0]) if names else None
        self.statistics = _statistics(garments)  # (n, 6)
        self.of_colour: list[Tensor] = []  # by colour that may be asked for, the garments that have it
        if self.color is not None:
            attribute, labels = garments.schema.attributes[self.color], garments.labels[:, self.color].cpu()
            rows = {attribute.values.index(v): (labels == attribute.values.index(v)) for v in asked_of(attribute)}
            self.of_colour = [r.nonzero()[:, 0] for r in rows.values() if r.any()]
        t = garments.truths
        self.true_edits = torch.bincount(t.of.cpu(), minlength=len(garments)) if t is not None else None
        if self.true_edits is not None:  # in the order of their garments
            self.first_edit = self.true_edits.cumsum(0) - self.true_edits

    def recoloured(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Garments in the shade of another one, its colour uniform over the colours, as floats in [-1, 1] with labels.

        Args:
            rows: int64 (b,), which garments.
        """
        g = self.garments
        images, labels = to_float(g.images[rows]), g.labels[rows].clone()
        if self.color is None or not self.of_colour or not len(rows):
            return images, labels
        colour = torch.randint(len(self.of_colour), (len(rows),), generator=generator)
        chance = torch.rand(len(rows), generator=generator)
        models = []
        for c, share in zip(colour.tolist(), chance.tolist(), strict=True):
            models.append(self.of_colour[c][int(share * len(self.of_colour[c]))])
        model = torch.stack(models).to(g.labels.device)
        images = recolour(images, g.masks[rows].float(), self.statistics[rows], self.statistics[model])
        labels[:, self.color] = g.labels[model, self.color]
        return images, labels

    def drawn_otherwise(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """True edits of those of the garments that have any: which of ``rows``, bool (b,), their pictures as floats in
        [-1, 1], and labels."""
        g, t = self.garments, self.garments.truths
        chance = torch.rand(len(rows), generator=generator)
        if t is None or self.true_edits is None:
            none = torch.zeros(len(rows), dtype=torch.bool)
            return none, to_float(g.images[:0]), g.labels[:0]
        count = self.true_edits[rows]
        has = count > 0
        truth = (self.first_edit[rows] + (chance * count).long())[has]
        return has, to_float(t.images[truth]), t.labels[truth]


def possible_edits(schema: AttributeSchema, editor: AttributeSchema) -> list[list[tuple[int, int, dict[str, str]]]]:
    """By attribute that an editor edits and a schema knows: (attribute, value) in the schema, and the edit as the
    editor takes it."""
    out = []
    for attribute in editor.attributes:
        known = schema.find_attribute(attribute.name)
        values = schema.values(known) if known is not None else ()
        edits = [
            (schema.index(attribute.name), values.index(v), {attribute.name: v})
            for v in asked_of(attribute)
            if v in values
        ]
        if edits:
            out.append(edits)
    return out


def edited_labels(labels: Tensor, edits: list[tuple[int, int, dict[str, str]]]) -> Tensor:
    """Labels int64 (b, M) after one edit each."""
    labels = labels.clone()
    for row, (attribute, value, _) in enumerate(edits):
        labels[row, attribute] = value if value >= 0 else UNKNOWN
    return labels


def _statistics(garments: Garments, batch: int = 256) -> Tensor:
    parts = zip(garments.images.split(batch), garments.masks.split(batch), strict=True)
    return torch.cat([lab_statistics(to_float(images), masks.float()) for images, masks in parts])
