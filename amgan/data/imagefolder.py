"""The ``imagefolder`` convention: a folder with ``metadata.csv``, ``.jsonl`` or ``.parquet`` and ``attributes.json``.

Columns: ``file_name`` (required), ``mask_file_name`` and ``split`` (optional), one per attribute of the schema, by its
name or an alias; an empty cell is an unknown label. Every other column is kept as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from amgan.data.metadata import find_metadata, metadata_rows, regular_file, require_folder
from amgan.data.names import item_id, relative_name
from amgan.errors import UserError
from amgan.schema import AttributeSchema

FIXED = ("file_name", "mask_file_name", "split")


@dataclass(frozen=True)
class Record:
    """One garment: where its files are, and its labels ``int64 (M,)`` with UNKNOWN for what is not known."""

    item_id: str
    file_name: str
    labels: np.ndarray
    mask_file_name: str | None = None
    split: str | None = None
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageFolder:
    root: Path
    schema: AttributeSchema
    records: tuple[Record, ...]

    def split(self, name: str) -> tuple[Record, ...]:
        """The records of one split. Raises UserError, with the splits there are, when it is empty."""
        chosen = tuple(r for r in self.records if r.split == name)
        if not chosen:
            there = sorted({r.split for r in self.records if r.split})
            raise UserError(
                f"{self.root} has no records in split {name!r}; it has {', '.join(there) or 'no split column'}."
            )
        return chosen


def read_imagefolder(folder: str | Path, schema: AttributeSchema | None = None) -> ImageFolder:
    """Read a labelled folder. A column that is probably a misspelt attribute is named on standard error.

    Args:
        folder: holds the metadata file and the pictures.
        schema: which columns are attributes and their values; ``attributes.json`` in the folder when not given.

    Raises:
        UserError: nothing readable there, a column or value is wrong (with its line), a file name leaves the folder or
            repeats.
    """
    root = Path(folder)
    require_folder(root, "metadata.csv and its pictures")
    metadata = find_metadata(root)
    if metadata is None:
        raise UserError(f"{root} holds no metadata.csv, metadata.jsonl or metadata.parquet with a file_name column.")
    if schema is None:
        schema = AttributeSchema.load(regular_file(root / "attributes.json") or root / "attributes.json")
    records: dict[str, Record] = {}
    columns: dict[str, None] = {}  # in order
    for row in metadata_rows(metadata):
        try:
            record = _record(row.cells, schema)
            if record.file_name in records:
                raise UserError(f"{record.file_name!r} is listed twice.")
        except UserError as error:
            raise UserError(f"{row.where}: {error}") from None
        records[record.file_name] = record
        columns |= dict.fromkeys(row.cells)
    if not records:
        raise UserError(f"{metadata} lists no pictures.")
    for sentence in misspelt(columns, schema, metadata):
        print(sentence, file=sys.stderr)
    return ImageFolder(root, schema, tuple(records.values()))


def misspelt(columns: Iterable[str], schema: AttributeSchema, metadata: Path) -> list[str]:
    """A sentence for each column that is left out and is probably meant for an attribute."""
    near = schema.near_columns([c for c in columns if c not in FIXED])
    return [
        f"{metadata}: the column {column!r} is no attribute and is not read as one; did you mean {key!r}?"
        for column, key in near.items()
    ]


def _record(cells: dict[str, str], schema: AttributeSchema) -> Record:
    if not cells["file_name"].strip():
        raise UserError("the cell file_name is empty.")
    name, mask = relative_name(cells["file_name"]), cells.get("mask_file_name", "").strip()
    known = {*FIXED, *schema.columns(cells)}
    return Record(
        item_id=item_id(name),
        file_name=name,
        labels=schema.encode(cells),
        mask_file_name=relative_name(mask) if mask else None,
        split=cells.get("split", "").strip() or None,
        extra={k: v for k, v in cells.items() if k not in known},
    )
