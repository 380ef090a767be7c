"""What the reader of a released data set gives: its schema, and its items one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from amgan.schema import AttributeSchema

VALIDATION_SHARE = 20  # one in so many of a published training split is for validation


@dataclass(frozen=True)
class Item:
    """One picture of a data set, not read yet.

    Attributes:
        file_name: of the picture, in the labelled folder.
        split: train, val, test, or empty.
        cells: labels by attribute, empty where unknown, and further columns.
        make: writes the picture, and a mask where there is one, below the folder, and gives the cells that it found
            out thereby. It may run in any thread. Raises PhotoError where the item has to be left out.
    """

    file_name: str
    split: str
    cells: Mapping[str, str]
    make: Callable[[Path], Mapping[str, str]] = field(compare=False)


class Release(Protocol):
    """A data set as its authors released it. Opening it reads and checks labels, and no pictures but a few.

    A reader is made by ``Reader(source, images)``: the path that the user gave, and the ``--images`` that some need.
    Raises UserError for whatever is not as released.

    Attributes:
        schema: the attributes of the labelled folder.
        columns: further columns of its metadata, ``mask_file_name`` among them where there are masks.
        sources: the files that the labels come from: a folder is completed only from the same ones.
        sentences: what the user should know and cannot put right.
    """

    schema: AttributeSchema
    columns: Sequence[str]
    sources: Sequence[Path]
    sentences: Sequence[str]

    def __len__(self) -> int:
        """How many items there are."""
        ...

    def items(self, start: int) -> Iterator[Item]:
        """All but the first ``start`` items, in an order that never changes; memory does not grow with their number."""
        ...

    def finish(self, out: Path) -> None:
        """Write what the data set has besides pictures and labels into the folder."""
        ...


PAPER_EDITS = ("collar", "color", "fastening", "pattern", "sleeve")  # what AMGAN edits on Shopping100k


def schema_of(values: Mapping[str, Sequence[str]]) -> AttributeSchema:
    """A schema in which the attributes that the paper edits can be edited, and the others are known; all of them can
    where it has none of the paper's."""
    paper = any(name in PAPER_EDITS for name in values)
    return AttributeSchema.from_dict(
        {
            name: list(v) if name in PAPER_EDITS or not paper else {"values": list(v), "editable": False}
            for name, v in values.items()
        }
    )


def validation_split(split: str, name: str) -> str:
    """The split, but ``val`` for one in twenty of ``train``, by the SHA-256 of the name: the published splits know only
    train and test, and nothing may be chosen on test."""
    return "val" if split == "train" and name_hash(name) % VALIDATION_SHARE == 0 else split


def name_hash(name: str) -> int:
    """The SHA-256 of a name as a whole number, the same on every machine."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16)
