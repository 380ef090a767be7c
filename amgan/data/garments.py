"""Labelled garments as tensors: cut out, framed, and held in memory as uint8 (a hundred thousand at 128 px take 6.5
GB)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from amgan.data.imagefolder import ImageFolder, Record
from amgan.errors import PhotoError, UserError
from amgan.photos import cut_out, read_image, read_mask
from amgan.schema import UNKNOWN, AttributeSchema


@dataclass(frozen=True)
class Garments:
    """n garments.

    Attributes:
        images: uint8 (n, 3, S, S), on white.
        masks: bool (n, 1, S, S), the cut-out's mask.
        labels: int64 (n, M), UNKNOWN where not known.
        item_ids: n names.
    """

    schema: AttributeSchema
    images: Tensor
    masks: Tensor
    labels: Tensor
    item_ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.item_ids)

    def to(self, device: torch.device) -> Garments:
        return Garments(
            self.schema, self.images.to(device), self.masks.to(device), self.labels.to(device), self.item_ids
        )


def load_garments(folder: ImageFolder, records: Sequence[Record], size: int, progress: bool = True) -> Garments:
    """Decode, cut out (by the given mask where there is one) and frame. Pictures that cannot be used are left out and
    told.

    Raises:
        UserError: none of the pictures can be used.
    """

    def one(record: Record) -> tuple[np.ndarray, np.ndarray] | str:
        try:
            image = read_image(folder.root / record.file_name)
            mask = None
            if record.mask_file_name:
                mask = read_mask(folder.root / record.mask_file_name)
            cut = cut_out(image, mask, size)
        except PhotoError as error:
            return str(error)
        if not cut.trusted and record.mask_file_name is None:
            return f"{record.file_name}: the garment could not be cut out with confidence ({' '.join(cut.problems)})"
        return cut.image, cut.mask

    with ThreadPoolExecutor(4) as pool:
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
    return Garments(
        folder.schema,
        torch.from_numpy(np.stack([x[0] for _, x in kept])).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(np.stack([x[1] for _, x in kept]) > 127)[:, None],
        torch.from_numpy(np.stack([r.labels for r, _ in kept])),
        tuple(r.item_id for r, _ in kept),
    )


def balance_weights(labels: Tensor, strength: float = 0.6) -> Tensor:
    """How often to draw each item, float64 (n,), so that rare values are seen: per attribute count^-strength, averaged.

    Args:
        labels: int64 (n, M).
        strength: 0 draws as the data are, 1 draws every value equally often.
    """
    weights = torch.zeros(len(labels), dtype=torch.float64)
    for column in labels.T:
        counts = torch.bincount(column[column != UNKNOWN]).clamp(min=1).double()
        # Unknown labels take the weight of the commonest value: they teach this attribute nothing.
        per_value = counts.pow(-strength)
        weight = torch.full((len(labels),), float(per_value.min()), dtype=torch.float64)
        known = column != UNKNOWN
        weight[known] = per_value[column[known]]
        weights += weight / weight.sum()
    return weights / weights.sum()
