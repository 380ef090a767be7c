"""True edits: pictures of the same garment with one attribute changed, where a data set has them.

``counterfactuals.csv`` beside the metadata lists them: ``file_name``, ``mask_file_name``, ``of`` (the garment's own
``file_name``), ``attribute`` (the one that was edited), and the labels after the edit, a column per attribute. ``amgan
synth --counterfactuals`` writes such folders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from amgan.data.imagefolder import ImageFolder
from amgan.data.metadata import metadata_rows, regular_file
from amgan.data.names import relative_name
from amgan.errors import UserError
from amgan.schema import UNKNOWN, AttributeSchema

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
    path = regular_file(folder.root / FILE)
    if path is None:
        return {}
    names = {r.file_name for r in folder.records}
    out: dict[str, list[TruthRecord]] = {}
    for row in metadata_rows(path):
        try:
            of, truth = _truth(row.cells, folder.schema)
            if of not in names:
                raise UserError(f"{of!r} is not among the garments of the metadata.")
        except UserError as error:
            raise UserError(f"{row.where}: {error}") from None
        out.setdefault(of, []).append(truth)
    return out


def _truth(cells: dict[str, str], schema: AttributeSchema) -> tuple[str, TruthRecord]:
    """The garment's ``file_name`` and its true edit."""
    missing = [k for k in ("file_name", "mask_file_name", "of", "attribute") if not cells.get(k, "").strip()]
    if missing:
        raise UserError(f"{', '.join(missing)} is missing or empty.")
    attribute, labels = schema.index(cells["attribute"]), schema.encode(cells)
    if labels[attribute] == UNKNOWN:
        raise UserError(f"the {cells['attribute']} was edited, but its cell is empty.")
    file_name, mask, of = (relative_name(cells[k]) for k in ("file_name", "mask_file_name", "of"))
    return of, TruthRecord(file_name, mask, attribute, labels)
