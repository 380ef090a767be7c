"""True edits: pictures of the same garment with one attribute changed, where a data set has them.

``counterfactuals.csv`` beside the metadata lists them: ``file_name``, ``mask_file_name``, ``of`` (the garment's own
``file_name``), ``attribute`` (the one that was edited), and the labels after the edit, a column per attribute. ``amgan
synth --counterfactuals`` writes such folders.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from amgan.data.imagefolder import ImageFolder, metadata_rows
from amgan.errors import UserError
from amgan.schema import UNKNOWN

FILE = "counterfactuals.csv"


@dataclass(frozen=True)
class TruthRecord:
    """One true edit on disk: labels after it, int64 (M,), and the index of the attribute that was edited."""

    file_name: str
    mask_file_name: str
    attribute: int
    labels: np.ndarray


@dataclass(frozen=True)
class Truths:
    """k true edits, framed as the garments that they are edits of.

    Attributes:
        images: uint8 (k, 3, S, S), on white.
        masks: bool (k, 1, S, S).
        of: int64 (k,), index of the garment.
        attribute: int64 (k,), which was edited.
        labels: int64 (k, M), after the edit.
    """

    images: Tensor
    masks: Tensor
    of: Tensor
    attribute: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.of)

    def to(self, device: torch.device) -> Truths:
        return Truths(*(t.to(device) for t in (self.images, self.masks, self.of, self.attribute, self.labels)))


def read_truths(folder: ImageFolder) -> dict[str, list[TruthRecord]]:
    """Per ``file_name`` of a garment its true edits; empty where the folder lists none.

    Raises:
        UserError: a row lacks a file, names a garment that is not there, or an attribute that the schema has not.
    """
    path: Path = folder.root / FILE
    if not path.is_file():
        return {}
    names = {r.file_name for r in folder.records}
    out: dict[str, list[TruthRecord]] = {}
    for line, row in enumerate(metadata_rows(path), start=2):
        missing = [k for k in ("file_name", "mask_file_name", "of", "attribute") if not row.get(k)]
        if missing:
            raise UserError(f"{path}, line {line}: {', '.join(missing)} is missing or empty.")
        if row["of"] not in names:
            raise UserError(f"{path}, line {line}: {row['of']!r} is not among the garments of the metadata.")
        for name in (row["file_name"], row["mask_file_name"]):
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise UserError(f"{path}, line {line}: {name!r} leaves the folder; file names are relative to it.")
        try:
            attribute, labels = folder.schema.index(row["attribute"]), folder.schema.encode(row)
        except UserError as error:
            raise UserError(f"{path}, line {line}: {error}") from None
        if labels[attribute] == UNKNOWN:
            raise UserError(f"{path}, line {line}: the {row['attribute']} was edited, but its cell is empty.")
        out.setdefault(row["of"], []).append(TruthRecord(row["file_name"], row["mask_file_name"], attribute, labels))
    return out
