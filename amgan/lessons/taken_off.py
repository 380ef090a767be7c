"""A lesson in taking patterns and prints off real garments."""

from __future__ import annotations

import copy

import torch
from rich.progress import track
from torch import Tensor

from amgan.lessons.lesson import Lesson, LessonData
from amgan.lessons.plain_cloth import without_pattern
from amgan.lessons.plan import BatchPlan, Edits
from amgan.pixels import to_chw, to_float, to_hwc

# Of ``LessonsConfig.patterned``, of the edits of garments that have such a pattern: prints, on the chest, are three of
# five, and from them alone sleeves and sides would be learnt to stay as they are.
SHARES = {"striped": 1.0, "checked": 1.0, "polka dot": 1.0, "floral": 1.0, "print": 0.7}
IN_ONE_PLACE = "print"
GROUND = 0.25  # of a garment, below which nobody could say which of its colours is the cloth's
SEEN = 0.02  # mean change of a garment, of 0..1, below which the rule found no pattern


class TakenOff(Lesson):
    """A real garment's pattern or print is taken off by rule, whichever edit was drawn: designs laid on plain cloth
    do not lie in folds as real ones do. There is no way back, as nothing says which pattern it was. The mask is asked
    to hold all of the cloth, as of other edits to it; of a print what the rule changed, so that the cloth around it
    stays as it was photographed."""

    def __init__(self, data: LessonData) -> None:
        super().__init__(data)
        self.pattern = data.pattern if data.config.patterned else None
        self.at = torch.full((len(data.garments),), -1)
        self.images = data.garments.images[:0]
        if self.pattern is not None:
            self._take_off(data)

    def _take_off(self, data: LessonData) -> None:
        """Of all garments labelled with a pattern that have no true edits."""
        assert self.pattern is not None
        garments, values = data.garments, data.garments.schema.attributes[self.pattern].values
        labels = data.labels[: data.descriptors.own, self.pattern]
        has_pattern = torch.isin(labels, torch.tensor([i for i, v in enumerate(values) if v in SHARES]))
        has_pattern &= ~data.has_true_edits
        images = []
        rows = has_pattern.nonzero()[:, 0].tolist()
        for n in track(rows, f"Taking patterns off {len(rows):,} garments", disable=len(rows) < 50):
            image, mask = to_hwc(garments.images[n]), garments.masks[n, 0].cpu().numpy()
            plain, ground = without_pattern(image, mask)
            change = abs(plain[mask].astype(float) - image[mask]).mean() / 255 if mask.any() else 0.0
            if ground > GROUND and change > SEEN:
                self.at[n] = len(images)
                images.append(to_chw(plain))
        if images:
            self.images = torch.stack(images).to(garments.images.device)

    def renewed(self, data: LessonData) -> TakenOff:
        other = copy.copy(self)  # patterns are taken off garments without true edits, and those stay
        other.data = data
        other.at = data.reaching(self.at)
        return other

    def serves(self, edits: Edits, generator: torch.Generator) -> Tensor:
        if self.pattern is None:
            return torch.zeros(len(edits.garment), dtype=torch.bool)
        values = self.data.garments.schema.attributes[self.pattern].values
        shares = torch.tensor([SHARES.get(v, 0.0) for v in values]) * self.data.config.patterned
        taken = torch.rand(len(edits.garment), generator=generator) < shares[edits.labels[:, self.pattern]]
        return taken & (self.at[edits.garment] >= 0)

    def take(self, edits: Edits, rows: Tensor, generator: torch.Generator) -> Edits:
        return edits if self.pattern is None else edits.asking(rows, self.pattern, self.data.plain)

    def alike_elsewhere(self, edits: Edits) -> Tensor:
        if self.pattern is None:
            return torch.zeros(len(edits.garment), dtype=torch.bool)
        values = self.data.garments.schema.attributes[self.pattern].values
        printed = torch.tensor([v == IN_ONE_PLACE for v in values])
        return printed[edits.labels[:, self.pattern]] & (edits.labels[:, self.pattern] >= 0)

    def make(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        return to_float(self.images[self.data.to_device(self.at[plan.edits.garment])]), masks
