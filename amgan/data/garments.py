"""Labelled garments as tensors: cut out, framed, and held in memory as uint8 (a hundred thousand at 128 px take 6.5
GB)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from amgan.data.imagefolder import ImageFolder, Record
from amgan.data.truths import TruthRecord, Truths, read_truths
from amgan.errors import PhotoError, UserError
from amgan.photos import Placement, cut_out, frame_at, read_image, read_mask
from amgan.schema import UNKNOWN, AttributeSchema

Cut = tuple[np.ndarray, np.ndarray]  # image (S, S, 3) and mask (S, S), uint8


@dataclass(frozen=True)
class Garments:
    """n garments.

    Attributes:
        images: uint8 (n, 3, S, S), on white.
        masks: bool (n, 1, S, S), the cut-out's mask.
        labels: int64 (n, M), UNKNOWN where not known.
        item_ids: n names.
        truths: true edits of some of them, where the data have any.
    """

    schema: AttributeSchema
    images: Tensor
    masks: Tensor
    labels: Tensor
    item_ids: tuple[str, ...]
    truths: Truths | None = None

    def __len__(self) -> int:
        return len(self.item_ids)

    def with_truths(self) -> Garments:
        """The true edits as garments of their own: a classifier learns from either."""
        t = self.truths
        if t is None:
            return self
        return Garments(
            self.schema,
            torch.cat([self.images, t.images]),
            torch.cat([self.masks, t.masks]),
            torch.cat([self.labels, t.labels]),
            (*self.item_ids, *(f"{self.item_ids[int(i)]}#{k}" for k, i in enumerate(t.of))),
        )

    def with_schema(self, schema: AttributeSchema) -> Garments:
        """The garments that have true edits within another schema, with the labels and edits that it knows.

        Raises:
            UserError: there are none.
        """
        t = self.truths
        if t is None or not set(schema.names) <= set(self.schema.names):
            raise UserError("Extra garments need true edits, and every attribute of the data they are added to.")
        translate = [_translation(self.schema, schema, name) for name in schema.names]

        def translated(labels: Tensor) -> Tensor:
            columns = [t[labels[:, self.schema.names.index(n)]] for n, t in zip(schema.names, translate, strict=True)]
            return torch.stack(columns, dim=1)

        place = torch.tensor([schema.names.index(n) if n in schema.names else UNKNOWN for n in self.schema.names])
        attribute, after = place[t.attribute], translated(t.labels)
        kept = (attribute >= 0) & (after.gather(1, attribute.clamp(min=0)[:, None])[:, 0] >= 0)
        if not kept.any():
            raise UserError(f"None of the extra garments' true edits is within {schema.to_dict()}.")
        chosen, of = t.of[kept].unique(return_inverse=True)
        truths = Truths(t.images[kept], t.masks[kept], of, attribute[kept], after[kept])
        return Garments(
            schema,
            self.images[chosen],
            self.masks[chosen],
            translated(self.labels[chosen]),
            tuple(self.item_ids[int(i)] for i in chosen),
            truths,
        )

    def joined(self, other: Garments) -> Garments:
        """These and then others of the same schema."""
        mine, theirs = self.truths, other.truths
        if theirs is not None:
            theirs = replace(theirs, of=theirs.of + len(self))
        both = [t for t in (mine, theirs) if t is not None]
        truths = None
        if both:
            truths = Truths(
                *(torch.cat([getattr(t, f.name) for t in both]) for f in fields(Truths))  # in the order of garments
            )
        return Garments(
            self.schema,
            torch.cat([self.images, other.images]),
            torch.cat([self.masks, other.masks]),
            torch.cat([self.labels, other.labels]),
            self.item_ids + other.item_ids,
            truths,
        )

    def to(self, device: torch.device) -> Garments:
        return Garments(
            self.schema,
            self.images.to(device),
            self.masks.to(device),
            self.labels.to(device),
            self.item_ids,
            None if self.truths is None else self.truths.to(device),
        )


def load_garments(folder: ImageFolder, records: Sequence[Record], size: int, progress: bool = True) -> Garments:
    """Decode, cut out (by the given mask where there is one) and frame. Pictures that cannot be used are left out and
    told.

    Raises:
        UserError: none of the pictures can be used.
    """

    true_edits = read_truths(folder)

    def one(record: Record) -> tuple[Cut, list[Cut]] | str:
        try:
            image = read_image(folder.root / record.file_name)
            mask = None
            if record.mask_file_name:
                mask = read_mask(folder.root / record.mask_file_name)
            cut = cut_out(image, mask, size)
            edits = [_framed_alike(folder, t, cut.placement) for t in true_edits.get(record.file_name, ())]
        except PhotoError as error:
            return str(error)
        if not cut.trusted and record.mask_file_name is None:
            return f"{record.file_name}: the garment could not be cut out with confidence ({' '.join(cut.problems)})"
        return (cut.image, cut.mask), edits

    with ThreadPoolExecutor(max(4, os.cpu_count() or 4)) as pool:
        results = pool.map(one, records)
        if progress:
            results = track(results, f"Cutting out {len(records):,} garments", total=len(records))
        results = list(results)
    kept = [(r, x) for r, x in zip(records, results, strict=True) if not isinstance(x, str)]
    refused = [x for x in results if isinstance(x, str)]
    if refused:
        print(f"Left out {len(refused)} of {len(records)} pictures; the first: {refused[0]}")
    if not kept:
        raise UserError(f"None of the {len(records)} pictures in {folder.root} can be used.")
    images, masks = _stacked([x[0] for _, x in kept])
    truths = None
    listed = [(i, t) for i, (r, _) in enumerate(kept) for t in true_edits.get(r.file_name, ())]
    if listed:
        of, edits = torch.tensor([i for i, _ in listed]), [t for _, t in listed]
        truths = Truths(
            *_stacked([c for _, x in kept for c in x[1]]),
            of,
            torch.tensor([t.attribute for t in edits]),
            torch.from_numpy(np.stack([t.labels for t in edits])),
        )
    return Garments(
        folder.schema,
        images,
        masks,
        torch.from_numpy(np.stack([r.labels for r, _ in kept])),
        tuple(r.item_id for r, _ in kept),
        truths,
    )


def _translation(old: AttributeSchema, new: AttributeSchema, name: str) -> Tensor:
    """For each value of an attribute its index in the new schema, UNKNOWN where that has none; the last entry is for
    unknown labels, whose index is -1."""
    valid = new.values(name)
    return torch.tensor([valid.index(v) if v in valid else UNKNOWN for v in old.values(name)] + [UNKNOWN])


def _framed_alike(folder: ImageFolder, truth: TruthRecord, placement: Placement) -> Cut:
    """A true edit in the frame of the garment that it is an edit of: they lie pixel upon pixel."""
    image = np.asarray(read_image(folder.root / truth.file_name).convert("RGB"))
    framed = frame_at(image, read_mask(folder.root / truth.mask_file_name), placement)
    return framed.image, framed.mask


def _stacked(cuts: Sequence[Cut]) -> tuple[Tensor, Tensor]:
    """Images uint8 (n, 3, S, S) and masks bool (n, 1, S, S)."""
    images = torch.from_numpy(np.stack([c[0] for c in cuts])).permute(0, 3, 1, 2).contiguous()
    return images, torch.from_numpy(np.stack([c[1] for c in cuts]) > 127)[:, None]


def balance_weights(labels: Tensor, strength: float = 0.6) -> Tensor:
    """How often to draw each item, float64 (n,), so that rare values are seen: per attribute count^-strength, averaged.

    Args:
        labels: int64 (n, M).
        strength: 0 draws as the data are, 1 draws every value equally often.
    """
    weights = torch.zeros(len(labels), dtype=torch.float64)
    for column in labels.T:
        if not (column != UNKNOWN).any():  # says nothing of any item
            continue
        counts = torch.bincount(column[column != UNKNOWN]).clamp(min=1).double()
        # Unknown labels take the weight of the commonest value: they teach this attribute nothing.
        per_value = counts.pow(-strength)
        weight = torch.full((len(labels),), float(per_value.min()), dtype=torch.float64)
        known = column != UNKNOWN
        weight[known] = per_value[column[known]]
        weights += weight / weight.sum()
    return weights / weights.sum() if weights.any() else torch.full_like(weights, 1 / len(labels))
