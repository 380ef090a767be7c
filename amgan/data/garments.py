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

from amgan.cache import content_key
from amgan.data.cutouts import CutOuts
from amgan.data.digests import Digests
from amgan.data.imagefolder import ImageFolder, Record
from amgan.data.truths import Truths, read_truths
from amgan.errors import PhotoError, UserError
from amgan.photos import Framed, Segmenter
from amgan.schema import UNKNOWN, AttributeSchema


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

    @property
    def have_true_edits(self) -> Tensor:
        """Bool (n,), on the host."""
        out = torch.zeros(len(self), dtype=torch.bool)
        return out if self.truths is None else out.index_fill(0, self.truths.of.cpu(), True)

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
        if t is None:
            raise UserError("Extra garments need true edits; these have none.")

        def translated(labels: Tensor) -> Tensor:
            return torch.from_numpy(schema.translated(labels.cpu().numpy(), self.schema)).to(labels.device)

        found = [schema.find_attribute(n) for n in self.schema.names]
        place = torch.tensor([schema.index(n) if n in schema.editable else UNKNOWN for n in found])
        attribute, after = place[t.attribute], translated(t.labels)
        kept = (attribute >= 0) & (after.gather(1, attribute.clamp(min=0)[:, None])[:, 0] >= 0)
        if not kept.any():
            raise UserError(f"None of the extra garments' true edits is within {schema.values_by_name()}.")
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


def load_garments(
    folder: ImageFolder,
    records: Sequence[Record],
    size: int,
    progress: bool = True,
    segmenter: Segmenter | None = None,
) -> Garments:
    """Decode, cut out (by the given mask where there is one) and frame, or take from the cache what was cut out before.
    Pictures that cannot be used are left out, and the first is named.

    Args:
        records: of the folder.
        size: side of the frame in pixels.
        progress: show it, and say how many cut-outs came from the cache.
        segmenter: cuts out photos without a mask; the classical one by default.

    Raises:
        UserError: none of the pictures can be used.
    """
    true_edits = read_truths(folder)
    cut_outs = CutOuts(folder, size, segmenter=segmenter)

    def one(record: Record) -> tuple[Framed, list[Framed]] | str:
        try:
            cut = cut_outs.garment(record)
            return cut, [cut_outs.framed_alike(t, cut.placement) for t in true_edits.get(record.file_name, ())]
        except PhotoError as error:
            return str(error)

    # Processes that start together begin at different places, and find what the others have cut out meanwhile.
    start = len(records) * int(os.environ.get("RANK", "0")) // int(os.environ.get("WORLD_SIZE", "1"))
    with ThreadPoolExecutor(max(4, os.cpu_count() or 4)) as pool:
        results = pool.map(one, [*records[start:], *records[:start]])
        if progress:
            results = track(results, f"Cutting out {len(records):,} garments", total=len(records))
        results = list(results)
    results = [*results[len(records) - start :], *results[: len(records) - start]]
    cut_outs.digests.save()
    if progress:
        print(f"{cut_outs.reused:,} of {cut_outs.reused + cut_outs.made:,} cut-outs came from the cache.")
    if cut_outs.cache.failure:
        print(f"Cut-outs could not be kept for the next start: {cut_outs.cache.failure}.")
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


def contents_hash(folder: ImageFolder, records: Sequence[Record]) -> str:
    """SHA-256, in hex, of names and contents of the records' pictures and masks, and of their true edits' ones.

    Files whose size and times have not changed since they were last read are not read again. One that cannot be read
    counts as such, so that the hash changes once it can.
    """
    digests, true_edits = Digests(folder.root), read_truths(folder)

    def one(name: str) -> str:
        try:
            return digests.of(name)
        except PhotoError as error:
            return error.reason

    names: list[str | None] = []
    for record in records:
        names += [record.file_name, record.mask_file_name]
        for edit in true_edits.get(record.file_name, ()):
            names += [edit.file_name, edit.mask_file_name]
    with ThreadPoolExecutor(max(4, os.cpu_count() or 4)) as pool:
        found = list(pool.map(one, [name for name in names if name]))
    digests.save()
    return content_key(*names, *found)


def _stacked(cuts: Sequence[Framed]) -> tuple[Tensor, Tensor]:
    """Images uint8 (n, 3, S, S) and masks bool (n, 1, S, S)."""
    images = torch.from_numpy(np.stack([c.image for c in cuts])).permute(0, 3, 1, 2).contiguous()
    return images, torch.from_numpy(np.stack([c.mask for c in cuts]) > 127)[:, None]


def balance_weights(labels: Tensor, strength: float = 0.6) -> Tensor:
    """How often to draw each item, float64 (n,), so that rare values occur: per attribute count^-strength, averaged.

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
